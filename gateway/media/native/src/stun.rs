//! STUN messages (RFC 8489), as far as an ICE-lite agent needs them (RFC 8445 section 7): parse, check, answer.
//!
//! Parsing copies nothing and allocates nothing. Of several attributes of one type the first counts, and nothing is
//! read behind MESSAGE-INTEGRITY but FINGERPRINT (RFC 8489 sections 14, 14.5).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

#[cfg(test)]
mod tests;

/// Bytes of the header.
pub const HEADER: usize = 20;

/// The method of all ICE checks (RFC 8489 section 18.2).
pub const BINDING: u16 = 0x001;

/// Comprehension-required attributes that we do not know, of which so many are reported.
pub const MAX_UNKNOWN: usize = 8;

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const FINGERPRINT_XOR: u32 = 0x5354_554E;
const INTEGRITY_SIZE: usize = 20;
const FINGERPRINT_SIZE: usize = 4;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
const PASSWORD_ALGORITHM: u16 = 0x001D;
const USERHASH: u16 = 0x001E;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

/// What a message is (RFC 8489 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants an answer.
    Request,
    /// Wants none.
    Indication,
    /// A success response.
    Success,
    /// An error response.
    Error,
}

impl Class {
    fn bits(self) -> u16 {
        match self {
            Self::Request => 0x000,
            Self::Indication => 0x010,
            Self::Success => 0x100,
            Self::Error => 0x110,
        }
    }
}

/// Why a datagram is not a STUN message that we could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StunError {
    /// No STUN header: too short, the first bits are not zero, or another cookie.
    NotStun,
    /// The length is not that of the datagram, or an attribute is longer than the message.
    Length,
    /// An attribute that we read has another length than its type has, or a value that it cannot have.
    Attribute,
    /// FINGERPRINT is wrong, or not the last attribute.
    Fingerprint,
}

impl fmt::Display for StunError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotStun => "not a STUN message",
            Self::Length => "wrong length",
            Self::Attribute => "malformed attribute",
            Self::Fingerprint => "wrong fingerprint",
        })
    }
}

impl std::error::Error for StunError {}

/// What a message says about ICE roles (RFC 8445 section 7.1.3), with the tie-breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// ICE-CONTROLLED.
    Controlled(u64),
    /// ICE-CONTROLLING.
    Controlling(u64),
}

/// One message. Nothing in it is to be believed before [`Message::is_authentic`].
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// What it is.
    pub class: Class,
    /// [`BINDING`], or one that we do not serve.
    pub method: u16,
    /// Chosen by whoever asked.
    pub transaction: [u8; 12],
    /// USERNAME: for a check, the ufrag of whom it is for, a colon, and that of who sent it.
    pub username: Option<&'a [u8]>,
    /// PRIORITY that the sender would give a peer-reflexive candidate.
    pub priority: Option<u32>,
    /// USE-CANDIDATE: the sender nominates this pair.
    pub use_candidate: bool,
    /// The first of ICE-CONTROLLED and ICE-CONTROLLING.
    pub role: Option<Role>,
    /// XOR-MAPPED-ADDRESS, decoded.
    pub mapped_address: Option<SocketAddr>,
    /// The number of ERROR-CODE, 300 to 699.
    pub error_code: Option<u16>,
    /// Whether there is a FINGERPRINT; it is right then.
    pub has_fingerprint: bool,
    data: &'a [u8],
    integrity_at: Option<usize>,
    unknown: [u16; MAX_UNKNOWN],
    unknown_count: usize,
}

