//! One direction of one call: RTP of the source leg in, RTP for the sink leg out. Sans-IO: packets and `now` in, packets
//! and digits out.

mod changes;
pub mod codec;
mod config;
pub mod dtmf;
pub mod events;
pub mod grace;
pub mod inband;
pub mod jitter;
mod joint;
pub mod mixer;
pub mod player;
pub mod playout;
pub mod recorder;
pub mod relay;
pub mod settings;
pub mod stage;
pub mod stream;
mod tone_encoder;
pub mod tones;
pub mod transcoder;

use crate::codec::comfort_noise::ComfortNoise;
use crate::codec::silence;
use crate::rtcp::SenderInfo;
use crate::rtp::{Packet, Sink};
use codec::{COMFORT_NOISE_PAYLOAD_TYPE, CodecError, LegCodec};
pub use config::{Config, Counters, Sound};
pub use dtmf::{Digit, DigitError};
use events::{EventRelay, OutgoingDigits};
use grace::Grace;
use inband::{ToneListener, ToneRelay};
use joint::{make_joint, passes_through};
use settings::StageSettings;
use stage::Stage;
use stream::SinkStream;
use tone_encoder::ToneEncoder;

/// What follows the telephone-events of the source.
#[derive(Debug)]
enum Events {
    /// None were negotiated.
    Absent,
    /// They stay events.
    Relayed(EventRelay),
    /// They become tones.
    Sounded(ToneRelay),
}

/// One direction of one call.
///
/// After every call of `receive`, `handle_timeout`, `set_codecs`, `change_source`, `set_muted` and `send_digits` the
/// caller arms its timer for `next_deadline()`.
#[derive(Debug)]
pub struct Pipeline {
    source: LegCodec,
    sink: LegCodec,
    longest_pause: Option<f64>,
    detects_tones: bool,
    settings: StageSettings,
    stream: SinkStream,
    /// How late the source may be before something else takes its place.
    grace: Grace,
    stage: Stage,
    tones: Option<ToneEncoder>,
    event_payload_type: Option<u8>,
    events: Events,
    outgoing: OutgoingDigits,
    is_muted: bool,
    is_closed: bool,
    sound: Option<Sound>,
    /// Which payload of the sound is next.
    played: usize,
    detector: Option<ToneListener>,
    /// What the source wants to be heard while it is silent.
    noise: ComfortNoise,
    /// Whether it is silent and said so.
    is_noisy: bool,
    packets_unknown: u64,
    /// Of the stages before this one.
    packets_late: u64,
    frames_concealed: u64,
}

impl Pipeline {
    /// A pipeline whose stream begins at `now`, seconds on the clock that all methods use.
    pub fn new(config: Config, now: f64) -> Result<Self, CodecError> {
        let Config {
            source,
            sink,
            stage: settings,
            ..
        } = config;
        let (stage, tones) = make_joint(&source.codec, &sink.codec, &settings)?;
        let mut pipeline = Self {
            source,
            sink,
            longest_pause: config.longest_pause,
            detects_tones: config.detects_tones,
            settings,
            stream: SinkStream::new(
                config.ssrc,
                config.first_sequence,
                config.first_timestamp,
                &sink.codec,
                now,
            ),
            grace: Grace::new(source.codec.clock_rate()),
            stage,
            tones,
            event_payload_type: None,
            events: Events::Absent,
            outgoing: OutgoingDigits::default(),
            is_muted: false,
            is_closed: false,
            sound: None,
            played: 0,
            detector: None,
            noise: ComfortNoise::default(),
            is_noisy: false,
            packets_unknown: 0,
            packets_late: 0,
            frames_concealed: 0,
        };
        pipeline.make_events();
        Ok(pipeline)
    }

    fn make_events(&mut self) {
        self.event_payload_type = self.source.telephone_event.map(|event| event.0);
        self.events = match self.source.telephone_event {
            None => Events::Absent,
            Some((_, rate)) if self.tones.is_some() => Events::Sounded(ToneRelay::new(rate)),
            Some((_, rate)) => Events::Relayed(EventRelay::new(rate, self.sink.telephone_event)),
        };
    }

