//! Louder or softer, by a number of decibels.

/// The unit of factors: so many bits of fraction, that the largest times the loudest sample fits 32.
const UNIT_BITS: u32 = 10;
/// Decibels in either direction that a call can make sense of.
const MAX_DECIBELS: f64 = 30.0;

/// What each sample is multiplied with; what does not fit is clipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gain {
    factor: i32,
}

impl Gain {
    /// Samples stay as they are.
    pub const UNITY: Self = Self { factor: 1 << UNIT_BITS };

    /// Limited to 30 dB up or down; what is no number changes nothing.
    pub fn from_decibels(decibels: f64) -> Self {
        if decibels.is_nan() {
            return Self::UNITY;
        }
        let factor = 10f64.powf(decibels.clamp(-MAX_DECIBELS, MAX_DECIBELS) / 20.0);
        Self {
            factor: (factor * f64::from(1 << UNIT_BITS)).round() as i32,
        }
    }

    /// Whether nothing changes.
    pub fn is_unity(self) -> bool {
        self == Self::UNITY
    }

    /// A sample, changed.
    pub fn apply(self, sample: i16) -> i16 {
        let product = i32::from(sample) * self.factor + (1 << (UNIT_BITS - 1));
        (product >> UNIT_BITS).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }

    /// Samples, changed where they are.
    pub fn apply_all(self, pcm: &mut [i16]) {
        if !self.is_unity() {
            for sample in pcm {
                *sample = self.apply(*sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_factors_and_what_does_not_fit_is_clipped() {
        assert_eq!(Gain::from_decibels(20.0).apply(1000), 10000);
        assert_eq!(Gain::from_decibels(-20.0).apply(1000), 100);
        assert_eq!(Gain::from_decibels(900.0).apply(20000), i16::MAX);
        assert_eq!(Gain::from_decibels(6.0).apply(i16::MIN), i16::MIN);
        assert!(Gain::from_decibels(f64::NAN).is_unity() && Gain::from_decibels(0.0).is_unity());
        assert_eq!(Gain::UNITY.apply(-1), -1);
    }
}
