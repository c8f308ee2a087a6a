//! The loop.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use _native::sys::monotonic;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::call::Call;
use crate::config::{Config, Measure};
use crate::figures::{Direction, Figures, percentile};
use crate::stream::FRAME;

/// Seconds between two checks of a call (RFC 7675 section 5.1 has 5 s).
const CHECK: f64 = 5.0;

/// Seconds that the last packets may still take.
const DRAIN: f64 = 0.5;

/// Ticks a second of /proc (USER_HZ, the same on all architectures that Debian knows but Alpha).
const USER_HZ: f64 = 100.0;

/// Packets that leave before the sockets are looked at again.
const MOST_AT_ONCE: usize = 16;

const PAGE: u64 = 4096;
const TIMER: u64 = u64::MAX;
const DATAGRAM: usize = 2048;

/// Talk for as long as the configuration says.
pub fn run(config: Config) -> io::Result<Figures> {
    let numbered = (0..).zip(&config.calls);
    let calls = numbered
        .map(|(number, call)| Call::new(number, call, &config))
        .collect::<io::Result<Vec<_>>>()?;
    let mut run = Run::new(config, calls)?;
    run.talk()?;
    Ok(run.figures())
}

struct Run {
    config: Config,
    calls: Vec<Call>,
    epoll: Epoll,
    timer: TimerFd,
    began: f64,
    /// Packets of all streams that are due so far; stream after stream, evenly spread over a frame.
    sent: u64,
    checked: u64,
    lateness: Vec<f32>,
    send_errors: u64,
    /// Server's processor time at the beginning of the window, and when that was.
    opened: Option<(f64, f64)>,
    closed: Option<(f64, f64, u64)>,
}

