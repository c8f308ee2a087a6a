//! SRTP and SRTCP (RFC 3711, RFC 7714) over `rtc-srtp`: its transform and its ciphers, behind a wall of our own.
//!
//! What the crate leaves to its caller, and is done here:
//! * It makes state for a source before it knows whether the packet is authentic, and starts that source's replay
//!   window at the forged number. Here an unknown source is tried in a context that is thrown away, and its state is
//!   made only by an authentic packet; a session has at most [`MAX_SOURCES`] of them.
//! * With the AES-CM suites it takes an SRTCP packet without the E bit unread and unchecked. Here such a packet is
//!   refused: no peer of ours negotiates `UNENCRYPTED_SRTCP`.
//! * It protects the same sequence number twice when it is asked to. Here that is refused, since both packets would
//!   get the same key stream.
//! * It finds the end of the RTP header by parsing and measuring the extensions, and is wrong when a sender pads
//!   between them. Here the length comes from the packet's own length field.
//!
//! What it costs a packet, and against what it was chosen: `docs/explanation/native-media.md`.

use std::fmt;

use rtc_rtp::Header;
use rtc_shared::error::Error;
use rtc_shared::replay_detector::{ReplayDetector, WrappedSlidingWindowDetector};
use rtc_srtp::context::Context;
use rtc_srtp::crypto::SecretVec;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

mod provider;
#[cfg(test)]
mod tests;

use provider::Ciphers;

/// Packets behind the newest that are still taken, each of them once.
pub const WINDOW: usize = 1024;

/// The same for what we send: a relay lets 64 packets overtake each other, nothing else any.
const SENT_WINDOW: usize = 128;

/// Sources (SSRC) that one session takes, and sends: a call has one, and a new one with every new description.
pub const MAX_SOURCES: usize = 64;

/// Longest addition to a packet: the tag of GCM and the index of SRTCP.
pub const MAX_OVERHEAD: usize = 20;

/// Forged packets of unknown sources after which the context they are tried in is made anew; bounds its memory.
const MAX_TRIALS: usize = 32;

const RTP_HEADER: usize = 12;
const RTCP_HEADER: usize = 8;
const INDEX: usize = 4;

/// Protection profiles (RFC 4568 section 6.2, RFC 5764 section 4.1.2, RFC 7714 section 14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80.
    AesCm128HmacSha1_80,
    /// AES_CM_128_HMAC_SHA1_32; the tag of SRTCP has 80 bits here as well.
    AesCm128HmacSha1_32,
    /// AEAD_AES_128_GCM.
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM.
    AeadAes256Gcm,
}

impl Suite {
    /// Bytes of the master key.
    pub fn key_len(self) -> usize {
        self.profile().key_len()
    }

    /// Bytes of the master salt.
    pub fn salt_len(self) -> usize {
        self.profile().salt_len()
    }

    fn profile(self) -> ProtectionProfile {
        match self {
            Self::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
            Self::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Self::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        }
    }

    /// Bytes between the end of an SRTCP packet and its index.
    fn after_index(self) -> usize {
        self.profile().rtcp_auth_tag_len()
    }
}

/// Why a packet was not taken, or must not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpError {
    /// Master key or salt of another length than the suite's.
    Keys,
    /// Too short, or its length fields say more than there is.
    Malformed,
    /// The tag is wrong: another key, or a stranger.
    NotAuthentic,
    /// Seen before, or older than the window; when sending, a second packet with the same number.
    Replay,
    /// An SRTCP packet that is not encrypted.
    NotEncrypted,
    /// More than [`MAX_SOURCES`] sources.
    Sources,
    /// The key has protected all the packets that it may (RFC 3711 section 9.2).
    Exhausted,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Keys => "master key or salt of the wrong length",
            Self::Malformed => "malformed packet",
            Self::NotAuthentic => "wrong authentication tag",
            Self::Replay => "replayed packet",
            Self::NotEncrypted => "SRTCP that is not encrypted",
            Self::Sources => "too many sources",
            Self::Exhausted => "key used up",
        })
    }
}

impl std::error::Error for SrtpError {}

impl From<Error> for SrtpError {
    fn from(error: Error) -> Self {
        match error {
            Error::SrtpMasterKeyLength(..) | Error::SrtpSaltLength(..) => Self::Keys,
            Error::SrtpSsrcDuplicated(..) | Error::SrtcpSsrcDuplicated(..) => Self::Replay,
            Error::ErrExceededMaxPackets => Self::Exhausted,
            Error::RtpFailedToVerifyAuthTag | Error::RtcpFailedToVerifyAuthTag | Error::ErrFailedToVerifyAuthTag => {
                Self::NotAuthentic
            }
            _ => Self::Malformed,
        }
    }
}

/// Protects what we send under one master key.
pub struct Protector {
    context: Context,
    header: Header,
    sent: Vec<(u32, WrappedSlidingWindowDetector)>,
}

impl Protector {
    /// `key` and `salt` are the master key and salt; [`SrtpError::Keys`] when their lengths are not the suite's.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let context = Context::new(key, salt, suite.profile(), None, None, &Ciphers)?;
        Ok(Self {
            context,
            header: Header::default(),
            sent: Vec::new(),
        })
    }

    /// RTP to SRTP, in place; on an error the packet is as it was, and must not be sent.
    pub fn rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        measure(packet, &mut self.header)?;
        let window = window_of(&mut self.sent, self.header.ssrc)?;
        if !window.check(u64::from(self.header.sequence_number)) {
            return Err(SrtpError::Replay);
        }
        let protected = self.context.encrypt_rtp_with_header(packet, &self.header)?;
        window.accept();
        replace(packet, &protected);
        Ok(())
    }

    /// RTCP to SRTCP, in place; on an error the packet is as it was, and must not be sent.
    pub fn rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        if packet.len() < RTCP_HEADER {
            return Err(SrtpError::Malformed);
        }
        let protected = self.context.encrypt_rtcp(packet)?;
        replace(packet, &protected);
        Ok(())
    }
}

