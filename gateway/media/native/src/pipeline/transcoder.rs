//! Decodes what comes from the source and encodes it anew for the sink, in step with the source's timestamps.

use super::codec::{Codec, CodecError, Name};
use super::jitter::{Item, JitterBuffer, Taken};
use super::settings::StageSettings;
use super::stream::{EVENT_INTERVAL, FRAME, SinkStream, SourceClock};
use crate::codec::comfort_noise::ComfortNoise;
use crate::codec::gain::Gain;
use crate::codec::{Decoder, Encoder, Resampler, sample_rates, silence};
use crate::rtp::{Packet, Sink};

/// Packets lost in a row that are made up; the rest of a longer hole is silence.
const MAX_CONCEALED: u16 = 5;
/// Seconds of a pause that are filled with silent samples; after a longer one the stream goes on with a gap.
const MAX_PADDING: f64 = 0.060;
/// An encoded frame of at most so many bytes need not be sent (RFC 7587 section 3.1.3).
const DTX_PAYLOAD: usize = 2;

/// The stage between two codecs.
///
/// Sound is placed by the source's timestamps: what is missing is made up or padded, what has been covered by silence
/// meanwhile is cut off. So the sink's timestamps neither run ahead nor fall behind, however often the source pauses.
#[derive(Debug)]
pub struct Transcoder {
    /// Frames that the decoder made up for lost or broken ones.
    pub frames_concealed: u64,
    source: Codec,
    sink: Codec,
    needs_continuity: bool,
    gain: Gain,
    decode_rate: u32,
    decoder: Decoder,
    encoder: Encoder,
    resampler: Resampler,
    jitter: JitterBuffer,
    clock: SourceClock,
    frame_samples: usize,
    frame_ticks: i64,
    /// Samples to be encoded that are not yet a whole frame.
    pending: Vec<i16>,
    /// Samples of a packet at the decoder's rate.
    decoded: Vec<i16>,
    /// What was decoded since `forget_heard`, before anything was done to it.
    heard: Vec<i16>,
    /// Samples of a packet at the encoder's rate.
    resampled: Vec<i16>,
    payload: Vec<u8>,
    items: Vec<Item>,
    /// Of the last packet; what a lost one is taken to have held.
    packet_samples: usize,
    ssrc: Option<u32>,
    is_after_pause: bool,
    /// Whether the source's last packet said that it sends no more until there is something to hear.
    is_resting: bool,
    packets_covered: u64,
    gap_ticks: i64,
    /// Where we left the stream; elsewhere now means that something else was put in, None that we were suspended.
    left_sequence: Option<u16>,
}

impl Transcoder {
    /// Between these codecs.
    pub fn new(source: &Codec, sink: &Codec, settings: &StageSettings) -> Result<Self, CodecError> {
        let (decode_rate, encode_rate) = sample_rates(source.name, sink.name);
        let seconds = sink.frame_seconds();
        let samples = |seconds: f64, rate: u32| super::stream::ticks(seconds, rate) as usize;
        let mut encoder = Encoder::new(sink, encode_rate, settings.effort)?;
        encoder.set_expected_loss(settings.expected_loss)?;
        Ok(Self {
            frames_concealed: 0,
            source: *source,
            sink: *sink,
            needs_continuity: settings.needs_continuity,
            gain: settings.gain,
            decode_rate,
            decoder: Decoder::new(source.name, decode_rate)?,
            encoder,
            resampler: Resampler::between(decode_rate, encode_rate),
            jitter: JitterBuffer::new(settings.max_wait),
            clock: SourceClock::new(source.clock_rate(), sink.clock_rate()),
            frame_samples: samples(seconds, encode_rate),
            frame_ticks: samples(seconds, sink.clock_rate()) as i64,
            pending: Vec::new(),
            decoded: Vec::new(),
            heard: Vec::new(),
            resampled: Vec::new(),
            payload: Vec::new(),
            items: Vec::new(),
            packet_samples: samples(FRAME, decode_rate),
            ssrc: None,
            is_after_pause: true,
            is_resting: false,
            packets_covered: 0,
            gap_ticks: 0,
            left_sequence: None,
        })
    }

