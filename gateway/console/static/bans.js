// Addresses that the SIP port does not listen to, and a button that ends a ban.
import { ApiError } from "./api.js";
import { byId, element } from "./element.js";
import { clock } from "./words.js";

const EVERY = 15_000;
const WORDS = {
  scanner: "scanner",
  wrong_digest: "wrong passwords",
  unknown_user: "unknown users",
  malformed: "unreadable messages",
  flood: "too many messages",
};

export class Bans {
  #api = null;
  #onProblem;

  constructor({ onProblem }) {
    this.#onProblem = onProblem;
    setInterval(() => this.#load(), EVERY);
  }

  start(api) {
    this.#api = api;
    this.#load();
  }

  close() {
    this.#api = null;
    byId("bans-card").hidden = true;
  }

  async #load() {
    if (!this.#api || document.hidden) return;
    try {
      this.#show((await this.#api.get("/v2/gateway/bans")).data);
    } catch (error) {
      // The list is looked at again soon, and the event stream tells of a key or a gateway that is gone.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  #show(bans) {
    byId("bans-card").hidden = !this.#api || bans.length === 0;
    byId("bans").replaceChildren(...bans.map((ban) => this.#row(ban)));
  }

  #row(ban) {
    const lift = element("button", { type: "button", class: "soft tiny", "aria-label": `Listen to ${ban.network} again`, onclick: () => this.#lift(ban) }, "Lift");
    return element(
      "tr",
      {},
      element("td", { class: "code" }, ban.network),
      element("td", {}, WORDS[ban.offence] ?? ban.offence),
      element("td", {}, clock(ban.banned_at)),
      element("td", {}, clock(ban.expires_at)),
      element("td", { class: "row-actions" }, lift),
    );
  }

  async #lift(ban) {
    try {
      await this.#api.send("DELETE", `/v2/gateway/bans/${encodeURIComponent(ban.address)}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#onProblem({ title: "The ban could not be lifted", advice: error.message });
    }
    this.#load();
  }
}
