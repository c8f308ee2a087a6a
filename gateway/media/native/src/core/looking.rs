//! Looks at a leg: a judge knows one half, the other is asked of the peer first, so that two locks are never held at once.

use super::Core;
use super::event::What;
use super::judge::{Circumstances, Verdict, played};
use super::leg::{Leg, LegCell};
use crate::quality::ear::Heard;
use crate::quality::history::Sample;
use crate::sys::monotonic;

impl LegCell {
    /// What became of this leg's sound at its peer.
    fn heard_by_peer(&self, now: f64) -> Option<Heard> {
        let peer = self.lock().peer.upgrade()?;
        let leg = peer.lock();
        let pipeline = leg.pipeline.as_ref()?;
        Some(leg.judge.ear.heard(played(Some(pipeline)), now))
    }

    /// See how it does: warn, and remember. About once a second.
    pub fn look(&self, now: f64, core: &Core) {
        let heard = self.heard_by_peer(now);
        let mut leg = self.lock();
        if let Some(pipeline) = &mut leg.pipeline {
            // the encoder goes on as it is if libopus refuses: dearer, but heard
            let _ = pipeline.set_scarce(core.load.is_scarce());
        }
        let may_receive = leg.may_receive && !leg.silence.is_held;
        let Leg {
            judge,
            out,
            rtcp,
            pipeline,
            ..
        } = &mut *leg;
        let circumstances = Circumstances::of(out, rtcp.as_ref(), pipeline.as_ref(), may_receive);
        judge.look(now, &circumstances, heard.as_ref(), |warning, is_raised| {
            core.events.push(self.token, What::Warning { warning, is_raised });
        });
    }

    /// How good it is, all in all.
    pub fn verdict(&self) -> Verdict {
        let heard = self.heard_by_peer(monotonic());
        let leg = self.lock();
        let now = Circumstances::of(&leg.out, leg.rtcp.as_ref(), leg.pipeline.as_ref(), leg.may_receive);
        leg.judge.verdict(&now, heard.as_ref())
    }

    /// How good it was in each of the last seconds.
    pub fn history(&self) -> Vec<Sample> {
        self.lock().judge.samples()
    }
}
