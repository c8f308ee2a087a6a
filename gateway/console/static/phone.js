// The softphone without its looks: the unmodified SDK, its calls as lines, and events for whoever shows them.
import { TelnyxRTC } from "./vendor/telnyx-webrtc.mjs";
import { iceServers, preferredCodecs, settings } from "./settings.js";
import { ringback, ringtone } from "./sound.js";
import { errorInWords } from "./words.js";

const OVER = new Set(["hangup", "destroy", "purge"]);

/** One call of this phone. */
class Line {
  constructor(call, element) {
    this.call = call;
    this.element = element;
    this.id = call.id;
    this.state = "new";
    this.startedAt = Date.now();
    this.activeAt = null;
    this.digits = "";
    this.isMuted = false;
    this.wasAnswered = false;
    this.wasEndedHere = false;
  }

  /** The SDK sets it after it has told of the call for the first time. */
  get isInbound() {
    return this.call.direction === "inbound";
  }

  get number() {
    return this.isInbound ? this.call.options.remoteCallerNumber : this.call.options.destinationNumber;
  }

  get name() {
    const name = this.isInbound ? this.call.options.remoteCallerName : "";
    return name && name !== this.number && name !== "Outbound Call" ? name : "";
  }

  get isRinging() {
    return this.isInbound && (this.state === "ringing" || this.state === "new");
  }

  get isTalking() {
    return this.state === "active" || this.state === "held";
  }

  /** Seconds since it was answered, or since it began. */
  get seconds() {
    return (Date.now() - (this.activeAt ?? this.startedAt)) / 1000;
  }
}

/**
 * Events: `status` ({kind: out | connecting | ready | lost | refused, text}), `lines` (any change of a line), `ended`
 * (the line that just ended), `problem` ({title, advice}).
 */
export class Phone extends EventTarget {
  lines = new Map();
  isReady = false;
  #client = null;
  #login = "";

  /** The address that the SDK gets: the host that served this page. */
  get host() {
    return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
  }

  get user() {
    return this.#login;
  }

  connect({ login, password, token }) {
    this.disconnect();
    this.#login = token ? "" : login;
    this.#status("connecting", `signing in at ${location.host} …`);
    const client = new TelnyxRTC({
      host: this.host,
      ...(token ? { login_token: token } : { login, password }),
      iceServers: iceServers(),
      trickleIce: settings.trickle,
      debug: settings.debug,
      ...(settings.sounds ? { ringtoneFile: ringtone(), ringbackFile: ringback() } : {}),
    });
    this.#client = client;
    const on = (name, listener) => client.on(name, (data) => client === this.#client && listener(data));
    on("telnyx.ready", () => this.#onReady());
    on("telnyx.error", ({ error }) => this.#onError(error));
    on("telnyx.socket.close", () => this.#onSocketLost());
    on("telnyx.notification", (notification) => this.#onNotification(notification));
    client.connect();
  }

  /** Signs out; the SDK hangs up what is left. */
  disconnect() {
    const client = this.#client;
    this.#client = null;
    this.isReady = false;
    for (const line of this.lines.values()) this.#forget(line);
    client?.disconnect();
    this.#status("out", "signed out");
  }

  dial(destination) {
    const others = [...this.lines.values()].filter((line) => line.state === "active");
    others.forEach((line) => line.call.hold());
    const element = this.#newElement();
    try {
      const call = this.#client.newCall({
        destinationNumber: destination,
        remoteElement: element,
        ...(settings.caller ? { callerNumber: settings.caller } : {}),
        ...(settings.microphone ? { micId: settings.microphone } : {}),
        ...(settings.codec ? { preferred_codecs: preferredCodecs() } : {}),
      });
      return this.#lineOf(call, element);
    } catch (error) {
      element.remove();
      this.#problem(errorInWords(error));
      return null;
    }
  }

  answer(line) {
    for (const other of this.lines.values()) if (other !== line && other.state === "active") other.call.hold();
    this.#client.micId = settings.microphone || undefined;
    line.wasAnswered = true;
    line.call.answer({ remoteElement: line.element });
  }

  hangup(line) {
    line.wasEndedHere = true;
    line.call.hangup(line.isRinging ? { cause: "USER_BUSY", causeCode: 17 } : {});
  }

  toggleMute(line) {
    line.isMuted = !line.isMuted;
    if (line.isMuted) line.call.muteAudio();
    else line.call.unmuteAudio();
    this.#changed();
  }

  toggleHold(line) {
    if (line.state === "held") line.call.unhold();
    else line.call.hold();
  }

  sendDigit(line, digit) {
    line.call.dtmf(digit);
    line.digits += digit;
    this.#changed();
  }

  /** The microphone and the loudspeaker of the settings, for calls that live already. */
  useDevices() {
    for (const line of this.lines.values()) {
      this.#useSpeaker(line.element);
      if (settings.microphone && line.isTalking) line.call.setAudioInDevice(settings.microphone, line.isMuted);
    }
  }

  #onReady() {
    this.isReady = true;
    const user = this.#login ? ` as ${this.#login}` : "";
    this.#status("ready", `ready${user}`);
  }

  #onError(error) {
    // It comes back by itself, and the status says so all the time.
    if (error?.code === 45002 && this.isReady) return;
    const words = errorInWords(error);
    this.#problem(words);
    if (error?.code === 46001 || error?.code === 46002) {
      this.isReady = false;
      this.#status("refused", words.title.toLowerCase());
    } else if (error?.code === 45003) {
      this.isReady = false;
      this.#status("refused", "the gateway is not reachable");
    }
  }

  #onSocketLost() {
    if (!this.isReady) return;
    this.isReady = false;
    this.#status("lost", "connection lost, reconnecting …");
  }

