//! Tones as linear samples: sines, DTMF (ITU-T Q.23), call progress; and a detector (Goertzel).
//!
//! Levels are in dBFS of a sine: 0 is the loudest that fits.

use std::f64::consts::PI;

/// Hertz, of the rows of the keypad.
pub const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
/// Hertz, of its columns.
pub const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYPAD: [&[u8; 4]; 4] = [b"123A", b"456B", b"789C", b"*0#D"];
/// The loudest sample.
pub const FULL_SCALE: f64 = 32767.0;
/// dBFS below which a component of a digit is not heard.
const DTMF_FLOOR: f64 = -36.0;
/// dB by which the strongest frequency of a group must exceed the second.
const DTMF_MARGIN: f64 = 8.0;
/// dB by which the two tones of a digit may differ.
const DTMF_TWIST: f64 = 10.0;

/// The two frequencies of a digit, none for what is no digit.
pub fn dtmf_frequencies(digit: u8) -> Option<(f64, f64)> {
    KEYPAD.iter().zip(ROWS).find_map(|(digits, row)| {
        let column = digits.iter().position(|&known| known == digit)?;
        Some((row, COLUMNS[column]))
    })
}

/// Add so many samples of one or several sines to `pcm`, each at `level`; `first` is the index of the first sample.
pub fn sines(frequencies: &[f64], first: usize, number: usize, rate: u32, level: f64, pcm: &mut Vec<i16>) {
    let amplitude = FULL_SCALE * 10f64.powf(level / 20.0);
    let step = 2.0 * PI / f64::from(rate);
    pcm.extend((first..first + number).map(|index| {
        let value: f64 = frequencies
            .iter()
            .map(|frequency| (step * frequency * index as f64).sin())
            .sum();
        (amplitude * value).round().clamp(-32768.0, FULL_SCALE) as i16
    }));
}

