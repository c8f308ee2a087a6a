//! What a leg was negotiated to carry: an audio codec and, beside it, telephone-event. Values only.
//!
//! Sources: RFC 3551 section 4.5 (PCMU, PCMA, G722), RFC 7587 (opus), RFC 4733 (telephone-event).

use std::fmt;

/// Static payload type of comfort noise (RFC 3389).
pub const COMFORT_NOISE_PAYLOAD_TYPE: u8 = 13;
/// Seconds of audio in a packet, unless something else was wished.
pub const DEFAULT_FRAME: f64 = 0.020;

/// The gateway cannot decode or encode that codec, or a native codec failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecError {
    /// No such codec, or not with these parameters; as an rtpmap would name it.
    Unsupported(String),
    /// libopus refused; what it says.
    Native(String),
    /// A frame of a length that the codec does not take, in samples.
    FrameLength(usize),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(name) => write!(f, "no codec {name}"),
            Self::Native(text) => f.write_str(text),
            Self::FrameLength(samples) => write!(f, "a frame of {samples} samples"),
        }
    }
}

impl std::error::Error for CodecError {}

/// An audio codec that the gateway can decode and encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name {
    /// RFC 6716.
    Opus,
    /// ITU-T G.711, µ-law.
    Pcmu,
    /// ITU-T G.711, A-law.
    Pcma,
    /// ITU-T G.722 at 64 kbit/s.
    G722,
}

impl Name {
    /// As the registry of media types writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
        }
    }

    /// Of the RTP timestamp. 8000 for G722 although it samples at 16000 (RFC 3551 section 4.5.2).
    pub fn clock_rate(self) -> u32 {
        if self == Self::Opus { 48000 } else { 8000 }
    }

    /// Samples a second that the codec has, None for opus, which takes what the other side has.
    pub fn sample_rate(self) -> Option<u32> {
        match self {
            Self::Opus => None,
            Self::Pcmu | Self::Pcma => Some(8000),
            Self::G722 => Some(16000),
        }
    }
}

/// What a receiver of opus wishes (RFC 7587 section 6.1). Stereo allows two channels, of which a call needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OpusWishes {
    /// `useinbandfec`.
    pub may_use_fec: bool,
    /// `usedtx`.
    pub may_use_dtx: bool,
    /// `cbr`.
    pub is_constant_bitrate: bool,
    /// `maxaveragebitrate`, bit/s.
    pub max_bitrate: Option<u32>,
    /// `maxplaybackrate`, Hz.
    pub max_playback_rate: Option<u32>,
}

