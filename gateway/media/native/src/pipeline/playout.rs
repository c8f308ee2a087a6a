//! Sound of a source at the pace of our own clock: for what must have its samples now, a mixer or a recorder.
//!
//! A pipeline needs none of this: the receiver behind it has a jitter buffer. Here packets come when the network lets
//! them and frames leave every 20 ms, so that sound has to wait: for as long as the network has shown to need, and no
//! longer. The source's clock runs a little faster or slower than ours; what piles up, or runs out, is made shorter or
//! longer by whole periods of the voice, which nobody hears.

use super::codec::{Codec, CodecError};
use super::jitter::{Item, JitterBuffer, Taken};
use super::stream::{FRAME, ticks};
use crate::codec::{Decoder, Resampler, sample_rates};
use crate::rtp::{Header, Packet, timestamp_delta};

#[cfg(test)]
mod tests;

/// Seconds of sound that wait, beside the frame that is next, on a perfect network.
const MIN_DELAY: f64 = 0.010;
/// Seconds that sound waits at most for what the network delays.
const MAX_DELAY: f64 = 0.200;
/// Seconds beyond the delay that are kept at most: a burst after a hole in the network.
const MAX_EXCESS: f64 = 0.500;
/// Packets lost in a row that are made up.
const MAX_CONCEALED: u16 = 5;
/// Seconds of a pause between packets that follow each other which are filled with silence.
const MAX_PADDING: f64 = 0.120;
/// Seconds after which the fastest packet seen is forgotten, or after twice as many.
const BASELINE_WINDOW: f64 = 5.0;
/// Part of the lateness that is remembered after a second without a later packet.
const MEMORY: f64 = 0.9;
/// Seconds between two corrections of the length.
const CORRECTION_INTERVAL: f64 = 0.100;
/// Seconds by which more sound may wait than shall.
const EXCESS: f64 = 0.030;
/// Seconds by which less may.
const SHORTAGE: f64 = 0.005;
/// Of a period, in seconds; two of the longest fit a frame, which there always is.
const SHORTEST_PERIOD: f64 = 0.0025;
const LONGEST_PERIOD: f64 = 0.010;
/// How like its predecessor a period must be, unless it is as good as silent.
const LIKENESS: f64 = 0.7;
/// Mean square of a sample below which anything may be cut.
const QUIET: f64 = 100.0 * 100.0;

/// Between which limits the delay may adapt, in seconds. Both the same: it does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DelayLimits {
    /// On a perfect network.
    pub min: f64,
    /// On the worst.
    pub max: f64,
}

impl Default for DelayLimits {
    fn default() -> Self {
        Self {
            min: MIN_DELAY,
            max: MAX_DELAY,
        }
    }
}

/// How late packets come compared with the fastest, which says how long sound must wait.
#[derive(Debug)]
struct Lateness {
    clock_rate: f64,
    limits: DelayLimits,
    reference: Option<(Header, f64)>,
    /// Ticks since the reference.
    ticks: i64,
    last_timestamp: u32,
    /// The least offset in this window and in the one before.
    fastest: f64,
    fastest_before: f64,
    window_since: f64,
    peak: f64,
    peak_at: f64,
}

impl Lateness {
    fn new(clock_rate: u32, limits: DelayLimits) -> Self {
        Self {
            clock_rate: f64::from(clock_rate),
            limits,
            reference: None,
            ticks: 0,
            last_timestamp: 0,
            fastest: f64::INFINITY,
            fastest_before: f64::INFINITY,
            window_since: 0.0,
            peak: 0.0,
            peak_at: 0.0,
        }
    }

    fn observe(&mut self, header: &Header, now: f64) {
        let begin = match self.reference {
            Some((first, begin)) if first.ssrc == header.ssrc => begin,
            _ => {
                self.reference = Some((*header, now));
                self.ticks = 0;
                self.last_timestamp = header.timestamp;
                self.fastest = f64::INFINITY;
                self.fastest_before = f64::INFINITY;
                self.window_since = now;
                now
            }
        };
        self.ticks += timestamp_delta(header.timestamp, self.last_timestamp);
        self.last_timestamp = header.timestamp;
        let offset = now - begin - self.ticks as f64 / self.clock_rate;
        if now - self.window_since > BASELINE_WINDOW {
            self.fastest_before = self.fastest;
            self.fastest = f64::INFINITY;
            self.window_since = now;
        }
        self.fastest = self.fastest.min(offset);
        let lateness = offset - self.fastest.min(self.fastest_before);
        if lateness > self.limits.max * 5.0 {
            self.reference = None; // the source's clock jumped
        } else if lateness >= self.current(now) {
            self.peak = lateness;
            self.peak_at = now;
        }
    }

