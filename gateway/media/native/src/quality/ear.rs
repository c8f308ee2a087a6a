//! What becomes of a leg's packets where somebody hears them: how much is late or made up, and how loud it is.

use super::level::{LevelMeter, LevelSummary};
use super::{Decoded, Playout};

/// Seconds without a decoded frame after which nothing is known of the sound any more.
const DEAF_AFTER: f64 = 2.0;

/// Totals of whoever plays the packets, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Played {
    /// Packets that were not played.
    pub late: u64,
    /// Seconds that were made up.
    pub concealed: f64,
    /// Whether it decodes at all.
    pub is_decoding: bool,
}

/// Follows what the far end of one leg hears of the other leg.
#[derive(Debug, Default)]
pub struct Ear {
    level: LevelMeter,
    heard_seconds: f64,
    hears_since: f64,
    last_heard: Option<f64>,
    before: Played,
}

/// What an ear tells of the one that it listens to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Heard {
    /// How much of it was played.
    pub playout: Playout,
    /// How loud that was; nothing is known of what was not decoded.
    pub level: LevelSummary,
    /// When anything but silence was heard, or when listening began; `None` while nothing is decoded.
    pub last_anything: Option<f64>,
}

impl Ear {
    /// Somebody else is heard from now on.
    pub fn restart(&mut self, played: Played) {
        *self = Self {
            before: played,
            ..Self::default()
        };
    }

    /// Decoded samples at `rate` Hz.
    pub fn hear(&mut self, samples: &[i16], rate: u32, now: f64) {
        if samples.is_empty() {
            return;
        }
        if !self.is_hearing(now) {
            self.hears_since = now;
        }
        self.last_heard = Some(now);
        self.heard_seconds += samples.len() as f64 / f64::from(rate.max(1));
        self.level.frame(samples, rate, now);
    }

    fn is_hearing(&self, now: f64) -> bool {
        self.last_heard.is_some_and(|last| now - last < DEAF_AFTER)
    }

    /// All that is known at `now`.
    pub fn heard(&self, played: Played, now: f64) -> Heard {
        let concealed_seconds = (played.concealed - self.before.concealed).max(0.0);
        let last_anything = self.level.last_anything().unwrap_or(0.0).max(self.hears_since);
        Heard {
            playout: Playout {
                late_packets: played.late.saturating_sub(self.before.late),
                decoded: played.is_decoding.then_some(Decoded {
                    concealed_seconds,
                    played_seconds: self.heard_seconds + concealed_seconds,
                }),
            },
            level: self.level.summary(),
            last_anything: self.is_hearing(now).then_some(last_anything),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(late: u64, concealed: f64) -> Played {
        Played {
            late,
            concealed,
            is_decoding: true,
        }
    }

    #[test]
    fn what_an_ear_did_not_decode_is_unknown() {
        let heard = Ear::default().heard(Played::default(), 10.0);

        assert_eq!(heard, Heard::default());
    }

    #[test]
    fn what_was_made_up_is_part_of_what_was_played() {
        let mut ear = Ear::default();
        for frame in 0..50 {
            ear.hear(&[1000; 160], 8000, 0.02 * f64::from(frame));
        }

        let heard = ear.heard(played(3, 0.5), 1.0);

        let decoded = heard.playout.decoded.unwrap();
        assert!((decoded.concealed_seconds - 0.5).abs() < 1e-9 && (decoded.played_seconds - 1.5).abs() < 1e-9);
        assert_eq!(heard.playout.late_packets, 3);
        assert!(heard.last_anything.unwrap() > 0.9 && heard.level.sound_level.is_some());
    }

    #[test]
    fn another_voice_is_counted_from_its_beginning() {
        let mut ear = Ear::default();
        ear.hear(&[1000; 160], 8000, 0.0);

        ear.restart(played(3, 0.5));

        let heard = ear.heard(played(4, 0.5), 0.5);
        assert_eq!((heard.playout.late_packets, heard.last_anything), (1, None));
        assert_eq!(heard.playout.decoded, Some(Decoded::default()));
    }

    #[test]
    fn silence_counts_from_when_listening_began_again() {
        let mut ear = Ear::default();
        ear.hear(&[1000; 160], 8000, 0.0);
        assert_eq!(ear.heard(Played::default(), 5.0).last_anything, None, "held");

        ear.hear(&[0; 160], 8000, 60.0);

        assert_eq!(ear.heard(Played::default(), 61.0).last_anything, Some(60.0));
    }
}
