//! How good a leg's media is, each direction by itself: from its packets, its RTCP and its sound.
//!
//! A leg has one [`Meter`] for what comes in; what goes out is judged by the far end, in its report blocks
//! ([`outbound`]). Nothing is guessed: where there is no measurement there is no figure.

pub mod burst;
pub mod e_model;
pub mod ear;
pub mod history;
pub mod level;
pub mod reception;
pub mod warning;

use std::sync::Arc;

use burst::BurstGap;
use e_model::{Conditions, Equipment, Rating, rate};
use ear::Heard;
use level::{LevelMeter, LevelSummary};
use reception::Reception;

use crate::rtcp::ReportBlock;

#[cfg(test)]
mod tests;

/// Changes of the codec that are remembered of one leg.
pub const MAX_CODECS: usize = 16;

/// Packets without which no rating is given: a second of them.
pub const MIN_RATED: u64 = 50;

/// A codec, and since when it was in use.
#[derive(Clone, Debug, PartialEq)]
pub struct CodecUse {
    /// Its encoding name in SDP.
    pub name: Arc<str>,
    /// Seconds of the caller's monotonic clock.
    pub since: f64,
}

/// What the gateway did with what came in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Playout {
    /// Packets that came when their time was over, or twice.
    pub late_packets: u64,
    /// What the decoder did; nothing is decoded of a leg that is only relayed.
    pub decoded: Option<Decoded>,
}

/// What a decoder made of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Seconds of audio that were made up.
    pub concealed_seconds: f64,
    /// Seconds of audio that came out, made up or not.
    pub played_seconds: f64,
}

/// How good one direction of a leg is. Times and delays are in seconds, rates are fractions, levels in dBov.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Packets that arrived; for the outbound direction, that were sent.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Packets that did not arrive; less than zero when packets came twice.
    pub lost: i64,
    /// Lost packets of those that were sent.
    pub loss: Option<f64>,
    /// Where the losses are; inbound only.
    pub burst_gap: Option<BurstGap>,
    /// Packets that came behind a later one; inbound only.
    pub reordered: u64,
    /// Packets that came once more; inbound only.
    pub duplicated: u64,
    /// Interarrival jitter.
    pub jitter: Option<f64>,
    /// There and back, from RTCP.
    pub round_trip: Option<f64>,
    /// What became of it here; inbound only, once somebody hears it.
    pub playout: Option<Playout>,
    /// How loud it is; inbound only, where it was measured.
    pub level: Option<LevelSummary>,
    /// The opinion of the E-model; none before there is enough to judge by.
    pub rating: Option<Rating>,
}

/// Measures what comes in on one leg.
#[derive(Debug)]
pub struct Meter {
    /// Counts of the packets; also what RTCP reports.
    pub reception: Reception,
    /// How loud they are; nothing is known of it until it gets a frame.
    pub level: LevelMeter,
    /// Seconds that a packet lasts.
    pub packet_time: f64,
    codecs: Vec<CodecUse>,
    clock_rate: u32,
    last_received: Option<f64>,
}

impl Default for Meter {
    /// Of a leg whose codec is not agreed yet.
    fn default() -> Self {
        Self {
            reception: Reception::new(8000),
            level: LevelMeter::default(),
            packet_time: 0.02,
            codecs: Vec::new(),
            clock_rate: 8000,
            last_received: None,
        }
    }
}

impl Meter {
    /// `codec` is its encoding name in SDP, `clock_rate` that of its timestamps in Hz.
    pub fn new(codec: &str, clock_rate: u32, now: f64) -> Self {
        let mut meter = Self::default();
        meter.set_codec(codec, clock_rate, now);
        meter
    }

    /// Count from here on; the codecs stay.
    pub fn restart(&mut self) {
        *self = Self {
            reception: Reception::new(self.clock_rate),
            packet_time: self.packet_time,
            codecs: std::mem::take(&mut self.codecs),
            clock_rate: self.clock_rate,
            ..Self::default()
        };
    }

    /// Count one authentic packet.
    pub fn receive(&mut self, ssrc: u32, sequence: u16, timestamp: u32, payload_size: usize, now: f64) {
        self.reception.receive(ssrc, sequence, timestamp, payload_size, now);
        self.last_received = Some(now);
    }

    /// Another codec is in use. Of more than [`MAX_CODECS`] the second goes: the first and the latest tell most.
    pub fn set_codec(&mut self, codec: &str, clock_rate: u32, now: f64) {
        self.reception.set_clock_rate(clock_rate);
        self.clock_rate = clock_rate;
        if self.codecs.last().is_some_and(|last| *last.name == *codec) {
            return;
        }
        if self.codecs.len() == MAX_CODECS {
            self.codecs.remove(1);
        }
        self.codecs.push(CodecUse {
            name: codec.into(),
            since: now,
        });
    }

    /// The codecs in the order of their use.
    pub fn codecs(&self) -> &[CodecUse] {
        &self.codecs
    }

    /// When the last packet came.
    pub fn last_received(&self) -> Option<f64> {
        self.last_received
    }

