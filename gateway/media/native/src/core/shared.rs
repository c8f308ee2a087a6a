//! The sockets that all browsers share: who sends what is told by the ICE table.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use parking_lot::RwLock;

use super::event::What;
use super::leg::{LegCell, Reason};
use super::outbox::Bench;
use super::{Core, Route};
use crate::demux::{Kind, kind_of};
use crate::ice::{Outcome, Table};
use crate::sys;

/// What the kernel may keep for one shared socket: a second of a thousand calls.
const RECEIVE_BUFFER: i32 = 4 << 20;

/// A socket on one of our addresses, beside those of the other workers.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = sys::bind_udp(address, true)?;
    let _ = sys::set_receive_buffer(&socket, RECEIVE_BUFFER); // less is not wrong
    Ok(socket)
}

/// ICE of all browser legs. A *generation* is one pair of credentials; a leg may have two at once.
pub struct Browsers {
    table: RwLock<Table>,
    legs: RwLock<HashMap<u64, Arc<LegCell>>>,
}

impl Browsers {
    /// Nobody yet.
    pub fn new(consent_timeout: f64) -> Self {
        Self {
            table: RwLock::new(Table::new(consent_timeout)),
            legs: RwLock::new(HashMap::new()),
        }
    }

    /// Answer checks with these credentials for a leg from now on. Those of its generation before the last one are not
    /// answered any more.
    ///
    /// False: that ufrag is another leg's.
    pub fn add(&self, ufrag: &str, password: &str, leg: &Arc<LegCell>) -> bool {
        self.legs.write().insert(leg.token, Arc::clone(leg));
        self.table.write().add(ufrag.as_bytes(), password.as_bytes(), leg.token)
    }

    /// Do not answer checks with these credentials any more.
    pub fn withdraw(&self, ufrag: &str) {
        self.table.write().withdraw(ufrag.as_bytes());
    }

    /// Do not answer a leg's checks any more.
    pub fn remove(&self, leg: &LegCell) {
        self.table.write().remove(leg.token);
        self.legs.write().remove(&leg.token);
    }

    fn leg(&self, token: u64) -> Option<Arc<LegCell>> {
        self.legs.read().get(&token).cloned()
    }

    fn of_source(&self, source: SocketAddr) -> Option<Arc<LegCell>> {
        let token = self.table.read().session_of(source)?;
        self.leg(token)
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
        match kind_of(datagram) {
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
        let mut table = self.table.write();
        let outcome = table.receive(datagram, source, address, now, &mut bench.outbound);
        let nominated = match outcome {
            Outcome::Answered {
                session,
                nominated: true,
                ..
            } => {
                // Ours count from one: that of no generation is zero
                table.generation_of(session).map(|generation| (session, generation + 1))
            }
            _ => None,
        };
        drop(table);
        if !bench.outbound.is_empty() {
            bench.outbox.push(address, &bench.outbound, source);
        }
        if let Some((leg, generation)) = nominated.and_then(|(session, number)| Some((self.leg(session)?, number))) {
            leg.nominated(generation, address, source, core);
        }
        if let Outcome::Dropped(_) = outcome {
            core.reject(Reason::Source);
        }
    }

    /// Report who has not been heard of for too long.
    pub fn handle_timeout(&self, now: f64, core: &Core) {
        let mut lost = Vec::new();
        self.table.write().handle_timeout(now, &mut lost);
        for token in lost {
            if let Some(leg) = self.leg(token) {
                let generation = match &leg.lock().out.route {
                    Route::Path(path) if path.selected.is_some() => path.generation,
                    _ => continue,
                };
                core.events.push(token, What::ConsentLost { generation });
            }
        }
    }
}