/// Level in dBFS of one frequency in these samples (Goertzel); -inf for silence.
///
/// Exact for whole cycles of the frequency; two frequencies are told apart when they differ by more than `rate`
/// divided by the number of samples.
pub fn power(pcm: &[i16], frequency: f64, rate: u32) -> f64 {
    if pcm.is_empty() {
        return f64::NEG_INFINITY;
    }
    let coefficient = 2.0 * (2.0 * PI * frequency / f64::from(rate)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for &sample in pcm {
        (last, before) = (f64::from(sample) + coefficient * last - before, last);
    }
    let square: f64 = last * last + before * before - coefficient * last * before;
    // rounding may leave a little less than nothing
    let amplitude = 2.0 * square.max(0.0).sqrt() / pcm.len() as f64 / FULL_SCALE;
    if amplitude > 1e-9 {
        20.0 * amplitude.log10()
    } else {
        f64::NEG_INFINITY
    }
}

/// Level of all frequencies together, in dBFS of the sine with as much power; -inf for silence.
pub fn loudness(pcm: &[i16]) -> f64 {
    let square: f64 = pcm.iter().map(|&sample| f64::from(sample) * f64::from(sample)).sum();
    if square == 0.0 {
        return f64::NEG_INFINITY;
    }
    10.0 * (2.0 * square / pcm.len() as f64 / (FULL_SCALE * FULL_SCALE)).log10()
}

/// The digit whose two tones stand out in these samples (at least 20 ms of them), None when there is none.
///
/// Each tone must be the only loud one of its group, both about equally loud, and together the most of what is heard
/// (after ITU-T Q.24).
pub fn detect_dtmf(pcm: &[i16], rate: u32) -> Option<u8> {
    let (row, row_level) = standing_out(pcm, &ROWS, rate)?;
    let (column, column_level) = standing_out(pcm, &COLUMNS, rate)?;
    if (row_level - column_level).abs() > DTMF_TWIST {
        return None;
    }
    let together = 10.0 * (10f64.powf(row_level / 10.0) + 10f64.powf(column_level / 10.0)).log10();
    if together < loudness(pcm) - 3.0 {
        None
    } else {
        Some(KEYPAD[row][column])
    }
}

/// The only loud one of these frequencies, and its level.
fn standing_out(pcm: &[i16], frequencies: &[f64; 4], rate: u32) -> Option<(usize, f64)> {
    let levels = frequencies.map(|frequency| power(pcm, frequency, rate));
    let mut sorted = levels;
    sorted.sort_by(f64::total_cmp);
    let [.., second, best] = sorted;
    if best < DTMF_FLOOR || best - second < DTMF_MARGIN {
        return None;
    }
    levels
        .iter()
        .position(|&level| level == best)
        .map(|index| (index, best))
}

/// Finds digits in a stream of linear samples: one that is heard in two windows in a row, once.
///
/// A window is 20 ms, so that the shortest digit that a receiver must take (40 ms, ITU-T Q.24) fills two less one
/// part; a digit ends with the first window without it that another such one follows.
#[derive(Debug)]
pub struct ToneDetector {
    rate: u32,
    window: Vec<i16>,
    size: usize,
    /// What was heard in the last window.
    candidate: Option<u8>,
    /// The digit that goes on, its windows, and those since that lacked it.
    current: Option<(u8, u32, u32)>,
}

impl ToneDetector {
    /// For samples of this rate.
    pub fn new(rate: u32) -> Self {
        let size = rate as usize / 50;
        Self {
            rate,
            window: Vec::with_capacity(size),
            size,
            candidate: None,
            current: None,
        }
    }

    /// Take samples; add each digit that ended, with its duration in seconds, good for 20 ms.
    pub fn hear(&mut self, mut pcm: &[i16], digits: &mut Vec<(char, f64)>) {
        while !pcm.is_empty() {
            let taken = pcm.len().min(self.size - self.window.len());
            self.window.extend_from_slice(&pcm[..taken]);
            pcm = &pcm[taken..];
            if self.window.len() == self.size {
                let heard = detect_dtmf(&self.window, self.rate);
                self.window.clear();
                self.follow(heard, digits);
            }
        }
    }

    fn follow(&mut self, heard: Option<u8>, digits: &mut Vec<(char, f64)>) {
        match &mut self.current {
            Some((digit, windows, missing)) if heard == Some(*digit) => {
                *windows += 1 + *missing;
                *missing = 0;
            }
            Some((digit, windows, missing)) => {
                *missing += 1;
                if *missing > 1 || heard.is_some() {
                    digits.push((char::from(*digit), f64::from(*windows) * 0.02));
                    self.current = None;
                }
            }
            None => {}
        }
        if self.current.is_none() {
            if let Some(digit) = heard.filter(|_| heard == self.candidate) {
                self.current = Some((digit, 2, 0));
            }
        }
        self.candidate = heard;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(digit: u8, samples: usize, level: f64) -> Vec<i16> {
        let (row, column) = dtmf_frequencies(digit).unwrap();
        let mut pcm = Vec::new();
        sines(&[row, column], 0, samples, 8000, level, &mut pcm);
        pcm
    }

    #[test]
    fn every_digit_is_known_by_its_tones_at_any_level_a_line_has() {
        for known in b"0123456789*#ABCD" {
            for level in [-10.0, -20.0, -33.0] {
                assert_eq!(detect_dtmf(&digit(*known, 160, level), 8000), Some(*known));
            }
        }
        assert_eq!(dtmf_frequencies(b'x'), None);
    }

    #[test]
    fn one_tone_and_silence_are_no_digit() {
        let mut pcm = Vec::new();
        sines(&[697.0], 0, 160, 8000, -10.0, &mut pcm);
        assert_eq!(detect_dtmf(&pcm, 8000), None);
        assert_eq!(detect_dtmf(&[0; 160], 8000), None);
        assert_eq!(detect_dtmf(&[], 8000), None);
    }

    #[test]
    fn a_sine_has_the_level_that_was_asked_for() {
        let mut pcm = Vec::new();
        sines(&[1000.0], 0, 8000, 8000, -10.0, &mut pcm);
        assert!((power(&pcm, 1000.0, 8000) + 10.0).abs() < 0.05);
        assert!((loudness(&pcm) + 10.0).abs() < 0.05);
    }

    #[test]
    fn a_row_of_digits_is_heard_once_each() {
        let mut pcm = vec![0; 333];
        for known in b"112#" {
            pcm.extend(digit(*known, 800, -13.0));
            pcm.extend([0; 640]);
        }
        let mut detector = ToneDetector::new(8000);
        let mut digits = Vec::new();

        for part in pcm.chunks(77) {
            detector.hear(part, &mut digits);
        }

        assert_eq!(digits.iter().map(|digit| digit.0).collect::<String>(), "112#");
        assert!(digits.iter().all(|digit| (digit.1 - 0.1).abs() < 0.03), "{digits:?}");
    }
}
