//! Audio codecs: G.711, G.722, opus (libopus); which there are, at which sample rates they work, and how they are made.
//!
//! Linear samples are 16-bit, mono.

pub mod comfort_noise;
pub mod concealment;
pub mod effort;
pub mod g711;
pub mod g722;
pub mod gain;
pub mod opus;
pub mod resample;

use std::sync::LazyLock;

use crate::pipeline::codec::{Codec, CodecError, Name};
use concealment::Concealer;
use effort::Effort;
pub use resample::Resampler;

/// The highest that opus has.
const WIDEST_RATE: u32 = 48000;

/// At which rates to decode and to encode: opus goes along with the other side, so that no resampler is needed.
pub fn sample_rates(source: Name, sink: Name) -> (u32, u32) {
    let (decoded, encoded) = (source.sample_rate(), sink.sample_rate());
    (
        decoded.or(encoded).unwrap_or(WIDEST_RATE),
        encoded.or(decoded).unwrap_or(WIDEST_RATE),
    )
}

/// Payloads of one stream, in order, to linear samples.
#[derive(Debug)]
pub enum Decoder {
    /// µ-law or A-law.
    G711(&'static [i16; 256], Concealer),
    /// 16000 samples a second.
    G722(Box<g722::Decoder>, Concealer),
    /// Whatever rate it was opened at.
    Opus(opus::Decoder),
}

impl Decoder {
    /// Opus at `sample_rate`; the others have their own.
    pub fn new(name: Name, sample_rate: u32) -> Result<Self, CodecError> {
        Ok(match name {
            Name::Opus => Self::Opus(opus::Decoder::new(sample_rate)?),
            Name::Pcmu => Self::G711(&g711::ULAW_TO_LINEAR, Concealer::new(g711::SAMPLE_RATE)),
            Name::Pcma => Self::G711(&g711::ALAW_TO_LINEAR, Concealer::new(g711::SAMPLE_RATE)),
            Name::G722 => Self::G722(Box::default(), Concealer::new(g722::SAMPLE_RATE)),
        })
    }

    /// Add the samples of a payload; on an error nothing.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        let begin = pcm.len();
        match self {
            Self::G711(table, concealer) => {
                pcm.extend(payload.iter().map(|&code| table[usize::from(code)]));
                concealer.heard(&pcm[begin..]);
            }
            Self::G722(decoder, concealer) => {
                decoder.decode(payload, pcm);
                concealer.heard(&pcm[begin..]);
            }
            Self::Opus(decoder) => decoder.decode(payload, pcm)?,
        }
        Ok(())
    }

    /// Add so many samples in place of a lost packet; `following` is the payload after it, if it is there.
    pub fn conceal(&mut self, samples: usize, following: Option<&[u8]>, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        match self {
            Self::G711(_, concealer) | Self::G722(_, concealer) => concealer.conceal(samples, pcm),
            Self::Opus(decoder) => decoder.conceal(samples, following, pcm)?,
        }
        Ok(())
    }

    /// Leave so many samples in place of a lost packet, and nothing else, in `pcm`: silence where there is nothing better.
    pub fn make_up(&mut self, samples: usize, following: Option<&[u8]>, pcm: &mut Vec<i16>) {
        pcm.clear();
        if self.conceal(samples, following, pcm).is_err() {
            pcm.clear();
            pcm.resize(samples, 0);
        }
    }
}

/// Linear samples to payloads of one stream.
#[derive(Debug)]
pub enum Encoder {
    /// µ-law.
    Ulaw,
    /// A-law.
    Alaw,
    /// 16000 samples a second.
    G722(Box<g722::Encoder>),
    /// Whatever rate it was opened at.
    Opus(opus::Encoder),
}

impl Encoder {
    /// Opus at `sample_rate`, with that effort; the others have their own rate.
    pub fn new(codec: &Codec, sample_rate: u32, effort: Effort) -> Result<Self, CodecError> {
        Ok(match codec.name {
            Name::Opus => Self::Opus(opus::Encoder::new(sample_rate, &codec.wishes, effort)?),
            Name::Pcmu => Self::Ulaw,
            Name::Pcma => Self::Alaw,
            Name::G722 => Self::G722(Box::default()),
        })
    }

    /// Samples a second that it takes.
    pub fn sample_rate(&self) -> u32 {
        match self {
            Self::Ulaw | Self::Alaw => g711::SAMPLE_RATE,
            Self::G722(_) => g722::SAMPLE_RATE,
            Self::Opus(encoder) => encoder.sample_rate(),
        }
    }

    /// Of libopus; the others have no choice.
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        match self {
            Self::Opus(encoder) => encoder.set_effort(effort),
            Self::Ulaw | Self::Alaw | Self::G722(_) => Ok(()),
        }
    }

    /// Percent of packets that will not arrive; how much the encoder repeats depends on it, where FEC was wished.
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        match self {
            Self::Opus(encoder) => encoder.set_expected_loss(percent),
            Self::Ulaw | Self::Alaw | Self::G722(_) => Ok(()),
        }
    }

    /// The payload for a frame, in place of what is in `payload`; on an error it is empty.
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        payload.clear();
        match self {
            Self::Ulaw => payload.extend(pcm.iter().map(|&sample| g711::linear_to_ulaw(sample))),
            Self::Alaw => payload.extend(pcm.iter().map(|&sample| g711::linear_to_alaw(sample))),
            Self::G722(encoder) => encoder.encode(pcm, payload)?,
            Self::Opus(encoder) => encoder.encode(pcm, payload)?,
        }
        Ok(())
    }
}

static G722_SILENCE: LazyLock<Vec<u8>> = LazyLock::new(g722::silence);

/// The payload of 20 ms of silence, for a stream that we do not encode.
pub fn silence(name: Name) -> &'static [u8] {
    match name {
        Name::Opus => &opus::SILENCE,
        Name::Pcmu => &[g711::ULAW_SILENCE; 160],
        Name::Pcma => &[g711::ALAW_SILENCE; 160],
        Name::G722 => &G722_SILENCE,
    }
}
