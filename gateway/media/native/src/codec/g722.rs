//! G.722 at 64 kbit/s: two bands of ADPCM, split and joined by a quadrature mirror filter (ITU-T G.722).
//!
//! Written from the recommendation; the blocks carry its names. The crates that exist allocate for every frame, belong
//! to a framework of their own, or start with quantiser steps of zero instead of those of the recommendation.

use crate::pipeline::codec::CodecError;

/// Samples a second.
pub const SAMPLE_RATE: u32 = 16000;
const FRAME_SAMPLES: usize = 320;

/// Taps of the filter that have an even number; the odd ones are the same from behind (table 11).
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const QMF_HISTORY: usize = 22;

/// Decision levels of the low band's quantiser (table 14), from its second on.
const Q6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339,
    1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Codes of negative and of other differences (table 15), by the number of levels that they reach.
const ILN: [u8; 30] = [
    63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
];
const ILP: [u8; 30] = [
    61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
    32,
];
/// Logarithmic scale factor's step by the low band's code without its last two bits (tables 16 and 18).
const WL: [i32; 16] = [
    -60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60,
];
/// The same of the high band (table 20).
const WH: [i32; 4] = [798, -214, 798, -214];
/// Outputs of the inverse quantisers (tables 17, 19 and 21).
const QM2: [i32; 4] = [-7408, -1616, 7408, 1616];
const QM4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576,
    -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040,
    -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
    4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// The antilogarithm (table 22).
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025,
    3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const HIGH_DECISION: i32 = 564;
const LOW_MAX: i32 = 18432;
const HIGH_MAX: i32 = 22528;

fn saturated(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

fn is_negative(value: i32) -> bool {
    value < 0
}

/// The predictor and the scale factor of one band. What ends in `[0]` is the newest.
#[derive(Debug, Clone)]
struct Band {
    /// The predicted signal, and the part of it that comes from the zeros.
    predicted: i32,
    predicted_by_zeros: i32,
    reconstructed: [i32; 2],
    partial: [i32; 2],
    poles: [i32; 2],
    differences: [i32; 6],
    zeros: [i32; 6],
    log_scale: i32,
    scale: i32,
}

impl Band {
    fn new(scale: i32) -> Self {
        Self {
            predicted: 0,
            predicted_by_zeros: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            differences: [0; 6],
            zeros: [0; 6],
            log_scale: 0,
            scale,
        }
    }

    fn scaled(&self, level: i32) -> i32 {
        (self.scale * level) >> 15
    }

    /// LOGSCL and SCALEL, or LOGSCH and SCALEH: the next quantiser step.
    fn adapt_scale(&mut self, step: i32, max: i32, shift: i32) {
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, max);
        let mantissa = ILB[(self.log_scale >> 6 & 31) as usize];
        let right = shift - (self.log_scale >> 11);
        self.scale = (if right < 0 {
            mantissa << -right
        } else {
            mantissa >> right
        }) << 2;
    }

    /// Block 4: take the quantised difference, predict the next sample.
    fn predict(&mut self, difference: i32) {
        let reconstructed = saturated(self.predicted + difference); // RECONS
        let partial = saturated(self.predicted_by_zeros + difference); // PARREC
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.differences.copy_within(0..5, 1); // DELAYA
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        let by_poles = |index: usize| (self.poles[index] * saturated(2 * self.reconstructed[index])) >> 15;
        let from_poles = saturated(by_poles(0) + by_poles(1)); // FILTEP
        let products = self.zeros.iter().zip(&self.differences);
        let sum: i32 = products
            .map(|(zero, difference)| (zero * saturated(2 * difference)) >> 15)
            .sum();
        self.predicted_by_zeros = saturated(sum); // FILTEZ
        self.predicted = saturated(from_poles + self.predicted_by_zeros); // PREDIC
    }

    /// UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let [first, second] = self.poles;
        let is_same = |before: i32| is_negative(before) == is_negative(partial);
        let quadruple = saturated(first << 2);
        let turned = if is_same(self.partial[0]) {
            -quadruple
        } else {
            quadruple
        }
        .min(32767);
        let step = if is_same(self.partial[1]) { 128 } else { -128 };
        let second = ((turned >> 7) + step + ((second * 32512) >> 15)).clamp(-12288, 12288);
        let step = if is_same(self.partial[0]) { 192 } else { -192 };
        let limit = 15360 - second;
        let first = saturated(step + ((first * 32640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(&self.differences) {
            let signed = if is_negative(*before) == is_negative(difference) {
                step
            } else {
                -step
            };
            *zero = saturated(signed + ((*zero * 32640) >> 15));
        }
    }

    /// The low band takes a code of six bits, of which two are left out in what both ends predict from.
    fn take_low(&mut self, code: u8) {
        let index = usize::from(code >> 2 & 15);
        let difference = self.scaled(QM4[index]);
        self.adapt_scale(WL[index], LOW_MAX, 8);
        self.predict(difference);
    }

    /// The high band takes a code of two bits.
    fn take_high(&mut self, code: u8) {
        let index = usize::from(code & 3);
        let difference = self.scaled(QM2[index]);
        self.adapt_scale(WH[index], HIGH_MAX, 10);
        self.predict(difference);
    }
}

const LOW_SCALE: i32 = 32;
const HIGH_SCALE: i32 = 8;

/// Both halves of the filter over 24 samples.
fn filtered(samples: &[i32]) -> (i32, i32) {
    let (mut even, mut odd) = (0, 0);
    for ((pair, first), second) in samples.chunks_exact(2).zip(QMF).zip(QMF.iter().rev()) {
        even += pair[0] * first;
        odd += pair[1] * second;
    }
    (even, odd)
}

/// 16000 samples a second to one byte for each two of them.
#[derive(Debug)]
pub struct Encoder {
    low: Band,
    high: Band,
    /// The last samples, and those of a frame behind them.
    samples: Vec<i32>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            low: Band::new(LOW_SCALE),
            high: Band::new(HIGH_SCALE),
            samples: vec![0; QMF_HISTORY],
        }
    }
}

