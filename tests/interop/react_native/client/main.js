// A phone around the unmodified React Native SDK. Commands come as JSON lines, each is answered by one.
import { createInterface } from "node:readline";
import { setHosts } from "./device/hosts.js";
import { frames } from "./device/frames.js";
import { change } from "./device/netinfo.js";
import { Ear, mouth } from "./sound.js";
import { note, timeline, until } from "./timeline.js";
import { TelnyxRTC } from "@telnyx/react-native-voice-sdk";

let client;
let call;
let ear;

frames.listen(note);
const { fetch } = globalThis;
globalThis.fetch = async (url, options) => {
  const response = await fetch(url, options);
  note("http.answered", { url: String(url), status: response.status, headers: options?.headers ?? {} });
  return response;
};

/** `hosts` say where the names lead to; the options are the SDK's. */
function create(options, hosts) {
  setHosts(hosts);
  client = new TelnyxRTC(options);
  client.on("telnyx.client.ready", () => note("client.ready"));
  client.on("telnyx.client.error", (error) => note("client.error", { message: String(error?.message ?? error) }));
  client.on("telnyx.call.incoming", take("call.incoming"));
  client.on("telnyx.call.reattached", take("call.reattached"));
  client.on("telnyx.call.stateChanged", (subject, state) => note(`call.${state}`, describe(subject)));
  client.on("telnyx.call.removed", (callId) => note("call.removed", { callId }));
}

const take = (name) => (subject) => {
  call = subject;
  note(name, describe(subject));
};

function describe({ callId, direction, telnyxIds, inviteCustomHeaders, answerCustomHeaders }) {
  return { callId, direction, telnyxIds, inviteCustomHeaders, answerCustomHeaders };
}

async function newCall(options) {
  note("call.requested");
  call = await client.newCall(options);
  return call.callId;
}

/** At the call's remote track, which the SDK has some time after the message with its description; waits `timeout` s. */
async function currentEar(timeout) {
  const latest = performance.now() + timeout * 1000;
  let track;
  while (!(track = call.remoteStream?.getAudioTracks()[0])) {
    if (performance.now() > latest) throw new Error(`the call has no remote track after ${timeout} s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (ear?.track !== track) {
    ear?.close();
    ear = new Ear(track);
  }
  return ear;
}

const commands = {
  create,
  newCall,
  connect: () => client.connect(),
  disconnect: () => client.disconnect(),
  answer: (headers) => call.answer(headers),
  hangup: (headers) => call.hangup(headers),
  hold: () => call.hold(),
  unhold: () => call.unhold(),
  dtmf: (digits) => call.dtmf(digits),
  mute: () => call.mute(),
  unmute: () => call.unmute(),
  processPush: (payload) => client.processVoIPNotification(payload),
  disablePush: () => client.disablePushNotification(),
  network: change,
  say: (frequency) => void (mouth.frequency = frequency),
  measure: async (frequencies, seconds, timeout) => (await currentEar(timeout)).measure(frequencies, seconds, timeout),
  untilTone: async (frequency, timeout) =>
    (await currentEar(timeout)).until(frequency, (share, level) => share > 0.6 && level > 0.003, timeout),
  untilSilence: async (timeout) => (await currentEar(timeout)).until(1000, (_, level) => level < 0.002, timeout),
  until,
  timeline,
};

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

process.on("unhandledRejection", (error) => note("problem", { message: String(error?.stack ?? error) }));
process.on("uncaughtException", (error) => note("problem", { message: String(error?.stack ?? error) }));
// The SDK talks to the console, release build or not.
for (const name of ["log", "info", "debug", "warn", "error", "trace"]) console[name] = (...words) => process.stderr.write(`${words.map(String).join(" ")}\n`);

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, name, args } = JSON.parse(line);
    try {
      answer({ id, value: (await commands[name](...args)) ?? null });
    } catch (error) {
      answer({ id, error: String(error?.message ?? error) });
    }
  })
  .on("close", () => process.exit(0));
