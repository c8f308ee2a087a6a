//! The sockets that all browsers share: who sends what is told by the ICE table.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::event::What;
use super::leg::{LegCell, Reason};
use super::outbox::Bench;
use super::{Core, Route};
use crate::demux::{Kind, kind};
use crate::ice::{Outcome, Table, TimedOut};
use crate::sys;

/// What the kernel may keep for one shared socket: a second of a thousand calls.
const RECEIVE_BUFFER: i32 = 4 << 20;

/// A socket on one of our addresses, beside those of the other workers.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = sys::bind_udp(address, true)?;
    let _ = sys::set_receive_buffer(&socket, RECEIVE_BUFFER); // less is not wrong
    Ok(socket)
}

/// ICE of all browser legs. A *generation* is one pair of credentials; a leg may have several at once.
pub struct Browsers {
    table: Mutex<Table>,
    legs: RwLock<HashMap<u64, Arc<LegCell>>>,
}

impl Browsers {
    /// Nobody yet.
    pub fn new(consent_timeout: f64) -> Self {
        Self { table: Mutex::new(Table::new(consent_timeout)), legs: RwLock::new(HashMap::new()) }
    }

    /// Answer checks with these credentials for a leg from now on, under that number.
    pub fn add(&self, generation: u64, ufrag: &str, password: &str, leg: &Arc<LegCell>, now: f64) {
        self.legs.write().insert(generation, Arc::clone(leg));
        self.table.lock().add(ufrag, password, generation, now);
    }

    /// Do not answer them any more.
    pub fn remove(&self, generation: u64) {
        self.table.lock().remove(generation);
        self.legs.write().remove(&generation);
    }

    fn leg(&self, generation: u64) -> Option<Arc<LegCell>> {
        self.legs.read().get(&generation).cloned()
    }

    fn of_source(&self, source: SocketAddr) -> Option<Arc<LegCell>> {
        let generation = self.table.lock().session_of(source)?;
        self.leg(generation)
    }

    /// A datagram came to the socket of one of our addresses.
    pub fn receive(
        &self,
        address: usize,
        datagram: &[u8],
        source: SocketAddr,
        now: f64,
        core: &Core,
        bench: &mut Bench,
    ) {
        match kind(datagram) {
            Kind::Stun => self.receive_stun(address, datagram, source, now, core, bench),
            Kind::Rtp | Kind::Rtcp => match self.of_source(source) {
                Some(leg) => leg.receive_shared(datagram, now, core, bench),
                None => core.reject(Reason::Source),
            },
            Kind::Dtls => match self.of_source(source) {
                Some(leg) => leg.receive_handshake(address, datagram, source, now, core),
                None => core.reject(Reason::Source),
            },
            _ => core.reject(Reason::NotRtp),
        }
    }

    fn receive_stun(
        &self,
        address: usize,
        datagram: &[u8],
        source: SocketAddr,
        now: f64,
        core: &Core,
        bench: &mut Bench,
    ) {
        bench.outbound.clear();
        let outcome = self.table.lock().receive(datagram, source, address, now, &mut bench.outbound);
        if !bench.outbound.is_empty() {
            bench.outbox.push(address, &bench.outbound, source);
        }
        match outcome {
            Outcome::Answered { session, nominated: true, .. } => {
                if let Some(leg) = self.leg(session) {
                    leg.nominated(session, address, source, core);
                }
            }
            Outcome::Dropped(_) => core.reject(Reason::Source),
            _ => {}
        }
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.table.lock().next_deadline()
    }

    /// Report who has not been heard of for too long.
    pub fn handle_timeout(&self, now: f64, core: &Core) {
        let lost = self.table.lock().handle_timeout(now);
        for TimedOut { session } in lost {
            if let Some(leg) = self.leg(session) {
                let is_selected =
                    matches!(&leg.lock().out.route, Route::Path(path) if path.generation == session && path.selected.is_some());
                if is_selected {
                    core.events.push(leg.token, What::ConsentLost { generation: session });
                }
            }
        }
    }
}