impl Encoder {
    /// Add the bytes of an even number of samples.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        if pcm.len() % 2 != 0 {
            return Err(CodecError::FrameLength(pcm.len()));
        }
        let mut samples = std::mem::take(&mut self.samples);
        samples.extend(pcm.iter().map(|&sample| i32::from(sample)));
        payload.extend((0..pcm.len()).step_by(2).map(|begin| {
            let (even, odd) = filtered(&samples[begin..begin + 24]);
            self.encode_bands((odd + even) >> 14, (odd - even) >> 14)
        }));
        samples.drain(..pcm.len());
        self.samples = samples;
        Ok(())
    }

    fn encode_bands(&mut self, low: i32, high: i32) -> u8 {
        let difference = saturated(low - self.low.predicted); // SUBTRA
        let magnitude = if is_negative(difference) {
            -(difference + 1)
        } else {
            difference
        };
        let levels = Q6.partition_point(|level| magnitude >= (level * self.low.scale) >> 12); // QUANTL
        let low_code = if is_negative(difference) {
            ILN[levels]
        } else {
            ILP[levels]
        };
        self.low.take_low(low_code);

        let difference = saturated(high - self.high.predicted);
        let magnitude = if is_negative(difference) {
            -(difference + 1)
        } else {
            difference
        };
        let is_large = magnitude >= (HIGH_DECISION * self.high.scale) >> 12; // QUANTH
        let high_code = match (is_negative(difference), is_large) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        self.high.take_high(high_code);
        high_code << 6 | low_code
    }
}

/// Bytes to 16000 samples a second, two for each.
#[derive(Debug)]
pub struct Decoder {
    low: Band,
    high: Band,
    /// The last sums and differences of both bands, and those of a frame behind them.
    bands: Vec<i32>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            low: Band::new(LOW_SCALE),
            high: Band::new(HIGH_SCALE),
            bands: vec![0; QMF_HISTORY],
        }
    }
}