    fn current(&self, now: f64) -> f64 {
        self.peak * MEMORY.powf(now - self.peak_at)
    }

    /// Seconds that sound shall wait, beside the frame that is next.
    fn target(&self, now: f64) -> f64 {
        (self.current(now) + MIN_DELAY).clamp(self.limits.min, self.limits.max)
    }
}

/// Packets of one source in, frames of 20 ms out whenever they are wanted.
#[derive(Debug)]
pub struct Playout {
    /// Frames that were made up, as far as the source had not fallen silent.
    pub frames_concealed: u64,
    /// Corrections of the length: periods left out, and periods repeated.
    pub periods_cut: u64,
    /// See `periods_cut`.
    pub periods_repeated: u64,
    codec: Codec,
    rate: u32,
    frame_samples: usize,
    limits: DelayLimits,
    jitter: JitterBuffer,
    decoder: Decoder,
    resampler: Resampler,
    lateness: Lateness,
    items: Vec<Item>,
    decoded: Vec<i16>,
    resampled: Vec<i16>,
    /// Samples that wait, the next first.
    buffer: Vec<i16>,
    /// Whether frames are taken from the buffer; else it fills up first.
    is_playing: bool,
    /// Frames in a row for which there was nothing.
    starved: u32,
    /// Of the packet that follows the last one.
    expected: Option<(u32, u32)>,
    packet_samples: usize,
    /// Samples that wait, smoothed; of the frames before which a packet came, as what is missing may be lost.
    level: f64,
    has_news: bool,
    corrected_at: f64,
}

impl Playout {
    /// For a source of this codec, at 8000 or 16000 samples a second.
    pub fn new(codec: &Codec, rate: u32, limits: DelayLimits) -> Result<Self, CodecError> {
        let decode_rate = codec.name.sample_rate().unwrap_or(rate);
        debug_assert!(sample_rates(codec.name, codec.name).0 >= 8000 && (rate == 8000 || rate == 16000));
        Ok(Self {
            frames_concealed: 0,
            periods_cut: 0,
            periods_repeated: 0,
            codec: *codec,
            rate,
            frame_samples: ticks(FRAME, rate) as usize,
            limits,
            jitter: JitterBuffer::new(limits.max.min(MAX_DELAY) / 2.0),
            decoder: Decoder::new(codec.name, decode_rate)?,
            resampler: Resampler::between(decode_rate, rate),
            lateness: Lateness::new(codec.clock_rate(), limits),
            items: Vec::new(),
            decoded: Vec::new(),
            resampled: Vec::new(),
            buffer: Vec::new(),
            is_playing: false,
            starved: 0,
            expected: None,
            packet_samples: ticks(FRAME, rate) as usize,
            level: 0.0,
            has_news: false,
            corrected_at: f64::NEG_INFINITY,
        })
    }

