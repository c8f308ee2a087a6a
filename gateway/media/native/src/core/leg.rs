//! One leg of a call: what protects it, where its packets go, the stream that its far end hears, and its timers.
//!
//! Two legs that hear each other know each other (`peer`). A packet that comes in on one is taken under that leg's lock
//! and then handed to the other under the other's: two locks are never held at once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};

use super::Core;
use super::event::What;
use super::judge::Judge;
use super::keys::{Keys, Mode};
use super::out::{Out, Sending};
use super::outbox::Bench;
use super::route::Route;
use crate::pipeline::Pipeline;
use crate::rtcp::{RtcpSession, SenderInfo};
use crate::rtp;
use crate::sys::monotonic;

/// Datagrams of handshakes that a leg may hand to Python in a second.
const HANDSHAKES_PER_SECOND: u32 = 64;

/// Why a datagram was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// From an address that may not send to this leg.
    Source,
    /// Not authentic, or a replay.
    Srtp,
    /// Neither RTP, nor RTCP, nor anything else that is expected.
    NotRtp,
    /// A payload type that was not negotiated. It is counted, and handed on.
    PayloadType,
}

/// How often, for each `Reason` in its order.
pub const REASONS: usize = 4;

/// How long the far end may be silent.
pub struct Silence {
    /// Seconds; zero: for ever.
    pub timeout: f64,
    /// Since when it counts.
    pub since: f64,
    /// While we hold the leg, it does not count.
    pub is_held: bool,
    /// Whether it was reported.
    pub has_failed: bool,
}

/// What the lock of a leg protects.
pub struct Leg {
    /// The sending half.
    pub out: Out,
    /// Who hears this leg's far end, and whom it hears.
    pub peer: Weak<LegCell>,
    /// What the far end hears, once it can hear anything.
    pub pipeline: Option<Pipeline>,
    /// What came in, and how good it and what went out is.
    pub judge: Judge,
    /// Reports about both directions.
    pub rtcp: Option<RtcpSession>,
    /// Whether the far end may talk.
    pub may_receive: bool,
    /// What it may send, as bits.
    pub payload_types: u128,
    /// How long it may be silent.
    pub silence: Silence,
    /// When the last RTP packet was taken.
    pub last_received: Option<f64>,
    /// Whether the next one is waited for.
    pub is_listened_to: bool,
    /// Whether somebody wants to see reports.
    pub wants_reports: bool,
    /// When digits will have left, and what to say then.
    pub tickets: Vec<(f64, u64)>,
    has_sent: bool,
    reported: u64,
    armed: f64,
    handshakes: (f64, u32),
}

/// A leg behind its lock.
pub struct LegCell {
    /// What Python knows it by.
    pub token: u64,
    /// The worker that looks after its timers.
    pub home: usize,
    has_crashed: AtomicBool,
    state: Mutex<Leg>,
}

impl LegCell {
    /// Nothing is known of it yet.
    pub fn new(token: u64, home: usize, route: Route, silence_timeout: f64) -> Self {
        let leg = Leg {
            out: Out::new(route),
            peer: Weak::new(),
            pipeline: None,
            judge: Judge::default(),
            rtcp: None,
            may_receive: false,
            payload_types: 0,
            silence: Silence {
                timeout: silence_timeout,
                since: 0.0,
                is_held: false,
                has_failed: false,
            },
            last_received: None,
            is_listened_to: false,
            wants_reports: false,
            tickets: Vec::new(),
            has_sent: false,
            reported: 0,
            armed: f64::INFINITY,
            handshakes: (0.0, 0),
        };
        Self {
            token,
            home,
            has_crashed: AtomicBool::new(false),
            state: Mutex::new(leg),
        }
    }

