//! Sounds of our own as payloads: made once for a codec, then only sent, by as many pipelines as want them.

use std::fmt;

use super::Sound;
use super::codec::{Codec, CodecError};
use super::stream::{FRAME, ticks};
use crate::codec::effort::Effort;
use crate::codec::{Encoder, Resampler};

/// Seconds of a file at most: a sound is kept in memory.
const MAX_SECONDS: usize = 600;

/// A file that is no sound that we can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WavError {
    /// No RIFF/WAVE file, or one that ends in the middle.
    NotWav,
    /// Something else than 16-bit linear samples in one channel or two.
    NotLinear,
    /// Neither 8000 nor 16000 samples a second.
    Rate(u32),
    /// Longer than may be kept.
    TooLong,
}

impl fmt::Display for WavError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWav => f.write_str("not a WAV file"),
            Self::NotLinear => f.write_str("not 16-bit linear samples in one channel or two"),
            Self::Rate(rate) => write!(f, "{rate} samples a second, not 8000 or 16000"),
            Self::TooLong => write!(f, "longer than {MAX_SECONDS} s"),
        }
    }
}

impl std::error::Error for WavError {}

/// Linear samples in one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Samples {
    /// Samples a second, 8000 or 16000.
    pub rate: u32,
    /// The samples.
    pub pcm: Vec<i16>,
}

/// The sound of a WAV file; two channels are made one.
pub fn from_wav(file: &[u8]) -> Result<Samples, WavError> {
    let mut chunks = file
        .strip_prefix(b"RIFF")
        .and_then(|rest| rest.get(4..))
        .ok_or(WavError::NotWav)?;
    chunks = chunks.strip_prefix(b"WAVE").ok_or(WavError::NotWav)?;
    let mut format = None;
    loop {
        let (head, rest) = chunks.split_first_chunk::<8>().ok_or(WavError::NotWav)?;
        let [a, b, c, d, sizes @ ..] = *head;
        let size = u32::from_le_bytes(sizes) as usize;
        match &[a, b, c, d] {
            b"fmt " => format = Some(channels_and_rate(rest.get(..size).ok_or(WavError::NotWav)?)?),
            b"data" => {
                let (channels, rate) = format.ok_or(WavError::NotWav)?;
                // a file that was not finished names a length that it has not
                return samples(&rest[..size.min(rest.len())], channels, rate);
            }
            _ => {}
        }
        chunks = rest.get(size + size % 2..).ok_or(WavError::NotWav)?;
    }
}

fn channels_and_rate(format: &[u8]) -> Result<(usize, u32), WavError> {
    let Some(&[kind, 0, channels, 0, r0, r1, r2, r3, _, _, _, _, _, _, bits, 0]) = format.first_chunk::<16>() else {
        return Err(WavError::NotLinear);
    };
    if kind != 1 || bits != 16 || !(1..=2).contains(&channels) {
        return Err(WavError::NotLinear);
    }
    match u32::from_le_bytes([r0, r1, r2, r3]) {
        rate @ (8000 | 16000) => Ok((usize::from(channels), rate)),
        rate => Err(WavError::Rate(rate)),
    }
}

fn samples(data: &[u8], channels: usize, rate: u32) -> Result<Samples, WavError> {
    if data.len() / (2 * channels) > MAX_SECONDS * rate as usize {
        return Err(WavError::TooLong);
    }
    let mean = |group: &[u8]| {
        let sum: i32 = group
            .chunks_exact(2)
            .map(|pair| i32::from(i16::from_le_bytes([pair[0], pair[1]])))
            .sum();
        (sum / channels as i32) as i16
    };
    Ok(Samples {
        rate,
        pcm: data.chunks_exact(2 * channels).map(mean).collect(),
    })
}

/// The payloads of 20 ms of a sound in a codec, the last one filled up with silence.
pub fn encoded(samples: &Samples, codec: &Codec, effort: Effort) -> Result<Sound, CodecError> {
    let rate = codec.name.sample_rate().unwrap_or(samples.rate);
    let mut encoder = Encoder::new(codec, rate, effort)?;
    let mut resampler = Resampler::between(samples.rate, rate);
    let mut resampled = Vec::new();
    let pcm = resampler.process(&samples.pcm, &mut resampled);
    let size = ticks(FRAME, rate) as usize;
    let mut frame = vec![0; size];
    let mut payload = Vec::new();
    pcm.chunks(size)
        .map(|part| {
            frame[..part.len()].copy_from_slice(part);
            frame[part.len()..].fill(0);
            encoder.encode(&frame, &mut payload)?;
            Ok(payload.clone().into_boxed_slice())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Decoder;
    use crate::pipeline::codec::Name;
    use crate::pipeline::tones::{power, sines};

    fn wav(channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend([0; 6]);
        file.extend(bits.to_le_bytes());
        file.extend(b"LIST\x03\0\0\0abc\0data"); // an odd chunk is followed by a byte
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn one_channel_or_two_are_read_whatever_stands_between() {
        assert_eq!(
            from_wav(&wav(1, 8000, 16, &[1, 0, 255, 255])),
            Ok(Samples {
                rate: 8000,
                pcm: vec![1, -1]
            })
        );
        assert_eq!(
            from_wav(&wav(2, 16000, 16, &[2, 0, 4, 0])),
            Ok(Samples {
                rate: 16000,
                pcm: vec![3]
            })
        );
    }

    #[test]
    fn files_that_cannot_be_played_are_refused() {
        let good = wav(1, 8000, 16, &[1, 0, 2, 0]);
        for size in 0..good.len() - 4 {
            assert_eq!(from_wav(&good[..size]), Err(WavError::NotWav), "{size}");
        }
        assert_eq!(from_wav(&wav(1, 44100, 16, &[])), Err(WavError::Rate(44100)));
        assert_eq!(from_wav(&wav(3, 8000, 16, &[])), Err(WavError::NotLinear));
        assert_eq!(from_wav(&wav(1, 8000, 8, &[])), Err(WavError::NotLinear));
        assert_eq!(
            from_wav(&wav(1, 8000, 16, &vec![0; 16000 * 601])),
            Err(WavError::TooLong)
        );
    }

    #[test]
    fn a_sound_is_the_same_in_every_codec() {
        for rate in [8000, 16000] {
            let mut pcm = Vec::new();
            sines(&[600.0], 0, rate as usize + 7, rate, -12.0, &mut pcm);
            let samples = Samples { rate, pcm };
            for name in [Name::Opus, Name::Pcmu, Name::Pcma, Name::G722] {
                let sound = encoded(&samples, &Codec::new(name, 96), Effort::default()).unwrap();
                assert_eq!(sound.len(), 51);
                let heard_at = name.sample_rate().unwrap_or(16000);
                let mut decoder = Decoder::new(name, heard_at).unwrap();
                let mut heard = Vec::new();
                for payload in sound.iter() {
                    decoder.decode(payload, &mut heard).unwrap();
                }
                let level = power(&heard[heard.len() / 4..heard.len() * 3 / 4], 600.0, heard_at);
                assert!((level + 12.0).abs() < 1.0, "{name:?} {rate} {level}");
            }
        }
    }
}