impl OpusWishes {
    /// Take one parameter of `a=fmtp`; a parameter that is unknown, or no number, counts as absent.
    pub fn take(&mut self, key: &str, value: &str) {
        match key {
            "useinbandfec" => self.may_use_fec = value == "1",
            "usedtx" => self.may_use_dtx = value == "1",
            "cbr" => self.is_constant_bitrate = value == "1",
            "maxaveragebitrate" => self.max_bitrate = number(value),
            "maxplaybackrate" => self.max_playback_rate = number(value),
            _ => {}
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.len() < 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// An audio codec as SDP describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Codec {
    /// Which one.
    pub name: Name,
    /// The RTP payload type agreed for it, 0 to 127.
    pub payload_type: u8,
    /// What the far end gave with `a=fmtp`, so what it wishes to receive.
    pub wishes: OpusWishes,
    /// Seconds of audio that the far end wishes in one packet.
    pub ptime: f64,
}

impl Codec {
    /// A codec with nothing special about it.
    pub fn new(name: Name, payload_type: u8) -> Self {
        Self {
            name,
            payload_type,
            wishes: OpusWishes::default(),
            ptime: DEFAULT_FRAME,
        }
    }

    /// From the parts of an rtpmap; an error for what the gateway does not have, or with parameters it cannot have.
    pub fn from_rtpmap(name: &str, payload_type: u8, clock_rate: u32, channels: u8) -> Result<Self, CodecError> {
        let known = [Name::Opus, Name::Pcmu, Name::Pcma, Name::G722]
            .into_iter()
            .find(|known| known.as_str() == name);
        match known {
            Some(known) if clock_rate == known.clock_rate() && channels == 1 + u8::from(known == Name::Opus) => {
                Ok(Self::new(known, payload_type))
            }
            _ => Err(CodecError::Unsupported(format!("{name}/{clock_rate}/{channels}"))),
        }
    }

    /// Of the RTP timestamp, ticks a second.
    pub fn clock_rate(&self) -> u32 {
        self.name.clock_rate()
    }

    /// How much sound we put into a packet: what the far end wishes, if the codec can do it, else 20 ms.
    pub fn frame_seconds(&self) -> f64 {
        let possible: &[f64] = match self.name {
            Name::Opus => &[0.010, 0.020, 0.040, 0.060],
            Name::Pcmu | Name::Pcma => &[0.010, 0.020, 0.030, 0.040, 0.060],
            Name::G722 => &[0.020, 0.040, 0.060],
        };
        if possible.contains(&self.ptime) {
            self.ptime
        } else {
            DEFAULT_FRAME
        }
    }
}

/// What one leg sends and receives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LegCodec {
    /// Its audio codec.
    pub codec: Codec,
    /// Payload type and clock rate of its telephone-events, None when it has none.
    pub telephone_event: Option<(u8, u32)>,
}

/// Whether packets of `source` can be forwarded to a receiver of `sink` with their payload untouched.
///
/// Format parameters do not stand in the way: those of opus are wishes of a receiver, every decoder decodes every
/// stream (RFC 7587 section 6.1), and the other three have none. Nor does ptime, which is a wish too (RFC 8866
/// section 6.4).
pub fn may_pass_through(source: &Codec, sink: &Codec) -> bool {
    source.name == sink.name
}

/// 120 ms, more than which no packet of opus may hold.
const OPUS_MAX_TICKS: i64 = 5760;

/// Ticks of a frame, by the configuration number in an opus packet's first byte (RFC 6716 section 3.1).
fn opus_frame_ticks(config: u8) -> i64 {
    match (config, config & 3) {
        (0..12, part) => [480, 960, 1920, 2880][usize::from(part)],
        (12..16, part) => [480, 960][usize::from(part & 1)],
        (_, part) => [120, 240, 480, 960][usize::from(part)],
    }
}

/// How long the sound in a payload lasts, in ticks of the codec's RTP clock; 0 for an empty one.
pub fn payload_ticks(name: Name, payload: &[u8]) -> i64 {
    if name != Name::Opus {
        return payload.len() as i64; // PCMU, PCMA, and G722 at 64 kbit/s with its clock of 8000: a byte a tick
    }
    let Some(&toc) = payload.first() else { return 0 };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => payload.get(1).map_or(1, |count| i64::from(count & 0x3F)),
    };
    OPUS_MAX_TICKS.min(opus_frame_ticks(toc >> 3) * frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_gateway_has_is_taken_from_an_rtpmap() {
        assert!(Codec::from_rtpmap("opus", 111, 48000, 2).is_ok());
        for (name, rate, channels) in [
            ("opus", 48000, 1),
            ("G729", 8000, 1),
            ("PCMU", 16000, 1),
            ("pcmu", 8000, 1),
        ] {
            assert!(
                Codec::from_rtpmap(name, 0, rate, channels).is_err(),
                "{name}/{rate}/{channels}"
            );
        }
    }

    #[test]
    fn a_parameter_that_is_no_number_counts_as_absent() {
        let mut wishes = OpusWishes::default();
        for value in ["", "-1", "+5", "1234567890", "many", "٣"] {
            wishes.take("maxaveragebitrate", value);
            assert_eq!(wishes.max_bitrate, None);
        }
        wishes.take("maxaveragebitrate", "16000");
        assert_eq!(wishes.max_bitrate, Some(16000));
    }

    #[test]
    fn opus_packets_say_how_long_they_are() {
        assert_eq!(payload_ticks(Name::Opus, &[0xF8, 0xFF, 0xFE]), 960);
        assert_eq!(payload_ticks(Name::Opus, &[]), 0);
        assert_eq!(payload_ticks(Name::Opus, &[0x03, 0x3F]), OPUS_MAX_TICKS);
        assert_eq!(payload_ticks(Name::Pcmu, &[0; 160]), 160);
    }
}
