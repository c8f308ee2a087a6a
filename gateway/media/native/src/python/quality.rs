//! Figures of a leg as Python's values: a dictionary each, with the names of `gateway.media.quality`.

use pyo3::prelude::*;

use crate::core::Verdict;
use crate::quality::Quality;
use crate::quality::e_model::Band;
use crate::quality::history::{Moment, Sample};
use crate::quality::warning::Warning;

/// One direction: `DirectionQuality`. Times in seconds, shares as fractions, levels in dBov.
#[derive(IntoPyObject)]
pub struct Direction {
    packets: u64,
    lost: u64,
    loss: Option<f64>,
    bursts: Option<Bursts>,
    reordered: Option<u64>,
    duplicated: Option<u64>,
    late: Option<u64>,
    jitter: Option<f64>,
    round_trip: Option<f64>,
    concealed: Option<f64>,
    level: Option<f64>,
    noise_level: Option<f64>,
    silence: Option<f64>,
    mos: Option<f64>,
    scale: Option<&'static str>,
}

/// `Bursts`.
#[derive(IntoPyObject)]
struct Bursts {
    density: f64,
    duration: f64,
    gap_density: f64,
    gap_duration: f64,
}

/// Both directions, codecs with the time since when they were in use, warnings that stand, and that stood.
#[derive(IntoPyObject)]
pub struct LegQuality {
    inbound: Direction,
    outbound: Direction,
    codecs: Vec<(String, f64)>,
    raised: Vec<&'static str>,
    warnings: Vec<&'static str>,
}

/// Loss, jitter and MOS.
type MomentTuple = (Option<f64>, Option<f64>, Option<f64>);
/// Time, what came in, what went out, level and round trip.
pub type SampleTuple = (f64, MomentTuple, MomentTuple, Option<f64>, Option<f64>);

impl From<Verdict> for LegQuality {
    fn from(verdict: Verdict) -> Self {
        let names = |warnings: Vec<Warning>| warnings.into_iter().map(Warning::name).collect();
        let codecs = verdict.codecs.iter();
        Self {
            inbound: Direction::of(&verdict.inbound, true),
            outbound: Direction::of(&verdict.outbound, false),
            codecs: codecs.map(|codec| (codec.name.to_string(), codec.since)).collect(),
            raised: names(verdict.raised),
            warnings: names(verdict.warnings),
        }
    }
}

impl Direction {
    fn of(quality: &Quality, is_inbound: bool) -> Self {
        let decoded = quality.playout.and_then(|playout| playout.decoded);
        let level = quality.level.unwrap_or_default();
        let heard = level.sound_seconds + level.quiet_seconds;
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| (part / whole).min(1.0));
        Self {
            packets: quality.packets,
            lost: quality.lost.max(0) as u64,
            loss: quality.loss,
            bursts: quality.burst_gap.map(|shape| Bursts {
                density: shape.burst_density,
                duration: shape.burst_duration,
                gap_density: shape.gap_density,
                gap_duration: shape.gap_duration,
            }),
            reordered: is_inbound.then_some(quality.reordered),
            duplicated: is_inbound.then_some(quality.duplicated),
            late: quality.playout.map(|playout| playout.late_packets),
            jitter: quality.jitter,
            round_trip: quality.round_trip,
            concealed: decoded.and_then(|decoded| share(decoded.concealed_seconds, decoded.played_seconds)),
            level: level.sound_level,
            noise_level: level.noise_level,
            silence: share(level.quiet_seconds, heard),
            mos: quality.rating.map(|rating| rating.mos),
            scale: quality.rating.map(|rating| match rating.band {
                Band::Narrow => "narrow",
                Band::Full => "full",
            }),
        }
    }
}

/// As Python takes it.
pub fn sample(sample: &Sample) -> SampleTuple {
    let moment = |moment: Moment| (moment.loss, moment.jitter, moment.mos);
    (
        sample.at,
        moment(sample.inbound),
        moment(sample.outbound),
        sample.level,
        sample.round_trip,
    )
}
