//! Packets that come in: taken under the lock of the leg that they came to, then heard under that of its peer.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::MutexGuard;

use super::{Leg, LegCell, Reason, report_digits};
use crate::core::Core;
use crate::core::event::What;
use crate::core::keys::Mode;
use crate::core::out::Sending;
use crate::core::outbox::Bench;
use crate::core::route::Route;
use crate::rtp;
use crate::sys::prefetch;

/// Datagrams of handshakes that a leg may hand to Python in a second.
const HANDSHAKES_PER_SECOND: u32 = 64;

impl LegCell {
    /// A datagram came to one of the leg's own sockets: 0 is that of RTP, 1 that of RTCP.
    pub fn receive(
        &self,
        component: u8,
        datagram: &[u8],
        source: SocketAddr,
        now: f64,
        core: &Core,
        bench: &mut Bench,
    ) {
        let mut leg = self.lock();
        let Route::Pair(pair) = &leg.out.route else { return };
        let first = datagram.first().copied().unwrap_or_default();
        if pair.takes_handshakes && (20..64).contains(&first) {
            self.hand_up(&mut leg, component, datagram, source, now, core);
        } else if component == 1 || (pair.is_mux && rtp::is_rtcp(datagram)) {
            self.receive_rtcp(leg, component, datagram, source, now, core, bench);
        } else {
            self.receive_rtp(leg, datagram, source, now, core, bench);
        }
    }

    fn receive_rtp(
        &self,
        mut leg: MutexGuard<'_, Leg>,
        datagram: &[u8],
        source: SocketAddr,
        now: f64,
        core: &Core,
        bench: &mut Bench,
    ) {
        let Leg {
            out,
            may_receive,
            payload_types,
            peer,
            ..
        } = &mut *leg;
        let Route::Pair(pair) = &mut out.route else { return };
        let mode = out.keys.mode();
        if mode == Mode::Unkeyed {
            return; // nobody could read it yet
        }
        let is_expected = *may_receive
            && datagram
                .get(1)
                .is_some_and(|byte| *payload_types >> (byte & 0x7F) & 1 == 1);
        if pair.rtp_lock.locked() == Some(source) {
            if mode == Mode::Plain && !*may_receive {
                return;
            }
        } else if (mode == Mode::Plain && !is_expected) || !pair.may_be_of_call(datagram, source) {
            self.reject(&mut leg, Reason::Source, core);
            return;
        }
        prefetch(peer.as_ptr());
        bench.inbound.clear();
        bench.inbound.extend_from_slice(datagram);
        if !out.keys.unprotect(&mut bench.inbound, &mut bench.spare) {
            self.reject(&mut leg, Reason::Srtp, core);
            return;
        }
        pair.take(datagram, source);
        if *may_receive {
            self.deliver(leg, now, core, bench);
        }
    }

    #[allow(clippy::too_many_arguments)] // what a datagram brings with it
    fn receive_rtcp(
        &self,
        mut leg: MutexGuard<'_, Leg>,
        component: u8,
        datagram: &[u8],
        source: SocketAddr,
        now: f64,
        core: &Core,
        bench: &mut Bench,
    ) {
        let out = &mut leg.out;
        let Route::Pair(pair) = &mut out.route else { return };
        if !out.keys.reads_rtcp() {
            return;
        }
        let is_mux = pair.is_mux;
        let lock = if component == 0 {
            &mut pair.rtp_lock
        } else {
            &mut pair.rtcp_lock
        };
        let is_destination = lock.destination() == Some(source);
        // Another port of the same host may be learned for RTCP alone: with mux, RTP decides
        if !is_destination && (is_mux || !rtp::is_rtcp(datagram) || !lock.may_lock(source)) {
            self.reject(&mut leg, Reason::Source, core);
            return;
        }
        bench.inbound.clear();
        bench.inbound.extend_from_slice(datagram);
        if !out.keys.unprotect_rtcp(&mut bench.inbound, &mut bench.spare) {
            self.reject(&mut leg, Reason::Srtp, core);
            return;
        }
        if !is_mux && (out.keys.mode() == Mode::Keyed || !is_destination) {
            lock.try_lock(source);
        }
        self.take_report(&mut leg, now, core, bench);
    }

