//! How the stage of a pipeline works, apart from its codecs.

use super::jitter::MAX_WAIT;
use crate::codec::effort::Effort;
use crate::codec::gain::Gain;
use crate::codec::opus::EXPECTED_LOSS_PERCENT;

/// How a stage works, apart from the codecs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageSettings {
    /// Whether the stream never pauses; if it may, long pauses become gaps of the timestamp.
    pub needs_continuity: bool,
    /// Whether the sink hears digits as tones.
    pub plays_digits: bool,
    /// How hard encoders work.
    pub effort: Effort,
    /// Percent of the packets towards the sink that will be lost, as far as is known.
    pub expected_loss: u8,
    /// Seconds that the jitter buffer waits for a missing packet at most.
    pub max_wait: f64,
    /// Of the source, for the sink.
    pub gain: Gain,
}

impl Default for StageSettings {
    fn default() -> Self {
        Self {
            needs_continuity: false,
            plays_digits: false,
            effort: Effort::default(),
            expected_loss: EXPECTED_LOSS_PERCENT,
            max_wait: MAX_WAIT,
            gain: Gain::UNITY,
        }
    }
}