    /// What makes the sink's payloads, for whoever puts something else into the stream.
    pub fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }

    /// What the source said since `forget_heard`, and its samples a second.
    pub fn heard(&self) -> (&[i16], u32) {
        (&self.heard, self.decode_rate)
    }

    /// Begin anew with `heard`.
    pub fn forget_heard(&mut self) {
        self.heard.clear();
    }

    /// Louder or softer from the next packet on.
    pub fn set_gain(&mut self, gain: Gain) {
        self.gain = gain;
    }

    /// Samples a second that the encoder takes.
    pub fn encode_rate(&self) -> u32 {
        self.encoder.sample_rate()
    }

    fn is_spliced(&self, stream: &SinkStream) -> bool {
        self.left_sequence != Some(stream.sequence)
    }

    /// Packets that came twice or too late.
    pub fn packets_late(&self) -> u64 {
        self.jitter.packets_late + self.packets_covered
    }

    /// Take a packet of audio.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        if self.ssrc != Some(packet.header.ssrc) {
            self.ssrc = Some(packet.header.ssrc);
            self.flush(now, stream, sink);
            self.jitter.reset();
        }
        self.skip(packet, now, stream, sink);
    }

    /// Take a packet that has a sequence number, whatever it carries.
    pub fn skip(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        match self.jitter.receive(packet, now, &mut self.items) {
            Taken::Next => {
                let begin = self.end(stream);
                if self.is_audio(packet) && self.place(packet, now, stream) {
                    self.encode_pending(stream, sink);
                    self.reach(begin, now, stream);
                }
            }
            Taken::Kept => self.play(now, stream, sink),
        }
    }

    /// Give up what has been waited for long enough.
    pub fn handle_timeout(&mut self, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        self.jitter.handle_timeout(now, &mut self.items);
        self.play(now, stream, sink);
    }

    /// Wait no longer.
    pub fn flush(&mut self, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        self.jitter.flush(now, &mut self.items);
        self.play(now, stream, sink);
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.jitter.next_deadline()
    }

    fn play(&mut self, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        if self.items.is_empty() {
            return;
        }
        let mut items = std::mem::take(&mut self.items);
        let begin = self.end(stream);
        let mut has_played = false;
        for (index, item) in items.iter().enumerate() {
            let is_played = match item {
                Item::Lost(packets) => self.conceal(*packets, items.get(index + 1), stream),
                Item::Packet(held) => {
                    let packet = Packet {
                        header: held.header,
                        payload: &held.payload,
                    };
                    self.is_audio(&packet) && self.place(&packet, now, stream)
                }
            };
            if is_played {
                has_played = true;
                self.encode_pending(stream, sink);
            }
        }
        if has_played {
            self.reach(begin, now, stream);
        }
        self.jitter.recycle(&mut items);
        self.items = items;
    }

    /// Sound has been played that began at `begin`.
    fn reach(&mut self, begin: i64, now: f64, stream: &mut SinkStream) {
        let ends = now + stream.seconds(self.end(stream) - begin - self.gap_ticks);
        self.gap_ticks = 0;
        let due = ends + stream.seconds(self.clock.shift - self.pending_ticks());
        stream.reached(stream.position, due, ends);
    }

    fn is_audio(&self, packet: &Packet<'_>) -> bool {
        packet.header.payload_type == self.source.payload_type && !packet.payload.is_empty()
    }

    /// Make up for lost packets; false when something else stands there already.
    fn conceal(&mut self, packets: u16, following: Option<&Item>, stream: &SinkStream) -> bool {
        if self.is_spliced(stream) {
            return false;
        }
        let following = match following {
            Some(Item::Packet(held)) => Some(Packet {
                header: held.header,
                payload: &held.payload,
            }),
            _ => None,
        };
        // behind a longer hole, what the FEC of the next packet has would stand in the wrong place
        let payload = following
            .filter(|packet| self.is_audio(packet) && packets <= MAX_CONCEALED)
            .map(|packet| packet.payload);
        for remaining in (1..=packets.min(MAX_CONCEALED)).rev() {
            self.frames_concealed += 1;
            self.make_up(payload.filter(|_| remaining == 1));
            self.pending
                .extend_from_slice(self.resampler.process(&self.decoded, &mut self.resampled));
        }
        true
    }

    /// Leave as much sound as a lost packet held in `decoded`.
    fn make_up(&mut self, following: Option<&[u8]>) {
        self.decoder.make_up(self.packet_samples, following, &mut self.decoded);
    }

    fn pending_ticks(&self) -> i64 {
        self.pending.len() as i64 * i64::from(self.sink.clock_rate()) / i64::from(self.encode_rate())
    }

    /// The position up to which there is sound.
    fn end(&self, stream: &SinkStream) -> i64 {
        stream.position + self.pending_ticks()
    }

    /// Decode a packet and put its sound where its timestamp belongs; false when that time is filled already.
    fn place(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream) -> bool {
        self.decoded.clear();
        if self.decoder.decode(packet.payload, &mut self.decoded).is_ok() {
            self.packet_samples = self.decoded.len();
            self.heard.extend_from_slice(&self.decoded);
        } else {
            self.frames_concealed += 1;
            self.make_up(None);
        }
        self.is_resting = self.source.name == Name::Opus && packet.payload.len() <= DTX_PAYLOAD;
        self.gain.apply_all(&mut self.decoded);
        let header = &packet.header;
        let covered = if self.clock.follows(header, now) {
            let covered = self.align(packet, now, stream);
            self.clock.advance(header, now);
            covered
        } else {
            let before = stream.position;
            stream.catch_up(now);
            self.gap_ticks += stream.position - before;
            self.clock.start(header, self.end(stream), now);
            self.is_after_pause = true;
            Some(0)
        };
        // also of what is left out: the filter goes on with what comes next
        let pcm = self.resampler.process(&self.decoded, &mut self.resampled);
        match covered {
            Some(covered) => self.pending.extend_from_slice(&pcm[covered.min(pcm.len())..]),
            None => self.packets_covered += 1,
        }
        covered.is_some()
    }

    /// Put in a pause before the packet, or say how many of its samples have been played for it already; None: leave
    /// it out.
    fn align(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream) -> Option<usize> {
        let header = &packet.header;
        let is_spliced = self.is_spliced(stream);
        let place = if is_spliced {
            self.clock.ideal(header)
        } else {
            self.clock.position(header)
        };
        let mut lead = self.end(stream) - place;
        if lead < 0 {
            self.pause(-lead, stream);
            lead = 0;
        }
        let covered = (lead * i64::from(self.encode_rate()) / i64::from(self.sink.clock_rate())) as usize;
        if !is_spliced && covered < self.resampler.output_length(self.decoded.len()) {
            return Some(covered);
        }
        let end = self.end(stream);
        self.clock.resume(header, end, now).then_some(0)
    }

    /// A pause of the source: a short one becomes silent samples, a longer one a gap of the timestamp.
    fn pause(&mut self, ticks: i64, stream: &mut SinkStream) {
        if ticks as f64 <= MAX_PADDING * f64::from(stream.clock_rate) {
            let samples = ticks * i64::from(self.encode_rate()) / i64::from(stream.clock_rate);
            self.pending.resize(self.pending.len() + samples as usize, 0);
        } else {
            // What is pending, less than a frame, moves to the end of the gap.
            stream.position += ticks;
            self.gap_ticks += ticks;
            self.is_after_pause = true;
        }
    }

    /// Encode the whole frames that are pending.
    fn encode_pending(&mut self, stream: &mut SinkStream, sink: &mut dyn Sink) {
        let mut done = 0;
        while let Some(frame) = self.pending.get(done..done + self.frame_samples) {
            let is_encoded = self.encoder.encode(frame, &mut self.payload).is_ok();
            done += self.frame_samples;
            if self.payload.len() <= DTX_PAYLOAD && !self.needs_continuity && is_encoded {
                stream.position += self.frame_ticks;
                self.is_after_pause = true;
                continue;
            }
            // what cannot be encoded is silence: the stream must not stop
            let payload = if is_encoded {
                &self.payload
            } else {
                silence(self.sink.name)
            };
            stream.append(payload, self.frame_ticks, self.is_after_pause, sink);
            self.is_after_pause = false;
        }
        self.pending.drain(..done);
        self.left_sequence = Some(stream.sequence);
    }

    /// Where a telephone-event begins; what is pending is given up for it.
    pub fn place_event(&mut self, now: f64, stream: &mut SinkStream) -> i64 {
        self.pending.clear();
        stream.catch_up(now);
        stream.position
    }

    /// See `Stage`.
    pub fn forward_event(
        &mut self,
        packet: &Packet<'_>,
        out: (u8, &[u8]),
        position: i64,
        now: f64,
        stream: &mut SinkStream,
        sink: &mut dyn Sink,
    ) {
        self.skip(packet, now, stream, sink);
        stream.append_at(out.0, out.1, position, packet.header.marker, sink);
        stream.reached(stream.position, now, now + EVENT_INTERVAL);
    }

    /// A frame of silence, because the source has nothing. What is pending goes first.
    ///
    /// Where the source has described its background noise, that takes the place of silence: in a packet of its own
    /// (RFC 3389), or as opus does it, in the decoder, which makes up what it heard before the pause.
    pub fn silence(&mut self, noise: Option<&mut ComfortNoise>, stream: &mut SinkStream, sink: &mut dyn Sink) {
        let size = super::stream::ticks(FRAME, self.encode_rate()) as usize;
        let taken = self.pending.len().min(size);
        if let Some(noise) = noise {
            self.pending.extend_from_slice(noise.frame(size - taken));
        } else if self.is_resting && taken < size {
            self.decoded.clear();
            if self.decoder.conceal(size, None, &mut self.decoded).is_ok() {
                self.gain.apply_all(&mut self.decoded); // opus is decoded at the rate at which it is encoded
                self.pending.extend(self.decoded.iter().take(size - taken));
            }
        }
        let taken = self.pending.len().min(size);
        self.resampled.clear();
        self.resampled.extend(self.pending.drain(..taken));
        self.resampled.resize(size, 0);
        let is_encoded = self.encoder.encode(&self.resampled, &mut self.payload).is_ok();
        stream.append_silence(
            if is_encoded {
                &self.payload
            } else {
                silence(self.sink.name)
            },
            sink,
        );
    }

    /// The sink is going to hear something else for a while: forget what is under way.
    pub fn suspend(&mut self) {
        self.jitter.reset();
        self.pending.clear();
        self.is_after_pause = true;
        self.is_resting = false;
        self.left_sequence = None;
    }
}
