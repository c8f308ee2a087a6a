// Calls and sessions of the whole gateway, live from the API.
import { ApiError } from "./api.js";
import { callDetails, codecPair, endOf, lengthOf, partiesOf } from "./call_details.js";
import { byId, element, setText } from "./element.js";
import { QualityView, warningBadges } from "./quality.js";
import { clock, stateInWords } from "./words.js";

const PAGE = 50;
const FIELDS = ["caller", "callee", "direction", "state", "codec_a", "codec_b", "cause", "sip_status", "trunk", "call_id", "verto_call_id", "sip_call_id", "session_id", "connection_id"];

export class Activity {
  #api = null;
  #stop = null;
  #calls = new Map();
  #rows = new Map();
  #open = new Set();
  #nextBefore = null;
  #onCall;
  #onProblem;
  #onRefused;

  constructor({ onCall, onProblem, onRefused }) {
    this.#onCall = onCall;
    this.#onProblem = onProblem;
    this.#onRefused = onRefused;
    byId("filter").addEventListener("input", () => this.#render());
    document.querySelectorAll("input[name=which]").forEach((choice) => choice.addEventListener("change", () => this.#render()));
    byId("older").addEventListener("click", () => this.#loadEnded());
    setInterval(() => this.#tick(), 1000);
    this.close();
  }

  start(api) {
    this.close();
    this.#api = api;
    byId("key-form").hidden = true;
    byId("calls-list").hidden = false;
    byId("sessions-card").hidden = false;
    this.#stop = api.follow(
      (name, data) => this.#onEvent(name, data),
      (state) => this.#onState(state),
    );
  }

  close() {
    this.#stop?.();
    this.#stop = null;
    this.#api = null;
    this.#calls.clear();
    this.#nextBefore = null;
    byId("key-form").hidden = false;
    byId("calls-list").hidden = true;
    byId("sessions-card").hidden = true;
    this.#feed("", "");
    this.#render();
  }

  #onEvent(name, data) {
    if (name === "snapshot") this.#onSnapshot(data);
    else if (name === "call") this.#onChange(data);
    else if (name === "sessions") this.#renderSessions(data);
  }

  #onSnapshot({ calls, sessions }) {
    // What ended while the stream was lost comes with the ended ones.
    for (const [id, call] of this.#calls) if (call.state !== "ended") this.#calls.delete(id);
    calls.forEach((call) => {
      this.#calls.set(call.call_id, call);
      this.#onCall(call);
    });
    this.#renderSessions(sessions);
    this.#nextBefore = null;
    this.#loadEnded();
    this.#render();
  }

  #onChange(call) {
    this.#calls.set(call.call_id, call);
    this.#onCall(call);
    this.#render();
  }

  async #loadEnded() {
    const before = this.#nextBefore ? `&before=${encodeURIComponent(this.#nextBefore)}` : "";
    try {
      const { data, meta } = await this.#api.get(`/v2/gateway/calls?state=ended&limit=${PAGE}${before}`);
      data.forEach((call) => this.#calls.set(call.call_id, call));
      this.#nextBefore = meta.next_before;
      this.#render();
    } catch (error) {
      if (error instanceof ApiError) this.#onProblem({ title: "The ended calls could not be loaded", advice: error.message });
      else throw error;
    }
  }

  #onState(state) {
    if (state === "live") this.#feed("live", "live");
    else if (state === "lost") this.#feed("lost", "reconnecting …");
    else {
      this.close();
      this.#onRefused();
    }
  }

  #feed(kind, text) {
    byId("feed").dataset.kind = kind;
    setText(byId("feed-text"), text);
  }

