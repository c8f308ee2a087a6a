// A call in words: what a row shows of it, and all that is known when somebody opens the row.
import { element } from "./element.js";
import { attempt } from "./notices.js";
import { causeInWords, clock, duration } from "./words.js";

const ARROWS = { outbound: "↗", inbound: "↙", internal: "↔" };

/** Direction and both sides, as elements. */
export function partiesOf(call) {
  return [
    element("span", { class: "way", title: call.direction }, ARROWS[call.direction] ?? ""),
    element("span", { class: "unseen" }, `${call.direction}: `),
    element("span", { class: "party" }, call.caller || "unknown"),
    element("span", { class: "quiet" }, " → "),
    element("span", { class: "party" }, call.callee || "unknown"),
  ];
}

/** `opus ⇄ PCMU` when the gateway transcodes, one name when it does not. */
export function codecPair(view) {
  if (!view.codec_a && !view.codec_b) return "";
  if (view.codec_a === view.codec_b) return view.codec_a;
  return `${view.codec_a ?? "?"} ⇄ ${view.codec_b ?? "?"}`;
}

/** All that is known of a call, and its client's reports for who asks. */
export function callDetails(call, api) {
  return [details(call), ...reportsOf(call, api)];
}

/** How long the two sides talked; a dash if they never did. */
export function lengthOf(call) {
  if (!call.answered_at) return "–";
  const end = call.ended_at ? Date.parse(call.ended_at) : Date.now();
  return duration((end - Date.parse(call.answered_at)) / 1000);
}

/** The cause of its end and the SIP status, as elements. */
export function endOf(call) {
  if (!call.cause) return [];
  const sip = call.sip_status ? element("span", { class: "quiet" }, ` SIP ${call.sip_status}`) : null;
  return [element("span", { class: "code", title: causeInWords(call.cause) }, call.cause), sip].filter(Boolean);
}

const NAMES = {
  call_id: "Call",
  verto_call_id: "Verto callID",
  sip_call_id: "SIP Call-ID",
  session_id: "Session",
  connection_id: "Connection",
  trunk: "Trunk",
  started_at: "Started",
  ringing_at: "Ringing",
  answered_at: "Answered",
  ended_at: "Ended",
  cause_code: "Cause code",
  ended_by: "Ended by",
};
const FIGURES = { packets_received: "received", packets_sent: "sent", packets_lost: "lost", packets_rejected: "rejected", jitter_s: "jitter", round_trip_s: "round trip" };

function details(call) {
  const facts = Object.entries(NAMES)
    .filter(([field]) => call[field] !== null && call[field] !== undefined)
    .map(([field, name]) => [name, field.endsWith("_at") ? `${clock(call[field])} ${sinceStart(call, field)}` : side(field, call[field])]);
  for (const [leg, name] of [["a", "Caller's media"], ["b", "Callee's media"]]) {
    const figures = Object.entries(FIGURES)
      .filter(([figure]) => call.media[`${leg}_${figure}`] !== undefined)
      .map(([figure, word]) => `${word} ${figure.endsWith("_s") ? `${(call.media[`${leg}_${figure}`] * 1000).toFixed(1)} ms` : call.media[`${leg}_${figure}`]}`);
    if (figures.length) facts.push([name, figures.join(" · ")]);
  }
  return element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", { class: "code" }, String(value)))));
}

function sinceStart(call, field) {
  if (field === "started_at") return "";
  return `(+${((Date.parse(call[field]) - Date.parse(call.started_at)) / 1000).toFixed(3)} s)`;
}

function side(field, value) {
  if (field !== "ended_by") return value;
  return value === "a" ? "the caller" : "the called side";
}

/** The way to its trace, and what the client told about the call: asked for when somebody wants to see it. */
function reportsOf(call, api) {
  // In a tab of its own, because leaving the phone's page would end its calls; the tab gets the key from this one.
  const trace = element("a", { class: "trace-link", href: `/console/trace?call=${encodeURIComponent(call.call_id)}`, target: "_blank", rel: "opener" }, "Trace");
  if (!call.verto_call_id) return [element("p", { class: "reports" }, trace)];
  const list = element("span", { class: "reports" });
  const show = () => listReports(call, api, list);
  return [element("p", { class: "reports" }, trace, element("button", { type: "button", class: "soft tiny", onclick: show }, "Client's reports"), list)];
}

async function listReports(call, api, list) {
  const path = `/v2/gateway/calls/${encodeURIComponent(call.call_id)}/reports`;
  const found = await attempt("The reports could not be read", () => api.get(path));
  if (!found) return;
  const names = found.data.map((one) => one.name);
  if (found.data.some((one) => one.kind === "call_report")) names.unshift("call_report");
  const link = (name) => element("button", { type: "button", class: "plain code", onclick: () => saveReport(api, `${path}/${name}`, `${call.verto_call_id}-${name.replaceAll("/", "-").replace(/\.json$/, "")}.json`) }, name === "call_report" ? "whole report" : name);
  list.replaceChildren(...(names.length ? names.map(link) : [element("span", { class: "quiet" }, "None yet. They come when the call is over.")]));
}

function saveReport(api, path, name) {
  return attempt("The report could not be read", async () => saveAs(await (await api.request(path)).blob(), name));
}

/** Has the browser keep `blob` as a file called `name`. */
export function saveAs(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
