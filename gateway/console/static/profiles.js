// The card of the outbound voice profiles: where connections may call, and how much at once.
import { byId, element } from "./element.js";
import { confirmed, openForm } from "./form.js";
import { attempt } from "./notices.js";
import { cell, PagedList, rowButton } from "./paged_list.js";

const ROOT = "/v2/outbound_voice_profiles";
const SHOWN_COUNTRIES = 8;
const FIELDS = [
  { pointer: "/name", label: "Name", kind: "text", needed: true, hint: "Three characters or more." },
  { pointer: "/enabled", label: "Enabled: its connections may call", kind: "check" },
  { pointer: "/whitelisted_destinations", label: "Countries that may be called", kind: "words", hint: "ISO codes of two letters, a blank between: US CA DE." },
  { pointer: "/concurrent_call_limit", label: "Calls at once, of all its connections", kind: "number", hint: "Empty: no limit." },
  { pointer: "/max_destination_rate", label: "Highest price a minute, USD", kind: "number", hint: "Empty: no limit." },
];

export class ProfilesCard {
  #api;
  #list;
  #announce;
  #onChange;

  constructor(api, { onChange, announce }) {
    this.#api = api;
    this.#announce = announce;
    this.#onChange = onChange;
    this.#list = new PagedList({
      body: byId("profiles"),
      empty: byId("no-profiles"),
      more: byId("more-profiles"),
      words: "profiles",
      load: (number) => api.get(`${ROOT}?page[number]=${number}&page[size]=20`),
      row: (profile) => [this.#row(profile)],
    });
    byId("new-profile").onclick = () => this.#create();
    this.#list.restart();
  }

  refresh() {
    return this.#list.refresh();
  }

  #row(profile) {
    const { name, enabled, connections_count: users } = profile;
    return element(
      "tr",
      { dataset: { id: profile.id } },
      cell("Name", element("b", { class: "party" }, name), " ", element("code", { class: "quiet" }, profile.id)),
      cell("State", element("span", { class: "badge", dataset: { state: enabled ? "active" : "off" } }, enabled ? "enabled" : "disabled")),
      cell("May call", countries(profile.whitelisted_destinations)),
      cell("Limits", limits(profile)),
      cell("Used by", `${users} connection${users === 1 ? "" : "s"}`),
      element(
        "td",
        { class: "row-actions" },
        rowButton("edit", "Change", `Change ${name}`, () => this.#change(profile)),
        rowButton("enable", enabled ? "Disable" : "Enable", `${enabled ? "Disable" : "Enable"} ${name}`, () => this.#enable(profile)),
        rowButton("remove", "Delete", `Delete ${name}`, () => this.#remove(profile)),
      ),
    );
  }

  async #create() {
    const values = { enabled: true, whitelisted_destinations: ["US", "CA"] };
    const made = await openForm({ title: "New outbound voice profile", about: "Connections that use it may call the countries that it lists.", fields: FIELDS, values, submit: "Create", send: (body) => this.#api.post(ROOT, body) });
    if (made) await this.#changed("Profile created");
  }

  async #change(profile) {
    const changed = await openForm({ title: `Change ${profile.name}`, fields: FIELDS, values: profile, submit: "Save", isChange: true, send: (body) => this.#api.send("PATCH", `${ROOT}/${profile.id}`, body) });
    if (changed) await this.#changed("Profile changed");
  }

  async #enable(profile) {
    const enabled = !profile.enabled;
    const changed = await attempt(`${profile.name} could not be changed`, () => this.#api.send("PATCH", `${ROOT}/${profile.id}`, { enabled }));
    if (changed) await this.#changed(enabled ? "Profile enabled" : "Profile disabled");
  }

  async #remove(profile) {
    const isSure = await confirmed({ title: `Delete ${profile.name}?`, about: "A profile that a connection uses cannot be deleted.", action: "Delete the profile" });
    if (!isSure) return;
    const removed = await attempt(`${profile.name} could not be deleted`, () => this.#api.send("DELETE", `${ROOT}/${profile.id}`));
    if (!removed) return;
    await this.#changed("Profile deleted");
    byId("new-profile").focus();
  }

  async #changed(words) {
    this.#announce(words);
    await this.#list.refresh();
    this.#onChange();
  }
}

function countries(codes) {
  if (codes.length === 0) return "nowhere";
  const rest = codes.length - SHOWN_COUNTRIES;
  return codes.slice(0, SHOWN_COUNTRIES).join(" ") + (rest > 0 ? ` and ${rest} more` : "");
}

function limits({ concurrent_call_limit: calls, max_destination_rate: rate }) {
  const found = [calls === null ? null : `${calls} calls at once`, rate === null ? null : `USD ${rate} a minute`];
  return found.filter(Boolean).join(", ") || "none";
}