    /// Take a packet of the source, whatever it carries.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64) {
        if self.is_audio(packet) {
            self.lateness.observe(&packet.header, now);
            self.has_news = true;
        }
        match self.jitter.receive(packet, now, &mut self.items) {
            Taken::Next => self.take(packet),
            Taken::Kept => self.take_items(),
        }
        let most = ticks(self.limits.max + MAX_EXCESS, self.rate) as usize;
        if self.buffer.len() > most {
            self.buffer.drain(..self.buffer.len() - most);
        }
    }

    fn is_audio(&self, packet: &Packet<'_>) -> bool {
        packet.header.payload_type == self.codec.payload_type && !packet.payload.is_empty()
    }

    fn take_items(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        for (index, item) in items.iter().enumerate() {
            match item {
                Item::Packet(held) => self.take(&Packet {
                    header: held.header,
                    payload: &held.payload,
                }),
                Item::Lost(packets) => {
                    let following = match items.get(index + 1) {
                        Some(Item::Packet(held)) if held.header.payload_type == self.codec.payload_type => {
                            Some(held.payload.as_slice())
                        }
                        _ => None,
                    };
                    self.conceal(*packets, following);
                }
            }
        }
        self.jitter.recycle(&mut items);
        self.items = items;
    }

    fn conceal(&mut self, packets: u16, following: Option<&[u8]>) {
        if !self.is_playing {
            return;
        }
        let following = following.filter(|_| packets <= MAX_CONCEALED);
        for remaining in (1..=packets.min(MAX_CONCEALED)).rev() {
            self.make_up(following.filter(|_| remaining == 1));
            let lasted = self.decoded_ticks();
            self.expected = self
                .expected
                .map(|(ssrc, timestamp)| (ssrc, timestamp.wrapping_add(lasted)));
            self.add_concealed();
        }
    }

    /// Add what stands for a lost packet, but for what was made up while nobody knew yet that it is lost.
    fn add_concealed(&mut self) {
        let pcm = self.resampler.process(&self.decoded, &mut self.resampled);
        let covered = (self.starved as usize * self.frame_samples).min(pcm.len());
        self.buffer.extend_from_slice(&pcm[covered..]);
        self.starved -= (covered / self.frame_samples) as u32;
        self.frames_concealed += u64::from(covered == 0);
    }

    fn decode_rate(&self) -> u32 {
        self.codec.name.sample_rate().unwrap_or(self.rate)
    }

    /// How long what was decoded lasts on the source's clock.
    fn decoded_ticks(&self) -> u32 {
        let ticks = self.decoded.len() as u64 * u64::from(self.codec.clock_rate());
        (ticks / u64::from(self.decode_rate())) as u32
    }

    fn make_up(&mut self, following: Option<&[u8]>) {
        self.decoder.make_up(self.packet_samples, following, &mut self.decoded);
    }

    fn take(&mut self, packet: &Packet<'_>) {
        if !self.is_audio(packet) {
            return;
        }
        let header = &packet.header;
        if let Some((ssrc, timestamp)) = self.expected {
            let gap = timestamp_delta(header.timestamp, timestamp) as f64 / f64::from(self.codec.clock_rate());
            // what was not played meanwhile; a longer pause has passed as silence already
            let gap = gap - f64::from(self.starved) * FRAME;
            if ssrc == header.ssrc && self.is_playing && gap > 0.0 && gap <= MAX_PADDING {
                let missing = ticks(gap, self.rate) as usize;
                self.buffer.resize(self.buffer.len() + missing, 0);
            }
        }
        self.decoded.clear();
        if self.decoder.decode(packet.payload, &mut self.decoded).is_err() {
            self.frames_concealed += 1;
            self.make_up(None);
        }
        self.packet_samples = self.decoded.len().max(1);
        self.expected = Some((header.ssrc, header.timestamp.wrapping_add(self.decoded_ticks())));
        self.add_decoded();
    }

    fn add_decoded(&mut self) {
        self.buffer
            .extend_from_slice(self.resampler.process(&self.decoded, &mut self.resampled));
    }

    /// The next frame, as long as `pcm` is; whether the source is heard in it.
    pub fn frame(&mut self, now: f64, pcm: &mut [i16]) -> bool {
        self.jitter.handle_timeout(now, &mut self.items);
        self.take_items();
        let target = (self.lateness.target(now) + FRAME) * f64::from(self.rate);
        if !self.is_playing {
            if (self.buffer.len() as f64) < target {
                pcm.fill(0);
                return false;
            }
            self.is_playing = true;
            self.level = self.buffer.len() as f64;
            // what came in one burst is too old to be heard
            let excess = self.buffer.len().saturating_sub(target as usize + self.frame_samples);
            self.buffer.drain(..excess);
        }
        if self.buffer.len() < pcm.len() && self.jitter.is_holding() {
            self.jitter.flush(now, &mut self.items); // there is no time left to wait for what is missing
            self.take_items();
        }
        if self.buffer.len() < pcm.len() {
            return self.starve(pcm);
        }
        self.starved = 0;
        self.correct(target, now);
        let taken = pcm.len().min(self.buffer.len());
        pcm[..taken].copy_from_slice(&self.buffer[..taken]);
        pcm[taken..].fill(0);
        self.buffer.drain(..taken);
        true
    }

    /// There is not enough: make something up, or see that the source has fallen silent.
    fn starve(&mut self, pcm: &mut [i16]) -> bool {
        self.starved += 1;
        if self.starved > u32::from(MAX_CONCEALED) {
            self.is_playing = false;
            let left = self.buffer.len().min(pcm.len());
            pcm[..left].copy_from_slice(&self.buffer[..left]);
            pcm[left..].fill(0);
            self.buffer.clear();
            return false;
        }
        self.frames_concealed += 1;
        while self.buffer.len() < pcm.len() {
            self.make_up(None);
            if self.decoded.is_empty() {
                self.decoded.resize(pcm.len(), 0);
            }
            self.add_decoded();
        }
        pcm.copy_from_slice(&self.buffer[..pcm.len()]);
        self.buffer.drain(..pcm.len());
        true
    }

    /// Samples that wait, with those of packets behind a gap and of the gap itself: all of it will be played.
    fn waiting(&self) -> usize {
        let held = self.jitter.span() * self.packet_samples;
        self.buffer.len() + held * self.rate as usize / self.decode_rate() as usize
    }

    /// Leave out a period, or repeat one, when too much or too little waits.
    fn correct(&mut self, target: f64, now: f64) {
        if !std::mem::take(&mut self.has_news) {
            return;
        }
        self.level += (self.waiting() as f64 - self.level) / 8.0;
        let is_long = self.level > target + EXCESS * f64::from(self.rate);
        let is_short = self.level < target - SHORTAGE * f64::from(self.rate);
        if now - self.corrected_at < CORRECTION_INTERVAL || !(is_long || is_short) {
            return;
        }
        let Some(period) = best_period(&self.buffer, self.rate) else {
            return;
        };
        self.corrected_at = now;
        if is_long {
            cut_period(&mut self.buffer, period);
            self.level -= period as f64;
            self.periods_cut += 1;
        } else {
            repeat_period(&mut self.buffer, period);
            self.level += period as f64;
            self.periods_repeated += 1;
        }
    }
}

