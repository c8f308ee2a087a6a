//! The loop of one worker: all that is ready is taken, worked on, and sent; then it rests a little.
//! How long is `pace`'s to say; with nothing to do the worker sleeps.

use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollTimeout};

use super::leg::LegCell;
use super::load::{Limit, Watch};
use super::outbox::Bench;
use super::pace::Pace;
use super::{Core, Listening, SHARED, WAKER, Worker};
use crate::sys::{ReceiveBatch, Turns, monotonic, prefetch, processor_time};

/// Descriptors that one poll reports at most.
const MAX_READY: usize = 256;
/// Datagrams that one call takes at most.
const BATCH: usize = 32;
/// Calls for one shared socket in one round: under a flood, timers get their turn.
const MAX_CALLS: usize = 16;
/// Deadlines that are met in one round: packets get their turn too.
const MAX_FIRED: usize = 4096;
/// Seconds between two looks at who is gone.
const CONSENT_CHECK: f64 = 0.5;
/// Seconds that a worker wants the processor for at a time: packets come often, and want little.
const TURN: f64 = 0.0001;
/// Share of a processor above which a worker leaves others too little to go before them, and below which it may again.
/// The time that it waits for one is not in it, so that it cannot be kept back by what it has itself given way to.
const STARVING: Limit = Limit::new(0.85, 0.75);
/// Seconds that a worker sleeps at most.
const LONGEST_SLEEP: f64 = 60.0;

/// Until `Core::stop`. `tell_rank` is told once whether the thread goes before others of the machine.
pub fn run(core: &Core, index: usize, tell_rank: impl FnOnce(bool)) {
    let mut rank = Rank::new(core.settings().realtime);
    tell_rank(rank.is_first);
    let worker = core.worker(index);
    let mut bench = Bench::new(core.settings().addresses.len());
    let mut batch = ReceiveBatch::new(BATCH);
    let mut ready = [EpollEvent::empty(); MAX_READY];
    let mut own = Vec::with_capacity(MAX_READY);
    let mut consent_check = monotonic() + CONSENT_CHECK;
    let mut watch = Watch::new(index, monotonic());
    let mut pace = Pace::new(core.settings().tick, monotonic());
    loop {
        let latest = if index == 0 {
            consent_check
        } else {
            monotonic() + LONGEST_SLEEP
        };
        let latest = watch.deadline().map_or(latest, |due| due.min(latest));
        let until = worker.timers.sleep(latest);
        let count = match worker.poll.wait(&mut ready, timeout(until)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(_) => return, // the poll itself is gone: only when the process ends
        };
        worker.timers.awake();
        if core.is_stopping() {
            return;
        }
        let now = monotonic();
        find_own(worker, &ready[..count], &mut own);
        for event in &ready[..count] {
            match event.data() {
                WAKER => worker.timers.waker().clear(),
                key if key >= SHARED => read_shared(core, index, (key - SHARED) as usize, &mut batch, &mut bench),
                _ => {}
            }
        }
        for listening in own.drain(..) {
            read_own(core, &listening, &mut batch, &mut bench);
        }
        fire(core, index, &mut bench);
        if index == 0 && now >= consent_check {
            consent_check = now + CONSENT_CHECK;
            core.browsers.handle_timeout(now, core);
        }
        bench.outbox.flush(&worker.shared);
        let ended = monotonic();
        if watch.worked(now, ended, &core.load) {
            rank.look(ended);
        }
        if let Some(rest) = pace.rest(count, now, ended) {
            std::thread::sleep(Duration::from_secs_f64(rest.min(1.0)));
        }
        pace.free_since(monotonic());
    }
}

/// When the worker gets a processor that others want too: at once, as long as it leaves them some of it.
struct Rank {
    turns: Turns,
    is_first: bool,
    starving: Limit,
    used: f64,
    since: f64,
}

