//! What a pipeline is made of, and what it says it did.

use std::sync::Arc;

use super::codec::LegCodec;
use super::settings::StageSettings;

/// What a pipeline did, in packets unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Towards the sink.
    pub packets_sent: u64,
    /// Payload only.
    pub bytes_sent: u64,
    /// Of `packets_sent`: silence, or a sound of our own, that stood in for the source.
    pub silence_sent: u64,
    /// Not forwarded: they came twice, or after their time.
    pub packets_late: u64,
    /// Not forwarded: a payload type that was not negotiated.
    pub packets_unknown: u64,
    /// Frames that the decoder made up for lost ones.
    pub frames_concealed: u64,
}

/// What a muted sink hears over and over: payloads of 20 ms in its codec. Shared by all calls that hear it.
pub type Sound = Arc<[Box<[u8]>]>;

/// What a pipeline is made of.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// What was negotiated on the side that is heard.
    pub source: LegCodec,
    /// What was negotiated on the side that hears.
    pub sink: LegCodec,
    /// Of the stream towards the sink; a random number of the caller, as the next two.
    pub ssrc: u32,
    /// Of the first packet.
    pub first_sequence: u16,
    /// Of the first packet.
    pub first_timestamp: u32,
    /// Where RTP towards the sink may pause (else it begins at once), seconds after which silence takes the place of a source that was there; None: never.
    pub longest_pause: Option<f64>,
    /// Whether digits are looked for in the sound of a source that has no telephone-events, and reported. They go on
    /// as they came: in the sound.
    pub detects_tones: bool,
    /// Whether RTP may pause towards the sink, and everything else that is no number of a stream.
    pub stage: StageSettings,
}

impl Config {
    /// Between these, everything else as it mostly is.
    pub fn new(source: LegCodec, sink: LegCodec) -> Self {
        Self {
            source,
            sink,
            ssrc: 0,
            first_sequence: 0,
            first_timestamp: 0,
            longest_pause: None,
            detects_tones: false,
            stage: StageSettings::default(),
        }
    }
}
