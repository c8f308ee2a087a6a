//! From where a plain RTP leg takes packets: the defence against injected media (RTP Bleed and its kin).
//!
//! Packets come from the address that SDP named. A device behind a NAT names one that is not where its packets come
//! from; the first source that shows it knows the call is then taken instead, once. When a device's NAT gives it
//! another port in the middle of a call, its stream goes on from there: that is followed, nothing else is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[cfg(test)]
mod tests;

/// Packets that may be missing between the last one from the old port and the first from the new: 30 s of frames.
pub const MAX_GAP: u16 = 1500;

/// Packets that may still be on their way from the source that a new description has left: half a second of frames.
pub const MAX_LATE: u8 = 25;

/// RFC 1918, 6598, 3927, 1122: address and length of the prefix.
const PRIVATE_V4: [(Ipv4Addr, u32); 6] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
];

/// RFC 4193, 4291.
const PRIVATE_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0xFC00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::LOCALHOST, 128),
];

/// Whether packets from the signalled address would reach us with another address.
///
/// So it is when that address is private and we are not in the same private block. A peer in our own block is reached
/// directly, and gets no such leniency. On loopback only this machine reaches us: a phone on it that names the
/// machine's public address (baresip 1.0.0 does) still sends from a loopback address.
pub fn is_behind_nat(signalled: IpAddr, local: IpAddr) -> bool {
    if local.is_loopback() {
        return !signalled.is_loopback();
    }
    let block = block_of(signalled);
    block.is_some() && block != block_of(local)
}

/// Which of the private blocks an address is in; those of IPv6 come behind those of IPv4.
fn block_of(address: IpAddr) -> Option<usize> {
    match address {
        IpAddr::V4(ip) => PRIVATE_V4
            .iter()
            .position(|(block, length)| (ip.to_bits() ^ block.to_bits()).leading_zeros() >= *length),
        IpAddr::V6(ip) => PRIVATE_V6
            .iter()
            .position(|(block, length)| (ip.to_bits() ^ block.to_bits()).leading_zeros() >= *length)
            .map(|position| PRIVATE_V4.len() + position),
    }
}

/// Where in a stream a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Of its sender.
    pub ssrc: u32,
    /// Its number.
    pub sequence: u16,
}

/// The source that one socket of one leg takes packets from, renewed with each description of the far end.
#[derive(Clone, Debug)]
pub struct SourceLock {
    signalled: Option<SocketAddr>,
    any_address: bool,
    locked: Option<SocketAddr>,
    former: Option<Former>,
}

/// What a description before this one was about.
#[derive(Clone, Copy, Debug)]
struct Former {
    signalled: SocketAddr,
    source: SocketAddr,
    late: u8,
}

impl SourceLock {
    /// `signalled` is what SDP named, `None` when it named none that can send (hold by `0.0.0.0`); `any_address`,
    /// whether another IP address may be learned, not only another port of the signalled one.
    pub fn new(signalled: Option<SocketAddr>, any_address: bool) -> Self {
        Self {
            signalled,
            any_address,
            locked: None,
            former: None,
        }
    }

    /// The far end has described itself anew: nothing is locked then.
    ///
    /// Where that names another address than before, packets of the source that was locked may still be on their way.
    /// They are taken, but do not lock; more than [`MAX_LATE`] of them show that the far end has stayed where it was.
    #[must_use]
    pub fn renewed(&self, signalled: Option<SocketAddr>, any_address: bool) -> Self {
        let left = match (self.signalled, self.locked) {
            (Some(signalled), Some(source)) => Some(Former {
                signalled,
                source,
                late: 0,
            }),
            _ => self.former,
        };
        Self {
            former: left.filter(|former| Some(former.signalled) != signalled),
            ..Self::new(signalled, any_address)
        }
    }

    /// The source that is taken; `None` until the first valid packet. Compare with it before anything else.
    pub fn locked(&self) -> Option<SocketAddr> {
        self.locked
    }

    /// Where to send: to the learned source, else to the signalled address.
    pub fn destination(&self) -> Option<SocketAddr> {
        self.locked.or(self.signalled)
    }

    /// Whether the far end may be at another IP address than the signalled one: it is behind a NAT.
    pub fn may_be_elsewhere(&self) -> bool {
        self.any_address
    }

    /// Whether a packet from another port of the locked address may be the stream's new source.
    ///
    /// Only when the same stream goes on: the SSRC is the same, which nobody off the path can guess, and the sequence
    /// number is a little ahead. `last` is the last packet from the locked source, `new` a valid one from `source`.
    pub fn may_follow(&self, source: SocketAddr, last: Position, new: Position) -> bool {
        let is_same_host = self.locked.is_some_and(|locked| locked.ip() == source.ip());
        let ahead = new.sequence.wrapping_sub(last.sequence);
        is_same_host && last.ssrc == new.ssrc && (1..=MAX_GAP).contains(&ahead)
    }

    /// As [`SourceLock::may_follow`]; the source is locked then.
    pub fn follow(&mut self, source: SocketAddr, last: Position, new: Position) -> bool {
        let may_follow = self.may_follow(source, last, new);
        if may_follow {
            self.locked = Some(source);
        }
        may_follow
    }

    /// Whether a source that is not locked may be taken.
    ///
    /// The signalled address is always taken, also when a stranger was quicker: so nobody keeps a direct peer out.
    pub fn may_lock(&self, source: SocketAddr) -> bool {
        let Some(signalled) = self.signalled else { return false };
        source == signalled || self.locked.is_none() && (self.any_address || source.ip() == signalled.ip())
    }

    /// As [`SourceLock::may_lock`]; the source is locked then, whatever came from there before.
    pub fn lock(&mut self, source: SocketAddr) -> bool {
        let may_lock = self.may_lock(source);
        if may_lock {
            self.locked = Some(source);
        }
        may_lock
    }

    /// As [`SourceLock::may_lock`]; the source is locked then, unless the far end has just left it. Call it with a valid
    /// packet only.
    pub fn try_lock(&mut self, source: SocketAddr) -> bool {
        self.is_late(source) || self.lock(source)
    }

    /// Whether a packet from there may have been on its way when the far end left that source.
    fn is_late(&mut self, source: SocketAddr) -> bool {
        if Some(source) == self.signalled || !self.may_lock(source) {
            return false;
        }
        match &mut self.former {
            Some(former) if former.source == source && former.late < MAX_LATE => {
                former.late += 1;
                true
            }
            _ => false,
        }
    }
}