  async #hangUp(call) {
    try {
      await this.#api.post(`/v2/gateway/calls/${encodeURIComponent(call.call_id)}/actions/hangup`);
    } catch (error) {
      if (error instanceof ApiError) this.#onProblem({ title: "The call could not be ended", advice: error.message });
      else throw error;
    }
  }

  #render() {
    const which = document.querySelector("input[name=which]:checked").value;
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const all = [...this.#calls.values()];
    const shown = all.filter((call) => isShown(call, which) && matches(call, words)).sort(newestFirst);
    const live = all.filter((call) => call.state !== "ended").length;
    setText(byId("live-count"), live ? String(live) : "");
    this.#renderRows(shown);
    byId("no-calls").hidden = shown.length > 0;
    setText(byId("no-calls"), all.length ? "No call matches." : "No calls yet. Make one with the phone.");
    byId("older").hidden = !this.#nextBefore || which === "live";
  }

  /** Rows are kept and changed in place: focus and an open row stay where they are. */
  #renderRows(shown) {
    const wanted = [];
    for (const call of shown) {
      const row = this.#rows.get(call.call_id) ?? this.#newRow(call.call_id);
      this.#fill(row, call);
      wanted.push(row.main);
      if (this.#open.has(call.call_id)) wanted.push(row.detail);
    }
    const body = byId("calls");
    wanted.forEach((row, index) => {
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    });
    while (body.children.length > wanted.length) body.lastChild.remove();
    for (const [id, row] of this.#rows) {
      if (this.#calls.has(id)) continue;
      this.#closeQuality(row);
      this.#rows.delete(id);
    }
  }

  #newRow(callId) {
    const toggle = element("button", { type: "button", class: "plain icon more", "aria-expanded": "false", title: "All that is known" }, "▸");
    const hangup = element("button", { type: "button", class: "soft tiny", onclick: () => this.#hangUp(this.#calls.get(callId)) }, "End");
    const cells = Array.from({ length: 6 }, () => element("td"));
    cells[3].className = "number";
    const main = element("tr", {}, ...cells, element("td", { class: "row-actions" }, hangup, toggle));
    const detail = element("tr", { class: "detail" }, element("td", { colspan: "7" }));
    const flip = () => {
      if (!this.#open.delete(callId)) this.#open.add(callId);
      this.#render();
    };
    toggle.addEventListener("click", flip);
    main.addEventListener("dblclick", flip);
    const row = { main, detail, cells, toggle, hangup, quality: null, shown: null, wasOpen: false };
    this.#rows.set(callId, row);
    return row;
  }

  #fill(row, call) {
    const isOpen = this.#open.has(call.call_id);
    if (row.shown === call && row.wasOpen === isOpen) return;
    row.shown = call;
    row.wasOpen = isOpen;
    const [started, parties, state, length, codecs, end] = row.cells;
    setText(started, clock(call.started_at));
    parties.replaceChildren(...partiesOf(call));
    const warnings = [...new Set(Object.values(call.warnings).flat())];
    state.replaceChildren(element("span", { class: "badge", dataset: { state: call.state } }, stateInWords(call.state)), ...warningBadges(warnings, call.state === "ended"));
    setText(length, lengthOf(call));
    setText(codecs, codecPair(call));
    end.replaceChildren(...endOf(call));
    row.main.dataset.live = String(call.state !== "ended");
    row.hangup.hidden = call.state === "ended";
    row.hangup.setAttribute("aria-label", `End the call from ${call.caller} to ${call.callee}`);
    row.toggle.setAttribute("aria-expanded", String(isOpen));
    row.toggle.setAttribute("aria-label", `Details of the call to ${call.callee}`);
    if (isOpen) {
      row.quality ??= new QualityView(call.call_id, this.#api);
      row.detail.firstChild.replaceChildren(...callDetails(call, this.#api), row.quality.element);
    } else {
      this.#closeQuality(row);
    }
  }

  #closeQuality(row) {
    row.quality?.close();
    row.quality = null;
  }

  #tick() {
    for (const [id, row] of this.#rows) {
      const call = this.#calls.get(id);
      if (call && call.state !== "ended") setText(row.cells[3], lengthOf(call));
    }
  }

  #renderSessions(sessions) {
    byId("no-sessions").hidden = sessions.length > 0;
    byId("sessions").replaceChildren(
      ...sessions.map((session) =>
        element(
          "tr",
          {},
          element("td", { class: "party" }, session.username || "visitor"),
          element("td", {}, element("span", { class: "badge", dataset: { state: session.is_connected ? "active" : "held" } }, session.is_connected ? "connected" : "away")),
          element("td", {}, clock(session.logged_in_at)),
          element("td", { class: "number" }, String(session.calls)),
          element("td", { class: "code" }, `${session.transport} ${session.peer}`),
          element("td", { class: "agent", title: session.user_agent }, session.user_agent),
        ),
      ),
    );
  }
}

function isShown(call, which) {
  return which === "all" || (which === "ended") === (call.state === "ended");
}

function matches(call, words) {
  if (words.length === 0) return true;
  const text = FIELDS.map((field) => call[field] ?? "").join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function newestFirst(one, other) {
  return one.started_at < other.started_at ? 1 : one.started_at > other.started_at ? -1 : one.call_id < other.call_id ? 1 : -1;
}