    /// How good it is; `round_trip` is what RTCP measured, `heard` what became of it, for whoever hears it.
    pub fn quality(&self, round_trip: Option<f64>, heard: Option<&Heard>) -> Quality {
        let reception = &self.reception;
        let packets = reception.packets_received();
        let burst_gap = reception.pattern().burst_gap(self.packet_time);
        let playout = heard.map(|heard| self.without_duplicates(heard.playout));
        Quality {
            packets,
            bytes: reception.bytes_received(),
            lost: reception.packets_lost(),
            loss: fraction(reception.packets_lost(), reception.packets_expected()),
            burst_gap: (packets > 0).then_some(burst_gap),
            reordered: reception.packets_reordered(),
            duplicated: reception.pattern().duplicated(),
            jitter: self.jitter(),
            round_trip,
            playout: playout.filter(|_| packets > 0),
            level: self.summary_of_level(heard),
            rating: self.rating(&burst_gap, round_trip, playout.unwrap_or_default()),
        }
    }

    /// Interarrival jitter in seconds, once two packets have come.
    pub fn jitter(&self) -> Option<f64> {
        (self.reception.packets_received() > 1).then(|| self.reception.jitter())
    }

    /// Measured of the packets, or of what was decoded.
    fn summary_of_level(&self, heard: Option<&Heard>) -> Option<LevelSummary> {
        let own = self.level.summary();
        let of_packets = own.current_level.map(|_| own);
        of_packets.or(heard
            .map(|heard| heard.level)
            .filter(|level| level.current_level.is_some()))
    }

    /// A copy is not late audio.
    fn without_duplicates(&self, playout: Playout) -> Playout {
        let copies = self.reception.pattern().duplicated();
        Playout {
            late_packets: playout.late_packets.saturating_sub(copies),
            ..playout
        }
    }

    fn rating(&self, burst_gap: &BurstGap, round_trip: Option<f64>, playout: Playout) -> Option<Rating> {
        if burst_gap.packets < MIN_RATED {
            return None;
        }
        let missed = (burst_gap.lost + playout.late_packets) as f64;
        self.opinion(missed / burst_gap.packets as f64, burst_gap.burst_ratio, round_trip)
    }

    /// What the E-model says of so much loss (a fraction) with the codec and the jitter of now.
    pub fn opinion(&self, loss: f64, burst_ratio: f64, round_trip: Option<f64>) -> Option<Rating> {
        let equipment = Equipment::of_codec(&self.codecs.last()?.name)?;
        Some(rate(
            &equipment,
            &Conditions {
                loss,
                burst_ratio,
                delay: delay(round_trip, self.packet_time, self.reception.jitter()),
            },
        ))
    }
}

/// Mouth to ear in seconds, as far as it is known: half the way there and back, a packet, and the far end's jitter
/// buffer, which waits about twice as long as the jitter is.
fn delay(round_trip: Option<f64>, packet_time: f64, jitter: f64) -> f64 {
    round_trip.unwrap_or(0.0) / 2.0 + packet_time + 2.0 * jitter
}

/// What we sent on a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sent<'a> {
    /// Since the beginning.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
    /// Number of the first one.
    pub first: u16,
    /// Encoding name of the codec.
    pub codec: &'a str,
    /// Of its timestamps, Hz.
    pub clock_rate: u32,
    /// Seconds that a packet lasts.
    pub packet_time: f64,
}

impl Sent<'_> {
    /// The far end's interarrival jitter in seconds.
    pub fn jitter(&self, report: &ReportBlock) -> f64 {
        f64::from(report.jitter_ticks) / f64::from(self.clock_rate.max(1))
    }

    /// What the E-model says of so much loss (a fraction) and jitter (seconds) at the far end.
    pub fn opinion(&self, loss: f64, jitter: f64, round_trip: Option<f64>) -> Option<Rating> {
        let equipment = Equipment::of_codec(self.codec)?;
        Some(rate(
            &equipment,
            &Conditions {
                loss,
                burst_ratio: 1.0,
                delay: delay(round_trip, self.packet_time, jitter),
            },
        ))
    }
}

/// How good the outbound direction of a leg is, as the far end reports it.
///
/// `last_report` is what the far end said last about the stream.
pub fn outbound(sent: &Sent<'_>, last_report: Option<&ReportBlock>, round_trip: Option<f64>) -> Quality {
    let mut quality = Quality {
        packets: sent.packets,
        bytes: sent.bytes,
        round_trip,
        ..Quality::default()
    };
    let Some(report) = last_report else { return quality };
    // The far end counts from the first packet that it has seen, which is close to the first that we sent.
    let expected = i64::from(report.highest_sequence.wrapping_sub(u32::from(sent.first))) + 1;
    let jitter = sent.jitter(report);
    quality.lost = i64::from(report.packets_lost);
    quality.loss = fraction(quality.lost, expected.min(sent.packets as i64));
    quality.jitter = Some(jitter);
    if let (Some(loss), true) = (quality.loss, sent.packets >= MIN_RATED) {
        quality.rating = sent.opinion(loss, jitter, round_trip);
    }
    quality
}

fn fraction(lost: i64, expected: i64) -> Option<f64> {
    (expected > 0).then(|| (lost as f64 / expected as f64).clamp(0.0, 1.0))
}
