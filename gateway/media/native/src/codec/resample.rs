//! Between 8000 and 16000 samples a second: a half-band filter in polyphase form, with state from frame to frame.

use std::f64::consts::PI;
use std::sync::LazyLock;

const FRACTION_BITS: u32 = 16;
/// Coefficients that are neither zero nor the middle: 0 dB up to 3.5 kHz, -60 dB from 4.5 kHz, 2 ms of delay.
const TAPS: usize = 32;
const HISTORY: usize = TAPS - 1;
const KAISER_BETA: f64 = 6.0;

type Coefficients = [i64; TAPS];

/// The modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..24 {
        term *= (x / 2.0) / f64::from(k);
        sum += term * term;
    }
    sum
}

/// Every second coefficient of a windowed sinc with its corner at a quarter of the rate.
///
/// Their sum is 2 to the power of `gain_bits`. They are symmetric, so that the order does not matter.
fn coefficients(gain_bits: u32) -> Coefficients {
    let tap = |index: usize| {
        let distance = 2.0 * index as f64 - HISTORY as f64; // from the middle, in samples of the higher rate; odd
        let window = bessel(KAISER_BETA * (1.0 - (distance / TAPS as f64).powi(2)).sqrt()) / bessel(KAISER_BETA);
        2.0 / (PI * distance) * (PI * distance / 2.0).sin() * window
    };
    let taps: [f64; TAPS] = std::array::from_fn(tap);
    let scale = f64::from(1 << gain_bits) / taps.iter().sum::<f64>();
    taps.map(|tap| (tap * scale).round_ties_even() as i64)
}

static INTERPOLATION: LazyLock<Coefficients> = LazyLock::new(|| coefficients(FRACTION_BITS));
/// Half as much, because the middle coefficient adds the other half.
static DECIMATION: LazyLock<Coefficients> = LazyLock::new(|| coefficients(FRACTION_BITS - 1));

fn filtered(samples: &[i16], coefficients: &Coefficients) -> i64 {
    samples
        .iter()
        .zip(coefficients)
        .map(|(&sample, coefficient)| i64::from(sample) * coefficient)
        .sum()
}

fn rounded(sum: i64) -> i16 {
    ((sum + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}

/// Makes one rate of the other.
#[derive(Debug)]
pub enum Resampler {
    /// Both rates are the same.
    Straight,
    /// 8000 to 16000; the last samples, and room for a frame behind them.
    Up(Vec<i16>),
    /// 16000 to 8000; the same for samples with an even and with an odd number, and what is left of a pair.
    Down(Vec<i16>, Vec<i16>, Option<i16>),
}

impl Resampler {
    /// From the one rate to the other, of which the gateway has 8000 and 16000 where they differ.
    pub fn between(from: u32, to: u32) -> Self {
        let quiet = || vec![0; HISTORY];
        match from.cmp(&to) {
            std::cmp::Ordering::Equal => Self::Straight,
            std::cmp::Ordering::Less => Self::Up(quiet()),
            std::cmp::Ordering::Greater => Self::Down(quiet(), quiet(), None),
        }
    }

    /// How many samples come out for so many.
    pub fn output_length(&self, samples: usize) -> usize {
        match self {
            Self::Straight => samples,
            Self::Up(_) => 2 * samples,
            Self::Down(_, _, left) => (samples + usize::from(left.is_some())) / 2,
        }
    }

    /// The samples at the other rate, in `output` unless they are the same.
    pub fn process<'a>(&mut self, pcm: &'a [i16], output: &'a mut Vec<i16>) -> &'a [i16] {
        match self {
            Self::Straight => return pcm,
            Self::Up(samples) => {
                samples.extend_from_slice(pcm);
                output.clear();
                output.extend(samples.windows(TAPS).flat_map(|window| {
                    // The filter's middle coefficient passes each sample on as it is, half the history later.
                    [window[TAPS / 2 - 1], rounded(filtered(window, &INTERPOLATION))]
                }));
                samples.drain(..pcm.len());
            }
            Self::Down(even, odd, left) => {
                let pairs = left.take().into_iter().chain(pcm.iter().copied());
                for (index, sample) in pairs.enumerate() {
                    (if index % 2 == 0 { &mut *even } else { &mut *odd }).push(sample);
                }
                if even.len() > odd.len() {
                    *left = even.pop();
                }
                output.clear();
                output.extend(even.windows(TAPS).zip(odd.windows(TAPS)).map(|(even, odd)| {
                    let middle = i64::from(even[TAPS / 2]) << (FRACTION_BITS - 1);
                    rounded(filtered(odd, &DECIMATION) + middle)
                }));
                even.drain(..even.len() - HISTORY);
                odd.drain(..odd.len() - HISTORY);
            }
        }
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tones::{loudness, power, sines};

    fn tone(frequency: f64, rate: u32) -> Vec<i16> {
        let mut pcm = Vec::new();
        sines(&[frequency], 0, rate as usize, rate, -6.0, &mut pcm);
        pcm
    }

    fn resampled(pcm: &[i16], from: u32, to: u32, frame: usize) -> Vec<i16> {
        let mut resampler = Resampler::between(from, to);
        let mut output = Vec::new();
        let process = |frame: &[i16]| {
            let expected = resampler.output_length(frame.len());
            let part = resampler.process(frame, &mut output).to_vec();
            assert_eq!(part.len(), expected);
            part
        };
        pcm.chunks(frame).flat_map(process).collect()
    }

    #[test]
    fn a_tone_keeps_frequency_and_level_both_ways() {
        for frequency in [300.0, 1000.0, 3400.0] {
            let up = resampled(&tone(frequency, 8000), 8000, 16000, 160);
            assert_eq!(up.len(), 16000);
            assert!((power(&up[1600..], frequency, 16000) + 6.0).abs() < 0.2, "{frequency}");
            assert!((loudness(&up[1600..]) + 6.0).abs() < 0.2, "no image of it");
            let down = resampled(&tone(frequency, 16000), 16000, 8000, 320);
            assert!((power(&down[800..], frequency, 8000) + 6.0).abs() < 0.2, "{frequency}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_carry_is_gone() {
        assert!(loudness(&resampled(&tone(5000.0, 16000), 16000, 8000, 320)[800..]) < -60.0);
    }

    #[test]
    fn the_length_of_frames_does_not_matter() {
        let pcm = tone(700.0, 16000);
        let whole = resampled(&pcm, 16000, 8000, pcm.len());
        for frame in [1, 31, 160, 321] {
            assert_eq!(resampled(&pcm, 16000, 8000, frame), whole);
        }
        assert_eq!(resampled(&pcm, 16000, 16000, 99), pcm);
        assert_eq!(resampled(&pcm, 8000, 16000, 7), resampled(&pcm, 8000, 16000, 640));
    }

    #[test]
    fn the_loudest_samples_are_clipped_and_do_not_wrap() {
        let square: Vec<i16> = (0..1600)
            .map(|index| if index / 8 % 2 == 0 { i16::MAX } else { i16::MIN })
            .collect();
        let up = resampled(&square, 8000, 16000, 160);
        assert_eq!((up.iter().max(), up.iter().min()), (Some(&i16::MAX), Some(&i16::MIN)));
    }
}
