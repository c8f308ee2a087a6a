//! How loud a stream is, and whether there is any sound in it at all.

/// Level of a full-scale square wave in dBov (RFC 6464 section 3).
pub const LOUDEST: f64 = 0.0;

/// What stands for the level of digital silence (RFC 6464 section 3).
pub const SILENT: f64 = -127.0;

/// Above it a frame is sound: quieter than any speech, louder than the noise of a quiet line.
pub const SOUND: f64 = -50.0;

/// Below it a frame is nothing: the least step of G.711 from its idle pattern is at -72 dBov.
pub const NOTHING: f64 = -70.0;

/// Mean square of full scale, which is 0 dBov.
const FULL_SCALE: f64 = 32_768.0 * 32_768.0;
/// The mean squares of [`SOUND`] and [`NOTHING`]: no frame needs a logarithm.
const SOUND_SQUARE: f64 = FULL_SCALE * 1e-5;
const NOTHING_SQUARE: f64 = FULL_SCALE * 1e-7;

/// Which G.711 law a payload is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU.
    Mu,
    /// PCMA.
    A,
}

/// Measures frame by frame. A frame is 10 to 120 ms; every frame counts as long as it lasts.
#[derive(Clone, Debug, Default)]
pub struct LevelMeter {
    sound_energy: f64,
    sound_samples: f64,
    noise_energy: f64,
    noise_samples: f64,
    sound_seconds: f64,
    quiet_seconds: f64,
    /// The largest square of a sample.
    peak: f64,
    /// Mean square of the last frame.
    last: Option<f64>,
    last_sound: Option<f64>,
    last_anything: Option<f64>,
}

/// What was heard of a stream; levels in dBov, `None` where there was nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LevelSummary {
    /// Mean of the frames with sound.
    pub sound_level: Option<f64>,
    /// Mean of the frames without.
    pub noise_level: Option<f64>,
    /// Of the loudest sample.
    pub peak_level: Option<f64>,
    /// Of the last frame.
    pub current_level: Option<f64>,
    /// Seconds with sound.
    pub sound_seconds: f64,
    /// Seconds without.
    pub quiet_seconds: f64,
}

impl LevelMeter {
    /// A frame of linear samples at `rate` Hz, played or arrived at `now`.
    pub fn frame(&mut self, samples: &[i16], rate: u32, now: f64) {
        let (mut energy, mut peak) = (0u64, 0u32);
        for sample in samples {
            let square = i32::from(*sample).pow(2) as u32;
            energy += u64::from(square);
            peak = peak.max(square);
        }
        self.note(energy as f64, peak, samples.len(), rate, now);
    }

    /// A G.711 payload, without decoding it.
    pub fn g711_frame(&mut self, payload: &[u8], law: Law, now: f64) {
        let squares = match law {
            Law::Mu => &MU_LAW,
            Law::A => &A_LAW,
        };
        let (mut energy, mut peak) = (0u64, 0u32);
        for byte in payload {
            let square = squares[usize::from(*byte)];
            energy += u64::from(square);
            peak = peak.max(square);
        }
        self.note(energy as f64, peak, payload.len(), 8000, now);
    }

    /// A frame that the sender left out because it is silent (DTX, comfort noise); `seconds` is how long it lasts.
    pub fn silent_frame(&mut self, seconds: f64) {
        self.quiet_seconds += seconds.max(0.0);
        self.last = Some(0.0);
    }

    /// A description of the noise that the far end hears instead of frames (RFC 3389), in dBov.
    pub fn described_noise(&mut self, level: f64, now: f64) {
        self.last = Some(FULL_SCALE * 10f64.powf(level.clamp(SILENT, LOUDEST) / 10.0));
        if level > NOTHING {
            self.last_anything = Some(now);
        }
    }

    fn note(&mut self, energy: f64, peak: u32, samples: usize, rate: u32, now: f64) {
        if samples == 0 || rate == 0 {
            return;
        }
        let (count, seconds) = (samples as f64, samples as f64 / f64::from(rate));
        let square = energy / count;
        self.peak = self.peak.max(f64::from(peak));
        self.last = Some(square);
        if square > NOTHING_SQUARE {
            self.last_anything = Some(now);
        }
        if square > SOUND_SQUARE {
            self.last_sound = Some(now);
            self.sound_energy += energy;
            self.sound_samples += count;
            self.sound_seconds += seconds;
        } else {
            self.noise_energy += energy;
            self.noise_samples += count;
            self.quiet_seconds += seconds;
        }
    }

    /// When the last frame with sound came.
    pub fn last_sound(&self) -> Option<f64> {
        self.last_sound
    }

    /// When the last frame came that was more than digital silence.
    pub fn last_anything(&self) -> Option<f64> {
        self.last_anything
    }