    /// The leg. Never with another one's lock in hand.
    pub fn lock(&self) -> MutexGuard<'_, Leg> {
        self.state.lock()
    }

    /// A defect met a packet of it: said once, for whoever found such a packet can send a million of them.
    pub fn crashed(&self, core: &Core) {
        if !self.has_crashed.swap(true, Ordering::Relaxed) {
            core.events.push(self.token, What::Crashed);
        }
    }

    fn reject(&self, leg: &mut Leg, reason: Reason, core: &Core) {
        leg.out.counters.packets_rejected += 1;
        core.reject(reason);
    }

    // Packets that come in

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

    fn note_sent(&self, leg: &mut Leg, core: &Core) {
        if !leg.has_sent && leg.out.counters.packets_sent > 0 {
            leg.has_sent = true;
            let payload_type = leg
                .pipeline
                .as_ref()
                .map_or(0, |pipeline| pipeline.sink().codec.payload_type);
            core.events.push(self.token, What::FirstSent { payload_type });
        }
    }

    fn take_report(&self, leg: &mut Leg, now: f64, core: &Core, bench: &Bench) {
        let Some(rtcp) = &mut leg.rtcp else { return };
        if leg.peer.strong_count() == 0 {
            return; // not seated
        }
        if rtcp.receive(&bench.inbound, now).is_err() {
            self.reject(leg, Reason::NotRtp, core);
            return;
        }
        if let (Some(percent), Some(pipeline)) = (rtcp.expected_loss(), &mut leg.pipeline) {
            // the encoder goes on as it is if libopus refuses: less protected, but heard
            let _ = pipeline.set_expected_loss(percent);
        }
        if leg.wants_reports {
            core.events.push(
                self.token,
                What::Report {
                    is_inbound: true,
                    packet: bench.inbound.clone(),
                },
            );
        }
    }

    // Time

    /// See to it that the leg is looked at no later. Too early costs little, arming anew for each packet would not.
    pub fn arm(self: &Arc<Self>, leg: &mut Leg, deadline: Option<f64>, core: &Core) {
        if let Some(at) = deadline.filter(|at| *at < leg.armed) {
            leg.armed = at;
            core.timers(self.home).push(at, Arc::downgrade(self));
        }
    }

    /// A deadline has come: `at` is the one that was armed.
    pub fn fire(self: &Arc<Self>, at: f64, now: f64, core: &Core, bench: &mut Bench) {
        let mut leg = self.lock();
        if at != leg.armed {
            return; // armed for another time since then
        }
        leg.armed = f64::INFINITY;
        let wants_look = leg.judge.deadline(leg.pipeline.is_some()).is_some_and(|due| due <= now);
        if wants_look {
            drop(leg);
            self.look(now, core);
            leg = self.lock();
        }
        let peer = leg.peer.upgrade();
        let Leg {
            pipeline, out, judge, ..
        } = &mut *leg;
        if let Some(pipeline) = pipeline {
            let mut sending = Sending {
                out,
                outbox: &mut bench.outbox,
                buffer: &mut bench.outbound,
            };
            pipeline.handle_timeout(now, &mut sending, &mut bench.digits);
            judge.listen(pipeline, now);
            self.note_sent(&mut leg, core);
        }
        self.watch_silence(&mut leg, now, core);
        leg.tickets.retain(|(due, ticket)| {
            let is_waiting = *due > now;
            if !is_waiting {
                core.events.push(self.token, What::DigitsSent { ticket: *ticket });
            }
            is_waiting
        });
        self.report(&mut leg, now, core, bench);
        let deadline = next_deadline(&leg);
        self.arm(&mut leg, deadline, core);
        drop(leg);
        if let Some(peer) = peer {
            report_digits(peer.token, core, bench);
        }
        bench.digits.clear();
    }

    fn watch_silence(&self, leg: &mut Leg, now: f64, core: &Core) {
        if silence_ends(leg).is_some_and(|end| now >= end) {
            leg.silence.has_failed = true;
            core.events.push(self.token, What::Silent);
        }
    }
}

impl LegCell {
    // Reports

    /// Say goodbye to the far end, and report no more. Returns the compound packet, unprotected; None: nothing was said.
    pub fn bye(&self, now: f64, bench: &mut Bench) -> Option<Vec<u8>> {
        let mut leg = self.lock();
        let sender = sender_info(&mut leg, now);
        let mut rtcp = leg.rtcp.take()?;
        let mut report = Vec::new();
        rtcp.bye(now, &mut leg.judge.meter.reception, sender, &mut report);
        leg.out.send_rtcp(&report, &mut bench.outbox, &mut bench.outbound);
        Some(report)
    }

    fn report(&self, leg: &mut Leg, now: f64, core: &Core, bench: &mut Bench) {
        if leg.rtcp.as_ref().is_none_or(|rtcp| rtcp.next_deadline() > now) {
            return;
        }
        let sender = sender_info(leg, now);
        let Leg { rtcp, judge, .. } = leg;
        let mut report = Vec::new();
        if rtcp
            .as_mut()
            .is_some_and(|rtcp| rtcp.handle_timeout(now, &mut judge.meter.reception, sender, &mut report))
        {
            self.send_report(leg, report, core, bench);
        }
    }