impl<'a> Message<'a> {
    /// Parse one datagram.
    pub fn parse(data: &'a [u8]) -> Result<Self, StunError> {
        if data.len() < HEADER || data[0] & 0xC0 != 0 || data[4..8] != MAGIC_COOKIE {
            return Err(StunError::NotStun);
        }
        if data.len() % 4 != 0 || usize::from(u16_at(data, 2)) + HEADER != data.len() {
            return Err(StunError::Length);
        }
        let kind = u16_at(data, 0);
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&data[8..HEADER]);
        let mut message = Message {
            class: match kind & 0x110 {
                0x000 => Class::Request,
                0x010 => Class::Indication,
                0x100 => Class::Success,
                _ => Class::Error,
            },
            method: kind & 0x000F | (kind & 0x00E0) >> 1 | (kind & 0x3E00) >> 2,
            transaction,
            username: None,
            priority: None,
            use_candidate: false,
            role: None,
            mapped_address: None,
            error_code: None,
            has_fingerprint: false,
            data,
            integrity_at: None,
            unknown: [0; MAX_UNKNOWN],
            unknown_count: 0,
        };
        message.read_attributes()?;
        Ok(message)
    }

    fn read_attributes(&mut self) -> Result<(), StunError> {
        let mut at = HEADER;
        while at < self.data.len() {
            let (kind, size) = (u16_at(self.data, at), usize::from(u16_at(self.data, at + 2)));
            let value = self.data.get(at + 4..at + 4 + size).ok_or(StunError::Length)?;
            let next = at + 4 + size.next_multiple_of(4);
            if kind == FINGERPRINT {
                self.check_fingerprint(at, value, next)?;
            } else if self.integrity_at.is_none() {
                self.read(kind, value, at)?;
            }
            at = next;
        }
        Ok(())
    }

    fn check_fingerprint(&mut self, at: usize, value: &[u8], next: usize) -> Result<(), StunError> {
        let expected = (crc32fast::hash(&self.data[..at]) ^ FINGERPRINT_XOR).to_be_bytes();
        if next != self.data.len() || value != expected {
            return Err(StunError::Fingerprint);
        }
        self.has_fingerprint = true;
        Ok(())
    }

    fn read(&mut self, kind: u16, value: &'a [u8], at: usize) -> Result<(), StunError> {
        match kind {
            USERNAME => {
                self.username.get_or_insert(value);
            }
            MESSAGE_INTEGRITY => {
                let _: [u8; INTEGRITY_SIZE] = sized(value)?;
                self.integrity_at = Some(at);
            }
            PRIORITY => {
                self.priority.get_or_insert(u32::from_be_bytes(sized(value)?));
            }
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLED => {
                self.role
                    .get_or_insert(Role::Controlled(u64::from_be_bytes(sized(value)?)));
            }
            ICE_CONTROLLING => {
                self.role
                    .get_or_insert(Role::Controlling(u64::from_be_bytes(sized(value)?)));
            }
            XOR_MAPPED_ADDRESS => {
                self.mapped_address.get_or_insert(unmask(value, &self.transaction)?);
            }
            ERROR_CODE => {
                let [_, _, class, number, ..] = *value else {
                    return Err(StunError::Attribute);
                };
                self.error_code
                    .get_or_insert(u16::from(class & 7) * 100 + u16::from(number));
            }
            UNKNOWN_ATTRIBUTES | REALM | NONCE | MESSAGE_INTEGRITY_SHA256 | PASSWORD_ALGORITHM | USERHASH => {}
            0x8000.. => {}
            _ if self.unknown_count < MAX_UNKNOWN => {
                self.unknown[self.unknown_count] = kind;
                self.unknown_count += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Comprehension-required attributes that we do not know (RFC 8489 section 6.3.1), the first [`MAX_UNKNOWN`].
    pub fn unknown(&self) -> &[u16] {
        &self.unknown[..self.unknown_count]
    }

    /// The ufrag of whom a check is for: what stands before the colon of USERNAME (RFC 8445 section 7.2.2).
    pub fn local_ufrag(&self) -> Option<&'a [u8]> {
        let username = self.username?;
        let colon = username.iter().position(|&byte| byte == b':')?;
        Some(&username[..colon])
    }

    /// Whether MESSAGE-INTEGRITY is there and made with this key; compared in constant time.
    pub fn is_authentic(&self, key: &Key) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let mut mac = key.0.clone();
        mac.update(&self.data[..2]);
        // The length that the message had when it was signed: MESSAGE-INTEGRITY was its last attribute.
        mac.update(&((at + 4 + INTEGRITY_SIZE - HEADER) as u16).to_be_bytes());
        mac.update(&self.data[4..at]);
        mac.verify_slice(&self.data[at + 4..at + 4 + INTEGRITY_SIZE]).is_ok()
    }
}

/// The key of MESSAGE-INTEGRITY, ready for use: for ICE, the password (RFC 8489 section 9.1.1).
#[derive(Clone)]
pub struct Key(Hmac<Sha1>);

