// A page around the unmodified SDK. Everything that happens goes into one timeline; Python drives it and waits on it.
import { TelnyxRTC } from "/sdk.mjs";
import { Ear, Mouth, audioContext, mouthToEar } from "/page/ear.js";

const timeline = [];
const waiters = new Set();
const realGetUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);

let client;
let call;
let ear;
let mouth;

function note(name, detail = {}) {
  const entry = { index: timeline.length, at: performance.now(), name, ...detail };
  timeline.push(entry);
  for (const waiter of [...waiters]) waiter(entry);
}

/** Resolves with the first entry of that name at or after `from`; rejects after `timeout` s. */
function until(name, from, timeout) {
  const past = timeline.slice(from).find((entry) => entry.name === name);
  if (past) return Promise.resolve(past);
  return new Promise((resolve, reject) => {
    const waiter = (entry) => {
      if (entry.name === name) finish(resolve, entry);
    };
    const finish = (settle, value) => {
      waiters.delete(waiter);
      clearTimeout(timer);
      settle(value);
    };
    const names = () => timeline.slice(from).map((entry) => entry.name).join(", ") || "nothing";
    const timer = setTimeout(
      () => finish(reject, new Error(`no ${name} within ${timeout} s; since then: ${names()}`)),
      timeout * 1000,
    );
    waiters.add(waiter);
  });
}

/** From now on the page's own sound is the microphone. The real one is asked for once: that gives ICE its addresses. */
async function useMouth() {
  const real = await realGetUserMedia({ audio: true });
  real.getTracks().forEach((track) => track.stop());
  mouth = await Mouth.open();
  navigator.mediaDevices.getUserMedia = async () => new MediaStream(mouth.stream.getTracks().map((track) => track.clone()));
}

function login(options) {
  client = new TelnyxRTC({ iceServers: [], ...options });
  client.remoteElement = "remote";
  client.on("telnyx.ready", () => note("client.ready"));
  client.on("telnyx.error", ({ error, ...rest }) =>
    note("client.error", { code: error?.code, message: error?.message, callId: rest.callId }),
  );
  client.on("telnyx.warning", ({ warning }) => note("client.warning", { code: warning?.code, message: warning?.message }));
  client.on("telnyx.socket.open", () => note("socket.open"));
  client.on("telnyx.socket.close", () => note("socket.close"));
  client.on("telnyx.socket.error", () => note("socket.error"));
  client.on("telnyx.notification", onNotification);
  // What an application does not see: `ringing` changes no state of an outbound call.
  client.on("telnyx.socket.message", ({ method, params }) => method && note(`message.${method}`, { callId: params?.callID }));
  note("client.connect");
  return client.connect();
}

/** A login on the live socket; rejects when the gateway refuses it. */
function loginAgain(creds) {
  return new Promise((resolve, reject) => {
    client.login({ creds, onSuccess: () => resolve(), onError: reject });
  });
}

function onNotification(notification) {
  if (notification.type === "callUpdate" && notification.call) {
    call = notification.call;
    note(`call.${call.state}`, describe(call));
  } else if (notification.type === "userMediaError") {
    note("client.media_error", { message: String(notification.error?.message ?? notification.error) });
  } else {
    note(`notification.${notification.type}`);
  }
}

function describe(subject) {
  return {
    callId: subject.id,
    state: subject.state,
    prevState: subject.prevState,
    direction: subject.direction,
    cause: subject.cause ?? null,
    causeCode: subject.causeCode ?? null,
    sipCode: subject.sipCode ?? null,
    sipReason: subject.sipReason ?? null,
    sipCallId: subject.sipCallId ?? null,
    remoteNumber: subject.options.remoteCallerNumber ?? null,
    remoteName: subject.options.remoteCallerName ?? null,
    telnyxIds: subject.telnyxIDs ?? null,
    customHeaders: subject.options.customHeaders ?? [],
  };
}

function codecPreferences(names) {
  const wanted = names.map((name) => `audio/${name}`.toLowerCase());
  const all = RTCRtpReceiver.getCapabilities("audio").codecs;
  // Without telephone-event in the list, an offer could not carry digits.
  return [...wanted, "audio/telephone-event"].flatMap((type) => all.filter((codec) => codec.mimeType.toLowerCase() === type));
}

function newCall(destinationNumber, { codecs, ...options } = {}) {
  note("call.requested");
  call = client.newCall({
    destinationNumber,
    ...(codecs ? { preferred_codecs: codecPreferences(codecs) } : {}),
    ...options,
  });
  return call.id;
}

