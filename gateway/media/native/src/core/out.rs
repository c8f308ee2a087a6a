//! The sending half of a leg: what protects its packets, and which way they go.

use super::keys::{Keys, Mode};
use super::outbox::Outbox;
use super::route::Route;
use super::sequence::UnbrokenSequence;
use crate::rtp::{self, Header, Sink};

/// Longest packet that still fits a datagram once it is protected.
const MAX_PLAIN: usize = 1300;

/// What the leg has come to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// RTP that has left.
    pub packets_sent: u64,
    /// Payload bytes of it.
    pub bytes_sent: u64,
    /// Datagrams that were not taken, and packets of a payload type that was not negotiated.
    pub packets_rejected: u64,
}

/// The sending half of a leg.
pub struct Out {
    /// Where packets come from and go to.
    pub route: Route,
    /// What protects them.
    pub keys: Keys,
    /// Whether the far end wants to hear us.
    pub may_send: bool,
    /// What it has come to.
    pub counters: Counters,
    /// Number of the first packet that has left.
    pub first_sequence: u16,
    sequence: UnbrokenSequence,
}

impl Out {
    /// One that goes that way, without keys.
    pub fn new(route: Route) -> Self {
        Self {
            route,
            keys: Keys::default(),
            may_send: false,
            counters: Counters::default(),
            first_sequence: 0,
            sequence: UnbrokenSequence::default(),
        }
    }

    fn send_rtp(&mut self, header: &Header, payload: &[u8], outbox: &mut Outbox, buffer: &mut Vec<u8>) {
        if !self.is_sending(payload.len()) {
            self.sequence.skip();
            return;
        }
        let mut header = *header;
        if self.keys.mode() == Mode::Keyed {
            header.sequence = self.sequence.number(header.sequence);
        }
        buffer.clear();
        rtp::write(&header, payload, buffer);
        if !self.keys.protect(buffer) {
            return;
        }
        let has_left = match &self.route {
            Route::None => false,
            Route::Pair(pair) => pair
                .rtp_lock
                .destination()
                .is_some_and(|destination| pair.rtp.send_to(buffer, destination).is_ok()),
            Route::Path(path) => path.selected.is_some_and(|(address, remote)| {
                outbox.push(address, buffer, remote);
                true
            }),
        };
        if has_left {
            if self.counters.packets_sent == 0 {
                self.first_sequence = header.sequence;
            }
            self.counters.packets_sent += 1;
            self.counters.bytes_sent += payload.len() as u64;
        }
    }

    fn is_sending(&self, payload: usize) -> bool {
        let has_destination = match &self.route {
            Route::None => false,
            Route::Pair(pair) => pair.rtp_lock.destination().is_some(),
            Route::Path(path) => path.selected.is_some(),
        };
        let is_short = self.keys.mode() == Mode::Plain || payload <= MAX_PLAIN - rtp::HEADER_SIZE;
        self.may_send && has_destination && is_short && self.keys.mode() != Mode::Unkeyed
    }

    /// Send a compound packet, if there is a way. Goes on while held (RFC 3264 section 5.1).
    pub fn send_rtcp(&mut self, report: &[u8], outbox: &mut Outbox, buffer: &mut Vec<u8>) {
        if report.len() > MAX_PLAIN {
            return;
        }
        buffer.clear();
        buffer.extend_from_slice(report);
        if !self.keys.protect_rtcp(buffer) {
            return;
        }
        match &self.route {
            Route::None => {}
            Route::Pair(pair) => {
                if let Some((socket, destination)) = pair.for_rtcp() {
                    let _ = socket.send_to(buffer, destination); // what the kernel refuses is a lost packet
                }
            }
            Route::Path(path) => {
                if let Some((address, remote)) = path.selected {
                    outbox.push(address, buffer, remote);
                }
            }
        }
    }
}

/// Where a pipeline's packets go.
pub struct Sending<'a> {
    /// The leg's half.
    pub out: &'a mut Out,
    /// What leaves together.
    pub outbox: &'a mut Outbox,
    /// To put a packet together in.
    pub buffer: &'a mut Vec<u8>,
}

impl Sink for Sending<'_> {
    fn packet(&mut self, header: &Header, payload: &[u8]) {
        self.out.send_rtp(header, payload, self.outbox, self.buffer);
    }
}
