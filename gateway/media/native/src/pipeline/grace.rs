//! How late a packet may be before silence takes its place: as late as its source has shown to be.
//!
//! The receiver behind us has a jitter buffer that follows the same lateness, so that what comes late can still be
//! played. Sound that waits here (`playout`) has a measure of its own, which forgets sooner, for waiting costs delay.

use super::stream::{FRAME, JUMP};
use crate::rtp::{Header, timestamp_delta};

/// Seconds: of a source that has shown nothing else.
pub const MIN_GRACE: f64 = 0.040;
/// Seconds: nobody talks with more delay than that, and a source that falls silent leaves a gap of so much.
pub const MAX_GRACE: f64 = 0.400;
/// Seconds: lateness counts for as long, and for as long again.
const WINDOW: f64 = 10.0;

/// The spread between a source's earliest and latest packets, and a frame: grows at once, shrinks by windows.
#[derive(Debug)]
pub struct Grace {
    clock_rate: f64,
    ssrc: Option<u32>,
    last_timestamp: u32,
    last_time: f64,
    /// Seconds by which the last packet was later than its timestamp says; from the first of this window.
    offset: f64,
    /// The least offset of this window.
    lowest: f64,
    /// The greatest.
    highest: f64,
    since: f64,
    /// The spread of the window before.
    before: f64,
}

impl Grace {
    /// For a source whose timestamps count so many ticks a second.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: f64::from(clock_rate),
            ssrc: None,
            last_timestamp: 0,
            last_time: 0.0,
            offset: 0.0,
            lowest: 0.0,
            highest: 0.0,
            since: 0.0,
            before: 0.0,
        }
    }

    /// What the source gets now: `MIN_GRACE` to `MAX_GRACE`.
    pub fn seconds(&self) -> f64 {
        let spread = self.before.max(self.highest - self.lowest);
        (spread + FRAME).clamp(MIN_GRACE, MAX_GRACE)
    }

    /// Take any packet of the source whose timestamp is that of its beginning, in the order of arrival.
    pub fn observe(&mut self, header: &Header, now: f64) {
        let passed = timestamp_delta(header.timestamp, self.last_timestamp) as f64 / self.clock_rate;
        let step = (now - self.last_time) - passed;
        self.last_timestamp = header.timestamp;
        self.last_time = now;
        // a jump of the timestamps says nothing about the network; what was known of it still holds
        if self.ssrc != Some(header.ssrc) || step.abs() >= JUMP || now - self.since > WINDOW {
            self.before = self.highest - self.lowest;
            self.ssrc = Some(header.ssrc);
            self.since = now;
            (self.offset, self.lowest, self.highest) = (0.0, 0.0, 0.0);
            return;
        }
        self.offset += step;
        self.lowest = self.lowest.min(self.offset);
        self.highest = self.highest.max(self.offset);
    }

    /// The source's timestamps count otherwise from now on; what is known of its network stays.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = f64::from(clock_rate);
        self.ssrc = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: u32 = 8000;
    const PER_WINDOW: u32 = (WINDOW / FRAME) as u32;

    fn tell(grace: &mut Grace, number: u32, late: f64) {
        let header = Header {
            timestamp: u32::MAX.wrapping_sub(1000).wrapping_add(160 * number),
            ssrc: 1,
            ..Header::default()
        };
        grace.observe(&header, 100.0 + f64::from(number) * FRAME + late);
    }

    proptest! {
        #[test]
        fn grace_is_what_the_latest_packet_was_behind_the_earliest_and_a_frame(
            lateness in proptest::collection::vec(0.0..0.9, 1..400)
        ) {
            let mut grace = Grace::new(RATE);
            for (number, late) in lateness.iter().enumerate() {
                tell(&mut grace, number as u32, *late);
            }

            let highest = lateness.iter().copied().fold(0.0, f64::max);
            let lowest = lateness.iter().copied().fold(1.0, f64::min);
            let expected = (highest - lowest + FRAME).clamp(MIN_GRACE, MAX_GRACE);
            prop_assert!((grace.seconds() - expected).abs() < 1e-9);
        }

        #[test]
        fn grace_is_back_at_the_least_two_windows_after_the_network_has_become_clean(
            lateness in proptest::collection::vec(0.0..0.3, 2..100)
        ) {
            let mut grace = Grace::new(RATE);
            let mut known: f64 = 0.0;
            for number in 0..3 * PER_WINDOW {
                tell(&mut grace, number, lateness.get(number as usize).copied().unwrap_or(0.0));
                if number < lateness.len() as u32 {
                    prop_assert!(grace.seconds() >= known);
                    known = grace.seconds();
                }
                if number == 2 * PER_WINDOW - 1 {
                    prop_assert!(grace.seconds() >= known);
                }
            }

            prop_assert_eq!(grace.seconds(), MIN_GRACE);
        }
    }
}
