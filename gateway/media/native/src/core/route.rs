//! Where the packets of a leg come from and go to.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use crate::source_lock::{Position, SourceLock};

/// Two sockets of the leg's own, as SIP trunks use them.
pub struct Pair {
    /// RTP, and RTCP too with rtcp-mux.
    pub rtp: Arc<UdpSocket>,
    /// RTCP.
    pub rtcp: Arc<UdpSocket>,
    /// From where RTP is taken.
    pub rtp_lock: SourceLock,
    /// From where RTCP is taken.
    pub rtcp_lock: SourceLock,
    /// Whether both come to the RTP socket (RFC 5761).
    pub is_mux: bool,
    /// Whether datagrams of a handshake are taken.
    pub takes_handshakes: bool,
    last: Option<Position>,
}

impl Pair {
    /// Nothing signalled yet: nothing is taken, and nothing sent.
    pub fn new(rtp: Arc<UdpSocket>, rtcp: Arc<UdpSocket>) -> Self {
        Self {
            rtp,
            rtcp,
            rtp_lock: SourceLock::new(None, false),
            rtcp_lock: SourceLock::new(None, false),
            is_mux: false,
            takes_handshakes: false,
            last: None,
        }
    }

    /// Whether a packet from a source that is not the locked one may be of this call.
    pub fn may_be_of_call(&self, datagram: &[u8], source: SocketAddr) -> bool {
        let Some(new) = position(datagram) else { return false };
        self.rtp_lock.may_lock(source)
            || self
                .last
                .is_some_and(|last| self.rtp_lock.may_follow(source, last, new))
    }

    /// A packet from there was good.
    pub fn take(&mut self, datagram: &[u8], source: SocketAddr) {
        let Some(new) = position(datagram) else { return };
        if self.rtp_lock.locked() != Some(source) {
            let may_follow = self.last.is_some_and(|last| self.rtp_lock.follow(source, last, new));
            if (may_follow || self.rtp_lock.try_lock(source)) && self.rtp_lock.locked() == Some(source) {
                self.move_rtcp(source);
            }
        }
        self.last = Some(new);
    }

    /// Packets come from there from now on, unless another source is locked: a handshake has shown it.
    pub fn lock(&mut self, source: SocketAddr) {
        if self.rtp_lock.locked().is_none() && self.rtp_lock.lock(source) {
            self.move_rtcp(source);
        }
    }

    /// RTCP comes from the learned host too, from whatever port its NAT gave it.
    fn move_rtcp(&mut self, source: SocketAddr) {
        if self
            .rtcp_lock
            .destination()
            .is_some_and(|destination| destination.ip() != source.ip())
        {
            let next = SocketAddr::new(source.ip(), source.port().saturating_add(1));
            self.rtcp_lock = SourceLock::new(Some(next), false);
        }
    }

    /// The socket that RTCP leaves through, and where to.
    pub fn for_rtcp(&self) -> Option<(&UdpSocket, SocketAddr)> {
        let (socket, lock) = if self.is_mux {
            (&self.rtp, &self.rtp_lock)
        } else {
            (&self.rtcp, &self.rtcp_lock)
        };
        lock.destination().map(|destination| (&**socket, destination))
    }
}

/// Source and number of what looks like an RTP packet.
fn position(datagram: &[u8]) -> Option<Position> {
    match datagram {
        [0x80..=0xBF, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] => Some(Position {
            ssrc: u32::from_be_bytes([*c0, *c1, *c2, *c3]),
            sequence: u16::from_be_bytes([*s0, *s1]),
        }),
        _ => None,
    }
}

/// The path that ICE has found on the sockets that all browsers share.
#[derive(Default)]
pub struct Path {
    /// The number of our address, and the far end's.
    pub selected: Option<(usize, SocketAddr)>,
    /// The pair of credentials that found it; numbers grow.
    pub generation: u64,
    /// How many there have been.
    pub generations: u64,
    /// The newest one whose far end is known: paths of later ones wait.
    pub allowed: u64,
    waiting: Option<(u64, (usize, SocketAddr))>,
}

impl Path {
    /// The far end has nominated a pair. Whether that is news.
    pub fn nominated(&mut self, generation: u64, pair: (usize, SocketAddr)) -> bool {
        if generation > self.allowed {
            return self.waiting.replace((generation, pair)) != Some((generation, pair));
        }
        let is_news = (self.generation, self.selected) != (generation, Some(pair));
        if generation < self.generation || !is_news {
            return false;
        }
        self.generation = generation;
        self.selected = Some(pair);
        true
    }

    /// The far end of a generation is known: what it nominates is used, and what it has nominated.
    pub fn allow(&mut self, generation: u64) {
        self.allowed = self.allowed.max(generation);
        if let Some((generation, pair)) = self.waiting.take_if(|(waiting, _)| *waiting <= self.allowed) {
            self.nominated(generation, pair);
        }
    }

    /// Leave the path of generations before that one.
    pub fn leave(&mut self, generation: u64) {
        if self.generation < generation {
            self.selected = None;
            self.generation = generation;
        }
    }
}

/// Either.
pub enum Route {
    /// No socket is open yet.
    None,
    /// A trunk's.
    Pair(Box<Pair>),
    /// A browser's.
    Path(Path),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(port: u16) -> (usize, SocketAddr) {
        (0, SocketAddr::from(([192, 0, 2, 1], port)))
    }

    #[test]
    fn a_path_waits_until_its_far_end_is_known() {
        let mut path = Path::default();

        assert!(path.nominated(7, pair(1)));
        assert!(!path.nominated(7, pair(1)));
        assert_eq!(path.selected, None);

        path.allow(7);
        assert_eq!(path.selected, Some(pair(1)));
    }

    #[test]
    fn an_older_generation_does_not_take_media_back() {
        let mut path = Path::default();
        path.allow(9);
        assert!(path.nominated(7, pair(1)));
        assert!(path.nominated(9, pair(2)));

        assert!(!path.nominated(7, pair(1)));
        assert_eq!(path.selected, Some(pair(2)));
    }

    #[test]
    fn the_path_of_another_page_is_left_before_the_new_one_is_found() {
        let mut path = Path::default();
        path.allow(7);
        path.nominated(7, pair(1));

        path.leave(9);

        assert_eq!(path.selected, None);
        assert!(!path.nominated(7, pair(1)));
    }
}
