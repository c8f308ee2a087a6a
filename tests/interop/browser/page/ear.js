// What the page hears, and a mouth for it: sound in, figures out. All times of sound are the audio clock's.

let context;

export async function audioContext() {
  if (!context) {
    context = new AudioContext({ latencyHint: "interactive", sampleRate: 48000 });
    await context.audioWorklet.addModule("/page/capture.js");
  }
  if (context.state !== "running") await context.resume();
  return context;
}

/** A share of the whole power (0 to 1) at one frequency: Goertzel's algorithm over all the samples. */
export function toneShare(samples, frequency, sampleRate) {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequency) / sampleRate);
  let [s1, s2, energy] = [0, 0, 0];
  for (const sample of samples) {
    [s1, s2] = [sample + coefficient * s1 - s2, s1];
    energy += sample * sample;
  }
  if (energy < 1e-9) return 0;
  const power = s1 * s1 + s2 * s2 - coefficient * s1 * s2;
  return Math.min(1, (2 * power) / (samples.length * energy));
}

/** The mean over windows of 50 ms: a jitter buffer moves the phase now and then, which one long window would punish. */
function meanShare(samples, frequency, sampleRate) {
  const window = Math.min(samples.length, Math.round(sampleRate / 20));
  const count = Math.floor(samples.length / window);
  let sum = 0;
  for (let index = 0; index < count; index += 1) {
    sum += toneShare(samples.subarray(index * window, (index + 1) * window), frequency, sampleRate);
  }
  return sum / count;
}

export function level(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return Math.sqrt(energy / samples.length);
}

/** Listens to one stream from now on. */
export class Ear {
  static async on(stream) {
    const ear = new Ear();
    ear.context = await audioContext();
    ear.source = ear.context.createMediaStreamSource(stream);
    ear.node = new AudioWorkletNode(ear.context, "capture", { numberOfOutputs: 1 });
    ear.source.connect(ear.node);
    // A node that leads nowhere is not run.
    ear.node.connect(ear.context.destination);
    ear.listeners = new Set();
    ear.node.port.onmessage = ({ data }) => ear.listeners.forEach((listener) => listener(data));
    return ear;
  }

  close() {
    this.listeners.clear();
    this.source.disconnect();
    this.node.disconnect();
  }

  /** Calls `listener({at, samples})` until the returned function is called. */
  follow(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The next `seconds` of sound. */
  hear(seconds) {
    const wanted = Math.round(seconds * this.context.sampleRate);
    return new Promise((resolve) => {
      const heard = new Float32Array(wanted);
      let filled = 0;
      const stop = this.follow(({ samples }) => {
        heard.set(samples.subarray(0, wanted - filled), filled);
        filled += Math.min(samples.length, wanted - filled);
        if (filled === wanted) {
          stop();
          resolve(heard);
        }
      });
    });
  }

  /** Level (0 to 1, root mean square) of the next `seconds`, and the share of power at each frequency. */
  async measure(frequencies, seconds) {
    const samples = await this.hear(seconds);
    const shares = frequencies.map((frequency) => meanShare(samples, frequency, this.context.sampleRate));
    return { level: level(samples), shares };
  }

  /** Resolves with `performance.now()` when 100 ms in a row are mostly this frequency; rejects after `timeout` s. */
  async untilTone(frequency, { share = 0.6, minimum = 0.003, timeout = 10 } = {}) {
    const deadline = this.context.currentTime + timeout;
    let best = { share: 0, level: 0 };
    while (this.context.currentTime < deadline) {
      const samples = await this.hear(0.1);
      const heard = { share: toneShare(samples, frequency, this.context.sampleRate), level: level(samples) };
      if (heard.share >= share && heard.level >= minimum) return performance.now();
      if (heard.share * heard.level >= best.share * best.level) best = heard;
    }
    throw new Error(`no ${frequency} Hz within ${timeout} s; best: share ${best.share.toFixed(2)}, level ${best.level.toFixed(4)}`);
  }

  /** The same for silence. */
  async untilSilence({ maximum = 0.002, timeout = 10 } = {}) {
    const deadline = this.context.currentTime + timeout;
    let last = 0;
    while (this.context.currentTime < deadline) {
      last = level(await this.hear(0.1));
      if (last <= maximum) return performance.now();
    }
    throw new Error(`no silence within ${timeout} s; last level ${last.toFixed(4)}`);
  }
}

/** A microphone that the page plays itself: silence, a steady tone, or short bursts at known times. */
export class Mouth {
  static async open() {
    const mouth = new Mouth();
    mouth.context = await audioContext();
    mouth.output = mouth.context.createMediaStreamDestination();
    mouth.output.channelCount = 1;
    // A microphone never stops. Without a source the browser would send nothing between two sounds, as DTX does.
    mouth.breath = new ConstantSourceNode(mouth.context, { offset: 1e-5 });
    mouth.breath.connect(mouth.output);
    mouth.breath.start();
    return mouth;
  }

  get stream() {
    return this.output.stream;
  }

  tone(frequency, amplitude = 0.3) {
    this.silence();
    this.oscillator = new OscillatorNode(this.context, { frequency });
    const gain = new GainNode(this.context, { gain: amplitude });
    this.oscillator.connect(gain).connect(this.output);
    this.oscillator.start();
  }

  silence() {
    this.oscillator?.stop();
    this.oscillator = undefined;
  }

  /** Plays one burst of 1 kHz at that time of the audio clock. */
  burst(at, seconds = 0.04, amplitude = 0.6) {
    const oscillator = new OscillatorNode(this.context, { frequency: 1000 });
    const gain = new GainNode(this.context, { gain: 0 });
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(amplitude, at + 0.002);
    gain.gain.setValueAtTime(amplitude, at + seconds - 0.002);
    gain.gain.linearRampToValueAtTime(0, at + seconds);
    oscillator.connect(gain).connect(this.output);
    oscillator.start(at);
    oscillator.stop(at + seconds);
  }
}

/** Milliseconds from each of `count` bursts at the mouth to its arrival at the ear; null for one that was lost. */
export async function mouthToEar(mouth, ear, { count = 10, spacing = 0.5, threshold = 0.08 } = {}) {
  const first = mouth.context.currentTime + 0.3;
  const starts = Array.from({ length: count }, (_, index) => first + index * spacing);
  const delays = new Array(count).fill(null);
  starts.forEach((start) => mouth.burst(start));
  await new Promise((resolve) => {
    const stop = ear.follow(({ at, samples }) => {
      for (let index = 0; index < samples.length; index += 1) {
        if (Math.abs(samples[index]) < threshold) continue;
        const heardAt = at + index / ear.context.sampleRate;
        const burst = Math.floor((heardAt - first) / spacing);
        if (burst >= 0 && burst < count && delays[burst] === null) delays[burst] = (heardAt - starts[burst]) * 1000;
      }
      if (at > first + count * spacing) {
        stop();
        resolve();
      }
    });
  });
  return delays;
}
