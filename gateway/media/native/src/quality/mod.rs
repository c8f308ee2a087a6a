//! How good a leg's media is, each direction by itself: from its packets, its RTCP and its sound.
//!
//! A leg has one [`Meter`] for what comes in; what goes out is judged by the far end, in its report blocks
//! ([`outbound`]). Nothing is guessed: where there is no measurement there is no figure.

pub mod burst;
pub mod e_model;
pub mod level;
pub mod reception;
pub mod warning;

use std::sync::Arc;

use burst::BurstGap;
use e_model::{Conditions, Equipment, Rating, rate};
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

/// What a decoder and the buffer in front of it did to what came in. A leg that only relays has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Playout {
    /// Packets that came when their time was over.
    pub late_packets: u64,
    /// Seconds of audio that were made up.
    pub concealed_seconds: f64,
    /// Seconds of audio that were played, made up or not.
    pub played_seconds: f64,
    /// Seconds that the buffer delays at the moment.
    pub buffer_delay: f64,
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
    /// Of the decoder; inbound only.
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
    playout: Option<Playout>,
    codecs: Vec<CodecUse>,
    packet_time: f64,
    last_received: Option<f64>,
}

impl Meter {
    /// `codec` is its encoding name in SDP, `clock_rate` that of its timestamps in Hz, `packet_time` the seconds that
    /// a packet lasts.
    pub fn new(codec: &str, clock_rate: u32, packet_time: f64, now: f64) -> Self {
        Self {
            reception: Reception::new(clock_rate),
            level: LevelMeter::default(),
            playout: None,
            codecs: vec![CodecUse {
                name: codec.into(),
                since: now,
            }],
            packet_time,
            last_received: None,
        }
    }

    /// Count one authentic packet.
    pub fn receive(&mut self, ssrc: u32, sequence: u16, timestamp: u32, payload_size: usize, now: f64) {
        self.reception.receive(ssrc, sequence, timestamp, payload_size, now);
        self.last_received = Some(now);
    }

    /// Another codec is in use. Of more than [`MAX_CODECS`] the second goes: the first and the latest tell most.
    pub fn set_codec(&mut self, codec: &str, clock_rate: u32, packet_time: f64, now: f64) {
        self.reception.set_clock_rate(clock_rate);
        self.packet_time = packet_time;
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

    /// What the decoder says, in sums since the beginning; replaces what it said before.
    pub fn set_playout(&mut self, playout: Playout) {
        self.playout = Some(playout);
    }

    /// The codecs in the order of their use.
    pub fn codecs(&self) -> &[CodecUse] {
        &self.codecs
    }

    /// When the last packet came.
    pub fn last_received(&self) -> Option<f64> {
        self.last_received
    }

    /// How good it is; `round_trip` is what RTCP measured.
    pub fn quality(&self, round_trip: Option<f64>) -> Quality {
        let reception = &self.reception;
        let packets = reception.packets_received();
        let burst_gap = reception.pattern().burst_gap(self.packet_time);
        let level = self.level.summary();
        Quality {
            packets,
            bytes: reception.bytes_received(),
            lost: reception.packets_lost(),
            loss: fraction(reception.packets_lost(), reception.packets_expected()),
            burst_gap: (packets > 0).then_some(burst_gap),
            reordered: reception.packets_reordered(),
            duplicated: reception.pattern().duplicated(),
            jitter: (packets > 1).then(|| reception.jitter()),
            round_trip,
            playout: self.playout,
            level: level.current_level.map(|_| level),
            rating: self.rating(&burst_gap, round_trip),
        }
    }

    fn rating(&self, burst_gap: &BurstGap, round_trip: Option<f64>) -> Option<Rating> {
        let equipment = Equipment::of_codec(&self.codecs.last()?.name)?;
        if burst_gap.packets < MIN_RATED {
            return None;
        }
        let late = self.playout.map_or(0, |playout| playout.late_packets);
        let loss = (burst_gap.lost + late) as f64 / burst_gap.packets as f64;
        // Without a decoder of ours, the far one waits about as long as the jitter makes it.
        let buffer = self
            .playout
            .map_or(2.0 * self.reception.jitter(), |playout| playout.buffer_delay);
        let delay = round_trip.unwrap_or(0.0) / 2.0 + self.packet_time + buffer;
        Some(rate(
            &equipment,
            &Conditions {
                loss,
                burst_ratio: burst_gap.burst_ratio,
                delay,
            },
        ))
    }
}

/// What we sent on a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sent {
    /// Since the beginning.
    pub packets: u64,
    /// Their payload.
    pub bytes: u64,
}

/// How good the outbound direction of a leg is, as the far end reports it.
///
/// `first` is the number of the first packet of the stream, `last_report` what the far end said last about it; `codec`,
/// `clock_rate` and `packet_time` as in [`Meter::new`].
pub fn outbound(
    sent: Sent,
    first: u16,
    last_report: Option<&ReportBlock>,
    round_trip: Option<f64>,
    codec: &str,
    clock_rate: u32,
    packet_time: f64,
) -> Quality {
    let mut quality = Quality {
        packets: sent.packets,
        bytes: sent.bytes,
        round_trip,
        ..Quality::default()
    };
    let Some(report) = last_report else { return quality };
    // The far end counts from the first packet that it has seen, which is close to the first that we sent.
    let expected = i64::from(report.highest_sequence.wrapping_sub(u32::from(first))) + 1;
    let jitter = f64::from(report.jitter_ticks) / f64::from(clock_rate.max(1));
    quality.lost = i64::from(report.packets_lost);
    quality.loss = fraction(quality.lost, expected.min(sent.packets as i64));
    quality.jitter = Some(jitter);
    let is_enough = sent.packets >= MIN_RATED;
    if let (Some(loss), Some(equipment), true) = (quality.loss, Equipment::of_codec(codec), is_enough) {
        let delay = round_trip.unwrap_or(0.0) / 2.0 + packet_time + 2.0 * jitter;
        quality.rating = Some(rate(
            &equipment,
            &Conditions {
                loss,
                burst_ratio: 1.0,
                delay,
            },
        ));
    }
    quality
}

fn fraction(lost: i64, expected: i64) -> Option<f64> {
    (expected > 0).then(|| (lost as f64 / expected as f64).clamp(0.0, 1.0))
}