impl Rank {
    fn new(wants_first: bool) -> Self {
        let turns = Turns::of_this_thread();
        let is_first = wants_first && turns.go_first().is_ok();
        let rank = Self {
            turns,
            is_first,
            starving: STARVING,
            used: processor_time(),
            since: monotonic(),
        };
        if !is_first {
            rank.take(false);
        }
        rank
    }

    /// With too little left for them it would starve whoever makes calls and ends them.
    fn look(&mut self, now: f64) {
        let used = processor_time();
        let share = (used - self.used) / (now - self.since);
        (self.used, self.since) = (used, now);
        if let Some(is_starving) = self.starving.follow(share) {
            self.take(!is_starving);
        }
    }

    fn take(&self, may_be_first: bool) {
        // what is refused leaves the thread where it is: packets may wait for the end of somebody's turn
        let _ = if self.is_first && may_be_first {
            self.turns.go_first()
        } else {
            self.turns.be_short(TURN)
        };
    }
}

fn timeout(until: f64) -> EpollTimeout {
    let wait = ((until - monotonic()) * 1000.0)
        .ceil()
        .clamp(0.0, LONGEST_SLEEP * 1000.0);
    EpollTimeout::try_from(wait as i32).unwrap_or(EpollTimeout::ZERO)
}

/// The sockets of legs among those that are ready. What is known of such a leg has left the processor's caches since its
/// last packet: fetching it begins here, while the packets of others are worked on.
fn find_own(worker: &Worker, ready: &[EpollEvent], own: &mut Vec<Arc<Listening>>) {
    let sockets = worker.sockets.read();
    let found = ready.iter().filter_map(|event| sockets.get(&event.data()));
    own.extend(
        found
            .inspect(|listening| prefetch(listening.leg.as_ptr()))
            .map(Arc::clone),
    );
}

fn read_own(core: &Core, listening: &Listening, batch: &mut ReceiveBatch, bench: &mut Bench) {
    let Some(leg) = listening.leg.upgrade() else { return };
    for _ in 0..MAX_CALLS {
        let count = receive(batch, &listening.socket);
        let now = monotonic();
        for at in 0..count {
            if let Some((datagram, source)) = batch.datagram(at) {
                guarded(core, &leg, || {
                    leg.receive(listening.component, datagram, source, now, core, bench)
                });
            }
        }
        if count < BATCH {
            return;
        }
    }
}

fn read_shared(core: &Core, index: usize, address: usize, batch: &mut ReceiveBatch, bench: &mut Bench) {
    let Some(socket) = core.worker(index).shared.get(address) else {
        return;
    };
    for _ in 0..MAX_CALLS {
        let count = receive(batch, socket);
        let now = monotonic();
        for at in 0..count {
            if let Some((datagram, source)) = batch.datagram(at) {
                // Which leg it would have been for is not known out here: the count of rejected datagrams shows it
                let work = || core.browsers.receive(address, datagram, source, now, core, bench);
                if catch_unwind(AssertUnwindSafe(work)).is_err() {
                    core.reject(super::Reason::NotRtp);
                }
            }
        }
        if count < BATCH {
            return;
        }
    }
}

fn receive(batch: &mut ReceiveBatch, socket: &UdpSocket) -> usize {
    // An error is nothing to read, or ICMP for something that we sent: the next read is fine again
    batch.receive(socket).unwrap_or(0)
}

fn fire(core: &Core, index: usize, bench: &mut Bench) {
    let timers = &core.worker(index).timers;
    for _ in 0..MAX_FIRED {
        let now = monotonic();
        let Some((at, leg)) = timers.pop(now) else { return };
        if let Some(leg) = leg.upgrade() {
            guarded(core, &leg, || leg.fire(at, now, core, bench));
        }
    }
}

/// A defect in the handling of one packet costs that packet, not the worker.
fn guarded(core: &Core, leg: &Arc<LegCell>, work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        leg.crashed(core);
    }
}
