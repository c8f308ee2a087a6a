//! Digits as tones in the audio: what sounds when, sample by sample; and telephone-events of a source made into them.
//!
//! A digit from an event begins to sound with its first packet, long before its length is known; it ends to the
//! sample when that is. Digits that overlap wait for each other.

use std::collections::VecDeque;
use std::f64::consts::PI;

use super::codec::Name;
use super::dtmf::{DIGITS, Digit, DigitError, EventReceiver, MAX_DIGITS, MAX_DURATION, MAX_SECONDS, check_lengths};
use super::stage::Stage;
use super::stream::{SinkStream, ticks};
use super::tones::{FULL_SCALE, ToneDetector, dtmf_frequencies};
use crate::codec::Decoder;
use crate::rtp::{Packet, Sink};

/// dBFS of each of the two tones: -10 dBm0, for a sine of 0 dBm0 is 3.14 dB below the loudest (G.711 table 5).
pub const LEVEL: f64 = -13.1;
/// Seconds that a digit sounds at least, and that two digits are apart: detectors are promised no less (Q.24).
pub const SHORTEST: f64 = 0.040;
/// Seconds that may wait to sound when a source sends one more digit.
pub const MAX_BACKLOG: f64 = 10.0;
/// Seconds in which a tone comes and goes, so that it makes no click.
const RAMP: f64 = 0.002;
/// Samples a second at which opus is decoded to look for tones.
const TONE_RATE: u32 = 8000;

/// A digit. `length` and `gap`, the silence before it, are in samples; a length that is not known yet is None.
#[derive(Debug)]
struct Tone {
    digit: u8,
    length: Option<i64>,
    gap: i64,
    played: i64,
}

/// A row of digits as samples, in frames that the caller asks for one after the other.
#[derive(Debug)]
pub struct TonePlayer {
    rate: u32,
    ramp: i64,
    /// At most one of them has no length yet; others may wait behind it.
    tones: VecDeque<Tone>,
    /// When the last tone was over.
    ended: f64,
}

impl TonePlayer {
    /// For so many samples a second.
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            ramp: ticks(RAMP, rate),
            tones: VecDeque::new(),
            ended: f64::NEG_INFINITY,
        }
    }

    /// Whether there is something to be heard.
    pub fn is_active(&self) -> bool {
        !self.tones.is_empty()
    }

    /// Seconds until it is quiet, as far as is known: a digit of unknown length may end at any moment.
    pub fn remaining(&self) -> f64 {
        let samples: i64 = self
            .tones
            .iter()
            .map(|tone| tone.gap + (tone.length.unwrap_or(0) - tone.played).max(0))
            .sum();
        samples as f64 / f64::from(self.rate)
    }

    /// A digit of unknown length, heard after those that wait. `end` is called before the next one begins.
    ///
    /// It is dropped behind more than `MAX_BACKLOG`: nobody presses digits faster than they sound.
    pub fn begin(&mut self, digit: u8, now: f64) {
        if self.tones.len() < MAX_DIGITS && self.remaining() <= MAX_BACKLOG {
            self.append(digit, None, 0.0, now);
        }
    }

    /// The digit that was begun lasts so many seconds in all: it ends at once if it has sounded for longer.
    pub fn end(&mut self, duration: f64) {
        let length = ticks(duration.max(SHORTEST), self.rate);
        let ramp = self.ramp;
        if let Some(tone) = self.tones.iter_mut().find(|tone| tone.length.is_none()) {
            tone.length = Some(length.max(tone.played + ramp));
        }
    }

    /// Digits of known length behind those that wait; upper case only.
    pub fn add(&mut self, digits: &str, duration: f64, gap: f64, now: f64) -> Result<(), DigitError> {
        if digits.is_empty() || !digits.bytes().all(|digit| dtmf_frequencies(digit).is_some()) {
            return Err(DigitError::NotDigits);
        }
        check_lengths(duration, gap)?;
        if self.tones.len() + digits.len() > MAX_DIGITS {
            return Err(DigitError::TooMany);
        }
        if self.remaining() + digits.len() as f64 * (duration + gap) > MAX_SECONDS {
            return Err(DigitError::TooLong);
        }
        for digit in digits.bytes() {
            self.append(digit, Some(ticks(duration.max(SHORTEST), self.rate)), gap, now);
        }
        Ok(())
    }

    fn append(&mut self, digit: u8, length: Option<i64>, gap: f64, now: f64) {
        let pause = if self.tones.is_empty() {
            (SHORTEST - (now - self.ended)).max(0.0)
        } else {
            gap.max(SHORTEST)
        };
        self.tones.push_back(Tone {
            digit,
            length,
            gap: ticks(pause, self.rate),
            played: 0,
        });
    }

    /// The next samples, silence where nothing sounds; `ends` is when they are over.
    pub fn fill(&mut self, pcm: &mut [i16], ends: f64) {
        let mut filled = 0;
        while filled < pcm.len() {
            let Some(tone) = self.tones.front_mut() else { break };
            let left = &mut pcm[filled..];
            let quiet = (tone.gap as usize).min(left.len());
            tone.gap -= quiet as i64;
            left[..quiet].fill(0);
            let sounded = sound(tone, &mut left[quiet..], self.rate, self.ramp);
            filled += quiet + sounded;
            if tone.length.is_some_and(|length| tone.played >= length) {
                self.tones.pop_front();
                self.ended = ends - (pcm.len() - filled) as f64 / f64::from(self.rate);
            }
        }
        pcm[filled..].fill(0);
    }

    /// Silence from now on.
    pub fn clear(&mut self) {
        self.tones.clear();
    }
}

