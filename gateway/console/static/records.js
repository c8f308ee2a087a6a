// The page of the call records: ended calls, looked through from the newest on until enough of them fit.
import { BillingCard } from "./billing.js";
import { callDetails, codecPair, endOf, lengthOf, partiesOf } from "./call_details.js";
import { byId, element, setText } from "./element.js";
import { withKey } from "./key_gate.js";
import { attempt } from "./notices.js";
import { causeNames, instant, moment } from "./words.js";

// Calls of one request, rows that one press adds, and calls that one press looks at: the API itself has no filters.
const PAGE = 250;
const ROWS = 50;
const LOOKED_AT = 2500;
const AFTER_TYPING_MS = 250;
const DAY_MS = 86_400_000;

class Records {
  #api;
  #users = new Map();
  #queue = [];
  #before = null;
  #isOver = false;
  #rows = 0;
  #looked = 0;
  #oldest = null;
  #turn = 0;
  #isLooking = false;
  // Calls whose details are open: they stay so when the filters change.
  #opened = new Set();

  constructor(api) {
    this.#api = api;
    byId("further").onclick = () => this.#isLooking || this.#further();
  }

  async start() {
    const found = await attempt("The connections could not be loaded", () => this.#api.get("/v2/credential_connections?page[size]=250"));
    for (const { id, connection_name: name, user_name: user } of found?.data ?? []) this.#users.set(id, `${user} ${name}`.toLowerCase());
    await this.restart();
  }

  /** Looks from the newest call on, with the filters as they are now. */
  async restart() {
    this.#queue = [];
    this.#before = null;
    this.#isOver = false;
    this.#rows = 0;
    this.#looked = 0;
    byId("calls").replaceChildren();
    await this.#further();
  }

  async #further() {
    this.#turn += 1;
    const turn = this.#turn;
    this.#isLooking = true;
    byId("no-records").hidden = true;
    setText(byId("searched"), "Looking …");
    const found = await attempt("The calls could not be loaded", () => this.#look(wanted(this.#users), () => turn === this.#turn));
    if (turn !== this.#turn) return; // the filters have changed meanwhile
    this.#isLooking = false;
    const first = found?.length ? this.#add(found) : null;
    if (this.#rows > ROWS) first?.querySelector("button").focus();
    this.#tell(Boolean(found));
  }

  async #look({ fits, from }, isCurrent) {
    const found = [];
    for (let looked = 0; found.length < ROWS && looked < LOOKED_AT && !this.#isOver; looked += 1) {
      if (this.#queue.length === 0) await this.#read(isCurrent);
      if (!isCurrent()) break;
      const call = this.#queue.shift();
      if (!call || instant(call.started_at) < from) {
        this.#isOver = true;
      } else {
        this.#looked += 1;
        this.#oldest = call.started_at;
        if (fits(call)) found.push(call);
      }
    }
    return found;
  }

  async #read(isCurrent) {
    if (this.#before === undefined) return;
    const before = this.#before ? `&before=${encodeURIComponent(this.#before)}` : "";
    const { data, meta } = await this.#api.get(`/v2/gateway/calls?state=ended&limit=${PAGE}${before}`);
    if (!isCurrent()) return;
    this.#queue = data;
    this.#before = meta.next_before ?? undefined;
  }

  #add(calls) {
    const rows = calls.map((call) => this.#row(call));
    byId("calls").append(...rows.flat());
    this.#rows += rows.length;
    return rows[0]?.[0];
  }

  /** The row of a call, and that of its details if they are open. */
  #row(call) {
    const toggle = element("button", { type: "button", class: "plain icon more", "aria-expanded": "false", "aria-label": `Details of the call to ${call.callee}`, title: "All that is known" }, "▸");
    const row = element(
      "tr",
      {},
      element("td", {}, moment(instant(call.started_at))),
      element("td", {}, ...partiesOf(call)),
      element("td", { class: "number" }, lengthOf(call)),
      element("td", {}, codecPair(call)),
      element("td", {}, ...endOf(call)),
      element("td", { class: "row-actions" }, toggle),
    );
    const detail = element("tr", { class: "detail" });
    const open = () => {
      toggle.setAttribute("aria-expanded", "true");
      detail.replaceChildren(element("td", { colspan: "6" }, ...callDetails(call, this.#api)));
    };
    toggle.addEventListener("click", () => {
      if (this.#opened.delete(call.call_id)) {
        toggle.setAttribute("aria-expanded", "false");
        detail.remove();
        return;
      }
      this.#opened.add(call.call_id);
      open();
      row.after(detail);
    });
    if (!this.#opened.has(call.call_id)) return [row];
    open();
    return [row, detail];
  }

  #tell(isLoaded) {
    byId("no-records").hidden = !isLoaded || this.#rows > 0;
    setText(byId("no-records"), this.#looked === 0 && !hasFilter() ? "No call has ended yet." : "No call fits.");
    byId("further").hidden = this.#isOver || !isLoaded;
    setText(byId("further"), hasFilter() ? "Look further back" : "Show older calls");
    const back = this.#looked ? `, back to ${moment(instant(this.#oldest))}` : "";
    setText(byId("searched"), isLoaded ? `${this.#rows} of ${this.#looked} calls that were looked at${back}${this.#isOver ? "; that is all" : ""}.` : "");
  }
}

function hasFilter() {
  return ["by-user", "by-number", "by-direction", "by-cause", "by-day"].some((id) => byId(id).value.trim());
}

/** Whether a call fits the filters, and the instant before which none can. */
function wanted(users) {
  const value = (id) => byId(id).value.trim().toLowerCase();
  const [user, direction, cause] = [value("by-user"), value("by-direction"), value("by-cause")];
  const number = value("by-number").replace(/[^0-9*#]/g, "");
  const day = byId("by-day").value;
  const from = day ? new Date(`${day}T00:00:00`).getTime() : -Infinity;
  // The next midnight of the reader, whatever the clocks do that day.
  const to = day ? new Date(new Date(from + DAY_MS * 1.25).setHours(0, 0, 0, 0)).getTime() : Infinity;
  const fits = (call) => {
    const sides = `${call.caller ?? ""} ${call.callee ?? ""}`.toLowerCase();
    return (
      (!user || `${sides} ${users.get(call.connection_id) ?? ""}`.includes(user)) &&
      (!number || sides.includes(number)) &&
      (!direction || call.direction === direction) &&
      (!cause || (call.cause ?? "").toLowerCase() === cause) &&
      instant(call.started_at) < to
    );
  };
  return { fits, from };
}

byId("by-cause").append(...causeNames().map((name) => element("option", {}, name)));
let records = null;
let timer;
byId("record-filters").addEventListener("submit", (event) => event.preventDefault());
for (const name of ["input", "reset"]) {
  byId("record-filters").addEventListener(name, () => {
    clearTimeout(timer);
    timer = setTimeout(() => records?.restart(), AFTER_TYPING_MS);
  });
}
withKey((api) => {
  records = new Records(api);
  records.start();
  new BillingCard(api);
});
