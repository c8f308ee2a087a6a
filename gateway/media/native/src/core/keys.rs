//! What protects the packets of a leg: nothing yet, nothing at all, or SRTP with keys that Python handed over.

use crate::srtp::{Protector, SrtpError, Suite, Unprotector};

/// Suite, master key and master salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The transforms.
    pub suite: Suite,
    /// As long as the suite wants it.
    pub key: Vec<u8>,
    /// As long as the suite wants it.
    pub salt: Vec<u8>,
}

impl Key {
    fn protector(&self) -> Result<Protector, SrtpError> {
        Protector::new(self.suite, &self.key, &self.salt)
    }

    fn unprotector(&self) -> Result<Unprotector, SrtpError> {
        Unprotector::new(self.suite, &self.key, &self.salt)
    }
}

/// Whether packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Not known yet: nothing is sent, and nothing that comes in could be read.
    #[default]
    Unkeyed,
    /// They are not.
    Plain,
    /// They are.
    Keyed,
}

/// The keys in force.
///
/// What was counted under a key of ours lives as long as the leg: whatever is negotiated, a key stream is never used
/// twice (RFC 3711 section 9.1).
#[derive(Default)]
pub struct Keys {
    mode: Mode,
    senders: Vec<(Key, Protector)>,
    sender: usize,
    inbound: Option<(Key, Unprotector)>,
    former: Option<Unprotector>,
    rtcp: Option<(Protector, Unprotector)>,
    has_own_rtcp: bool,
}

/// Keys of ours that a leg can have had; more than any honest far end negotiates.
const MAX_SENDERS: usize = 32;

impl Keys {
    /// Whether packets are protected.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Agreed: no protection.
    pub fn set_plain(&mut self) {
        self.mode = Mode::Plain;
    }

    /// Nothing is agreed any more, or not yet.
    pub fn clear(&mut self) {
        self.mode = Mode::Unkeyed;
        self.rtcp = None;
    }

    /// Keys come into force.
    ///
    /// `keeps_former`: until a packet comes under a new key of theirs, those under the former one are still taken
    /// (RFC 4568 section 7.1.4). `has_own_rtcp`: RTCP waits for keys of its own (`set_rtcp`).
    pub fn set(&mut self, ours: Key, theirs: Key, keeps_former: bool, has_own_rtcp: bool) -> Result<(), SrtpError> {
        match self.senders.iter().position(|(key, _)| *key == ours) {
            Some(found) => self.sender = found,
            None => {
                let protector = ours.protector()?;
                if self.senders.len() >= MAX_SENDERS {
                    self.senders.remove(0);
                }
                self.senders.push((ours, protector));
                self.sender = self.senders.len() - 1;
            }
        }
        if self.inbound.as_ref().is_none_or(|(key, _)| *key != theirs) {
            let unprotector = theirs.unprotector()?;
            let former = self.inbound.replace((theirs, unprotector));
            self.former = former.filter(|_| keeps_former).map(|(_, unprotector)| unprotector);
        }
        if !has_own_rtcp {
            self.rtcp = None;
        }
        self.has_own_rtcp = has_own_rtcp;
        self.mode = Mode::Keyed;
        Ok(())
    }

    /// RTCP has keys of its own (RFC 5764 section 4.2: without rtcp-mux a handshake of its own).
    pub fn set_rtcp(&mut self, ours: &Key, theirs: &Key) -> Result<(), SrtpError> {
        self.rtcp = Some((ours.protector()?, theirs.unprotector()?));
        Ok(())
    }

    /// RTP to SRTP, in place. False: it must not leave.
    pub fn protect(&mut self, packet: &mut Vec<u8>) -> bool {
        match self.mode {
            Mode::Unkeyed => false,
            Mode::Plain => true,
            Mode::Keyed => self
                .senders
                .get_mut(self.sender)
                .is_some_and(|(_, sender)| sender.rtp(packet).is_ok()),
        }
    }

    /// RTCP to SRTCP; as `protect`.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> bool {
        match (self.mode, self.has_own_rtcp) {
            (Mode::Unkeyed, _) => false,
            (Mode::Plain, _) => true,
            (Mode::Keyed, true) => self
                .rtcp
                .as_mut()
                .is_some_and(|(sender, _)| sender.rtcp(packet).is_ok()),
            (Mode::Keyed, false) => self
                .senders
                .get_mut(self.sender)
                .is_some_and(|(_, sender)| sender.rtcp(packet).is_ok()),
        }
    }

    /// SRTP to RTP, in place; `spare` is a buffer for a second attempt. False: not authentic, or a replay.
    pub fn unprotect(&mut self, packet: &mut Vec<u8>, spare: &mut Vec<u8>) -> bool {
        self.unprotected(packet, spare, Unprotector::rtp)
    }

    /// Whether there is something that RTCP can be read with.
    pub fn reads_rtcp(&self) -> bool {
        match self.mode {
            Mode::Unkeyed => false,
            Mode::Plain => true,
            Mode::Keyed => !self.has_own_rtcp || self.rtcp.is_some(),
        }
    }

    /// SRTCP to RTCP; as `unprotect`.
    pub fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>, spare: &mut Vec<u8>) -> bool {
        if self.mode == Mode::Keyed && self.has_own_rtcp {
            return self
                .rtcp
                .as_mut()
                .is_some_and(|(_, receiver)| receiver.rtcp(packet).is_ok());
        }
        self.unprotected(packet, spare, Unprotector::rtcp)
    }

    fn unprotected(
        &mut self,
        packet: &mut Vec<u8>,
        spare: &mut Vec<u8>,
        unprotect: fn(&mut Unprotector, &mut Vec<u8>) -> Result<(), SrtpError>,
    ) -> bool {
        match self.mode {
            Mode::Unkeyed => return false,
            Mode::Plain => return true,
            Mode::Keyed => {}
        }
        let Some((_, receiver)) = &mut self.inbound else {
            return false;
        };
        let Some(former) = &mut self.former else {
            return unprotect(receiver, packet).is_ok();
        };
        spare.clear();
        spare.extend_from_slice(packet);
        if unprotect(receiver, packet).is_ok() {
            self.former = None;
            return true;
        }
        std::mem::swap(packet, spare);
        unprotect(former, packet).is_ok()
    }
}