    /// What was negotiated on the side that is heard; changed by `set_codecs`.
    pub fn source(&self) -> &LegCodec {
        &self.source
    }

    /// What was negotiated on the side that hears; changed by `set_codecs`.
    pub fn sink(&self) -> &LegCodec {
        &self.sink
    }

    /// Whether `send_digits` can be called: the sink has telephone-event, or hears tones.
    pub fn takes_digits(&self) -> bool {
        self.tones.is_some() || self.sink.telephone_event.is_some()
    }

    /// Whether payloads are changed on the way.
    pub fn is_transcoding(&self) -> bool {
        !passes_through(&self.source.codec, &self.sink.codec, &self.settings)
    }

    /// Totals so far.
    pub fn counters(&self) -> Counters {
        Counters {
            packets_sent: self.stream.packets_sent,
            bytes_sent: self.stream.bytes_sent,
            silence_sent: self.stream.silence_sent,
            packets_late: self.packets_late + self.stage.packets_late(),
            packets_unknown: self.packets_unknown,
            frames_concealed: self.frames_concealed + self.stage.frames_concealed(),
        }
    }

    /// What the last `receive` or `handle_timeout` decoded of the source, and its samples a second: for whoever measures
    /// how loud it is. None where nothing is decoded.
    pub fn heard(&self) -> Option<(&[i16], u32)> {
        match &self.stage {
            Stage::Transcoder(transcoder) => Some(transcoder.heard()),
            Stage::Relay(_) => None,
        }
    }

    fn forget_heard(&mut self) {
        if let Stage::Transcoder(transcoder) = &mut self.stage {
            transcoder.forget_heard();
        }
    }

