//! Digits as payloads of a sink's codec, a frame at a time: for a stream that is otherwise passed through or transcoded.
//!
//! Where the stream is transcoded they go through its encoder, so that the sink's decoder hears one voice. Where it is
//! passed through they have an encoder of their own: G.711 has no memory, and opus may change its encoder at any packet
//! (RFC 6716 section 4.5). G.722 has a memory and no such rule: what shall hear tones in it must be transcoded.

use super::codec::{Codec, CodecError, Name};
use super::inband::TonePlayer;
use super::stage::Stage;
use super::stream::{FRAME, ticks};
use crate::codec::Encoder;
use crate::codec::effort::Effort;

/// Samples a second at which tones are made for an opus encoder of their own: the highest has 1633 Hz.
const OPUS_RATE: u32 = 16000;

/// Whether its packets make sense only after those that the same encoder made before.
pub fn has_memory(name: Name) -> bool {
    name == Name::G722
}

/// A `TonePlayer` and what makes RTP payloads of it.
#[derive(Debug)]
pub struct ToneEncoder {
    /// What sounds.
    pub player: TonePlayer,
    /// Where the stage has none.
    encoder: Option<Encoder>,
    pcm: Vec<i16>,
    payload: Vec<u8>,
}

impl ToneEncoder {
    /// For a sink's codec and the stage in front of it.
    pub fn new(codec: &Codec, stage: &Stage, effort: Effort) -> Result<Self, CodecError> {
        let (rate, encoder) = match stage {
            Stage::Transcoder(transcoder) => (transcoder.encode_rate(), None),
            Stage::Relay(_) => {
                let encoder = Encoder::new(codec, OPUS_RATE, effort)?;
                (encoder.sample_rate(), Some(encoder))
            }
        };
        let pcm = vec![0; ticks(FRAME, rate) as usize];
        Ok(Self {
            player: TonePlayer::new(rate),
            encoder,
            pcm,
            payload: Vec::new(),
        })
    }

    /// What encodes where the stage has no encoder.
    pub fn encoder(&mut self) -> Option<&mut Encoder> {
        self.encoder.as_mut()
    }

    /// The payload of the next 20 ms, which are due at that time; None if it cannot be encoded.
    pub fn frame(&mut self, stage: &mut Stage, due: f64) -> Option<&[u8]> {
        self.player.fill(&mut self.pcm, due + FRAME);
        let encoder = match (&mut self.encoder, stage) {
            (Some(encoder), _) => encoder,
            (None, Stage::Transcoder(transcoder)) => transcoder.encoder(),
            (None, Stage::Relay(_)) => return None,
        };
        encoder.encode(&self.pcm, &mut self.payload).ok()?;
        Some(&self.payload)
    }
}
