// The user's choices, kept in this browser, and the dialog that changes them.
import { byId, element } from "./element.js";

const STORED = "rtc-gateway.settings";
const DEFAULTS = Object.freeze({
  microphone: "",
  speaker: "",
  codec: "",
  caller: "",
  sounds: true,
  ice: "none",
  iceList: "",
  trickle: false,
  debug: false,
});

export const settings = { ...DEFAULTS, ...read() };

/** What the SDK's `iceServers` option gets; undefined leaves the SDK its own list. */
export function iceServers() {
  if (settings.ice === "sdk") return undefined;
  return settings.ice === "custom" ? JSON.parse(settings.iceList) : [];
}

/** What `preferred_codecs` gets: nothing, or that codec and what carries digits. */
export function preferredCodecs() {
  if (!settings.codec) return undefined;
  const wanted = [`audio/${settings.codec}`, "audio/telephone-event"].map((type) => type.toLowerCase());
  const all = RTCRtpReceiver.getCapabilities("audio").codecs;
  return wanted.flatMap((type) => all.filter((codec) => codec.mimeType.toLowerCase() === type));
}

/** Connects the dialog; `onChange` is called after each save. */
export function connectSettings(onChange) {
  const dialog = byId("settings");
  byId("open-settings").addEventListener("click", () => {
    fill();
    dialog.showModal();
  });
  byId("set-ice").addEventListener("change", showIceList);
  byId("settings-form").addEventListener("submit", (event) => {
    if (event.submitter?.value !== "save") return;
    const problem = take();
    showProblem(problem);
    if (problem) event.preventDefault();
    else onChange();
  });
}

function fill() {
  showProblem("");
  byId("set-codec").value = settings.codec;
  byId("set-caller").value = settings.caller;
  byId("set-sounds").checked = settings.sounds;
  byId("set-ice").value = settings.ice;
  byId("set-ice-list").value = settings.iceList || '[{"urls": "stun:stun.example.org:3478"}]';
  byId("set-trickle").checked = settings.trickle;
  byId("set-debug").checked = settings.debug;
  showIceList();
  listDevices();
}

/** Devices have names only after the microphone was allowed once; until then there is the browser's choice. */
async function listDevices() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  for (const [select, kind, chosen] of [
    [byId("set-microphone"), "audioinput", settings.microphone],
    [byId("set-speaker"), "audiooutput", settings.speaker],
  ]) {
    const named = devices.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
    const options = named.map((device) => element("option", { value: device.deviceId }, device.label || "unnamed device"));
    select.replaceChildren(element("option", { value: "" }, "Browser's choice"), ...options);
    select.value = named.some((device) => device.deviceId === chosen) ? chosen : "";
  }
}

function take() {
  if (byId("set-ice").value === "custom") {
    try {
      const list = JSON.parse(byId("set-ice-list").value);
      if (!Array.isArray(list)) return "The ICE servers must be a list in brackets: [ … ].";
      new RTCPeerConnection({ iceServers: list }).close();
    } catch (error) {
      return `The browser does not take these ICE servers: ${error.message}`;
    }
  }
  Object.assign(settings, {
    microphone: byId("set-microphone").value,
    speaker: byId("set-speaker").value,
    codec: byId("set-codec").value,
    caller: byId("set-caller").value.trim(),
    sounds: byId("set-sounds").checked,
    ice: byId("set-ice").value,
    iceList: byId("set-ice-list").value,
    trickle: byId("set-trickle").checked,
    debug: byId("set-debug").checked,
  });
  try {
    localStorage.setItem(STORED, JSON.stringify(settings));
  } catch {
    // storage may be forbidden; then the choices last as long as the page
  }
  return "";
}

function showIceList() {
  byId("ice-list-field").hidden = byId("set-ice").value !== "custom";
}

function showProblem(text) {
  byId("settings-error").textContent = text;
  byId("settings-error").hidden = !text;
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    return {};
  }
}