    /// SRTP or SRTCP of a browser, from a source that has proved itself.
    pub fn receive_shared(&self, datagram: &[u8], now: f64, core: &Core, bench: &mut Bench) {
        let mut leg = self.lock();
        if leg.out.keys.mode() != Mode::Keyed {
            return; // before the handshake is through nobody could read it
        }
        prefetch(leg.peer.as_ptr());
        bench.inbound.clear();
        bench.inbound.extend_from_slice(datagram);
        let is_report = rtp::is_rtcp(datagram);
        let keys = &mut leg.out.keys;
        let is_authentic = if is_report {
            keys.unprotect_rtcp(&mut bench.inbound, &mut bench.spare)
        } else {
            keys.unprotect(&mut bench.inbound, &mut bench.spare)
        };
        if !is_authentic {
            self.reject(&mut leg, Reason::Srtp, core);
        } else if is_report {
            self.take_report(&mut leg, now, core, bench);
        } else if leg.may_receive {
            self.deliver(leg, now, core, bench);
        }
    }

    /// A datagram of a handshake on the shared sockets; `address` is the number of ours.
    pub fn receive_handshake(&self, address: usize, datagram: &[u8], source: SocketAddr, now: f64, core: &Core) {
        self.hand_up(&mut self.lock(), address as u8, datagram, source, now, core);
    }

    fn hand_up(&self, leg: &mut Leg, component: u8, datagram: &[u8], source: SocketAddr, now: f64, core: &Core) {
        let (since, count) = leg.handshakes;
        leg.handshakes = if now - since >= 1.0 {
            (now, 1)
        } else {
            (since, count.saturating_add(1))
        };
        if leg.handshakes.1 > HANDSHAKES_PER_SECOND {
            self.reject(leg, Reason::Source, core);
            return;
        }
        core.events.push(
            self.token,
            What::Handshake {
                component,
                source,
                datagram: datagram.to_vec(),
            },
        );
    }

    /// The packet in `bench.inbound` is authentic and may be heard.
    fn deliver(&self, mut leg: MutexGuard<'_, Leg>, now: f64, core: &Core, bench: &mut Bench) {
        let Some(peer) = leg.peer.upgrade() else { return };
        let inbound = std::mem::take(&mut bench.inbound);
        match rtp::parse(&inbound) {
            Err(_) => self.reject(&mut leg, Reason::NotRtp, core),
            Ok(packet) => {
                let payload_type = packet.header.payload_type;
                leg.judge.receive(&packet, now);
                if leg.last_received.is_none() {
                    core.events.push(self.token, What::FirstReceived { payload_type });
                }
                leg.last_received = Some(now);
                if std::mem::take(&mut leg.is_listened_to) {
                    core.events.push(self.token, What::Heard);
                }
                if leg.payload_types >> payload_type & 1 == 0 {
                    self.reject(&mut leg, Reason::PayloadType, core); // the pipeline still wants its number
                }
                let is_due = leg.judge.is_due(now);
                drop(leg);
                peer.hear(self.token, &packet, now, core, bench);
                if is_due {
                    self.look(now, core);
                }
            }
        }
        bench.inbound = inbound;
    }

    /// A packet of the peer's far end.
    fn hear(self: &Arc<Self>, from: u64, packet: &rtp::Packet<'_>, now: f64, core: &Core, bench: &mut Bench) {
        let mut leg = self.lock();
        let Leg {
            pipeline, out, judge, ..
        } = &mut *leg;
        let Some(pipeline) = pipeline else { return };
        let mut sending = Sending {
            out,
            outbox: &mut bench.outbox,
            buffer: &mut bench.outbound,
        };
        pipeline.receive(packet, now, &mut sending, &mut bench.digits);
        judge.listen(pipeline, now);
        let deadline = pipeline.next_deadline();
        let is_due = judge.is_due(now);
        self.note_sent(&mut leg, core);
        self.arm(&mut leg, deadline, core);
        drop(leg);
        report_digits(from, core, bench);
        if is_due {
            self.look(now, core);
        }
    }
}
