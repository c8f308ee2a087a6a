// How the phone looks and is used: dial pad, the current call, incoming calls, keys.
import { codecPair } from "./call_details.js";
import { byId, element, setText } from "./element.js";
import { meter } from "./sound.js";
import { causeInWords, duration, stateInWords } from "./words.js";

const PAD = [
  ["1", ""], ["2", "ABC"], ["3", "DEF"],
  ["4", "GHI"], ["5", "JKL"], ["6", "MNO"],
  ["7", "PQRS"], ["8", "TUV"], ["9", "WXYZ"],
  ["*", ""], ["0", "+"], ["#", ""],
];
const LONG_PRESS_MS = 500;
const DTMF = /^[0-9*#A-D]$/;

export class PhoneView {
  #phone;
  #announce;
  #currentId = null;
  #answered = new Set();
  #stopMeters = null;
  #meteredStreams = "";
  #gatewayCalls = new Map();
  #lastSpoken = "";
  #lastDialled = "";

  constructor(phone, announce) {
    this.#phone = phone;
    this.#announce = announce;
    this.#buildPad();
    byId("dial").addEventListener("submit", (event) => {
      event.preventDefault();
      this.dial();
    });
    byId("destination").addEventListener("input", () => this.#destinationChanged());
    byId("backspace").addEventListener("click", () => this.#erase());
    byId("hangup").addEventListener("click", () => this.current && phone.hangup(this.current));
    byId("mute").addEventListener("click", () => this.current && phone.toggleMute(this.current));
    byId("hold").addEventListener("click", () => this.#toggleHold());
    addEventListener("keydown", (event) => this.#onKey(event));
    phone.addEventListener("lines", () => this.render());
    phone.addEventListener("ended", ({ detail }) => this.#showOutcome(detail));
    setInterval(() => this.#tick(), 250);
    this.#destinationChanged();
    this.render();
  }

  /** The line in the middle of the phone: not an incoming one that still rings. */
  get current() {
    const lines = [...this.#phone.lines.values()].filter((line) => !this.#isWaiting(line));
    return lines.find((line) => line.id === this.#currentId) ?? lines.at(-1) ?? null;
  }

  dial(destination = byId("destination").value) {
    const wanted = destination.trim() || this.#lastDialled;
    if (!wanted) {
      byId("destination").focus();
      return;
    }
    if (!destination.trim()) {
      // As on a telephone: the call key with nothing dialled brings back the last number, to be looked at first.
      byId("destination").value = wanted;
      this.#destinationChanged();
      return;
    }
    this.#lastDialled = wanted;
    this.#hideOutcome();
    const line = this.#phone.dial(wanted);
    if (!line) return;
    this.#currentId = line.id;
    byId("destination").value = "";
    this.#destinationChanged();
    this.render();
    byId("call").focus();
  }

  /** What the gateway knows of a call of ours: that it rings, and its codecs. */
  gatewayCall(view) {
    if (!view.verto_call_id || !this.#phone.lines.has(view.verto_call_id)) return;
    this.#gatewayCalls.set(view.verto_call_id, view);
    this.render();
  }

  render() {
    const line = this.current;
    const waiting = [...this.#phone.lines.values()].filter((other) => this.#isWaiting(other));
    this.#renderIncoming(waiting);
    this.#renderLines();
    const hasCall = line !== null;
    byId("dial").hidden = hasCall;
    byId("call").hidden = !hasCall;
    byId("call-actions").hidden = !hasCall;
    byId("idle-actions").hidden = hasCall;
    byId("dial-button").disabled = !this.#phone.isReady;
    if (hasCall) this.#renderCall(line);
    this.#renderMeters(line);
    this.#renderKeys(line, waiting);
    for (const id of this.#gatewayCalls.keys()) if (!this.#phone.lines.has(id)) this.#gatewayCalls.delete(id);
  }

  #isWaiting(line) {
    return line.isRinging && !line.wasAnswered;
  }

  #renderCall(line) {
    setText(byId("call-peer"), line.name ? `${line.name} · ${line.number}` : line.number || "unknown");
    const state = this.#stateOf(line);
    setText(byId("call-state"), state);
    byId("call-state").dataset.state = state === "ringing" ? "ringing" : line.state;
    setText(byId("call-digits"), line.digits);
    byId("mute").setAttribute("aria-pressed", String(line.isMuted));
    byId("hold").setAttribute("aria-pressed", String(line.state === "held"));
    byId("mute").disabled = !line.isTalking;
    byId("hold").disabled = !line.isTalking;
    const spoken = `${line.id} ${state}`;
    if (spoken !== this.#lastSpoken) {
      this.#lastSpoken = spoken;
      this.#announce(`${line.number}: ${state}`);
    }
    this.#tick();
  }

  #stateOf(line) {
    const known = this.#gatewayCalls.get(line.id);
    if (!line.isInbound && known?.state === "ringing" && !line.isTalking && line.state !== "early") return "ringing";
    if (line.isTalking && line.isMuted) return `${stateInWords(line.state)}, muted`;
    return stateInWords(line.state);
  }

  #tick() {
    const line = this.current;
    if (!line) return;
    const known = this.#gatewayCalls.get(line.id);
    const codecs = known?.codec_a && known.codec_b ? ` · ${codecPair(known)}` : "";
    setText(byId("call-timer"), line.activeAt ? `${duration(line.seconds)}${codecs}` : "");
  }

  #renderLines() {
    const lines = [...this.#phone.lines.values()].filter((line) => !this.#isWaiting(line));
    byId("lines").hidden = lines.length < 2;
    const buttons = lines.map((line) =>
      element(
        "button",
        {
          type: "button",
          class: "line",
          "aria-pressed": String(line === this.current),
          onclick: () => {
            this.#currentId = line.id;
            this.render();
          },
        },
        `${line.number} · ${stateInWords(line.state)}`,
      ),
    );
    byId("lines").replaceChildren(...buttons);
  }

  #renderIncoming(waiting) {
    const shown = [...byId("incoming").children].map((banner) => banner.dataset.id).join();
    if (shown === waiting.map((line) => line.id).join()) return;
    byId("incoming").replaceChildren(
      ...waiting.map((line) =>
        element(
          "div",
          { class: "incoming", role: "alertdialog", "aria-label": `Call from ${line.number}`, dataset: { id: line.id } },
          element(
            "div",
            {},
            element("p", { class: "quiet" }, "Incoming call"),
            element("p", { class: "peer" }, line.name ? `${line.name} · ${line.number}` : line.number || "unknown"),
          ),
          element("button", { type: "button", class: "stop", onclick: () => this.#phone.hangup(line) }, "Decline"),
          element("button", { type: "button", class: "go", onclick: () => this.#answer(line) }, "Answer"),
        ),
      ),
    );
    document.title = waiting.length ? `☎ ${waiting[0].number}` : "rtc-gateway console";
  }

  #answer(line) {
    this.#hideOutcome();
    this.#currentId = line.id;
    this.#phone.answer(line);
    this.render();
    byId("call").focus();
  }

  #renderMeters(line) {
    const streams = line ? [line.call.localStream, line.call.remoteStream] : [];
    const wanted = streams.map((stream) => stream?.id ?? "").join();
    if (wanted === this.#meteredStreams) return;
    this.#stopMeters?.();
    this.#meteredStreams = wanted;
    const bars = [byId("meter-near"), byId("meter-far")];
    const stops = streams.map((stream, index) => meter(stream, bars[index]));
    this.#stopMeters = () => stops.forEach((stop) => stop());
  }

  #renderKeys(line, waiting) {
    let keys = [["Enter", "call"], ["Esc", "clear"]];
    if (waiting.length) keys = [["Enter", "answer"], ["Esc", "decline"]];
    else if (line?.isTalking) keys = [["Esc", "hang up"], ["M", "mute"], ["H", "hold"], ["0–9", "tones"]];
    else if (line) keys = [["Esc", "hang up"]];
    const text = keys.map(([key, does]) => `${key} ${does}`).join(" · ");
    if (byId("keys").dataset.shown === text) return;
    byId("keys").dataset.shown = text;
    byId("keys").replaceChildren(...keys.flatMap(([key, does], index) => [index ? " · " : "", element("kbd", {}, key), ` ${does}`]));
  }

  #showOutcome(line) {
    if (this.#currentId === line.id) this.#currentId = null;
    const { cause, causeCode, sipCode, sipReason } = line.call;
    const words = wordsFor(line, cause);
    const sip = sipCode ? ` · SIP ${sipCode}${sipReason ? ` ${sipReason}` : ""}` : "";
    const length = line.activeAt ? ` after ${duration(line.seconds)}` : "";
    byId("outcome-title").textContent = `${line.number}: ended${length}`;
    byId("outcome-words").textContent = `${words} ${cause ?? "no cause"}${causeCode ? ` (${causeCode})` : ""}${sip}`.trim();
    byId("outcome").dataset.kind = line.wasEndedHere || cause === "NORMAL_CLEARING" ? "good" : "bad";
    byId("outcome").hidden = false;
    this.#announce(`Call ended. ${words}`);
    this.render();
    if (!this.current && document.activeElement === document.body) byId("destination").focus();
  }

  #hideOutcome() {
    byId("outcome").hidden = true;
  }

  #toggleHold() {
    if (this.current?.isTalking) this.#phone.toggleHold(this.current);
  }

  #buildPad() {
    byId("pad").append(
      ...PAD.map(([digit, letters]) => {
        const key = element("button", { type: "button", class: "key", dataset: { digit }, onclick: () => this.#press(digit) }, element("b", {}, digit), element("small", {}, letters));
        if (digit === "0") this.#longPress(key);
        return key;
      }),
    );
  }

  /** Holding 0 makes a plus, as on every mobile phone. */
  #longPress(key) {
    let timer;
    key.addEventListener("pointerdown", () => {
      timer = setTimeout(() => {
        timer = undefined;
        if (this.current) return;
        byId("destination").value += "+";
        this.#destinationChanged();
        key.dataset.swallow = "yes";
      }, LONG_PRESS_MS);
    });
    for (const name of ["pointerup", "pointerleave", "pointercancel"]) key.addEventListener(name, () => clearTimeout(timer));
  }

  #press(digit) {
    const key = byId("pad").querySelector(`[data-digit="${digit}"]`);
    if (key?.dataset.swallow) {
      delete key.dataset.swallow;
      return;
    }
    const line = this.current;
    if (line) {
      if (line.isTalking || line.state === "early") this.#phone.sendDigit(line, digit);
      return;
    }
    this.#hideOutcome();
    byId("destination").value += digit;
    this.#destinationChanged();
  }

  #erase() {
    byId("destination").value = byId("destination").value.slice(0, -1);
    this.#destinationChanged();
    byId("destination").focus();
  }

  #destinationChanged() {
    byId("backspace").hidden = byId("destination").value === "";
  }

  #onKey(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || byId("phone").hidden) return;
    if (document.querySelector("dialog[open]")) return;
    const isTyping = event.target.closest?.("input, textarea, select");
    const waiting = [...this.#phone.lines.values()].find((line) => this.#isWaiting(line));
    if (event.key === "Escape") this.#onEscape(waiting, event);
    else if (event.key === "Enter") this.#onEnter(waiting, event);
    else if (!isTyping) this.#onCharacter(event);
  }

  #onEscape(waiting, event) {
    const line = waiting ?? this.current;
    if (line) {
      this.#phone.hangup(line);
    } else if (event.target.closest?.("#filter")) {
      return; // a search field clears itself
    } else {
      byId("destination").value = "";
      this.#destinationChanged();
      this.#hideOutcome();
    }
    event.preventDefault();
  }

  #onEnter(waiting, event) {
    // On a button, Enter presses that button; in the field it dials; anywhere else it answers or dials.
    if (event.target.closest?.("button, a, summary, select, textarea") || (!waiting && event.target.closest?.("input"))) return;
    event.preventDefault();
    if (waiting) this.#answer(waiting);
    else if (!this.current) this.dial();
  }

  #onCharacter(event) {
    const line = this.current;
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    if (line) {
      if (key === "M" && line.isTalking) this.#phone.toggleMute(line);
      else if (key === "H") this.#toggleHold();
      else if (DTMF.test(key) && !event.repeat) this.#flash(key);
      else return;
    } else if (/^[0-9*#+]$/.test(key)) {
      if (key === "+") byId("destination").value += "+";
      else this.#flash(key);
      this.#destinationChanged();
    } else if (key === "Backspace") {
      this.#erase();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** A key of the keyboard looks as if its button were pressed. */
  #flash(digit) {
    const key = byId("pad").querySelector(`[data-digit="${digit}"]`);
    key?.animate([{ background: "var(--accent)", color: "#fff" }, {}], 250);
    this.#press(digit);
  }
}

function wordsFor(line, cause) {
  if (line.wasEndedHere) return line.activeAt ? "You hung up." : line.isInbound ? "You declined." : "You cancelled.";
  return cause === "NORMAL_CLEARING" ? "The other side hung up." : causeInWords(cause);
}
