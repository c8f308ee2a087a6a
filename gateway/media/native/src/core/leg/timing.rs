//! What a leg does because time has passed.

use std::sync::Arc;

use super::{Leg, LegCell, report_digits};
use crate::core::Core;
use crate::core::event::What;
use crate::core::out::Sending;
use crate::core::outbox::Bench;
use crate::core::route::Route;
use crate::pipeline::Pipeline;
use crate::rtcp::RtcpSession;

impl LegCell {
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

/// When the far end has been silent for too long.
fn silence_ends(leg: &Leg) -> Option<f64> {
    let silence = &leg.silence;
    let may_be_silent = silence.timeout <= 0.0 || silence.is_held || silence.has_failed || !leg.may_receive;
    if may_be_silent || !matches!(leg.out.route, Route::Pair(_)) || leg.payload_types == 0 {
        return None;
    }
    Some(silence.since.max(leg.last_received.unwrap_or(0.0)) + silence.timeout)
}

pub(super) fn next_deadline(leg: &Leg) -> Option<f64> {
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
