//! One direction of one call: RTP of the source leg in, RTP for the sink leg out. Sans-IO: packets and `now` in, packets
//! and digits out.

pub mod codec;
pub mod dtmf;
pub mod events;
pub mod grace;
pub mod inband;
pub mod jitter;
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

use std::sync::Arc;

use crate::codec::comfort_noise::ComfortNoise;
use crate::codec::effort::Effort;
use crate::codec::gain::Gain;
use crate::codec::{Encoder, g711, silence};
use crate::rtcp::SenderInfo;
use crate::rtp::{Packet, Sink};
use codec::{COMFORT_NOISE_PAYLOAD_TYPE, Codec, CodecError, LegCodec, Name, may_pass_through};
pub use dtmf::{Digit, DigitError};
use events::{EventRelay, OutgoingDigits};
use grace::Grace;
use inband::{ToneListener, ToneRelay};
use relay::Relay;
use settings::StageSettings;
use stage::Stage;
use stream::SinkStream;
use tone_encoder::{ToneEncoder, has_memory};
use transcoder::Transcoder;

/// What a pipeline did, in packets unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Towards the sink.
    pub packets_sent: u64,
    /// Payload only.
    pub bytes_sent: u64,
    /// Of `packets_sent`: silence, or a sound of our own, that stood in for the source.
    pub silence_sent: u64,
    /// Not forwarded: they came twice, or after their time.
    pub packets_late: u64,
    /// Not forwarded: a payload type that was not negotiated.
    pub packets_unknown: u64,
    /// Frames that the decoder made up for lost ones.
    pub frames_concealed: u64,
}

/// What a muted sink hears over and over: payloads of 20 ms in its codec. Shared by all calls that hear it.
pub type Sound = Arc<[Box<[u8]>]>;

/// What a pipeline is made of.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// What was negotiated on the side that is heard.
    pub source: LegCodec,
    /// What was negotiated on the side that hears.
    pub sink: LegCodec,
    /// Of the stream towards the sink; a random number of the caller, as the next two.
    pub ssrc: u32,
    /// Of the first packet.
    pub first_sequence: u16,
    /// Of the first packet.
    pub first_timestamp: u32,
    /// Where RTP towards the sink may pause (else it begins at once), seconds after which silence takes the place of a source that was there; None: never.
    pub longest_pause: Option<f64>,
    /// Whether digits are looked for in the sound of a source that has no telephone-events, and reported. They go on
    /// as they came: in the sound.
    pub detects_tones: bool,
    /// Whether RTP may pause towards the sink, and everything else that is no number of a stream.
    pub stage: StageSettings,
}