impl Run {
    fn new(config: Config, calls: Vec<Call>) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for (number, call) in (0u64..).zip(&calls) {
            epoll.add(&call.web.socket, EpollEvent::new(EpollFlags::EPOLLIN, 2 * number))?;
            epoll.add(&call.sip.socket, EpollEvent::new(EpollFlags::EPOLLIN, 2 * number + 1))?;
        }
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        epoll.add(timer.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self {
            config,
            calls,
            epoll,
            timer,
            began: monotonic(),
            sent: 0,
            checked: 0,
            lateness: Vec::new(),
            send_errors: 0,
            opened: None,
            closed: None,
        })
    }

    fn talk(&mut self) -> io::Result<()> {
        let (opens, closes) = (self.config.warm_up, self.config.warm_up + self.config.seconds);
        let mut packet = Vec::with_capacity(DATAGRAM);
        loop {
            let elapsed = monotonic() - self.began;
            if self.opened.is_none() && elapsed >= opens {
                self.open()?;
            }
            if self.closed.is_none() && elapsed >= closes {
                let (cpu, memory) = usage(self.config.server)?;
                self.closed = Some((monotonic(), cpu, memory));
            }
            if elapsed >= closes + DRAIN {
                return Ok(());
            }
            if self.closed.is_none() {
                self.send_due(&mut packet);
            }
            self.receive(&mut packet)?;
        }
    }

    fn open(&mut self) -> io::Result<()> {
        for call in &mut self.calls {
            call.web.sender.first = Some(call.web.sender.count);
            call.sip.sender.first = Some(call.sip.sender.count);
        }
        let (cpu, _) = usage(self.config.server)?;
        self.opened = Some((monotonic(), cpu));
        Ok(())
    }

    fn spacing(&self) -> f64 {
        FRAME / (2 * self.calls.len()) as f64
    }

    /// When the next packet is due.
    fn due(&self) -> f64 {
        self.began + self.sent as f64 * self.spacing()
    }

    fn send_due(&mut self, packet: &mut Vec<u8>) {
        let now = monotonic();
        // Not all that is due: a generator that is late has to go on receiving, or it never catches up.
        for _ in 0..MOST_AT_ONCE {
            if self.due() > now {
                break;
            }
            let at = monotonic();
            if self.opened.is_some() {
                self.lateness.push(((at - self.due()) * 1000.0) as f32);
            }
            // A call's two ends talk half a frame apart.
            let (stream, count) = (self.sent as usize % (2 * self.calls.len()), self.calls.len());
            let is_taken = if stream < count {
                self.calls[stream].send_web(&self.config, at, packet)
            } else {
                self.calls[stream - count].send_sip(&self.config, at, packet)
            };
            self.send_errors += u64::from(!is_taken);
            self.sent += 1;
        }
        let every = CHECK / self.calls.len() as f64;
        while self.began + self.checked as f64 * every <= now {
            let number = self.checked as usize % self.calls.len();
            self.send_errors += u64::from(!self.calls[number].check());
            self.checked += 1;
        }
    }

    fn receive(&mut self, packet: &mut Vec<u8>) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 32];
        let timeout = if self.config.spins {
            EpollTimeout::ZERO
        } else {
            self.sleep()?
        };
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(nix::errno::Errno::EINTR) => 0,
            other => other?,
        };
        let counts = self.opened.is_some() && (self.closed.is_none() || self.config.measure == Measure::Stamps);
        for event in &events[..count] {
            let Ok(number) = usize::try_from(event.data()) else {
                continue;
            };
            let Some(call) = self.calls.get_mut(number / 2) else {
                continue;
            };
            let socket = if number % 2 == 0 {
                &call.web.socket
            } else {
                &call.sip.socket
            };
            packet.resize(DATAGRAM, 0);
            let Ok(size) = socket.recv(packet) else { continue }; // a refusal of a port: shows as loss
            packet.truncate(size);
            let now = monotonic();
            if number % 2 == 0 {
                call.receive_web(packet, now, counts);
            } else {
                call.receive_sip(packet, now, counts);
            }
        }
        Ok(())
    }

    /// Arm the timer for the next packet.
    fn sleep(&self) -> io::Result<EpollTimeout> {
        let end = self.began + self.config.warm_up + self.config.seconds + DRAIN;
        let next = if self.closed.is_none() { self.due() } else { end };
        let at = Duration::from_secs_f64(next.max(0.0));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
        self.timer.set(Expiration::OneShot(at.into()), flags)?;
        Ok(EpollTimeout::NONE)
    }

    fn figures(mut self) -> Figures {
        let (opened, closed) = (self.opened.unwrap_or_default(), self.closed.unwrap_or_default());
        let (mut web_to_sip, mut sip_to_web) = (Direction::default(), Direction::default());
        let (mut at_sip, mut at_web) = (Vec::new(), Vec::new());
        let is_stamped = self.config.measure == Measure::Stamps;
        for call in &mut self.calls {
            for (direction, from, to, delays) in [
                (&mut web_to_sip, &call.web, &call.sip, &mut at_sip),
                (&mut sip_to_web, &call.sip, &call.web, &mut at_web),
            ] {
                let sent = from.sender.first.unwrap_or(0)..from.sender.count;
                direction.sent += u64::from(sent.end - sent.start);
                direction.received += if is_stamped { to.seen.among(sent) } else { to.received };
                direction.repeated += to.repeated;
                delays.extend_from_slice(&to.delays);
            }
        }
        Figures {
            web_to_sip: web_to_sip.with_delays(at_sip),
            sip_to_web: sip_to_web.with_delays(at_web),
            seconds: closed.0 - opened.0,
            server_cpu: closed.1 - opened.1,
            generator_cpu: usage(std::process::id()).map_or(0.0, |(cpu, _)| cpu),
            server_memory: closed.2,
            late_p99: percentile(&mut self.lateness, 0.99).unwrap_or(0.0),
            late_max: self.lateness.last().copied().map_or(0.0, f64::from),
            send_errors: self.send_errors,
            bad: self.calls.iter().map(|call| call.bad).sum(),
            checks: self.calls.iter().map(|call| call.checks).sum(),
        }
    }
}

/// Processor time of a process, user and system, in seconds, and its resident bytes (proc(5)).
fn usage(process: u32) -> io::Result<(f64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program stands in brackets, and may have spaces.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let field = |at: usize| {
        rest.split_whitespace()
            .nth(at)
            .and_then(|word| word.parse::<u64>().ok())
    };
    match (field(11), field(12), field(21)) {
        (Some(user), Some(system), Some(pages)) => Ok(((user + system) as f64 / USER_HZ, pages * PAGE)),
        _ => Err(io::Error::other("unreadable /proc/PID/stat")),
    }
}