/// The period at the beginning of these samples, in samples, if one can be cut or repeated without being heard.
fn best_period(pcm: &[i16], rate: u32) -> Option<usize> {
    let (shortest, longest) = (
        ticks(SHORTEST_PERIOD, rate) as usize,
        ticks(LONGEST_PERIOD, rate) as usize,
    );
    let window = pcm.get(..longest)?;
    pcm.get(..2 * longest)?;
    let energy = |part: &[i16]| {
        part.iter()
            .map(|&sample| f64::from(sample) * f64::from(sample))
            .sum::<f64>()
    };
    let own = energy(window);
    if own < QUIET * longest as f64 {
        return Some(longest);
    }
    let likeness = |period: usize| {
        let other = &pcm[period..period + longest];
        let product: f64 = window
            .iter()
            .zip(other)
            .map(|(&one, &two)| f64::from(one) * f64::from(two))
            .sum();
        product / (own * energy(other)).sqrt().max(1.0)
    };
    let best = (shortest..=longest).map(|period| (likeness(period), period));
    let (likeness, period) = best.max_by(|one, two| one.0.total_cmp(&two.0))?;
    (likeness >= LIKENESS).then_some(period)
}

/// From the first samples to the second, over all of their length.
fn crossfaded(first: i16, second: i16, index: usize, length: usize) -> i16 {
    let (first, second) = (i64::from(first), i64::from(second));
    ((first * (length - index) as i64 + second * index as i64) / length as i64) as i16
}

/// Two periods become one.
fn cut_period(pcm: &mut Vec<i16>, period: usize) {
    for index in 0..period {
        pcm[index] = crossfaded(pcm[index], pcm[index + period], index, period);
    }
    pcm.drain(period..2 * period);
}

/// Two periods become three: in the middle, what leads from the second back to the first.
fn repeat_period(pcm: &mut Vec<i16>, period: usize) {
    let inserted: Vec<i16> = (0..period)
        .map(|index| crossfaded(pcm[index + period], pcm[index], index, period))
        .collect();
    pcm.splice(period..period, inserted);
}
