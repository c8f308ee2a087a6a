//! One leg of a call: what protects it, where its packets go, the stream that its far end hears, and its timers.
//!
//! Two legs that hear each other know each other (`peer`). A packet that comes in on one is taken under that leg's lock
//! and then handed to the other under the other's: two locks are never held at once.

mod changing;
mod receiving;
mod reporting;
mod timing;

use std::sync::Weak;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::Core;
use super::event::What;
use super::judge::Judge;
use super::out::Out;
use super::outbox::Bench;
use super::route::Route;
use crate::pipeline::Pipeline;
use crate::rtcp::RtcpSession;

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
