//! What may change in the middle of a call: the codecs, the source, hold and what is heard on it, digits of ours,
//! loudness, and how hard encoders work. The stream towards the sink goes on without a jump.

use std::sync::Arc;

use super::codec::{Codec, CodecError, LegCodec};
use super::dtmf::DigitError;
use super::grace::Grace;
use super::joint::{is_relayed, make_joint, translation};
use super::settings::StageSettings;
use super::stage::Stage;
use super::tone_encoder::ToneEncoder;
use super::{Events, Pipeline, Sound};
use crate::codec::Encoder;
use crate::codec::effort::Effort;
use crate::codec::gain::Gain;

impl Pipeline {
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
}