  #onNotification(notification) {
    if (notification.type === "userMediaError") {
      // The SDK reports the same as an error, in words; what is left is the line.
      return;
    }
    if (notification.type !== "callUpdate" || !notification.call) return;
    const call = notification.call;
    const line = this.#lineOf(call);
    if (!line) return;
    line.state = call.state;
    if (call.state === "early") call.stopRingback();
    if (call.state === "active") {
      line.activeAt ??= Date.now();
      line.wasAnswered = true;
    }
    if (OVER.has(call.state)) this.#end(line);
    this.#changed();
  }

  /** The line of a call; a new one for a call that is not over. */
  #lineOf(call, element) {
    const known = this.lines.get(call.id);
    if (known) {
      // `newCall` tells of the call before it returns it, and only we know its loudspeaker.
      if (element && known.element !== element) {
        known.element.remove();
        known.element = element;
      }
      return known;
    }
    if (OVER.has(call.state)) return null;
    const line = new Line(call, element ?? this.#newElement());
    this.lines.set(call.id, line);
    this.#changed();
    return line;
  }

  #end(line) {
    if (!this.lines.has(line.id)) return;
    this.#forget(line);
    this.dispatchEvent(new CustomEvent("ended", { detail: line }));
  }

  #forget(line) {
    this.lines.delete(line.id);
    line.element.srcObject = null;
    line.element.remove();
    this.#changed();
  }

  #newElement() {
    const element = new Audio();
    element.autoplay = true;
    element.hidden = true;
    document.body.append(element);
    this.#useSpeaker(element);
    return element;
  }

  #useSpeaker(element) {
    if (!settings.speaker || !element.setSinkId) return;
    element.setSinkId(settings.speaker).catch(() =>
      this.#problem({ title: "That loudspeaker cannot be used", advice: "Choose another one in the settings." }),
    );
  }

  #status(kind, text) {
    this.dispatchEvent(new CustomEvent("status", { detail: { kind, text } }));
  }

  #problem(words) {
    this.dispatchEvent(new CustomEvent("problem", { detail: words }));
  }

  #changed() {
    this.dispatchEvent(new Event("lines"));
  }
}