/// Play on as far as there is room or the tone lasts; return the number of samples.
fn sound(tone: &mut Tone, pcm: &mut [i16], rate: u32, ramp: i64) -> usize {
    if tone.length.is_none() && tone.played as f64 >= MAX_DURATION * f64::from(rate) {
        tone.length = Some(tone.played + ramp);
    }
    let (first, room) = (tone.played, pcm.len() as i64);
    let last = tone.length.map_or(first + room, |length| length.min(first + room));
    tone.played = last;
    let (row, column) = dtmf_frequencies(tone.digit).unwrap_or_default();
    let step = 2.0 * PI / f64::from(rate);
    let amplitude = FULL_SCALE * 10f64.powf(LEVEL / 20.0);
    let end = tone.length.map_or(f64::INFINITY, |length| length as f64);
    for (sample, index) in pcm.iter_mut().zip(first..last) {
        let time = index as f64;
        let shape = (time / ramp as f64).min((end - time) / ramp as f64).min(1.0);
        let value = (row * step * time).sin() + (column * step * time).sin();
        *sample = (amplitude * shape * value).round_ties_even() as i16;
    }
    (last - first).max(0) as usize
}

/// Has a source's telephone-events sound at a sink that takes none, and reports them; see `EventRelay`.
#[derive(Debug)]
pub struct ToneRelay {
    receiver: EventReceiver,
    source_rate: u32,
    /// Number of the event that sounds, or waits to, and whose length is not known yet.
    sounding: Option<u64>,
}

impl ToneRelay {
    /// From the clock rate of the source's telephone-event.
    pub fn new(source_rate: u32) -> Self {
        Self {
            receiver: EventReceiver::new(source_rate),
            source_rate: source_rate.max(1),
            sounding: None,
        }
    }

    /// Take a telephone-event packet; add the digits that ended. To the sink goes nothing at once.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a packet meets on its way, each of another owner"
    )]
    pub fn receive(
        &mut self,
        packet: &Packet<'_>,
        now: f64,
        is_audible: bool,
        player: &mut TonePlayer,
        stage: &mut Stage,
        stream: &mut SinkStream,
        sink: &mut dyn Sink,
        digits: &mut Vec<Digit>,
    ) {
        let before = self.receiver.event;
        self.receiver.receive(packet, now, digits);
        let event = self.receiver.event;
        if let Some(event) = event.filter(|event| before.is_none_or(|before| before.number != event.number)) {
            // whatever sounded before has ended with the beginning of this one
            self.finish(before.map_or(0, |before| before.duration_ticks()), player);
            if let Some(&digit) = DIGITS.get(usize::from(event.code)).filter(|_| is_audible) {
                stage.suspend();
                player.begin(digit, now);
                self.sounding = Some(event.number);
            }
        }
        self.follow(player);
        stage.skip(packet, now, stream, sink);
    }

    /// The digit that sounds lasts so many ticks in all.
    fn finish(&mut self, ticks: i64, player: &mut TonePlayer) {
        if self.sounding.take().is_some() {
            player.end(ticks as f64 / f64::from(self.source_rate));
        }
    }

    /// End what sounds if its event has ended.
    fn follow(&mut self, player: &mut TonePlayer) {
        if let Some(event) = self.receiver.event.filter(|event| event.has_ended) {
            if self.sounding == Some(event.number) {
                self.finish(event.duration_ticks(), player);
            }
        }
    }

    /// End a digit whose end packets were all lost.
    pub fn handle_timeout(&mut self, now: f64, player: &mut TonePlayer, digits: &mut Vec<Digit>) {
        self.receiver.handle_timeout(now, digits);
        self.follow(player);
    }

    /// The sink is going to hear something else; an event that goes on is reported only.
    pub fn stop(&mut self, player: &mut TonePlayer) {
        self.finish(0, player);
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.receiver.next_deadline()
    }
}

/// Finds digits in the sound of a source, with a decoder of its own: packets are heard as they come, which is good
/// enough for what lasts several of them.
#[derive(Debug)]
pub struct ToneListener {
    decoder: Option<Decoder>,
    detector: ToneDetector,
    pcm: Vec<i16>,
    heard: Vec<(char, f64)>,
}

impl ToneListener {
    /// For a source's codec; opus is decoded at the rate that tones need. A decoder that cannot be had hears nothing.
    pub fn new(name: Name) -> Self {
        let rate = name.sample_rate().unwrap_or(TONE_RATE);
        let decoder = Decoder::new(name, rate).ok();
        Self {
            decoder,
            detector: ToneDetector::new(rate),
            pcm: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// Take a payload; add the digits that ended.
    pub fn hear(&mut self, payload: &[u8], digits: &mut Vec<Digit>) {
        self.pcm.clear();
        let is_decoded = self
            .decoder
            .as_mut()
            .is_some_and(|decoder| decoder.decode(payload, &mut self.pcm).is_ok());
        if is_decoded {
            self.detector.hear(&self.pcm, &mut self.heard);
            digits.extend(self.heard.drain(..).map(|(digit, duration)| Digit { digit, duration }));
        }
    }
}