impl Decoder {
    /// Add the samples of a payload; every byte is two samples, so nothing is refused.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) {
        let mut bands = std::mem::take(&mut self.bands);
        for &code in payload {
            let (low, high) = self.decode_bands(code);
            bands.extend([low + high, low - high]);
        }
        pcm.extend((0..2 * payload.len()).step_by(2).flat_map(|begin| {
            let (even, odd) = filtered(&bands[begin..begin + 24]);
            [saturated(odd >> 11) as i16, saturated(even >> 11) as i16]
        }));
        bands.drain(..2 * payload.len());
        self.bands = bands;
    }

    fn decode_bands(&mut self, code: u8) -> (i32, i32) {
        let low = self.low.predicted + self.low.scaled(QM6[usize::from(code & 63)]); // INVQBL, RECONS
        let high = self.high.predicted + self.high.scaled(QM2[usize::from(code >> 6)]);
        self.low.take_low(code & 63);
        self.high.take_high(code >> 6);
        (low.clamp(-16384, 16383), high.clamp(-16384, 16383)) // LIMIT
    }
}

/// A frame of 20 ms of silence, as the encoder writes it once it has come to rest.
pub fn silence() -> Vec<u8> {
    let mut encoder = Encoder::default();
    let mut payload = Vec::new();
    for _ in 0..8 {
        payload.clear();
        let _is_even = encoder.encode(&[0; FRAME_SAMPLES], &mut payload);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tones::{loudness, power, sines};

    fn tone(frequency: f64, samples: usize, level: f64) -> Vec<i16> {
        let mut pcm = Vec::new();
        sines(&[frequency], 0, samples, SAMPLE_RATE, level, &mut pcm);
        pcm
    }

    fn through(pcm: &[i16], frame: usize) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        for part in pcm.chunks(frame) {
            payload.clear();
            encoder.encode(part, &mut payload).unwrap();
            assert_eq!(payload.len(), part.len() / 2);
            decoder.decode(&payload, &mut heard);
        }
        heard
    }

    #[test]
    fn wide_band_sound_survives_at_any_level() {
        for frequency in [300.0, 1000.0, 3900.0, 6500.0] {
            for level in [-3.0, -10.0, -40.0] {
                let heard = through(&tone(frequency, 16000, level), 320);
                assert_eq!(heard.len(), 16000);
                assert!(
                    (power(&heard[3200..], frequency, SAMPLE_RATE) - level).abs() < 1.0,
                    "{frequency} {level}"
                );
            }
        }
    }

    #[test]
    fn noise_is_far_below_the_sound() {
        let pcm = tone(1000.0, 16000, -10.0);
        let heard = through(&pcm, 320);
        let delayed = pcm[3200 - 22..].iter().zip(&heard[3200..]); // of both filters together
        let noise: Vec<i16> = delayed.map(|(&before, &after)| after.saturating_sub(before)).collect();
        assert!(loudness(&noise) < -35.0, "{}", loudness(&noise));
    }

    #[test]
    fn the_length_of_frames_does_not_matter_but_is_even() {
        let pcm = tone(440.0, 3200, -10.0);
        assert_eq!(through(&pcm, 320), through(&pcm, 62));
        assert_eq!(
            Encoder::default().encode(&[0; 3], &mut Vec::new()),
            Err(CodecError::FrameLength(3))
        );
    }

    #[test]
    fn the_loudest_noise_and_any_bytes_overflow_nothing() {
        let mut state = 1u32;
        let mut random = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let extremes: Vec<i16> = (0..64000)
            .map(|_| if random() & 1 == 0 { i16::MIN } else { i16::MAX })
            .collect();
        through(&extremes, 320);
        let bytes: Vec<u8> = (0..64000).map(|_| random() as u8).collect();
        let mut pcm = Vec::new();
        Decoder::default().decode(&bytes, &mut pcm);
        assert_eq!(pcm.len(), 128_000);
    }

    #[test]
    fn silence_is_quiet_for_a_decoder_that_just_heard_a_tone() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let (mut payload, mut heard) = (Vec::new(), Vec::new());
        encoder.encode(&tone(1000.0, 8000, -10.0), &mut payload).unwrap();
        decoder.decode(&payload, &mut heard);
        for _ in 0..5 {
            heard.clear();
            decoder.decode(&silence(), &mut heard);
        }
        assert!(loudness(&heard) < -60.0);
    }
}