impl Config {
    /// Between these, everything else as it mostly is.
    pub fn new(source: LegCodec, sink: LegCodec) -> Self {
        Self {
            source,
            sink,
            ssrc: 0,
            first_sequence: 0,
            first_timestamp: 0,
            longest_pause: None,
            detects_tones: false,
            stage: StageSettings::default(),
        }
    }
}

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

    /// Renegotiated: SSRC, sequence and timestamp towards the sink go on without a jump.
    ///
    /// A digit that is being relayed or sent ends there. On an error everything is as it was.
    pub fn set_codecs(&mut self, source: LegCodec, sink: LegCodec) -> Result<(), CodecError> {
        if self.is_closed || (source, sink) == (self.source, self.sink) {
            return Ok(());
        }
        if (source.codec, sink.codec) != (self.source.codec, self.sink.codec) {
            self.change_codecs(&source, &sink)?;
        }
        if source.codec.clock_rate() != self.source.codec.clock_rate() {
            self.grace.set_clock_rate(source.codec.clock_rate());
        }
        self.source = source;
        self.sink = sink;
        self.change_events();
        self.outgoing.clear();
        Ok(())
    }

    fn change_codecs(&mut self, source: &LegCodec, sink: &LegCodec) -> Result<(), CodecError> {
        self.change_stage(&source.codec, &sink.codec)?;
        self.play(None); // it was of another codec
        Ok(())
    }

    /// Another stage, which goes on in the same stream.
    fn change_stage(&mut self, source: &Codec, sink: &Codec) -> Result<(), CodecError> {
        let (stage, tones) = make_joint(source, sink, &self.settings)?;
        self.stop_events();
        let counters = self.counters();
        self.packets_late = counters.packets_late;
        self.frames_concealed = counters.frames_concealed;
        self.stage = stage;
        self.tones = tones;
        self.stream.set_codec(sink);
        self.detector = None;
        Ok(())
    }

    fn change_events(&mut self) {
        self.stop_events();
        self.make_events();
    }

    fn stop_events(&mut self) {
        match (&mut self.events, &mut self.tones) {
            (Events::Relayed(relay), _) => relay.stop(),
            (Events::Sounded(relay), Some(tones)) => relay.stop(&mut tones.player),
            _ => {}
        }
    }

    /// Somebody else speaks from now on; the stream goes on.
    pub fn change_source(&mut self, source: LegCodec, longest_pause: Option<f64>) -> Result<(), CodecError> {
        self.set_codecs(source, self.sink)?;
        self.longest_pause = longest_pause;
        self.grace = Grace::new(source.codec.clock_rate());
        self.stage.suspend();
        self.change_events();
        self.is_noisy = false;
        Ok(())
    }

    /// Hold: the sink hears paced silence instead of the source. Digits of the source are still reported.
    pub fn set_muted(&mut self, is_muted: bool) {
        if is_muted && !self.is_muted {
            self.stage.suspend();
            self.stop_events();
        }
        self.is_muted = is_muted;
    }

    /// What the sink hears while it is muted, over and over; None, or no payloads, is silence.
    ///
    /// The same sound once more changes nothing; a change of the sink's codec ends it.
    pub fn play(&mut self, sound: Option<Sound>) {
        let sound = sound.filter(|payloads| !payloads.is_empty());
        let is_same = matches!((&sound, &self.sound), (Some(new), Some(old)) if Arc::ptr_eq(new, old));
        if !is_same {
            self.sound = sound;
            self.played = 0;
        }
    }

    /// Send telephone-events to the sink, or tones, after those that are still going out.
    ///
    /// Returns the time at which the last packet will have left. Durations are seconds.
    pub fn send_digits(&mut self, digits: &str, duration: f64, gap: f64, now: f64) -> Result<f64, DigitError> {
        if let Some(tones) = &mut self.tones {
            tones.player.add(&digits.to_ascii_uppercase(), duration, gap, now)?;
            self.stage.suspend();
            return Ok(now.max(self.stream.due) + tones.player.remaining());
        }
        let Some((_, rate)) = self.sink.telephone_event else {
            return Err(DigitError::NoTelephoneEvent);
        };
        self.stop_events();
        self.outgoing.add(digits, duration, gap, rate, now)
    }

    /// Louder or softer for the sink, from now on.
    pub fn set_gain(&mut self, gain: Gain) -> Result<(), CodecError> {
        let settings = StageSettings { gain, ..self.settings };
        let (source, sink) = (self.source.codec, self.sink.codec);
        let stays = is_relayed(&source, &sink, &settings) == matches!(self.stage, Stage::Relay(_));
        match &mut self.stage {
            Stage::Relay(relay) if stays => relay.set_translation(translation(source.name, sink.name, gain)),
            Stage::Transcoder(transcoder) if stays => transcoder.set_gain(gain),
            _ => {
                let before = std::mem::replace(&mut self.settings, settings);
                let changed = self.change_stage(&source, &sink);
                if changed.is_err() {
                    self.settings = before;
                }
                return changed;
            }
        }
        self.settings = settings;
        Ok(())
    }

    /// How hard encoders work from now on.
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.settings.effort = effort;
        self.encoders().try_for_each(|encoder| encoder.set_effort(effort))
    }

    /// How hard encoders work.
    pub fn effort(&self) -> Effort {
        self.settings.effort
    }

    /// Whether there is time to spare, as the workers see it: encoders that may choose go along.
    pub fn set_scarce(&mut self, is_scarce: bool) -> Result<(), CodecError> {
        let effort = self.settings.effort;
        if effort.is_scarce == is_scarce {
            return Ok(());
        }
        self.set_effort(Effort { is_scarce, ..effort })
    }

    /// Percent of our packets that the sink says it loses: so much does opus protect them, if the sink wished it.
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        self.settings.expected_loss = percent;
        self.encoders()
            .try_for_each(|encoder| encoder.set_expected_loss(percent))
    }

    /// For which loss opus is set, in percent.
    #[cfg(test)]
    pub fn expected_loss(&self) -> u8 {
        self.settings.expected_loss
    }

    fn encoders(&mut self) -> impl Iterator<Item = &mut Encoder> {
        let of_stage = match &mut self.stage {
            Stage::Transcoder(transcoder) => Some(transcoder.encoder()),
            Stage::Relay(_) => None,
        };
        of_stage
            .into_iter()
            .chain(self.tones.as_mut().and_then(ToneEncoder::encoder))
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

/// What joins the two, and what makes tones of digits where the sink hears those.
fn make_joint(
    source: &Codec,
    sink: &Codec,
    settings: &StageSettings,
) -> Result<(Stage, Option<ToneEncoder>), CodecError> {
    let stage = if is_relayed(source, sink, settings) {
        let translation = translation(source.name, sink.name, settings.gain);
        Stage::Relay(Relay::new(
            source,
            sink,
            silence(sink.name),
            settings.needs_continuity,
            translation,
        ))
    } else {
        Stage::Transcoder(Box::new(Transcoder::new(source, sink, settings)?))
    };
    let tones = if settings.plays_digits {
        Some(ToneEncoder::new(sink, &stage, settings.effort)?)
    } else {
        None
    };
    Ok((stage, tones))
}

/// Whether a relay does: payloads stay as they are, or every byte becomes another.
fn is_relayed(source: &Codec, sink: &Codec, settings: &StageSettings) -> bool {
    (is_g711(source.name) && is_g711(sink.name)) || passes_through(source, sink, settings)
}

fn is_g711(name: Name) -> bool {
    matches!(name, Name::Pcmu | Name::Pcma)
}

/// What the bytes of G.711 become, None if they stay as they are or there is something else.
fn translation(source: Name, sink: Name, gain: Gain) -> Option<Box<[u8; 256]>> {
    let is_changed = is_g711(source) && is_g711(sink) && (source != sink || !gain.is_unity());
    is_changed.then(|| g711::translation(source == Name::Pcma, sink == Name::Pcma, |sample| gain.apply(sample)))
}

/// Whether payloads stay as they are. Digits cannot be put in between if the sink's decoder would notice.
fn passes_through(source: &Codec, sink: &Codec, settings: &StageSettings) -> bool {
    !(settings.plays_digits && has_memory(sink.name)) && settings.gain.is_unity() && may_pass_through(source, sink)
}
