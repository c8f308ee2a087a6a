//! Workers that own the packets: sockets, timers and legs. Nothing here ever waits for Python.

mod event;
mod judge;
mod keys;
mod leg;
mod load;
mod looking;
mod out;
mod outbox;
mod pace;
mod route;
mod sequence;
mod shared;
#[cfg(test)]
mod tests;
mod timers;
mod worker;

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak, mpsc};
use std::thread::JoinHandle;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use parking_lot::{Mutex, RwLock};

pub use event::{Event, EventQueue, What};
pub use judge::{Judge, Verdict};
pub use keys::{Key, Mode};
pub use leg::{Leg, LegCell, REASONS, Reason};
pub use load::Load;
pub use out::Counters;
pub use outbox::Bench;
pub use route::{Pair, Path, Route};
pub use shared::Browsers;
use timers::Timers;

use crate::sys::Waker;

/// How the workers do their work.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many threads; at least one.
    pub workers: usize,
    /// Seconds that a packet may be held so that several leave together.
    pub tick: f64,
    /// Whether the workers go before every ordinary thread of the machine, where they may.
    pub realtime: bool,
    /// Of libopus' encoders, 0 to 10; None goes along with the voice and the load.
    pub complexity: Option<u8>,
    /// Our addresses that browsers reach, with the port that all of them share.
    pub addresses: Vec<SocketAddr>,
    /// Seconds without an authentic check after which a browser is gone (RFC 7675).
    pub consent_timeout: f64,
}

/// A socket of one leg, in the table of the worker that reads it.
pub struct Listening {
    /// Whose it is.
    pub leg: Weak<LegCell>,
    /// The socket.
    pub socket: Arc<UdpSocket>,
    /// 0 for RTP, 1 for RTCP.
    pub component: u8,
}

/// What others see of a worker.
pub struct Worker {
    pub(crate) poll: Epoll,
    pub(crate) timers: Timers,
    pub(crate) sockets: RwLock<HashMap<u64, Arc<Listening>>>,
    /// One for each of our addresses, the ports of which all workers share.
    pub(crate) shared: Vec<UdpSocket>,
}

/// Keys of what a worker polls: those below are sockets of legs.
pub(crate) const WAKER: u64 = u64::MAX;
pub(crate) const SHARED: u64 = 1 << 62;

/// All of it. One a process.
pub struct Core {
    /// What Python is told.
    pub events: EventQueue,
    /// ICE of all browsers.
    pub browsers: Browsers,
    /// Whether the workers have time to spare.
    pub load: Load,
    settings: Settings,
    workers: Vec<Worker>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    is_stopping: AtomicBool,
    is_first: AtomicBool,
    tokens: AtomicU64,
    rejected: [AtomicU64; REASONS],
}

impl Core {
    /// Bind the shared sockets and start the workers.
    pub fn start(settings: Settings) -> io::Result<Arc<Self>> {
        let workers = (0..settings.workers.max(1))
            .map(|_| Worker::new(&settings.addresses))
            .collect::<io::Result<_>>()?;
        let core = Arc::new(Self {
            load: Load::new(settings.workers.max(1)),
            events: EventQueue::new()?,
            browsers: Browsers::new(settings.consent_timeout),
            workers,
            settings,
            threads: Mutex::new(Vec::new()),
            is_stopping: AtomicBool::new(false),
            is_first: AtomicBool::new(false),
            tokens: AtomicU64::new(1),
            rejected: Default::default(),
        });
        let (tell, told) = mpsc::channel();
        for index in 0..core.workers.len() {
            let (shared, tell) = (Arc::clone(&core), tell.clone());
            let thread = std::thread::Builder::new()
                .name(format!("media-{index}"))
                .spawn(move || {
                    worker::run(&shared, index, |is_first| {
                        let _ = tell.send(is_first); // nobody waits any more: the start has failed
                    });
                })?;
            core.threads.lock().push(thread);
        }
        drop(tell);
        let is_first = told.iter().take(core.workers.len()).all(|is_first| is_first);
        core.is_first.store(is_first, Ordering::SeqCst);
        Ok(core)
    }

