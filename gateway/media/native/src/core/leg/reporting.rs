//! Reports about both directions of a leg (RTCP): those of the far end, and ours.

use super::{Leg, LegCell, Reason};
use crate::core::Core;
use crate::core::event::What;
use crate::core::outbox::Bench;
use crate::rtcp::SenderInfo;

impl LegCell {
    pub(super) fn take_report(&self, leg: &mut Leg, now: f64, core: &Core, bench: &Bench) {
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

    pub(super) fn report(&self, leg: &mut Leg, now: f64, core: &Core, bench: &mut Bench) {
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
