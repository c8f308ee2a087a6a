//! When legs want to be looked at again. One table for each worker.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use parking_lot::Mutex;

use super::leg::LegCell;
use crate::sys::Waker;

struct Due {
    at: f64,
    leg: Weak<LegCell>,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest, for `BinaryHeap` gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at)
    }
}

/// Deadlines, and the worker that sleeps until the first of them.
pub struct Timers {
    due: Mutex<BinaryHeap<Due>>,
    sleeps_until: AtomicU64,
    waker: Waker,
}

impl Timers {
    /// None yet; `waker` ends the worker's sleep.
    pub fn new(waker: Waker) -> Self {
        Self {
            due: Mutex::new(BinaryHeap::new()),
            sleeps_until: AtomicU64::new(AWAKE),
            waker,
        }
    }

    /// What ends the worker's sleep.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Look at that leg at that time (seconds).
    pub fn push(&self, at: f64, leg: Weak<LegCell>) {
        self.due.lock().push(Due { at, leg });
        let sleeps_until = f64::from_bits(self.sleeps_until.load(Memory::SeqCst));
        if at < sleeps_until {
            self.waker.wake();
        }
    }

    /// Take the next one that is due, and the time that it was due at.
    pub fn pop(&self, now: f64) -> Option<(f64, Weak<LegCell>)> {
        let mut due = self.due.lock();
        if due.peek()?.at > now {
            return None;
        }
        due.pop().map(|due| (due.at, due.leg))
    }

    /// Go to sleep until the next one, or until `latest`: until when. Whatever comes in before it wakes the worker.
    pub fn sleep(&self, latest: f64) -> f64 {
        let due = self.due.lock();
        let until = due.peek().map_or(latest, |due| due.at.min(latest));
        self.sleeps_until.store(until.to_bits(), Memory::SeqCst);
        until
    }

    /// The worker is awake, and will look at the table by itself.
    pub fn awake(&self) {
        self.sleeps_until.store(AWAKE, Memory::SeqCst);
    }
}

/// Zero as a number: no deadline is before it.
const AWAKE: u64 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let timers = Timers::new(Waker::new().unwrap());
        for at in [3.0, 1.0, 2.0] {
            timers.push(at, Weak::new());
        }

        assert_eq!(timers.sleep(10.0), 1.0);
        assert_eq!(timers.pop(0.5).map(|due| due.0), None);
        assert_eq!(timers.pop(2.5).map(|due| due.0), Some(1.0));
        assert_eq!(timers.pop(2.5).map(|due| due.0), Some(2.0));
        assert_eq!(timers.pop(2.5).map(|due| due.0), None);
    }
}
