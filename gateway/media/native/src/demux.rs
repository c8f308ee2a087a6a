//! Which protocol a datagram of a shared socket speaks (RFC 7983 section 7, RFC 5761 section 4).

/// What a datagram is, by its first two bytes; whether it is well-formed is for the parser to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// First byte 0 to 3.
    Stun,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 128 to 191, and not RTCP.
    Rtp,
    /// As RTP, with a packet type from 192 to 223.
    Rtcp,
    /// Nothing that we speak: ZRTP, TURN channels, QUIC, an empty datagram.
    Other,
}

/// The kind of one datagram. RTP and RTCP may be protected: both keep these bytes in the clear.
pub fn kind_of(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, ..] => Kind::Rtp,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_byte_tells_the_protocols_apart() {
        let expected = |first: u8| match first {
            0..=3 => Kind::Stun,
            20..=63 => Kind::Dtls,
            128..=191 => Kind::Rtp,
            _ => Kind::Other,
        };

        for first in 0..=255 {
            assert_eq!(kind_of(&[first, 0]), expected(first), "{first}");
        }
        assert_eq!(kind_of(&[]), Kind::Other);
    }

    #[test]
    fn packet_type_tells_rtcp_from_rtp() {
        for second in 0..=255 {
            let expected = if (192..=223).contains(&second) {
                Kind::Rtcp
            } else {
                Kind::Rtp
            };
            assert_eq!(kind_of(&[0x80, second]), expected, "{second}");
            assert_eq!(kind_of(&[0x16, second]), Kind::Dtls);
        }
        assert_eq!(kind_of(&[0x80]), Kind::Rtp);
    }
}
