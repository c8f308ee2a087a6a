// How good the media of a call is: a graph of each figure for each leg, what it comes to, and what is wrong with it.
import { ApiError } from "./api.js";
import { element, setText } from "./element.js";
import { Spark } from "./spark.js";

const EVERY_MS = 1000;
const KEPT_SECONDS = 300;

const LEGS = { a: "caller", b: "callee" };

const WARNINGS = {
  no_sound: ["no sound", "Packets come in, and all of them are silence. A muted microphone sends just that."],
  nothing_received: ["nothing received", "We send, and nothing comes in: a firewall or a NAT in between, or the far end has nothing to send."],
  nothing_sent: ["nothing sent", "Packets come in, and there is nothing to send: the other side is silent."],
  dtls_late: ["DTLS late", "ICE has found a path, and the DTLS handshake does not come to an end on it."],
  high_loss: ["high loss", "More than 5 % of the packets did not come in for ten seconds."],
  high_jitter: ["high jitter", "Packets come in very unevenly: more than 50 ms for ten seconds."],
};

/** Badges for names of warnings; `isOver` of those that stood and are over. */
export function warningBadges(names, isOver = false) {
  return (names ?? []).map((name) => {
    const [word, sentence] = WARNINGS[name] ?? [name, ""];
    return element("span", { class: "badge warning", title: sentence, dataset: { state: isOver ? "over" : "wrong", warning: name } }, word);
  });
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
const milliseconds = (seconds) => `${(1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
// Digital silence has no level; -127 stands for it.
const loudness = (level) => (level <= -127 ? "silence" : `${level.toFixed(0)} dBov`);
const BOTH = ["in", "out"];

function sparks() {
  return {
    loss: new Spark({ name: "Loss", lines: BOTH, low: 0, high: 0.06, grows: true, limit: 0.05, show: percent }),
    jitter: new Spark({ name: "Jitter", lines: BOTH, low: 0, high: 0.06, grows: true, limit: 0.05, show: milliseconds }),
    mos: new Spark({ name: "MOS", lines: BOTH, low: 1, high: 5, show: (mos) => mos.toFixed(1) }),
    level: new Spark({ name: "Level", lines: ["in"], low: -70, high: 0, show: loudness }),
  };
}

class LegView {
  #warnings = element("span", { class: "warnings" });
  #facts = element("dl", { class: "figures" });
  #sparks = sparks();
  #samples = [];
  #graphs;

  constructor(leg) {
    this.name = LEGS[leg];
    this.#graphs = element("div", { class: "sparks" }, Object.values(this.#sparks).map((spark) => spark.element));
    const legend = element("span", { class: "legend" }, element("b", { class: "in" }, `from the ${this.name}`), element("b", { class: "out" }, `to the ${this.name}`));
    const title = element("h4", {}, leg === "a" ? "Caller" : "Callee", this.#warnings);
    this.element = element("section", { class: "leg-quality", dataset: { leg } }, element("header", {}, title, legend), this.#graphs, this.#facts);
  }

  /** Time of the newest sample. */
  get last() {
    return this.#samples.at(-1)?.at_s ?? -1;
  }

  show(quality, samples) {
    const last = this.last;
    this.#samples.push(...samples.filter((sample) => sample.at_s > last));
    while (this.#samples.length > 0 && this.#samples[0].at_s < this.last - KEPT_SECONDS) this.#samples.shift();
    this.#draw();
    const over = (quality.warnings ?? []).filter((name) => !(quality.raised ?? []).includes(name));
    this.#warnings.replaceChildren(...warningBadges(quality.raised), ...warningBadges(over, true));
    const facts = [[`From the ${this.name}`, inWords(quality.inbound, quality.codecs)], [`To the ${this.name}`, inWords(quality.outbound)]];
    this.#facts.replaceChildren(...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", { class: "code" }, value))));
  }

  #draw() {
    this.#graphs.hidden = this.#samples.length === 0;
    for (const [figure, field] of [["loss", "loss"], ["jitter", "jitter_s"], ["mos", "mos"]]) {
      this.#sparks[figure].draw(this.#samples.map((sample) => [sample.at_s, sample.inbound[field], sample.outbound[field]]));
    }
    this.#sparks.level.draw(this.#samples.map((sample) => [sample.at_s, sample.level_dbov]));
  }
}

/** All of one direction in a line. */
function inWords(figures, codecs) {
  if (!figures?.packets) return "no packets";
  const { bursts } = figures;
  const has = (value) => value !== undefined;
  const words = [
    codecs?.length > 0 && codecs.map((use) => use.codec).join(" → "),
    `${figures.packets} packets`,
    has(figures.loss) && `${percent(figures.loss)} lost`,
    bursts?.duration_s > 0 && `in bursts of ${bursts.duration_s.toFixed(2)} s`,
    figures.reordered > 0 && `${figures.reordered} out of order`,
    figures.late > 0 && `${figures.late} late`,
    figures.concealed > 0 && `${percent(figures.concealed)} made up`,
    has(figures.jitter_s) && `jitter ${milliseconds(figures.jitter_s)}`,
    has(figures.round_trip_s) && `round trip ${milliseconds(figures.round_trip_s)}`,
    has(figures.level_dbov) && `level ${loudness(figures.level_dbov)}`,
    has(figures.silence) && `${percent(figures.silence)} silence`,
    has(figures.mos) && `MOS ${figures.mos.toFixed(2)} (${figures.scale} band)`,
  ];
  return words.filter(Boolean).join(" · ");
}

/** The quality of one call, asked for every second while it lives and somebody looks. */
export class QualityView {
  #api;
  #path;
  #legs = { a: new LegView("a"), b: new LegView("b") };
  #problem = element("p", { class: "quiet" });
  #timer = null;
  #isOpen = true;

  constructor(callId, api) {
    this.#api = api;
    this.#path = `/v2/gateway/calls/${encodeURIComponent(callId)}/quality`;
    this.element = element("div", { class: "quality", hidden: true }, Object.values(this.#legs).map((leg) => leg.element), this.#problem);
    this.#ask();
  }

  close() {
    this.#isOpen = false;
    clearTimeout(this.#timer);
  }

  async #ask() {
    try {
      const times = Object.values(this.#legs).map((leg) => leg.last).filter((at) => at >= 0);
      const { data } = await this.#api.get(`${this.#path}?after=${times.length > 0 ? Math.min(...times) : -1}`);
      if (!this.#isOpen) return;
      this.#show(data);
      if (!data.is_live) return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(this.#problem, `The quality could not be read. ${error.message}`);
      this.element.hidden = false;
      if (error.status !== 0) return;
    }
    if (this.#isOpen) this.#timer = setTimeout(() => this.#ask(), EVERY_MS);
  }

  #show({ legs, samples }) {
    setText(this.#problem, "");
    for (const [leg, view] of Object.entries(this.#legs)) {
      view.element.hidden = !legs[leg];
      if (legs[leg]) view.show(legs[leg], samples[leg] ?? []);
    }
    this.element.hidden = Object.keys(legs).length === 0;
  }
}
