// The open row of a connection: its details, its credentials, and the tokens that they make.
import { copyable, copyButton, secret } from "./copying.js";
import { element } from "./element.js";
import { confirmed, openForm } from "./form.js";
import { attempt } from "./notices.js";
import { cell, PagedList, rowButton } from "./paged_list.js";
import { instant, moment, span } from "./words.js";

const ROOT = "/v2/telephony_credentials";
const PAGE = 20;

export class ConnectionCredentials {
  #api;
  #connection;
  #announce;
  #list;
  #facts = element("dl", { class: "facts" });
  #tokens = new Map();
  #add = element("button", { type: "button", class: "primary tiny", onclick: () => this.#create() }, "New credential");

  constructor(api, connection, announce) {
    this.#api = api;
    this.#connection = connection;
    this.#announce = announce;
    const parts = {
      body: element("tbody"),
      empty: element("p", { class: "empty quiet", hidden: true }, "No credential yet."),
      more: element("button", { type: "button", class: "plain wide", hidden: true }),
    };
    const heads = ["Name", "User name", "Password", "Expires"].map((text) => element("th", { scope: "col" }, text));
    this.node = element(
      "div",
      { class: "nested" },
      this.#facts,
      element("div", { class: "head" }, element("h3", {}, "Credentials"), element("p", { class: "quiet" }, "One for each client. A token logs a browser in without the password."), this.#add),
      element("table", { class: "sheet", "aria-label": `Credentials of ${connection.connection_name}` }, element("thead", {}, element("tr", {}, ...heads, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Actions")))), parts.body),
      parts.empty,
      parts.more,
    );
    const owner = encodeURIComponent(`connection:${connection.id}`);
    this.#list = new PagedList({
      ...parts,
      words: "credentials",
      load: (number) => api.get(`${ROOT}?filter[resource_id]=${owner}&page[number]=${number}&page[size]=${PAGE}&sort=-created_at`),
      row: (credential) => this.#rows(credential),
    });
    this.#list.restart();
  }

  /** The connection has been read anew. */
  update(connection) {
    this.#connection = connection;
    const fact = (name, value) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
    this.#facts.replaceChildren(
      fact("Id", copyable(connection.id, `the id of ${connection.connection_name}`)),
      fact("Password", secret(connection.password, `the password of ${connection.connection_name}`)),
      fact("Who may call its user name", connection.sip_uri_calling_preference ?? "internal"),
      fact("Created", moment(instant(connection.created_at))),
    );
  }

  #rows(credential) {
    const name = credential.name || credential.sip_username;
    const isOver = credential.expired || instant(credential.expires_at) <= Date.now();
    const actions = [rowButton("remove", "Delete", `Delete ${name}`, () => this.#remove(credential, name))];
    if (!isOver) actions.unshift(rowButton("token", "Make a token", `Make a token for ${name}`, () => this.#makeToken(credential, name)));
    const main = element(
      "tr",
      { dataset: { id: credential.id } },
      cell("Name", element("span", { class: "party" }, credential.name || "–")),
      cell("User name", copyable(credential.sip_username, `the user name of ${name}`)),
      cell("Password", secret(credential.sip_password, `the password of ${name}`)),
      cell("Expires", isOver ? element("span", { class: "badge", dataset: { state: "bad" } }, "expired") : null, isOver ? " " : null, moment(instant(credential.expires_at))),
      element("td", { class: "row-actions" }, ...actions),
    );
    const token = this.#tokens.get(credential.id);
    return token && !isOver ? [main, element("tr", { class: "detail" }, element("td", { colspan: "5" }, token))] : [main];
  }

  async #create() {
    const values = { connection_id: this.#connection.id };
    const made = await openForm({
      title: "New credential",
      about: "User name and password are made for it.",
      fields: [
        { pointer: "/name", label: "Name", kind: "optional", hint: "Whose it is, for you." },
        { pointer: "/expires_at", label: "Expires", kind: "time", hint: "In your own time. Empty: the gateway's default." },
      ],
      submit: "Create",
      send: (body) => this.#api.post(ROOT, { ...values, ...body }),
    });
    if (!made) return;
    this.#announce("Credential created");
    await this.#list.refresh();
  }

  async #makeToken(credential, name) {
    const token = await attempt("No token could be made", async () => (await this.#api.request(`${ROOT}/${credential.id}/token`, { method: "POST", body: {} })).text());
    if (!token) return;
    this.#tokens.set(credential.id, this.#tokenBox(credential, name, token));
    this.#announce(`Token made for ${name}`);
    this.#list.redraw();
    this.#tokens.get(credential.id)?.querySelector("button")?.focus();
  }

  /** Only here, in this page: a token is nowhere kept. */
  #tokenBox(credential, name, token) {
    const ends = expiryOf(token);
    const close = () => {
      this.#tokens.delete(credential.id);
      this.#list.redraw();
    };
    return element(
      "div",
      { class: "token" },
      element("p", {}, element("b", {}, `Token for ${name}. `), ends ? `It expires ${moment(ends)}, in ${span(ends - Date.now())}. ` : "", "Copy it now: it is not kept."),
      element("textarea", { readOnly: true, rows: 3, spellcheck: false, "aria-label": `Token for ${name}`, value: token }),
      element("p", { class: "reports" }, copyButton(() => token, `the token for ${name}`), element("button", { type: "button", class: "plain tiny", onclick: close }, "Forget it")),
    );
  }

  async #remove(credential, name) {
    const isSure = await confirmed({ title: `Delete the credential ${name}?`, about: "Its registrations end, and its tokens log nobody in any more.", action: "Delete the credential" });
    if (!isSure) return;
    const removed = await attempt(`${name} could not be deleted`, () => this.#api.send("DELETE", `${ROOT}/${credential.id}`));
    if (!removed) return;
    this.#tokens.delete(credential.id);
    this.#announce("Credential deleted");
    await this.#list.refresh();
    this.#add.focus();
  }
}

/** When a JWT ends, in milliseconds, or null if it does not say. */
function expiryOf(token) {
  try {
    const { exp } = JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
    return exp ? exp * 1000 : null;
  } catch {
    return null; // the token is opaque to us; it works all the same
  }
}
