// A mouth and an ear for a phone without a sound card.
import { performance } from "node:perf_hooks";
import wrtc from "@roamhq/wrtc";
import { level, toneShare } from "../../browser/page/ear.js";

const { RTCAudioSink, RTCAudioSource } = wrtc.nonstandard;

const RATE = 48_000;
const FRAME = RATE / 100;

/** The microphone: a steady tone or silence, in frames of 10 ms by the clock. */
class Mouth {
  constructor() {
    this.source = new RTCAudioSource();
    this.frequency = null;
    this.spoken = 0;
  }

  /** A track of its own for each call; speaking starts with the first. */
  track() {
    if (!this.timer) {
      this.startedAt = performance.now();
      this.timer = setInterval(() => this.speak(), 10);
    }
    return this.source.createTrack();
  }

  /** Whatever is due: a timer that comes late is made up for. */
  speak() {
    const due = Math.floor((performance.now() - this.startedAt) / 10);
    if (due - this.spoken > 20) this.spoken = due - 20;
    for (; this.spoken < due; this.spoken += 1) {
      const samples = new Int16Array(FRAME);
      if (this.frequency) {
        const first = this.spoken * FRAME;
        const step = (2 * Math.PI * this.frequency) / RATE;
        samples.forEach((_, index) => (samples[index] = Math.round(9830 * Math.sin(step * (first + index)))));
      }
      this.source.onData({ samples, sampleRate: RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: FRAME });
    }
  }
}

export const mouth = new Mouth();

/** Listens to one remote track. */
export class Ear {
  constructor(track) {
    this.track = track;
    this.listeners = new Set();
    this.sink = new RTCAudioSink(track);
    this.sink.ondata = ({ samples, sampleRate, channelCount }) => {
      const heard = Float32Array.from({ length: samples.length / channelCount }, (_, n) => samples[n * channelCount] / 32768);
      this.listeners.forEach((listener) => listener(heard, sampleRate));
    };
  }

  close() {
    this.sink.stop();
  }

  /** The next `seconds` of sound in blocks of 50 ms; rejects when they take `timeout` s. */
  hear(seconds, timeout) {
    return new Promise((resolve, reject) => {
      const blocks = [];
      let rest = [];
      const listener = (samples, rate) => {
        rest.push(...samples);
        if (rest.length < rate / 20) return;
        blocks.push({ samples: Float32Array.from(rest), rate });
        rest = [];
        if (blocks.length >= seconds * 20) finish(resolve, blocks);
      };
      const finish = (settle, value) => {
        this.listeners.delete(listener);
        clearTimeout(timer);
        settle(value);
      };
      const timer = setTimeout(() => finish(reject, new Error(`only ${blocks.length} blocks of sound in ${timeout} s`)), timeout * 1000);
      this.listeners.add(listener);
    });
  }

  /** Level (0 to 1, root mean square) and the share of power at each frequency, over the next `seconds`. */
  async measure(frequencies, seconds, timeout) {
    const blocks = await this.hear(seconds, timeout);
    const mean = (figure) => blocks.reduce((sum, block) => sum + figure(block), 0) / blocks.length;
    return {
      level: mean(({ samples }) => level(samples)),
      shares: frequencies.map((frequency) => mean(({ samples, rate }) => toneShare(samples, frequency, rate))),
    };
  }

  /** Resolves when 100 ms in a row are as `isRight` wants them; rejects after `timeout` s with what was heard last. */
  async until(frequency, isRight, timeout) {
    const deadline = performance.now() + timeout * 1000;
    let heard;
    while (performance.now() < deadline) {
      heard = await this.measure([frequency], 0.1, Math.max(0.1, (deadline - performance.now()) / 1000));
      if (isRight(heard.shares[0], heard.level)) return performance.now();
    }
    throw new Error(`not heard within ${timeout} s; last: share ${heard?.shares[0]}, level ${heard?.level}`);
  }
}
