//! Opus through libopus (RFC 6716), built from its source with the crate.
//!
//! Opened at 8000 or 16000 samples a second it needs no resampler towards G.711 and G.722, and costs less than half of
//! what it costs at 48000.

use std::fmt;

use opus::{Application, Bandwidth, Bitrate, Channels, Signal};

use super::effort::Effort;
use crate::pipeline::codec::{CodecError, OpusWishes};

/// 20 ms of silence: one mono frame, full band, low delay (RFC 6716 section 3.1), that decodes to zeros.
pub static SILENCE: [u8; 3] = [0xF8, 0xFF, 0xFE];
/// What the encoder shall prepare for; without it in-band FEC adds nothing.
pub const EXPECTED_LOSS_PERCENT: u8 = 10;
/// More than this is no reason to send everything twice.
const MAX_LOSS_PERCENT: u8 = 30;
const MAX_PAYLOAD: usize = 1275;

fn failed(error: opus::Error) -> CodecError {
    CodecError::Native(error.to_string())
}

/// bit/s by sample rate, FEC included (RFC 7587 section 3.1.1 has the ranges for speech).
fn bitrate(sample_rate: u32) -> i32 {
    match sample_rate {
        0..=8000 => 20000,
        8001..=16000 => 28000,
        _ => 40000,
    }
}

/// The bandwidth that is enough for a receiver that plays at this rate; None: any.
fn bandwidth(playback_rate: u32) -> Option<Bandwidth> {
    match playback_rate {
        0..=8000 => Some(Bandwidth::Narrowband),
        8001..=12000 => Some(Bandwidth::Mediumband),
        12001..=16000 => Some(Bandwidth::Wideband),
        16001..=24000 => Some(Bandwidth::Superwideband),
        _ => None,
    }
}

/// Opus to mono at the rate that it was opened at, whatever was encoded.
pub struct Decoder {
    state: opus::Decoder,
    sample_rate: u32,
}

impl Decoder {
    /// At 8000, 12000, 16000, 24000 or 48000 samples a second.
    pub fn new(sample_rate: u32) -> Result<Self, CodecError> {
        let state = opus::Decoder::new(sample_rate, Channels::Mono).map_err(failed)?;
        Ok(Self { state, sample_rate })
    }

    /// Samples of 120 ms, more than which no packet holds.
    fn capacity(&self) -> usize {
        self.sample_rate as usize * 3 / 25
    }

    /// Add the samples of a payload; an empty one has none.
    pub fn decode(&mut self, payload: &[u8], pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        if payload.is_empty() {
            return Ok(());
        }
        self.add(payload, self.capacity(), false, pcm)
    }

    /// Add samples in place of a lost packet; from the FEC of the payload that follows if it has any, else
    /// extrapolated.
    ///
    /// The number of samples is rounded down to 2.5 ms, of which libopus can make up multiples.
    pub fn conceal(&mut self, samples: usize, following: Option<&[u8]>, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        let unit = self.sample_rate as usize / 400;
        let samples = (samples / unit * unit).clamp(unit, self.capacity());
        let following = following.unwrap_or_default();
        self.add(following, samples, !following.is_empty(), pcm)
    }

    fn add(&mut self, payload: &[u8], samples: usize, fec: bool, pcm: &mut Vec<i16>) -> Result<(), CodecError> {
        let begin = pcm.len();
        pcm.resize(begin + samples, 0);
        let decoded = self.state.decode(payload, &mut pcm[begin..], fec).map_err(failed);
        pcm.truncate(begin + decoded.as_ref().copied().unwrap_or_default());
        decoded.map(|_| ())
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("opus::Decoder")
            .field("sample_rate", &self.sample_rate)
            .finish_non_exhaustive()
    }
}

/// Mono to opus.
pub struct Encoder {
    state: opus::Encoder,
    sample_rate: u32,
    may_use_fec: bool,
}

impl Encoder {
    /// From 8000, 16000 or 48000 samples a second, as the receiver wishes it.
    pub fn new(sample_rate: u32, wishes: &OpusWishes, effort: Effort) -> Result<Self, CodecError> {
        let mut state = opus::Encoder::new(sample_rate, Channels::Mono, Application::Voip).map_err(failed)?;
        configure(&mut state, sample_rate, wishes, effort).map_err(failed)?;
        Ok(Self {
            state,
            sample_rate,
            may_use_fec: wishes.may_use_fec,
        })
    }

    /// Samples a second that it takes.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// From the next frame on.
    pub fn set_effort(&mut self, effort: Effort) -> Result<(), CodecError> {
        self.state
            .set_complexity(i32::from(effort.complexity(self.sample_rate)))
            .map_err(failed)
    }

    /// What the receiver reports, so that FEC protects against it; nothing where it did not wish FEC.
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), CodecError> {
        let percent = if self.may_use_fec {
            percent.min(MAX_LOSS_PERCENT)
        } else {
            0
        };
        self.state.set_packet_loss_perc(i32::from(percent)).map_err(failed)
    }

    /// The payload of a frame; with usedtx, one or two bytes say that it need not be sent (RFC 7587 section 3.1.3).
    pub fn encode(&mut self, pcm: &[i16], payload: &mut Vec<u8>) -> Result<(), CodecError> {
        payload.resize(MAX_PAYLOAD, 0);
        let size = self.state.encode(pcm, payload).map_err(failed);
        payload.truncate(size.as_ref().copied().unwrap_or_default());
        size.map(|_| ())
    }
}

