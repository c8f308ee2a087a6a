//! What leaves: datagrams for browsers are gathered and leave together, for they all leave through one socket.

use std::net::{SocketAddr, UdpSocket};

use crate::pipeline::Digit;
use crate::sys::SendBatch;

/// Datagrams that wait for the end of a round, by the number of our address.
pub struct Outbox {
    batches: Vec<SendBatch>,
}

impl Outbox {
    /// For as many addresses.
    pub fn new(addresses: usize) -> Self {
        Self {
            batches: (0..addresses).map(|_| SendBatch::default()).collect(),
        }
    }

    /// Have it leave from that address of ours.
    pub fn push(&mut self, address: usize, datagram: &[u8], remote: SocketAddr) {
        if let Some(batch) = self.batches.get_mut(address) {
            batch.push(datagram, remote);
        }
    }

    /// Send all that waits, through the sockets of the addresses.
    pub fn flush(&mut self, sockets: &[UdpSocket]) {
        for (batch, socket) in self.batches.iter_mut().zip(sockets) {
            if !batch.is_empty() {
                batch.flush(socket);
            }
        }
    }
}

/// What one thread needs to work on packets: buffers that are used again and again, and the outbox.
pub struct Bench {
    /// What leaves.
    pub outbox: Outbox,
    /// A packet that came in, in plain.
    pub inbound: Vec<u8>,
    /// For a second attempt at one.
    pub spare: Vec<u8>,
    /// A packet on its way out.
    pub outbound: Vec<u8>,
    /// Digits that have ended.
    pub digits: Vec<Digit>,
}

impl Bench {
    /// Empty, for as many addresses.
    pub fn new(addresses: usize) -> Self {
        Self {
            outbox: Outbox::new(addresses),
            inbound: Vec::with_capacity(crate::sys::MAX_DATAGRAM),
            spare: Vec::new(),
            outbound: Vec::with_capacity(crate::sys::MAX_DATAGRAM),
            digits: Vec::new(),
        }
    }
}
