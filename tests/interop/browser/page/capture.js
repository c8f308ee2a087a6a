// Runs on the audio thread: hands every sample it hears to the page, in blocks, with the sample's time.
class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(1024);
    this.filled = 0;
    this.startedAt = 0;
  }

  process(inputs) {
    const channel = inputs[0]?.[0];
    const length = channel ? channel.length : 128;
    if (this.filled === 0) this.startedAt = currentTime;
    // A source without data is silence: it must count as time.
    if (channel) this.block.set(channel, this.filled);
    this.filled += length;
    if (this.filled >= this.block.length) {
      this.port.postMessage({ at: this.startedAt, samples: this.block }, [this.block.buffer]);
      this.block = new Float32Array(1024);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