    /// End the workers. Idempotent. Legs that are left get no packets any more.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        for worker in &self.workers {
            worker.timers.waker().wake();
        }
        for thread in self.threads.lock().drain(..) {
            let _ = thread.join(); // a worker that panicked has said so
        }
    }

    /// Whether `stop` was called.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Whether all workers go before every ordinary thread of the machine.
    pub fn is_first(&self) -> bool {
        self.is_first.load(Ordering::SeqCst)
    }

    /// As it was started.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A number that nothing else has: of a leg, a generation, a ticket. They grow.
    pub fn token(&self) -> u64 {
        self.tokens.fetch_add(1, Ordering::Relaxed)
    }

    /// A new leg; its timers belong to one of the workers.
    pub fn leg(&self, route: Route, silence_timeout: f64) -> Arc<LegCell> {
        let token = self.token();
        Arc::new(LegCell::new(
            token,
            (token % self.workers.len() as u64) as usize,
            route,
            silence_timeout,
        ))
    }

    /// Read a socket of a leg from now on.
    ///
    /// The poll tells once that something has come (edge-triggered), not again until it was read. What one round leaves
    /// behind, or hides behind an error, waits for the next datagram.
    pub fn listen(&self, leg: &Arc<LegCell>, socket: Arc<UdpSocket>, component: u8) -> io::Result<()> {
        let worker = &self.workers[leg.home];
        let key = 2 * leg.token + u64::from(component);
        let listening = Listening {
            leg: Arc::downgrade(leg),
            socket: Arc::clone(&socket),
            component,
        };
        worker.sockets.write().insert(key, Arc::new(listening));
        worker
            .poll
            .add(
                socket.as_fd(),
                EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, key),
            )
            .map_err(io::Error::from)
    }

    /// Do not read the sockets of a leg any more. They are closed when nobody has them in hand.
    pub fn ignore(&self, leg: &LegCell) {
        let worker = &self.workers[leg.home];
        for component in 0..2 {
            if let Some(listening) = worker.sockets.write().remove(&(2 * leg.token + component)) {
                let _ = worker.poll.delete(listening.socket.as_fd()); // it was never added: nothing to do
            }
        }
    }

    /// The timers of a worker.
    pub(crate) fn timers(&self, worker: usize) -> &Timers {
        &self.workers[worker].timers
    }

    pub(crate) fn worker(&self, index: usize) -> &Worker {
        &self.workers[index]
    }

    /// Count a datagram that was not taken.
    pub fn reject(&self, reason: Reason) {
        self.rejected[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were not taken, for each `Reason` in its order.
    pub fn rejected(&self) -> [u64; REASONS] {
        std::array::from_fn(|at| self.rejected[at].load(Ordering::Relaxed))
    }

    /// Do some work on another thread than a worker's: what it sends leaves at once.
    pub fn at_once<T>(&self, work: impl FnOnce(&mut Bench) -> T) -> T {
        let mut bench = Bench::new(self.settings.addresses.len());
        let result = work(&mut bench);
        bench.outbox.flush(&self.workers[0].shared);
        result
    }
}

impl Worker {
    fn new(addresses: &[SocketAddr]) -> io::Result<Self> {
        let poll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let waker = Waker::new()?;
        poll.add(&waker, EpollEvent::new(EpollFlags::EPOLLIN, WAKER))?;
        let shared = addresses
            .iter()
            .map(|address| shared::bind(*address))
            .collect::<io::Result<Vec<_>>>()?;
        for (at, socket) in shared.iter().enumerate() {
            poll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, SHARED + at as u64))?;
        }
        Ok(Self {
            poll,
            timers: Timers::new(waker),
            sockets: RwLock::new(HashMap::new()),
            shared,
        })
    }
}
