// What happened in a call, as a ladder: the gateway draws it, this page shows it, follows it and opens its messages.
import { ApiError } from "./api.js";
import { saveAs } from "./call_details.js";
import { copyButton } from "./copying.js";
import { byId, element, setText } from "./element.js";
import { withKey } from "./key_gate.js";
import { attempt, notice } from "./notices.js";

const FOLLOW_MS = 1000;
// The last messages of a call are written a moment after its end.
const LOOKS_AFTER_END = 5;

class Trace {
  #api;
  #path;
  #callId;
  #entries = new Map();
  #selected = null;
  #looks = 0;

  constructor(api, callId) {
    this.#api = api;
    this.#callId = callId;
    this.#path = `/v2/gateway/calls/${encodeURIComponent(callId)}/trace`;
    for (const kind of ["txt", "svg", "pcap"]) byId(`save-${kind}`).onclick = () => this.#save(kind);
    byId("close-message").onclick = () => this.#close();
    byId("ladder").onclick = (event) => this.#open(rowOf(event.target));
    byId("ladder").onkeydown = (event) => this.#onKey(event);
  }

  /** Shows what there is, and what comes while the call lives. */
  async follow() {
    try {
      const isLive = await this.#look();
      if (!isLive) this.#looks += 1;
      if (isLive || this.#looks < LOOKS_AFTER_END) setTimeout(() => this.follow(), FOLLOW_MS);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404) this.#tellNothing("The gateway knows no such call.");
      else if (error.status !== 401) notice({ title: "The trace could not be read", advice: error.message });
      // A gateway that is restarted answers again in a moment.
      if (error.status === 0) setTimeout(() => this.follow(), FOLLOW_MS);
    }
  }

  async #look() {
    const newest = Math.max(0, ...this.#entries.keys());
    const { data } = await this.#api.get(`${this.#path}?after=${newest}`);
    for (const entry of data.entries) this.#entries.set(entry.sequence, entry);
    byId("state").hidden = false;
    setText(byId("state"), data.is_live ? "live" : "ended");
    byId("state").dataset.state = data.is_live ? "" : "off";
    if (data.entries.length > 0) await this.#draw();
    if (this.#entries.size === 0) this.#tellNothing("Nothing is kept of this call, or not any more.");
    const first = [...this.#entries.values()].find((entry) => entry.kind === "call");
    setText(byId("parties"), first ? first.title : this.#callId);
    return data.is_live;
  }

  async #draw() {
    const text = await (await this.#api.request(`${this.#path}.svg`)).text();
    const drawn = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
    const focused = rowOf(document.activeElement)?.dataset.entry;
    byId("no-trace").hidden = true;
    byId("ladder").replaceChildren(drawn);
    this.#mark();
    if (focused) rows().find((row) => row.dataset.entry === focused)?.focus({ preventScroll: true });
  }

  #tellNothing(text) {
    setText(byId("no-trace"), text);
    byId("no-trace").hidden = false;
    for (const kind of ["txt", "svg", "pcap"]) byId(`save-${kind}`).disabled = true;
  }

  #onKey(event) {
    const row = rowOf(event.target);
    if (!row) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.#open(row);
    else if (step) rows()[rows().indexOf(row) + step]?.focus();
    else if (event.key === "Escape") this.#close();
    else return;
    event.preventDefault();
  }

  #open(row) {
    const entry = row && this.#entries.get(Number(row.dataset.entry));
    if (!entry?.text) return;
    this.#selected = entry.sequence;
    this.#mark();
    const isIn = entry.way === "in";
    const facts = [
      ["Sent", entry.at],
      ["Since the start", `${entry.offset_s.toFixed(6)} s`],
      ["Over", entry.transport],
      ["From", isIn ? entry.remote : entry.local],
      ["To", isIn ? entry.local : entry.remote],
      ["Client", entry.party],
    ];
    if (isIn) facts[0][0] = "Received";
    setText(byId("message-title"), entry.title + (entry.is_repeat ? " (again)" : ""));
    byId("message-facts").replaceChildren(...facts.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", { class: "code" }, value))));
    setText(byId("message-text"), entry.text);
    byId("message-text").scrollTop = 0;
    byId("copy-place").replaceChildren(copyButton(() => entry.text, "the message"));
    byId("message").hidden = false;
    setText(byId("announce"), `Message ${entry.title} is shown`);
    // Beside the ladder it is seen anyway; below it, on a narrow screen, it has to be brought into view.
    byId("message").scrollIntoView({ block: "nearest" });
  }

  #close() {
    byId("message").hidden = true;
    const row = rows().find((one) => Number(one.dataset.entry) === this.#selected);
    this.#selected = null;
    this.#mark();
    row?.focus();
  }

  #mark() {
    for (const row of rows()) row.setAttribute("aria-pressed", String(Number(row.dataset.entry) === this.#selected));
  }

  #save(kind) {
    return attempt("The trace could not be saved", async () => saveAs(await (await this.#api.request(`${this.#path}.${kind}`)).blob(), `call-${this.#callId}.${kind}`));
  }
}

const rows = () => [...byId("ladder").querySelectorAll("[role=button]")];
const rowOf = (target) => target?.closest?.("#ladder [role=button]");

const callId = new URLSearchParams(location.search).get("call") ?? "";
withKey((api) => {
  if (callId) new Trace(api, callId).follow();
  else {
    setText(byId("no-trace"), "Open a trace from the details of a call: on the phone's page or in the call records.");
    byId("no-trace").hidden = false;
  }
});