impl Key {
    /// Any length will do.
    pub fn new(password: &[u8]) -> Self {
        // HMAC takes keys of every length; the error is that of ciphers.
        Self(Hmac::new_from_slice(password).expect("HMAC takes a key of any length"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

/// Writes one message into a buffer that it empties first; the length field is right after each step.
#[derive(Debug)]
pub struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    /// A message without attributes.
    pub fn new(buffer: &'a mut Vec<u8>, class: Class, method: u16, transaction: &[u8; 12]) -> Self {
        let method = method & 0x000F | (method & 0x0070) << 1 | (method & 0x0F80) << 2;
        buffer.clear();
        buffer.extend((method | class.bits()).to_be_bytes());
        buffer.extend([0, 0]);
        buffer.extend(MAGIC_COOKIE);
        buffer.extend(transaction);
        Self(buffer)
    }

    /// Any attribute.
    pub(crate) fn attribute(self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(kind.to_be_bytes());
        self.0.extend((value.len() as u16).to_be_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self.set_length(0)
    }

    fn set_length(self, more: usize) -> Self {
        let length = (self.0.len() + more - HEADER) as u16;
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
        self
    }

    /// USERNAME; at most 508 bytes (RFC 8489 section 14.3), what is longer is cut.
    pub fn username(self, username: &[u8]) -> Self {
        self.attribute(USERNAME, &username[..username.len().min(508)])
    }

    /// PRIORITY.
    pub fn priority(self, priority: u32) -> Self {
        self.attribute(PRIORITY, &priority.to_be_bytes())
    }

    /// USE-CANDIDATE.
    pub fn use_candidate(self) -> Self {
        self.attribute(USE_CANDIDATE, &[])
    }

    /// ICE-CONTROLLED or ICE-CONTROLLING.
    pub fn role(self, role: Role) -> Self {
        match role {
            Role::Controlled(breaker) => self.attribute(ICE_CONTROLLED, &breaker.to_be_bytes()),
            Role::Controlling(breaker) => self.attribute(ICE_CONTROLLING, &breaker.to_be_bytes()),
        }
    }

    /// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2). An IPv4 address that came as IPv6 is written as what it is.
    pub fn mapped_address(self, address: SocketAddr) -> Self {
        let mut mask = [0; 16];
        mask[..4].copy_from_slice(&MAGIC_COOKIE);
        mask[4..].copy_from_slice(&self.0[8..HEADER]);
        let mut value = [0; 20];
        let port = address.port() ^ u16::from_be_bytes([mask[0], mask[1]]);
        value[2..4].copy_from_slice(&port.to_be_bytes());
        let size = match address.ip().to_canonical() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&ip.octets());
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value[4..].copy_from_slice(&ip.octets());
                20
            }
        };
        value[4..].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        self.attribute(XOR_MAPPED_ADDRESS, &value[..size])
    }

    /// ERROR-CODE; `code` is 300 to 699.
    pub fn error_code(self, code: u16, reason: &str) -> Self {
        let mut value = [0; 64];
        let reason = &reason.as_bytes()[..reason.len().min(60)];
        value[2] = (code / 100) as u8;
        value[3] = (code % 100) as u8;
        value[4..4 + reason.len()].copy_from_slice(reason);
        self.attribute(ERROR_CODE, &value[..4 + reason.len()])
    }

    /// UNKNOWN-ATTRIBUTES, at most [`MAX_UNKNOWN`].
    pub fn unknown_attributes(self, kinds: &[u16]) -> Self {
        let mut value = [0; 2 * MAX_UNKNOWN];
        let kinds = &kinds[..kinds.len().min(MAX_UNKNOWN)];
        value
            .chunks_mut(2)
            .zip(kinds)
            .for_each(|(place, kind)| place.copy_from_slice(&kind.to_be_bytes()));
        self.attribute(UNKNOWN_ATTRIBUTES, &value[..2 * kinds.len()])
    }

    /// MESSAGE-INTEGRITY over what is there.
    pub fn integrity(self, key: &Key) -> Self {
        let writer = self.set_length(4 + INTEGRITY_SIZE);
        let mut mac = key.0.clone();
        mac.update(writer.0);
        let value: [u8; INTEGRITY_SIZE] = mac.finalize().into_bytes().into();
        writer.attribute(MESSAGE_INTEGRITY, &value)
    }

    /// FINGERPRINT: the last attribute.
    pub fn fingerprint(self) {
        let writer = self.set_length(4 + FINGERPRINT_SIZE);
        let value = (crc32fast::hash(writer.0) ^ FINGERPRINT_XOR).to_be_bytes();
        writer.attribute(FINGERPRINT, &value);
    }
}

fn unmask(value: &[u8], transaction: &[u8; 12]) -> Result<SocketAddr, StunError> {
    let [_, family, port_high, port_low, ref masked @ ..] = *value else {
        return Err(StunError::Attribute);
    };
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(transaction);
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from(xor::<4>(sized(masked)?, &mask))),
        2 => IpAddr::V6(Ipv6Addr::from(xor::<16>(sized(masked)?, &mask))),
        _ => return Err(StunError::Attribute),
    };
    Ok(SocketAddr::new(
        ip,
        u16::from_be_bytes([port_high ^ mask[0], port_low ^ mask[1]]),
    ))
}

fn xor<const N: usize>(mut value: [u8; N], mask: &[u8; 16]) -> [u8; N] {
    value.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    value
}

fn sized<const N: usize>(value: &[u8]) -> Result<[u8; N], StunError> {
    value.try_into().map_err(|_| StunError::Attribute)
}

fn u16_at(data: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([data[at], data[at + 1]])
}