    /// What was heard so far.
    pub fn summary(&self) -> LevelSummary {
        let mean = |energy: f64, samples: f64| (samples > 0.0).then(|| decibels(energy / samples));
        LevelSummary {
            sound_level: mean(self.sound_energy, self.sound_samples),
            noise_level: mean(self.noise_energy, self.noise_samples),
            peak_level: self.last.map(|_| decibels(self.peak)),
            current_level: self.last.map(decibels),
            sound_seconds: self.sound_seconds,
            quiet_seconds: self.quiet_seconds,
        }
    }
}

/// dBov of a mean square.
fn decibels(mean_square: f64) -> f64 {
    if mean_square <= 0.0 {
        return SILENT;
    }
    (10.0 * (mean_square / FULL_SCALE).log10()).clamp(SILENT, LOUDEST)
}

/// Squares of the 256 codes of G.711 (tables 1a to 2b), on the scale of 16 bits.
static MU_LAW: [u32; 256] = squares(mu_law());
static A_LAW: [u32; 256] = squares(a_law());

const fn squares(magnitudes: [u16; 256]) -> [u32; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = magnitudes[code] as u32 * magnitudes[code] as u32;
        code += 1;
    }
    table
}

const fn mu_law() -> [u16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8);
        let exponent = (bits >> 4) & 7;
        let mantissa = (bits & 0x0F) as u16;
        table[code] = (((mantissa << 3) + 0x84) << exponent) - 0x84;
        code += 1;
    }
    table
}

const fn a_law() -> [u16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as u8 ^ 0x55;
        let exponent = (bits >> 4) & 7;
        let mantissa = ((bits & 0x0F) as u16) << 4;
        table[code] = match exponent {
            0 => mantissa + 8,
            _ => (mantissa + 0x108) << (exponent - 1),
        };
        code += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(amplitude: f64, count: usize) -> Vec<i16> {
        (0..count)
            .map(|index| (amplitude * (index as f64 * std::f64::consts::FRAC_PI_4).sin()) as i16)
            .collect()
    }

    fn near(value: Option<f64>, expected: f64) -> bool {
        value.is_some_and(|value| (value - expected).abs() < 0.1)
    }

    #[test]
    fn level_of_a_sine_is_three_decibels_below_its_peak() {
        let mut meter = LevelMeter::default();
        meter.frame(&sine(32_767.0, 160), 8000, 1.0);

        assert!(near(meter.summary().sound_level, -3.01));
        assert!(near(meter.summary().peak_level, 0.0));
        meter.frame(&sine(3276.7, 160), 8000, 1.0);
        assert!(near(meter.summary().current_level, -23.01));
    }

    #[test]
    fn nothing_measured_has_no_level() {
        assert_eq!(LevelMeter::default().summary(), LevelSummary::default());
        let mut meter = LevelMeter::default();
        meter.frame(&[], 8000, 1.0);
        assert_eq!(meter.summary(), LevelSummary::default());
    }

    #[test]
    fn silence_is_told_from_sound_and_both_from_noise() {
        let mut meter = LevelMeter::default();
        meter.frame(&[0; 160], 8000, 1.0);
        assert_eq!((meter.last_sound(), meter.last_anything()), (None, None));
        meter.frame(&sine(40.0, 960), 48_000, 2.0);
        assert_eq!((meter.last_sound(), meter.last_anything()), (None, Some(2.0)));
        meter.frame(&sine(3000.0, 320), 16_000, 3.0);
        meter.silent_frame(0.06);

        let heard = meter.summary();

        assert_eq!((meter.last_sound(), meter.last_anything()), (Some(3.0), Some(3.0)));
        assert!((heard.sound_seconds - 0.02).abs() < 1e-9 && (heard.quiet_seconds - 0.10).abs() < 1e-9);
        assert_eq!(heard.current_level, Some(SILENT));
        assert!(heard.noise_level.unwrap() < -55.0);
    }

    #[test]
    fn g711_is_measured_as_what_it_decodes_to() {
        for (law, idle, loudest, quietest) in [(Law::Mu, 0xFF, 0x80, 0xFE), (Law::A, 0xD5, 0xAA, 0xD5)] {
            let mut meter = LevelMeter::default();
            meter.g711_frame(&[idle; 160], law, 1.0);
            assert_eq!(meter.last_anything(), None, "{law:?}");
            meter.g711_frame(&[loudest; 160], law, 2.0);
            assert!(near(meter.summary().current_level, -0.15));
            meter.g711_frame(&[quietest; 160], law, 3.0);
            assert!(meter.summary().current_level.unwrap() < NOTHING);
        }
    }

    #[test]
    fn magnitudes_are_those_of_the_tables_of_g711() {
        assert_eq!(
            (mu_law()[0x00], mu_law()[0x80], mu_law()[0x7F], mu_law()[0xEF]),
            (32_124, 32_124, 0, 132)
        );
        assert_eq!(
            (a_law()[0x2A], a_law()[0xAA], a_law()[0xD5], a_law()[0x55]),
            (32_256, 32_256, 8, 8)
        );
    }
}