/** Make another call of this client the one that all the rest is about. */
function select(callId) {
  if (!client.calls[callId]) throw new Error(`no call ${callId}`);
  call = client.calls[callId];
}

/** The SDK's own ICE restart, as after a change of networks. */
function restartIce() {
  const peer = call.peer.instance;
  peer.addEventListener("signalingstatechange", () => note(`signaling.${peer.signalingState}`));
  const { started, reason } = call.peer.restartIce();
  if (!started) throw new Error(`the SDK did not restart ICE: ${reason}`);
}

async function currentEar() {
  const stream = call.remoteStream;
  if (!stream) throw new Error("the call has no remote stream");
  if (ear?.stream !== stream) {
    ear?.close();
    ear = await Ear.on(stream);
    ear.stream = stream;
  }
  return ear;
}

/** What the browser's WebRTC says of the call: one flat object. */
async function stats() {
  const reports = [...(await call.peer.instance.getStats()).values()];
  const find = (type) => reports.find((report) => report.type === type && (report.kind ?? "audio") === "audio");
  const [received, sent, remote] = [find("inbound-rtp"), find("outbound-rtp"), find("remote-inbound-rtp")];
  const pair = reports.find((report) => report.type === "candidate-pair" && report.nominated && report.state === "succeeded");
  const codec = (report) => reports.find((other) => other.id === report?.codecId)?.mimeType ?? null;
  return {
    packetsReceived: received?.packetsReceived ?? 0,
    packetsLost: received?.packetsLost ?? 0,
    jitter: received?.jitter ?? null,
    concealedSamples: received?.concealedSamples ?? 0,
    totalSamples: received?.totalSamplesReceived ?? 0,
    jitterBufferDelay: received?.jitterBufferEmittedCount ? received.jitterBufferDelay / received.jitterBufferEmittedCount : null,
    packetsSent: sent?.packetsSent ?? 0,
    farLost: remote?.packetsLost ?? null,
    roundTrip: remote?.roundTripTime ?? pair?.currentRoundTripTime ?? null,
    receiveCodec: codec(received),
    sendCodec: codec(sent),
  };
}

/** Two peer connections in this page, back to back: what the harness itself hears and how long the browser takes. */
async function loopback() {
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()];
  near.onicecandidate = ({ candidate }) => candidate && far.addIceCandidate(candidate);
  far.onicecandidate = ({ candidate }) => candidate && near.addIceCandidate(candidate);
  const arrived = new Promise((resolve) => {
    far.ontrack = ({ track }) => resolve(new MediaStream([track]));
  });
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  near.addTrack(microphone.getAudioTracks()[0], microphone);
  await near.setLocalDescription();
  await far.setRemoteDescription(near.localDescription);
  await far.setLocalDescription();
  await near.setRemoteDescription(far.localDescription);
  const stream = await arrived;
  document.getElementById("remote").srcObject = stream;
  call = { remoteStream: stream };
}

window.phone = {
  useMouth,
  login,
  loginAgain,
  newCall,
  loopback,
  until,
  timeline: () => timeline,
  stats,
  describe: () => describe(call),
  answer: (options) => call.answer(options),
  hangup: (options) => call.hangup(options),
  hold: () => call.hold(),
  unhold: () => call.unhold(),
  toggleHold: () => call.toggleHold(),
  select,
  restartIce,
  mute: () => call.muteAudio(),
  unmute: () => call.unmuteAudio(),
  dtmf: (digits) => [...digits].forEach((digit) => call.dtmf(digit)),
  disconnect: () => client.disconnect(),
  say: (frequency) => mouth.tone(frequency),
  saySilence: () => mouth.silence(),
  measure: async (frequencies, seconds) => (await currentEar()).measure(frequencies, seconds),
  untilTone: async (frequency, options) => (await currentEar()).untilTone(frequency, options),
  untilSilence: async (options) => (await currentEar()).untilSilence(options),
  mouthToEar: async (options) => mouthToEar(mouth, await currentEar(), options),
  mouthToEarInside: async (options) => {
    await audioContext();
    const inside = await Ear.on(mouth.stream);
    const delays = await mouthToEar(mouth, inside, options);
    inside.close();
    return delays;
  },
  localSdp: () => call.peer.instance.localDescription.sdp,
  remoteSdp: () => call.peer.instance.remoteDescription.sdp,
};
note("page.ready");