fn configure(
    state: &mut opus::Encoder,
    sample_rate: u32,
    wishes: &OpusWishes,
    effort: Effort,
) -> Result<(), opus::Error> {
    let wished = bitrate(sample_rate);
    let limit = wishes
        .max_bitrate
        .map_or(wished, |limit| i32::try_from(limit).unwrap_or(wished));
    state.set_complexity(i32::from(effort.complexity(sample_rate)))?;
    state.set_signal(Signal::Voice)?;
    state.set_bitrate(Bitrate::Bits(limit.min(wished).max(6000)))?;
    state.set_inband_fec(wishes.may_use_fec)?;
    state.set_packet_loss_perc(if wishes.may_use_fec {
        i32::from(EXPECTED_LOSS_PERCENT)
    } else {
        0
    })?;
    state.set_dtx(wishes.may_use_dtx)?;
    state.set_vbr(!wishes.is_constant_bitrate)?;
    if let Some(bandwidth) = wishes.max_playback_rate.and_then(bandwidth) {
        state.set_max_bandwidth(bandwidth)?;
    }
    Ok(())
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("opus::Encoder")
            .field("sample_rate", &self.sample_rate)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::tones::{loudness, power, sines};

    fn tone(rate: u32, seconds: u32) -> Vec<i16> {
        let mut pcm = Vec::new();
        sines(&[1000.0], 0, (rate * seconds) as usize, rate, -10.0, &mut pcm);
        pcm
    }

    fn encoded(rate: u32, wishes: &OpusWishes, pcm: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::new(rate, wishes, Effort::default()).unwrap();
        let encode = |frame: &[i16]| {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload).unwrap();
            payload
        };
        pcm.chunks(rate as usize / 50).map(encode).collect()
    }

    #[test]
    fn any_rate_decodes_at_any_other() {
        for encode_rate in [8000, 16000, 48000] {
            let payloads = encoded(encode_rate, &OpusWishes::default(), &tone(encode_rate, 1));
            for decode_rate in [8000, 16000, 48000] {
                let mut decoder = Decoder::new(decode_rate).unwrap();
                let mut pcm = Vec::new();
                for payload in &payloads {
                    decoder.decode(payload, &mut pcm).unwrap();
                }
                assert_eq!(pcm.len(), decode_rate as usize);
                assert!((power(&pcm[pcm.len() / 2..], 1000.0, decode_rate) + 10.0).abs() < 1.0);
            }
        }
    }

    #[test]
    fn the_silence_of_one_packet_decodes_to_zeros() {
        let mut pcm = Vec::new();
        Decoder::new(48000).unwrap().decode(&SILENCE, &mut pcm).unwrap();
        assert_eq!(pcm, [0; 960]);
    }

    #[test]
    fn garbage_is_an_error_that_leaves_nothing_and_a_loss_is_made_up() {
        let mut decoder = Decoder::new(16000).unwrap();
        let mut pcm = vec![1];

        assert!(decoder.decode(b"\x03\x3f\x00\x00", &mut pcm).is_err());
        assert_eq!(pcm, [1]);
        decoder.conceal(333, None, &mut pcm).unwrap();
        assert_eq!(pcm.len(), 1 + 320);
    }

    #[test]
    fn wishes_of_the_receiver_are_kept_to() {
        let pcm = tone(16000, 2);
        let bytes = |wishes: &OpusWishes| encoded(16000, wishes, &pcm).iter().map(Vec::len).sum::<usize>();
        let constant = encoded(
            16000,
            &OpusWishes {
                is_constant_bitrate: true,
                ..OpusWishes::default()
            },
            &pcm,
        );
        let silent = encoded(
            16000,
            &OpusWishes {
                may_use_dtx: true,
                ..OpusWishes::default()
            },
            &vec![0; 32000],
        );

        assert!(
            bytes(&OpusWishes {
                max_bitrate: Some(8000),
                ..OpusWishes::default()
            }) * 2
                < bytes(&OpusWishes::default())
        );
        assert!(constant.iter().all(|payload| payload.len() == constant[0].len()));
        assert!(silent.iter().filter(|payload| payload.len() <= 2).count() > 50);
    }

    #[test]
    fn a_narrow_receiver_gets_a_narrow_band() {
        let mut pcm = Vec::new();
        sines(&[6000.0], 0, 16000, 16000, -10.0, &mut pcm);
        let wishes = OpusWishes {
            max_playback_rate: Some(8000),
            ..OpusWishes::default()
        };
        let mut decoder = Decoder::new(16000).unwrap();
        let mut heard = Vec::new();
        for payload in encoded(16000, &wishes, &pcm) {
            decoder.decode(&payload, &mut heard).unwrap();
        }
        assert!(loudness(&heard[8000..]) < -30.0);
    }
}