fn window_of(
    sent: &mut Vec<(u32, WrappedSlidingWindowDetector)>,
    ssrc: u32,
) -> Result<&mut WrappedSlidingWindowDetector, SrtpError> {
    let position = match sent.iter().position(|(known, _)| *known == ssrc) {
        Some(position) => position,
        None if sent.len() == MAX_SOURCES => return Err(SrtpError::Sources),
        None => {
            sent.push((
                ssrc,
                WrappedSlidingWindowDetector::new(SENT_WINDOW, u64::from(u16::MAX)),
            ));
            sent.len() - 1
        }
    };
    Ok(&mut sent[position].1)
}

/// Opens what comes under one master key, and takes no packet twice.
pub struct Unprotector {
    suite: Suite,
    key: SecretVec,
    salt: SecretVec,
    context: Context,
    /// Where packets of unknown sources are tried, and how many have been.
    trial: Option<(Context, usize)>,
    header: Header,
    sources: Vec<u32>,
    rtcp_sources: Vec<u32>,
}

impl Unprotector {
    /// As [`Protector::new`].
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self, SrtpError> {
        let context = Context::new(
            key,
            salt,
            suite.profile(),
            Some(srtp_replay_protection(WINDOW)),
            Some(srtcp_replay_protection(WINDOW)),
            &Ciphers,
        )?;
        Ok(Self {
            suite,
            key: SecretVec::new(key.to_vec()),
            salt: SecretVec::new(salt.to_vec()),
            context,
            trial: None,
            header: Header::default(),
            sources: Vec::new(),
            rtcp_sources: Vec::new(),
        })
    }

    /// SRTP to RTP, in place; on an error the packet is as it was.
    pub fn rtp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        measure(packet, &mut self.header)?;
        let ssrc = self.header.ssrc;
        if !self.sources.contains(&ssrc) {
            if self.sources.len() == MAX_SOURCES {
                return Err(SrtpError::Sources);
            }
            let header = std::mem::take(&mut self.header);
            let trial = self.trial()?.decrypt_rtp_with_header(packet, &header);
            self.header = header;
            trial?;
            self.trial = None;
            self.sources.push(ssrc);
        }
        let plain = self.context.decrypt_rtp_with_header(packet, &self.header)?;
        replace(packet, &plain);
        Ok(())
    }

    /// SRTCP to RTCP, in place; on an error the packet is as it was.
    pub fn rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        let ssrc = self.sender_of_rtcp(packet)?;
        if !self.rtcp_sources.contains(&ssrc) {
            if self.rtcp_sources.len() == MAX_SOURCES {
                return Err(SrtpError::Sources);
            }
            self.trial()?.decrypt_rtcp(packet)?;
            self.trial = None;
            self.rtcp_sources.push(ssrc);
        }
        let plain = self.context.decrypt_rtcp(packet)?;
        replace(packet, &plain);
        Ok(())
    }

    fn sender_of_rtcp(&self, packet: &[u8]) -> Result<u32, SrtpError> {
        let end = packet
            .len()
            .checked_sub(self.suite.after_index() + INDEX)
            .ok_or(SrtpError::Malformed)?;
        if end < RTCP_HEADER {
            return Err(SrtpError::Malformed);
        }
        if packet[end] & 0x80 == 0 {
            return Err(SrtpError::NotEncrypted);
        }
        Ok(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]))
    }

    fn trial(&mut self) -> Result<&mut Context, SrtpError> {
        let (context, trials) = match self.trial.take() {
            Some((context, trials)) if trials < MAX_TRIALS => (context, trials),
            _ => (
                Context::new(
                    self.key.as_ref(),
                    self.salt.as_ref(),
                    self.suite.profile(),
                    None,
                    None,
                    &Ciphers,
                )?,
                0,
            ),
        };
        Ok(&mut self.trial.insert((context, trials + 1)).0)
    }
}

/// What `rtc-srtp` reads of a header: SSRC, number and length. The length is given to it as so many contributing
/// sources, whatever is there.
fn measure(packet: &[u8], header: &mut Header) -> Result<(), SrtpError> {
    if packet.len() < RTP_HEADER || packet[0] >> 6 != 2 {
        return Err(SrtpError::Malformed);
    }
    let mut words = usize::from(packet[0] & 0x0F);
    if packet[0] & 0x10 != 0 {
        let extension = RTP_HEADER + 4 * words;
        let length = packet.get(extension + 2..extension + 4).ok_or(SrtpError::Malformed)?;
        words += 1 + usize::from(u16::from_be_bytes([length[0], length[1]]));
    }
    if packet.len() < RTP_HEADER + 4 * words {
        return Err(SrtpError::Malformed);
    }
    header.csrc.resize(words, 0);
    header.sequence_number = u16::from_be_bytes([packet[2], packet[3]]);
    header.ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
    Ok(())
}

fn replace(packet: &mut Vec<u8>, content: &[u8]) {
    packet.clear();
    packet.extend_from_slice(content);
}
