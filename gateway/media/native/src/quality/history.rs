//! How good a leg was in each of its last seconds, for graphs: small figures in a ring that does not grow for ever.

use super::Rating;

/// Seconds that are remembered.
pub const SECONDS: usize = 300;
/// Room for so many is made at once, so that a short call costs little.
const STEP: usize = 60;

/// One direction in one second. Loss is a fraction, jitter in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moment {
    /// Packets lost of those that were due.
    pub loss: Option<f64>,
    /// Interarrival jitter.
    pub jitter: Option<f64>,
    /// Mean opinion score.
    pub mos: Option<f64>,
}

/// A leg in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// Seconds of the caller's monotonic clock.
    pub at: f64,
    /// What came in.
    pub inbound: Moment,
    /// What went out, as the far end reported it last.
    pub outbound: Moment,
    /// How loud what came in was at last, dBov.
    pub level: Option<f64>,
    /// There and back, in seconds.
    pub round_trip: Option<f64>,
}

impl Moment {
    /// With the opinion of a rating.
    pub fn new(loss: Option<f64>, jitter: Option<f64>, rating: Option<Rating>) -> Self {
        Self {
            loss,
            jitter,
            mos: rating.map(|rating| rating.mos),
        }
    }
}

/// What stands for a figure that there is not.
const NONE: u16 = u16::MAX;
const NO_LEVEL: i8 = i8::MIN;
const LOSS_STEPS: f64 = 10_000.0;
const JITTER_STEPS: f64 = 10_000.0;
const MOS_STEPS: f64 = 1000.0;
const ROUND_TRIP_STEPS: f64 = 1000.0;

#[derive(Clone, Copy, Debug)]
struct PackedMoment {
    loss: u16,
    jitter: u16,
    mos: u16,
}

impl PackedMoment {
    fn of(moment: Moment) -> Self {
        Self {
            loss: packed(moment.loss, LOSS_STEPS),
            jitter: packed(moment.jitter, JITTER_STEPS),
            mos: packed(moment.mos, MOS_STEPS),
        }
    }

    fn moment(self) -> Moment {
        Moment {
            loss: unpacked(self.loss, LOSS_STEPS),
            jitter: unpacked(self.jitter, JITTER_STEPS),
            mos: unpacked(self.mos, MOS_STEPS),
        }
    }
}

/// 20 bytes.
#[derive(Clone, Copy, Debug)]
struct Packed {
    /// Milliseconds since the first sample.
    at: u32,
    inbound: PackedMoment,
    outbound: PackedMoment,
    round_trip: u16,
    level: i8,
}

fn packed(value: Option<f64>, steps: f64) -> u16 {
    value.map_or(NONE, |value| {
        (value * steps).round().clamp(0.0, f64::from(NONE - 1)) as u16
    })
}

fn unpacked(value: u16, steps: f64) -> Option<f64> {
    (value != NONE).then(|| f64::from(value) / steps)
}

/// The last [`SECONDS`] samples.
#[derive(Debug, Default)]
pub struct History {
    began: f64,
    samples: Vec<Packed>,
    /// Of a full ring, the oldest.
    oldest: usize,
}

impl History {
    /// The next sample; the oldest of too many goes.
    pub fn push(&mut self, sample: &Sample) {
        if self.samples.is_empty() {
            self.began = sample.at;
        }
        let packed = Packed {
            at: ((sample.at - self.began).max(0.0) * 1000.0).round() as u32,
            inbound: PackedMoment::of(sample.inbound),
            outbound: PackedMoment::of(sample.outbound),
            round_trip: packed(sample.round_trip, ROUND_TRIP_STEPS),
            level: sample.level.map_or(NO_LEVEL, |level| level.round() as i8),
        };
        if self.samples.len() == SECONDS {
            self.samples[self.oldest] = packed;
            self.oldest = (self.oldest + 1) % SECONDS;
            return;
        }
        if self.samples.len() == self.samples.capacity() {
            self.samples.reserve_exact(STEP);
        }
        self.samples.push(packed);
    }

    /// Oldest first.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        let (newer, older) = self.samples.split_at(self.oldest);
        older.iter().chain(newer).map(|packed| Sample {
            at: self.began + f64::from(packed.at) / 1000.0,
            inbound: packed.inbound.moment(),
            outbound: packed.outbound.moment(),
            level: (packed.level != NO_LEVEL).then(|| f64::from(packed.level)),
            round_trip: unpacked(packed.round_trip, ROUND_TRIP_STEPS),
        })
    }

    /// Bytes on the heap.
    pub fn size(&self) -> usize {
        self.samples.capacity() * size_of::<Packed>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: f64) -> Sample {
        Sample {
            at,
            inbound: Moment {
                loss: Some(0.0123),
                jitter: Some(0.0042),
                mos: Some(4.321),
            },
            outbound: Moment::default(),
            level: Some(-31.0),
            round_trip: Some(0.087),
        }
    }

    fn near(one: Option<f64>, other: Option<f64>) -> bool {
        match (one, other) {
            (Some(one), Some(other)) => (one - other).abs() < 1e-9,
            _ => one == other,
        }
    }

    #[test]
    fn samples_come_out_as_they_went_in() {
        let mut history = History::default();
        history.push(&sample(1000.5));
        history.push(&sample(1001.5));

        let last = history.samples().last().unwrap();

        assert_eq!(history.samples().count(), 2);
        assert!((last.at - 1001.5).abs() < 1e-6);
        let wanted = sample(0.0);
        assert!(near(last.inbound.loss, wanted.inbound.loss) && near(last.inbound.jitter, wanted.inbound.jitter));
        assert!(near(last.inbound.mos, wanted.inbound.mos) && near(last.round_trip, wanted.round_trip));
        assert_eq!((last.outbound, last.level), (Moment::default(), Some(-31.0)));
    }

    #[test]
    fn an_hour_needs_no_more_room_than_five_minutes() {
        let mut history = History::default();
        for second in 0..3600 {
            history.push(&sample(f64::from(second)));
        }

        let times: Vec<_> = history.samples().map(|sample| sample.at).collect();

        assert_eq!((times.len(), times[0], times[SECONDS - 1]), (SECONDS, 3300.0, 3599.0));
        assert!(times.is_sorted());
        assert_eq!(history.size(), 6000);
    }

    #[test]
    fn a_short_call_needs_a_fifth_of_it() {
        let mut history = History::default();
        for second in 0..30 {
            history.push(&sample(f64::from(second)));
        }

        assert_eq!(history.size(), 1200);
    }
}