    fn send_report(&self, leg: &mut Leg, report: Vec<u8>, core: &Core, bench: &mut Bench) {
        leg.out.send_rtcp(&report, &mut bench.outbox, &mut bench.outbound);
        if leg.wants_reports {
            core.events.push(
                self.token,
                What::Report {
                    is_inbound: false,
                    packet: report,
                },
            );
        }
    }

    // What Python changes

    /// Do something with what the far end hears; the leg is looked at right afterwards. None: it hears nothing yet.
    pub fn with_pipeline<T>(self: &Arc<Self>, core: &Core, change: impl FnOnce(&mut Pipeline) -> T) -> Option<T> {
        let mut leg = self.lock();
        let result = change(leg.pipeline.as_mut()?);
        self.arm(&mut leg, Some(monotonic()), core);
        Some(result)
    }

    /// Change anything that timers depend on.
    pub fn change(self: &Arc<Self>, core: &Core, change: impl FnOnce(&mut Leg)) {
        let mut leg = self.lock();
        change(&mut leg);
        let deadline = next_deadline(&leg);
        self.arm(&mut leg, deadline, core);
    }

    /// Somebody else hears this leg, and is heard by it: what is counted begins anew.
    pub fn connect(&self, peer: Weak<LegCell>, core: &Core) {
        let mut leg = self.lock();
        if !Weak::ptr_eq(&leg.peer, &peer) {
            let Leg { judge, pipeline, .. } = &mut *leg;
            for warning in judge.restart(pipeline.as_ref()) {
                let is_raised = false;
                core.events.push(self.token, What::Warning { warning, is_raised });
            }
        }
        leg.peer = peer;
    }

    /// The far end has nominated a pair.
    pub fn nominated(self: &Arc<Self>, generation: u64, address: usize, remote: SocketAddr, core: &Core) {
        let mut leg = self.lock();
        let Route::Path(path) = &mut leg.out.route else { return };
        if !path.nominated(generation, (address, remote)) {
            return;
        }
        if leg.out.keys.mode() == Mode::Unkeyed {
            leg.judge.found_path(monotonic());
            let deadline = next_deadline(&leg);
            self.arm(&mut leg, deadline, core);
        }
        core.events.push(
            self.token,
            What::Path {
                generation,
                address,
                remote,
            },
        );
    }

    /// Nothing comes out any more; sockets are closed as soon as no worker looks at them.
    pub fn close(&self) {
        let mut leg = self.lock();
        leg.pipeline = None;
        leg.rtcp = None;
        leg.peer = Weak::new();
        leg.out.route = Route::None;
        leg.out.keys = Keys::default();
        leg.judge.stop();
    }
}

/// For a sender report; none when nothing has left since the last one (RFC 3550 section 6.4).
fn sender_info(leg: &mut Leg, now: f64) -> Option<SenderInfo> {
    let sent = leg.out.counters.packets_sent;
    let info = leg.pipeline.as_ref()?.sender_info(now)?;
    if sent == leg.reported {
        return None;
    }
    leg.reported = sent;
    Some(info)
}

/// When the far end has been silent for too long.
fn silence_ends(leg: &Leg) -> Option<f64> {
    let silence = &leg.silence;
    let may_be_silent = silence.timeout <= 0.0 || silence.is_held || silence.has_failed || !leg.may_receive;
    if may_be_silent || !matches!(leg.out.route, Route::Pair(_)) || leg.payload_types == 0 {
        return None;
    }
    Some(silence.since.max(leg.last_received.unwrap_or(0.0)) + silence.timeout)
}

fn next_deadline(leg: &Leg) -> Option<f64> {
    [
        leg.pipeline.as_ref().and_then(Pipeline::next_deadline),
        leg.rtcp.as_ref().map(RtcpSession::next_deadline),
        leg.judge.deadline(leg.pipeline.is_some()),
        silence_ends(leg),
        leg.tickets.iter().map(|(due, _)| *due).min_by(f64::total_cmp),
    ]
    .into_iter()
    .flatten()
    .min_by(f64::total_cmp)
}

fn report_digits(leg: u64, core: &Core, bench: &mut Bench) {
    for digit in bench.digits.drain(..) {
        core.events.push(
            leg,
            What::Digit {
                digit: digit.digit,
                duration: digit.duration,
            },
        );
    }
}
