// The card of the detail records: what each call of a client cost, and the same as CSV.
import { saveAs } from "./call_details.js";
import { byId, element } from "./element.js";
import { attempt } from "./notices.js";
import { cell, PagedList } from "./paged_list.js";
import { duration, instant, moment } from "./words.js";

const AFTER_TYPING_MS = 250;

export class BillingCard {
  #api;
  #list;
  #timer;

  constructor(api) {
    this.#api = api;
    this.#list = new PagedList({
      body: byId("billing"),
      empty: byId("no-billing"),
      more: byId("more-billing"),
      words: "detail records",
      load: (number) => api.get(`/v2/detail_records?${question()}&page[number]=${number}&page[size]=50`),
      row: (record) => [row(record)],
    });
    byId("by-login").oninput = () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#list.restart(), AFTER_TYPING_MS);
    };
    byId("by-range").onchange = () => this.#list.restart();
    byId("refresh-billing").onclick = () => this.#list.refresh();
    byId("save-billing").onclick = () => this.#save();
    this.#list.restart();
  }

  #save() {
    return attempt("The detail records could not be saved", async () => saveAs(await (await this.#api.request(`/v2/detail_records.csv?${question()}`)).blob(), `detail-records-${byId("by-range").value}.csv`));
  }
}

function question() {
  const login = byId("by-login").value.trim();
  const user = login ? `&filter[auth_username]=${encodeURIComponent(login)}` : "";
  return `filter[record_type]=webrtc&filter[date_range]=${byId("by-range").value}${user}`;
}

function row(record) {
  return element(
    "tr",
    { dataset: { id: record.id } },
    cell("Started", moment(instant(record.started_at))),
    cell("From, to", element("span", { class: "unseen" }, `${record.direction}: `), element("span", { class: "party" }, record.cli || "unknown"), element("span", { class: "quiet" }, " → "), element("span", { class: "party" }, record.cld || "unknown")),
    cell("Logged in as", element("code", {}, record.auth_username)),
    cell("Talked", duration(record.call_sec)),
    cell("Billed", duration(record.billed_sec)),
    cell("Rate a minute", record.rate),
    cell("Cost", `${record.currency} ${record.cost}`),
  );
}
