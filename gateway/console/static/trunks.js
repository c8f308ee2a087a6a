// How each trunk stands: alive, registered, how full. Asked for every few seconds while the page is seen.
import { ApiError } from "./api.js";
import { byId, element } from "./element.js";

const EVERY_MS = 5000;

const REGISTRATIONS = {
  registering: ["registering", "ringing"],
  registered: ["registered", "active"],
  failed: ["failed, tried again", "held"],
  denied: ["denied", "held"],
  ended: ["ended", "ended"],
};

/** Shows the trunks until the API refuses; a page without any but the lab's has nothing to tell. */
export class Trunks {
  #api = null;

  constructor() {
    setInterval(() => this.#look(), EVERY_MS);
  }

  start(api, trunks) {
    this.#api = api;
    this.#render(trunks);
  }

  close() {
    this.#api = null;
    byId("trunks-card").hidden = true;
  }

  async #look() {
    const api = this.#api;
    if (api === null || document.hidden || byId("trunks-card").hidden) return;
    try {
      const { data } = await api.get("/v2/gateway/info");
      if (this.#api === api) this.#render(data.trunk_states);
    } catch (error) {
      // A gateway that is away is told of by the stream of calls; a refused key as well.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  #render(trunks) {
    byId("trunks-card").hidden = trunks.every((trunk) => trunk.name === "lab");
    byId("trunks").replaceChildren(...trunks.map(rowOf));
  }
}

function rowOf(trunk) {
  return element(
    "tr",
    {},
    element("td", { class: "party" }, trunk.name),
    element("td", {}, badge(...stateOf(trunk))),
    element("td", {}, trunk.registration === null ? "none" : badge(...registrationOf(trunk))),
    element("td", { class: "number" }, String(trunk.calls)),
  );
}

function stateOf(trunk) {
  if (trunk.health === "down") return ["down", "held"];
  if (trunk.rests_s > 0) return [`rests ${Math.ceil(trunk.rests_s)} s`, "held"];
  return trunk.health === "up" ? ["up", "active"] : ["not asked", "ended"];
}

function registrationOf(trunk) {
  const [words, state] = REGISTRATIONS[trunk.registration] ?? [trunk.registration, "held"];
  return trunk.is_registered && trunk.registration !== "registered" ? ["refresh failed, still holds", "held"] : [words, state];
}

function badge(words, state) {
  return element("span", { class: "badge", dataset: { state } }, words);
}
