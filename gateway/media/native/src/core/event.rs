//! What the packet path reports to Python: a queue with a bound, and a descriptor that wakes the loop.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

use parking_lot::Mutex;

use crate::quality::warning::Warning;
use crate::sys::Waker;

/// Events that may wait at once. Under a flood, datagrams and notes are dropped first.
const MAX_EVENTS: usize = 16384;
/// Of these, how many may be datagrams of handshakes, or notes.
const MAX_OPTIONAL: usize = 4096;

/// What happened on a leg.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A datagram of a DTLS handshake, from a source that may be heard.
    Handshake {
        /// Which socket of the leg: 0 that of RTP, 1 that of RTCP; for a browser the number of our address.
        component: u8,
        /// Where it came from.
        source: SocketAddr,
        /// As it came.
        datagram: Vec<u8>,
    },
    /// ICE has found the path of a generation, or changed it.
    Path {
        /// Which credentials.
        generation: u64,
        /// The number of our address.
        address: usize,
        /// The far end's.
        remote: SocketAddr,
    },
    /// Nobody has asked for consent on the path of a generation for too long.
    ConsentLost {
        /// Which credentials.
        generation: u64,
    },
    /// No RTP for too long.
    Silent,
    /// A telephone-event of the leg's far end has ended.
    Digit {
        /// Never to be logged: digits are PINs.
        digit: char,
        /// Seconds.
        duration: f64,
    },
    /// All digits of a `send_digits` have left.
    DigitsSent {
        /// What `send_digits` gave.
        ticket: u64,
    },
    /// An authentic packet came in, which somebody waited for.
    Heard,
    /// The first RTP packet that was taken.
    FirstReceived {
        /// Of the packet.
        payload_type: u8,
    },
    /// The first RTP packet that has left.
    FirstSent {
        /// Of the packet.
        payload_type: u8,
    },
    /// A compound RTCP packet in plain.
    Report {
        /// Whether it came from the far end.
        is_inbound: bool,
        /// As it came, or before it was protected.
        packet: Vec<u8>,
    },
    /// Something is wrong with its media although its signalling is fine, or no longer is.
    Warning {
        /// What.
        warning: Warning,
        /// Whether it is wrong now.
        is_raised: bool,
    },
    /// A defect: the handling of one packet, or of a timer, panicked. Once for each leg.
    Crashed,
}

impl What {
    /// Whether the call works without it being told.
    fn is_optional(&self) -> bool {
        matches!(
            self,
            Self::Handshake { .. }
                | Self::Report { .. }
                | Self::FirstReceived { .. }
                | Self::FirstSent { .. }
                | Self::Warning { .. }
        )
    }
}

/// An event of the leg with that token.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// As `Leg::token`.
    pub leg: u64,
    /// What happened.
    pub what: What,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    optional: usize,
    dropped: u64,
}

/// Events in the order in which they happened.
pub struct EventQueue {
    waiting: Mutex<Waiting>,
    waker: Waker,
}

impl EventQueue {
    /// An empty one.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            waiting: Mutex::new(Waiting::default()),
            waker: Waker::new()?,
        })
    }

    /// Add one, unless there are too many.
    pub fn push(&self, leg: u64, what: What) {
        let mut waiting = self.waiting.lock();
        let is_optional = what.is_optional();
        if waiting.events.len() >= MAX_EVENTS || (is_optional && waiting.optional >= MAX_OPTIONAL) {
            waiting.dropped += 1;
            return;
        }
        waiting.optional += usize::from(is_optional);
        let was_empty = waiting.events.is_empty();
        waiting.events.push_back(Event { leg, what });
        drop(waiting);
        if was_empty {
            self.waker.wake();
        }
    }

    /// Take all of them.
    pub fn drain(&self) -> VecDeque<Event> {
        self.waker.clear();
        let mut waiting = self.waiting.lock();
        waiting.optional = 0;
        std::mem::take(&mut waiting.events)
    }

    /// How many were dropped.
    pub fn dropped(&self) -> u64 {
        self.waiting.lock().dropped
    }

    /// Readable while something waits.
    pub fn descriptor(&self) -> RawFd {
        self.waker.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_order_and_once() {
        let queue = EventQueue::new().unwrap();
        queue.push(1, What::Heard);
        queue.push(2, What::Silent);

        let events = queue.drain();

        assert_eq!(
            events,
            [
                Event {
                    leg: 1,
                    what: What::Heard
                },
                Event {
                    leg: 2,
                    what: What::Silent
                }
            ]
        );
        assert!(queue.drain().is_empty());
    }

    #[test]
    fn a_flood_of_handshakes_leaves_room_for_what_matters() {
        let queue = EventQueue::new().unwrap();
        let source = "192.0.2.1:5000".parse().unwrap();
        for _ in 0..MAX_OPTIONAL + 10 {
            queue.push(
                1,
                What::Handshake {
                    component: 0,
                    source,
                    datagram: vec![22],
                },
            );
        }
        queue.push(2, What::Silent);

        assert_eq!(queue.dropped(), 10);
        assert_eq!(queue.drain().back().map(|event| event.leg), Some(2));
    }
}