    /// Take one packet of the source; give what goes to the sink because of it, and the digits that ended with it.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64, sink: &mut dyn Sink, digits: &mut Vec<Digit>) {
        if self.is_closed {
            return;
        }
        self.forget_heard();
        let payload_type = packet.header.payload_type;
        let is_audible = !self.is_interrupted(now);
        if payload_type == self.source.codec.payload_type {
            self.is_noisy = false;
            self.grace.observe(&packet.header, now);
            self.listen(packet, digits);
            if is_audible {
                self.stage.receive(packet, now, &mut self.stream, sink);
            } else {
                self.stage.suspend();
            }
        } else if self.event_payload_type == Some(payload_type) {
            let may_sound = is_audible || (self.is_toning() && !self.is_muted);
            self.receive_event(packet, now, may_sound, sink, digits);
        } else {
            if payload_type == COMFORT_NOISE_PAYLOAD_TYPE {
                self.noise.describe(packet.payload);
                self.is_noisy = true;
            } else {
                self.packets_unknown += 1;
            }
            if is_audible {
                self.stage.skip(packet, now, &mut self.stream, sink);
            }
        }
    }

    fn receive_event(
        &mut self,
        packet: &Packet<'_>,
        now: f64,
        is_audible: bool,
        sink: &mut dyn Sink,
        digits: &mut Vec<Digit>,
    ) {
        let (stage, stream) = (&mut self.stage, &mut self.stream);
        match (&mut self.events, &mut self.tones) {
            (Events::Relayed(relay), _) => relay.receive(packet, now, is_audible, stage, stream, sink, digits),
            (Events::Sounded(relay), Some(tones)) => {
                relay.receive(packet, now, is_audible, &mut tones.player, stage, stream, sink, digits);
            }
            _ => {}
        }
    }

    /// Look for digits in the sound, where they can only be there.
    fn listen(&mut self, packet: &Packet<'_>, digits: &mut Vec<Digit>) {
        if !self.detects_tones || self.source.telephone_event.is_some() {
            return;
        }
        let detector = match &mut self.detector {
            Some(detector) => detector,
            None => self.detector.insert(ToneListener::new(self.source.codec.name)),
        };
        detector.hear(packet.payload, digits);
    }

    /// Whether the sink does not hear the source now.
    fn is_interrupted(&mut self, now: f64) -> bool {
        self.is_muted || self.is_toning() || self.outgoing.busy_until(now).is_some()
    }

    /// Whether the sink hears digits as tones, now.
    fn is_toning(&self) -> bool {
        self.tones.as_ref().is_some_and(|tones| tones.player.is_active())
    }

    /// What goes to the sink because time has passed. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: f64, sink: &mut dyn Sink, digits: &mut Vec<Digit>) {
        if self.is_closed {
            return;
        }
        self.forget_heard();
        match (&mut self.events, &mut self.tones) {
            (Events::Relayed(relay), _) => relay.handle_timeout(now, &mut self.stream, sink, digits),
            (Events::Sounded(relay), Some(tones)) => relay.handle_timeout(now, &mut tones.player, digits),
            _ => {}
        }
        if let Some((payload_type, _)) = self.sink.telephone_event {
            self.outgoing.handle_timeout(now, payload_type, &mut self.stream, sink);
        }
        self.stage.handle_timeout(now, &mut self.stream, sink);
        self.outgoing.busy_until(now);
        if self.silence_deadline().is_some_and(|deadline| now >= deadline) {
            self.fill(now, sink);
        }
    }

    /// Silence up to now, unless there is something real that waits for what may still come.
    fn fill(&mut self, now: f64, sink: &mut dyn Sink) {
        self.stage.flush(now, &mut self.stream, sink);
        if self.stream.is_stalled(now) || (self.may_pause() && !self.stream.is_filling) {
            if !(self.stream.is_filling || self.may_pause()) {
                self.fill_frame(sink); // the end of what was said stands here, not behind the gap
            }
            self.stream.catch_up(now);
        }
        while self.stream.due <= now {
            self.fill_frame(sink);
        }
    }

    /// The next frame of ours: a digit, a sound, or silence.
    fn fill_frame(&mut self, sink: &mut dyn Sink) {
        if let Some(tones) = self.tones.as_mut().filter(|tones| tones.player.is_active()) {
            let payload = tones.frame(&mut self.stage, self.stream.due);
            self.stream
                .append_silence(payload.unwrap_or(silence(self.sink.codec.name)), sink);
            return;
        }
        match self.sound.as_ref().filter(|_| self.is_muted) {
            Some(sound) => {
                self.stream.append_silence(&sound[self.played], sink);
                self.played = (self.played + 1) % sound.len();
            }
            None => {
                let noise = if self.is_noisy && !self.is_muted {
                    Some(&mut self.noise)
                } else {
                    None
                };
                self.stage.silence(noise, &mut self.stream, sink);
            }
        }
    }

    /// Whether the sink is not owed a packet every 20 ms.
    fn may_pause(&self) -> bool {
        !(self.settings.needs_continuity || self.is_muted || self.is_toning())
    }

    /// When silence takes the place of a source that is late.
    fn silence_deadline(&self) -> Option<f64> {
        let stream = &self.stream;
        let deadline = if self.may_pause() {
            let longest_pause = self.longest_pause.filter(|_| stream.packets_sent > 0)?;
            if stream.is_filling {
                stream.due
            } else {
                stream.ends + longest_pause
            }
        } else if self.is_muted || self.is_toning() || stream.is_filling || stream.packets_sent == 0 {
            stream.due
        } else {
            stream.due.max(stream.ends + self.grace.seconds())
        };
        Some(self.outgoing.postponed(deadline))
    }

    /// When `handle_timeout` wants to be called; None: not before the next packet.
    pub fn next_deadline(&self) -> Option<f64> {
        if self.is_closed {
            return None;
        }
        let of_events = match &self.events {
            Events::Absent => None,
            Events::Relayed(relay) => relay.next_deadline(),
            Events::Sounded(relay) => relay.next_deadline(),
        };
        let deadlines = [
            self.silence_deadline(),
            self.stage.next_deadline(),
            self.outgoing.next_deadline(),
            of_events,
        ];
        deadlines.into_iter().flatten().reduce(f64::min)
    }

    /// For a sender report to the sink; None when nothing has been sent yet.
    pub fn sender_info(&self, now: f64) -> Option<SenderInfo> {
        let stream = &self.stream;
        (stream.packets_sent > 0).then(|| SenderInfo {
            rtp_timestamp: stream.timestamp_at(now),
            packet_count: stream.packets_sent as u32,
            octet_count: stream.bytes_sent as u32,
        })
    }

    /// Nothing comes out any more; idempotent.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.outgoing.clear();
    }
}
