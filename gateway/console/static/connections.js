// The card of the connections: find, create, change, delete; the credentials of one are in its open row.
import { ConnectionCredentials } from "./connection_credentials.js";
import { byId, element, setText } from "./element.js";
import { confirmed, openForm } from "./form.js";
import { attempt } from "./notices.js";
import { cell, PagedList, rowButton } from "./paged_list.js";
import { referenceField } from "./references.js";

const ROOT = "/v2/credential_connections";
const SHORTEST_SEARCH = 3;
const SEARCH_AFTER_MS = 250;
const WHO_MAY_CALL = [
  ["disabled", "Nobody (disabled)"],
  ["internal", "Clients of this gateway (internal)"],
  ["unrestricted", "Anybody (unrestricted)"],
];

export class ConnectionsCard {
  #api;
  #list;
  #open = new Map();
  #onChange;
  #announce;
  #wanted = "";
  #profiles = new Map();

  /** `onChange` is told of what other cards show as well. */
  constructor(api, { onChange, announce }) {
    this.#api = api;
    this.#onChange = onChange;
    this.#announce = announce;
    this.#list = new PagedList({
      body: byId("connections"),
      empty: byId("no-connections"),
      more: byId("more-connections"),
      words: "connections",
      load: (number) => this.#load(number),
      row: (connection) => this.#rows(connection),
    });
    byId("new-connection").onclick = () => this.#create();
    byId("find-connection").oninput = () => this.#search();
    this.#list.restart();
  }

  refresh() {
    return this.#list.refresh();
  }

  async #load(number) {
    const filter = this.#wanted ? `&filter[connection_name][contains]=${encodeURIComponent(this.#wanted)}` : "";
    const page = await this.#api.get(`${ROOT}?page[number]=${number}&sort=-created_at${filter}`);
    // Names of profiles, as far as one page has them; another one shows its id.
    const isUsed = page.data.some((connection) => connection.outbound.outbound_voice_profile_id);
    const profiles = isUsed && number === 1 ? (await this.#api.get("/v2/outbound_voice_profiles?page[size]=250")).data : [];
    profiles.forEach((profile) => this.#profiles.set(profile.id, profile.name));
    return page;
  }

  #search() {
    const text = byId("find-connection").value.trim();
    const isShort = text.length > 0 && text.length < SHORTEST_SEARCH;
    setText(byId("find-connection-hint"), isShort ? "Three letters or more." : "");
    const wanted = isShort ? "" : text;
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    setText(byId("no-connections"), wanted ? "No connection of such a name." : "No connection yet.");
    setTimeout(() => wanted === this.#wanted && this.#list.restart(), SEARCH_AFTER_MS);
  }

  #rows(connection) {
    const name = connection.connection_name;
    const isOpen = this.#open.has(connection.id);
    const flip = () => this.#flip(connection);
    const toggle = element("button", { type: "button", class: "plain icon more", dataset: { action: "open" }, "aria-expanded": String(isOpen), "aria-label": `Credentials of ${name}`, title: "Credentials and details", onclick: flip }, "▸");
    const { channel_limit: out, outbound_voice_profile_id: profile } = connection.outbound;
    const main = element(
      "tr",
      { dataset: { id: connection.id } },
      cell("Name", element("b", { class: "party" }, name)),
      cell("User name", element("code", {}, connection.user_name)),
      cell("State", element("span", { class: "badge", dataset: { state: connection.active ? "active" : "off" } }, connection.active ? "active" : "inactive")),
      cell("Calls at once", `${out ?? "any"} out, ${connection.inbound.channel_limit ?? "any"} in`),
      cell("Profile", profile ? (this.#profiles.get(profile) ?? profile) : element("span", { class: "quiet" }, "none")),
      element(
        "td",
        { class: "row-actions" },
        rowButton("edit", "Change", `Change ${name}`, () => this.#change(connection)),
        rowButton("remove", "Delete", `Delete ${name}`, () => this.#remove(connection)),
        toggle,
      ),
    );
    if (!isOpen) return [main];
    const details = this.#open.get(connection.id);
    details.update(connection);
    return [main, element("tr", { class: "detail" }, element("td", { colspan: "6" }, details.node))];
  }

  #flip(connection) {
    if (!this.#open.delete(connection.id)) this.#open.set(connection.id, new ConnectionCredentials(this.#api, connection, this.#announce));
    this.#list.redraw();
  }

  async #create() {
    const fields = await this.#fields();
    const values = { active: true, sip_uri_calling_preference: "internal" };
    const made = fields && (await openForm({ title: "New connection", about: "What one kind of client has in common. Its own user name and password log in, and so do its credentials.", fields, values, submit: "Create", send: (body) => this.#api.post(ROOT, body) }));
    if (made) await this.#changed("Connection created");
  }

  async #change(connection) {
    const fields = await this.#fields();
    const path = `${ROOT}/${connection.id}`;
    const changed = fields && (await openForm({ title: `Change ${connection.connection_name}`, about: "Another user name or password ends the registrations under the old one.", fields, values: connection, submit: "Save", isChange: true, send: (body) => this.#api.send("PATCH", path, body) }));
    if (changed) await this.#changed("Connection changed");
  }

  async #remove(connection) {
    const name = connection.connection_name;
    const isSure = await confirmed({ title: `Delete ${name}?`, about: "Its credentials and their tokens go with it, and its clients are logged out.", action: "Delete the connection" });
    if (!isSure) return;
    const removed = await attempt(`${name} could not be deleted`, () => this.#api.send("DELETE", `${ROOT}/${connection.id}`));
    if (!removed) return;
    this.#open.delete(connection.id);
    await this.#changed("Connection deleted");
    byId("new-connection").focus();
  }

  async #changed(words) {
    this.#announce(words);
    await this.#list.refresh();
    this.#onChange();
  }

  #fields() {
    return attempt("The form could not be made", async () => [
      { pointer: "/connection_name", label: "Name", kind: "text", needed: true },
      { pointer: "/user_name", label: "User name", kind: "text", needed: true, hint: "4 to 32 letters and digits, a letter among the first five." },
      { pointer: "/password", label: "Password", kind: "password", needed: true, hint: "8 to 128 characters." },
      { pointer: "/active", label: "Active: its clients may log in, call and be called", kind: "check" },
      { pointer: "/sip_uri_calling_preference", label: "Who may call its user name", kind: "choice", choices: WHO_MAY_CALL, hint: "Numbers and the user names of credentials can always be called." },
      await referenceField(this.#api, { pointer: "/outbound/outbound_voice_profile_id", label: "Outbound voice profile", path: "/v2/outbound_voice_profiles", sort: "name", name: (profile) => profile.name, none: "None: no calls to trunks" }),
      { pointer: "/outbound/ani_override", label: "Caller number that a trunk sees", kind: "text", hint: "Like +12025550199. Without one, and without a number of its own below, a client has to name its number: a user name is no caller for a trunk (D35)." },
      { pointer: "/outbound/channel_limit", label: "Calls to trunks at once", kind: "number", hint: "Empty: no limit." },
      { pointer: "/inbound/channel_limit", label: "Calls to its clients at once", kind: "number", hint: "Empty: no limit." },
    ]);
  }
}
