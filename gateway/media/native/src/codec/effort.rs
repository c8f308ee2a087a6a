//! How hard libopus works: what a listener gains by it, against what it costs.
//!
//! Measured (`docs/explanation/native-media.md`): a narrow voice gains next to nothing above 3, which costs 0.6 of 5;
//! a wide one gains a lot up to 4, and 6 costs no more than 4 where the processor has AVX2.

/// Complexity for a voice of 8000 samples a second.
const NARROW: u8 = 3;
/// Complexity for more.
const WIDE: u8 = 6;
/// Complexity for both when the threads that move packets have no time to spare.
const SCARCE: u8 = 1;
/// Of libopus.
const HIGHEST: u8 = 10;

/// How hard an encoder works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// The complexity that the operator wants, whatever voice and load; None leaves it to both.
    pub fixed: Option<u8>,
    /// Whether there is no time to spare.
    pub is_scarce: bool,
}

impl Effort {
    /// That complexity, or what suits voice and load.
    pub fn new(fixed: Option<u8>) -> Self {
        Self {
            fixed,
            is_scarce: false,
        }
    }

    /// Of libopus, 0 to 10, for a voice of so many samples a second.
    pub fn complexity(self, sample_rate: u32) -> u8 {
        match self.fixed {
            Some(complexity) => complexity.min(HIGHEST),
            None if self.is_scarce => SCARCE,
            None if sample_rate <= 8000 => NARROW,
            None => WIDE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_wants_stands_whatever_the_load() {
        for is_scarce in [false, true] {
            let effort = Effort {
                fixed: Some(9),
                is_scarce,
            };
            assert_eq!([8000, 48000].map(|rate| effort.complexity(rate)), [9, 9]);
        }
        assert_eq!(Effort::new(Some(255)).complexity(8000), 10);
    }

    #[test]
    fn a_wide_voice_is_worth_more_and_none_is_when_time_is_scarce() {
        let scarce = Effort {
            is_scarce: true,
            ..Effort::default()
        };

        assert_eq!(
            [8000, 16000, 48000].map(|rate| Effort::default().complexity(rate)),
            [3, 6, 6]
        );
        assert_eq!([8000, 16000, 48000].map(|rate| scarce.complexity(rate)), [1, 1, 1]);
    }
}
