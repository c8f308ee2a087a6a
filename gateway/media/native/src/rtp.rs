//! RTP packets (RFC 3550 section 5). Bytes in, values out; no I/O.

use std::fmt;

/// Bytes of the fixed part of a header.
pub const HEADER_SIZE: usize = 12;
/// A jump of the sequence by more than this many packets is a restart (RFC 3550 appendix A.1).
pub const MAX_DROPOUT: i32 = 3000;
/// A packet at most this much behind the highest is late, not a restart (RFC 3550 appendix A.1).
pub const MAX_MISORDER: i32 = 100;

/// Bytes that are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RtpError {
    /// Shorter than a header.
    TooShort(usize),
    /// Another version than 2.
    Version(u8),
    /// A header extension that is not there.
    TruncatedExtension,
    /// Padding that says that it has no bytes, not even its own length.
    EmptyPadding,
    /// Lengths inside it that point beyond its end.
    Overlong,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(size) => write!(f, "too short for an RTP header: {size} bytes"),
            Self::Version(version) => write!(f, "RTP version {version}"),
            Self::TruncatedExtension => f.write_str("truncated header extension"),
            Self::EmptyPadding => f.write_str("padding of zero bytes"),
            Self::Overlong => f.write_str("header or padding longer than the packet"),
        }
    }
}

impl std::error::Error for RtpError {}

/// What the gateway keeps of a header (RFC 3550 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Header {
    /// 0 to 127.
    pub payload_type: u8,
    /// First packet of a talkspurt, or of a telephone-event.
    pub marker: bool,
    /// Grows by one for each packet.
    pub sequence: u16,
    /// In units of the payload's clock.
    pub timestamp: u32,
    /// Of the sender.
    pub ssrc: u32,
}

/// One RTP packet, its header extensions, contributing sources and padding left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// Without padding.
    pub payload: &'a [u8],
}

/// Where a pipeline puts the packets that it sends, in the order in which they shall leave.
pub trait Sink {
    /// Takes one packet. The payload is only borrowed: it is gone when the call returns.
    fn packet(&mut self, header: &Header, payload: &[u8]);
}

/// Parse one datagram (RFC 3550 section 5.1).
pub fn parse(datagram: &[u8]) -> Result<Packet<'_>, RtpError> {
    let Some((fixed, rest)) = datagram.split_first_chunk::<HEADER_SIZE>() else {
        return Err(RtpError::TooShort(datagram.len()));
    };
    let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
    // 0x80 is by far the most: version 2 and nothing optional
    let payload = if first == 0x80 {
        rest
    } else {
        optional_parts_removed(first, rest)?
    };
    Ok(Packet {
        header: Header {
            payload_type: second & 0x7F,
            marker: second & 0x80 != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        },
        payload,
    })
}

fn optional_parts_removed(first: u8, rest: &[u8]) -> Result<&[u8], RtpError> {
    if first >> 6 != 2 {
        return Err(RtpError::Version(first >> 6));
    }
    let mut start = 4 * usize::from(first & 0x0F);
    if first & 0x10 != 0 {
        let Some(&[_, _, high, low]) = rest.get(start..start + 4) else {
            return Err(RtpError::TruncatedExtension);
        };
        start += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    let mut end = rest.len();
    if first & 0x20 != 0 {
        let padding = usize::from(rest.last().copied().ok_or(RtpError::Overlong)?);
        if padding == 0 {
            return Err(RtpError::EmptyPadding);
        }
        end = end.checked_sub(padding).ok_or(RtpError::Overlong)?;
    }
    rest.get(start..end).ok_or(RtpError::Overlong)
}

/// Append the packet as a datagram: version 2, no padding, extension or contributing sources.
pub fn write(header: &Header, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER_SIZE + payload.len());
    out.push(0x80);
    out.push((header.payload_type & 0x7F) | (u8::from(header.marker) << 7));
    out.extend_from_slice(&header.sequence.to_be_bytes());
    out.extend_from_slice(&header.timestamp.to_be_bytes());
    out.extend_from_slice(&header.ssrc.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Whether a datagram of a port that RTP and RTCP share is RTCP (RFC 5761 section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [_, 192..=223, ..])
}

/// How far `newer` is ahead of `older`, modulo 2^16: -32768 to 32767.
pub fn sequence_delta(newer: u16, older: u16) -> i32 {
    i32::from(newer.wrapping_sub(older) as i16)
}

/// How far `newer` is ahead of `older` in ticks, modulo 2^32.
pub fn timestamp_delta(newer: u32, older: u32) -> i64 {
    i64::from(newer.wrapping_sub(older) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIRE: &[u8] = b"\x80\xef\x12\x34\x89\xab\xcd\xef\xca\xfe\xba\xbesound";

    fn header() -> Header {
        Header {
            payload_type: 111,
            marker: true,
            sequence: 0x1234,
            timestamp: 0x89AB_CDEF,
            ssrc: 0xCAFE_BABE,
        }
    }

    fn changed(first: u8, rest: &[u8]) -> Vec<u8> {
        [&[first], &WIRE[1..12], rest].concat()
    }

    #[test]
    fn the_wire_format_is_that_of_the_rfc() {
        let mut out = Vec::new();

        write(&header(), b"sound", &mut out);

        assert_eq!(out, WIRE);
        assert_eq!(
            parse(WIRE),
            Ok(Packet {
                header: header(),
                payload: b"sound"
            })
        );
    }

    #[test]
    fn optional_parts_are_stepped_over() {
        let wire = changed(0xB1, b"csrc\xbe\xde\x00\x01abcdsound\x00\x02");

        assert_eq!(parse(&wire).map(|packet| packet.payload), Ok(&b"sound"[..]));
    }

    #[test]
    fn wrong_lengths_and_versions_are_refused() {
        let cases: [(&[u8], RtpError); 8] = [
            (b"", RtpError::TooShort(0)),
            (&WIRE[..11], RtpError::TooShort(11)),
            (&changed(0x40, b""), RtpError::Version(1)),
            (&changed(0x8F, b""), RtpError::Overlong),
            (&changed(0x90, b""), RtpError::TruncatedExtension),
            (&changed(0x90, b"\xbe\xde\x00\x09"), RtpError::Overlong),
            (&changed(0xA0, b"\x00"), RtpError::EmptyPadding),
            (&changed(0xA0, b"\x05"), RtpError::Overlong),
        ];
        for (wire, error) in cases {
            assert_eq!(parse(wire), Err(error), "{wire:?}");
        }
    }
}
