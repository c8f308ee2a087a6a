// The card of the account's numbers: whose client each rings, and ordering of others from the lab's inventory.
import { byId, element } from "./element.js";
import { confirmed, openForm } from "./form.js";
import { attempt } from "./notices.js";
import { cell, PagedList, rowButton } from "./paged_list.js";
import { referenceField } from "./references.js";

const ROOT = "/v2/phone_numbers";
const OFFERED = 250;
// An order is done a second later.
const PENDING_MS = 1100;

export class NumbersCard {
  #api;
  #list;
  #announce;
  #timer;

  constructor(api, { announce }) {
    this.#api = api;
    this.#announce = announce;
    this.#list = new PagedList({
      body: byId("owned"),
      empty: byId("no-owned"),
      more: byId("more-owned"),
      words: "numbers",
      load: (number) => api.get(`${ROOT}?page[number]=${number}&page[size]=20&sort=-purchased_at`),
      row: (one) => [this.#row(one)],
    });
    byId("order-number").onclick = () => this.#order();
    this.#list.restart();
  }

  refresh() {
    return this.#list.refresh();
  }

  #row(one) {
    const number = one.phone_number;
    if (one.status === "purchase-pending") this.#lookAgain();
    return element(
      "tr",
      { dataset: { id: one.id } },
      cell("Number", element("b", { class: "party" }, number)),
      cell("Kind", `${one.phone_number_type.replace("_", " ")}, ${one.country_iso_alpha2}`),
      cell("State", element("span", { class: "badge", dataset: { state: one.status === "active" ? "active" : "held" } }, one.status.replace("-", " "))),
      cell("Rings", one.connection_id ? (one.connection_name ?? one.connection_id) : element("span", { class: "quiet" }, "nobody")),
      element(
        "td",
        { class: "row-actions" },
        rowButton("assign", "Assign", `Assign ${number} to a connection`, () => this.#assign(one)),
        rowButton("remove", "Give back", `Give ${number} back`, () => this.#remove(one)),
      ),
    );
  }

  #lookAgain() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#list.refresh(), PENDING_MS);
  }

  #connectionField() {
    return referenceField(this.#api, { pointer: "/connection_id", label: "Connection", path: "/v2/credential_connections", sort: "connection_name", name: (one) => `${one.connection_name} (${one.user_name})`, none: "None: it rings nobody", hint: "Calls to the number ring its client." });
  }

  async #assign(one) {
    const field = await attempt("The form could not be made", () => this.#connectionField());
    const changed = field && (await openForm({ title: `Assign ${one.phone_number}`, fields: [field], values: one, submit: "Save", isChange: true, send: (body) => this.#api.send("PATCH", `${ROOT}/${one.id}`, body) }));
    if (changed) await this.#changed("Number assigned");
  }

  async #order() {
    const fields = await attempt("The form could not be made", async () => {
      const { data } = await this.#api.get(`/v2/available_phone_numbers?filter[limit]=${OFFERED}`);
      const choices = data.map((offer) => [offer.phone_number, `${offer.phone_number} · ${place(offer)}`]);
      return [{ pointer: "/phone_numbers/0/phone_number", label: "Number", kind: "offer", choices, hint: "Type digits or a city to find one." }, await this.#connectionField()];
    });
    const ordered = fields && (await openForm({ title: "Order a number", about: "From the lab's inventory: fictitious numbers, nobody's phone ever rings.", fields, submit: "Order", send: (body) => this.#api.post("/v2/number_orders", orderOf(body)) }));
    if (ordered) await this.#changed("Number ordered");
  }

  async #remove(one) {
    const isSure = await confirmed({ title: `Give ${one.phone_number} back?`, about: "Calls to it find nobody then.", action: "Give it back" });
    if (!isSure) return;
    const removed = await attempt(`${one.phone_number} could not be given back`, () => this.#api.send("DELETE", `${ROOT}/${one.id}`));
    if (!removed) return;
    await this.#changed("Number given back");
    byId("order-number").focus();
  }

  async #changed(words) {
    this.#announce(words);
    await this.#list.refresh();
  }
}

function place({ region_information: regions, phone_number_type: kind }) {
  const named = (type) => regions.find((region) => region.region_type === type)?.region_name ?? "";
  return [named("location") || kind.replace("_", " "), named("state"), named("country_code")].filter(Boolean).join(", ");
}

/** The form knows one number; an order has a list of them. */
function orderOf({ phone_numbers: { 0: number }, connection_id: connection }) {
  return { phone_numbers: [number], ...(connection ? { connection_id: connection } : {}) };
}
