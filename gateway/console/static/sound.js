// Level meters, and the tones of ringing as files that exist only in this page.

const RATE = 8000;
let context;

/** Shows the loudness of a stream in a bar until the returned function is called. */
export function meter(stream, bar) {
  if (!stream || stream.getAudioTracks().length === 0) return () => {};
  context ??= new AudioContext();
  context.resume();
  const source = context.createMediaStreamSource(stream);
  const analyser = new AnalyserNode(context, { fftSize: 1024, smoothingTimeConstant: 0 });
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let shown = 0;
  let frame = requestAnimationFrame(draw);

  function draw() {
    analyser.getFloatTimeDomainData(samples);
    let energy = 0;
    for (const sample of samples) energy += sample * sample;
    const decibels = 10 * Math.log10(energy / samples.length + 1e-9);
    // -60 dBFS is empty, 0 is full; it rises at once and falls slowly, as the eye likes it.
    const level = Math.min(1, Math.max(0, (decibels + 60) / 60));
    shown = Math.max(level, shown - 0.03);
    bar.style.clipPath = `inset(0 ${((1 - shown) * 100).toFixed(1)}% 0 0)`;
    frame = requestAnimationFrame(draw);
  }

  return () => {
    cancelAnimationFrame(frame);
    source.disconnect();
    bar.style.clipPath = "";
  };
}

/** Ringback as in North America: 440 and 480 Hz, 2 s on, 4 s off. */
export const ringback = () => tones([440, 480], [2, 4], 0.08);

/** A ring that is not a ringback: two short calls a second tone higher. */
export const ringtone = () => tones([660, 880], [0.4, 0.2, 0.4, 2], 0.14);

/** The address of a WAV file with these frequencies, alternately sounding and silent for these seconds. */
function tones(frequencies, seconds, amplitude) {
  const counts = seconds.map((length) => Math.round(length * RATE));
  const samples = new Int16Array(counts.reduce((sum, count) => sum + count, 0));
  let position = 0;
  counts.forEach((count, index) => {
    for (let n = 0; n < count && index % 2 === 0; n += 1) {
      const edge = Math.min(1, n / 80, (count - n) / 80);
      const value = frequencies.reduce((sum, frequency) => sum + Math.sin((2 * Math.PI * frequency * n) / RATE), 0);
      samples[position + n] = (value / frequencies.length) * amplitude * edge * 32767;
    }
    position += count;
  });
  return URL.createObjectURL(new Blob([header(samples.byteLength), samples], { type: "audio/wav" }));
}

function header(bytes) {
  const view = new DataView(new ArrayBuffer(44));
  const text = (offset, value) => [...value].forEach((letter, index) => view.setUint8(offset + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  return view.buffer;
}
