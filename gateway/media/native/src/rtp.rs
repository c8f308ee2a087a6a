//! RTP packets and what a receiver counts about them (RFC 3550). Bytes in, values out; no I/O.

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

/// What a receiver says about one source (RFC 3550 section 6.4.1), but for what only RTCP knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reception {
    /// The source.
    pub ssrc: u32,
    /// Since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Since the source began; less than zero when packets came twice. Fits 24 bits.
    pub packets_lost: i32,
    /// Extended to 32 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks.
    pub jitter_ticks: u32,
}

/// What was received of one leg: expected, lost and jitter as RFC 3550 appendices A.1, A.3 and A.8 count them.
///
/// A change of SSRC, or a jump of the sequence, starts a new count; `packets_lost` keeps the sum over all of them.
#[derive(Debug, Clone)]
pub struct ReceptionStats {
    /// Packets of the leg, whatever they carry.
    pub packets_received: u64,
    /// Payload only.
    pub bytes_received: u64,
    /// Of the source that was heard last; none before the first packet.
    pub ssrc: Option<u32>,
    clock_rate: u32,
    base: u16,
    highest: u16,
    cycles: i64,
    received: i64,
    expected_prior: i64,
    received_prior: i64,
    lost_before: i64,
    transit: Option<u32>,
    jitter_ticks: f64,
}

impl ReceptionStats {
    /// Nothing received yet; `clock_rate` is that of the timestamps.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            packets_received: 0,
            bytes_received: 0,
            ssrc: None,
            clock_rate,
            base: 0,
            highest: 0,
            cycles: 0,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            lost_before: 0,
            transit: None,
            jitter_ticks: 0.0,
        }
    }

    /// Count one packet, whatever it carries; `now` is its time of arrival in seconds.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64) {
        let header = &packet.header;
        self.packets_received += 1;
        self.bytes_received += packet.payload.len() as u64;
        if self.ssrc != Some(header.ssrc) {
            self.restart(header.ssrc, header.sequence);
        } else {
            let ahead = i32::from(header.sequence.wrapping_sub(self.highest));
            if ahead < MAX_DROPOUT {
                if header.sequence < self.highest {
                    self.cycles += 0x10000;
                }
                self.highest = header.sequence;
            } else if ahead <= 0x10000 - MAX_MISORDER {
                self.restart(header.ssrc, header.sequence);
            }
        }
        self.received += 1;
        let arrival = (now * f64::from(self.clock_rate)) as i64 as u32;
        let transit = arrival.wrapping_sub(header.timestamp);
        if let Some(before) = self.transit {
            let distance = timestamp_delta(transit, before).abs() as f64;
            self.jitter_ticks += (distance - self.jitter_ticks) / 16.0;
        }
        self.transit = Some(transit);
    }

    /// The codec was renegotiated.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if clock_rate != self.clock_rate {
            self.jitter_ticks *= f64::from(clock_rate) / f64::from(self.clock_rate);
            self.clock_rate = clock_rate;
            self.transit = None;
        }
    }

    fn restart(&mut self, ssrc: u32, sequence: u16) {
        self.lost_before = self.packets_lost();
        self.ssrc = Some(ssrc);
        self.base = sequence;
        self.highest = sequence;
        self.cycles = 0;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.transit = None;
    }

    /// Of the timestamps, ticks a second.
    pub fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// Packets that the current source has sent, as far as its sequence numbers tell.
    pub fn packets_expected(&self) -> i64 {
        match self.ssrc {
            None => 0,
            Some(_) => self.cycles + i64::from(self.highest) - i64::from(self.base) + 1,
        }
    }

    /// Packets that did not arrive, over all sources; less than zero when packets were duplicated.
    pub fn packets_lost(&self) -> i64 {
        self.lost_before + self.packets_expected() - self.received
    }

    /// Interarrival jitter in seconds.
    pub fn jitter(&self) -> f64 {
        self.jitter_ticks / f64::from(self.clock_rate)
    }

    /// For the next report, none before the first packet; begins a new interval for `fraction_lost`.
    pub fn report(&mut self) -> Option<Reception> {
        let ssrc = self.ssrc?;
        let expected = self.packets_expected();
        let interval_expected = expected - self.expected_prior;
        let interval_lost = interval_expected - (self.received - self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let fraction = if interval_lost <= 0 {
            0
        } else {
            ((interval_lost << 8) / interval_expected).min(255)
        };
        Some(Reception {
            ssrc,
            fraction_lost: fraction as u8,
            packets_lost: (expected - self.received).clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest_sequence: (self.cycles + i64::from(self.highest)) as u32,
            jitter_ticks: self.jitter_ticks as u32,
        })
    }
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

    #[test]
    fn loss_is_counted_over_a_wrap_and_a_restart() {
        let mut stats = ReceptionStats::new(8000);
        for (index, sequence) in [65534u16, 65535, 1, 2, 2].into_iter().enumerate() {
            let header = Header {
                sequence,
                timestamp: 160 * index as u32,
                ssrc: 1,
                ..Header::default()
            };
            stats.receive(&Packet { header, payload: b"x" }, 0.02 * index as f64);
        }
        assert_eq!((stats.packets_expected(), stats.packets_lost()), (5, 0));

        let header = Header {
            sequence: 30000,
            ssrc: 1,
            ..Header::default()
        };
        stats.receive(&Packet { header, payload: b"x" }, 1.0);

        assert_eq!((stats.packets_expected(), stats.packets_received), (1, 6));
    }

    #[test]
    fn a_report_has_the_loss_since_the_one_before() {
        let mut stats = ReceptionStats::new(8000);
        assert_eq!(stats.report(), None);
        for sequence in [0u16, 1, 3] {
            let header = Header {
                sequence,
                ..Header::default()
            };
            stats.receive(&Packet { header, payload: b"" }, 0.0);
        }

        let first = stats.report().unwrap();
        let second = stats.report().unwrap();

        assert_eq!(
            (first.fraction_lost, first.packets_lost, first.highest_sequence),
            (64, 1, 3)
        );
        assert_eq!((second.fraction_lost, second.packets_lost), (0, 1));
    }
}
