//! What Python, and the far end's nominations, change in a leg.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use super::timing::next_deadline;
use super::{Leg, LegCell};
use crate::core::Core;
use crate::core::event::What;
use crate::core::keys::{Keys, Mode};
use crate::core::route::Route;
use crate::pipeline::Pipeline;
use crate::sys::monotonic;

impl LegCell {
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
