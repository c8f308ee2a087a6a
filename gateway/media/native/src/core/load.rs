//! Whether the workers have time to spare: each measures how much of a second it was not at rest.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Seconds over which a worker's load is measured.
const INTERVAL: f64 = 1.0;
/// Share of the time above which a worker has none to spare, and below which it has again: what is saved under load must
/// not be what ends it.
const SCARCE: Limit = Limit::new(0.8, 0.3);

/// What is too much until it is little enough again.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    above: f64,
    below: f64,
    is_over: bool,
}

impl Limit {
    /// Over it from more than `above` on, until less than `below`.
    pub const fn new(above: f64, below: f64) -> Self {
        Self {
            above,
            below,
            is_over: false,
        }
    }

    /// Whether it is over it now, when that has changed.
    pub fn follow(&mut self, share: f64) -> Option<bool> {
        let is_over = if self.is_over {
            share >= self.below
        } else {
            share > self.above
        };
        (is_over != self.is_over).then(|| {
            self.is_over = is_over;
            is_over
        })
    }
}

/// What is known of all workers.
pub struct Load {
    scarce: AtomicUsize,
    shares: Box<[AtomicU64]>,
}

impl Load {
    /// Of so many workers, none of which has done anything yet.
    pub fn new(workers: usize) -> Self {
        Self {
            scarce: AtomicUsize::new(0),
            shares: (0..workers).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether one of them has no time to spare.
    pub fn is_scarce(&self) -> bool {
        self.scarce.load(Ordering::Relaxed) > 0
    }

    /// For each worker, which share of the last second or so it was at work: 0 to 1.
    pub fn shares(&self) -> Vec<f64> {
        let shares = self.shares.iter();
        shares
            .map(|share| f64::from_bits(share.load(Ordering::Relaxed)))
            .collect()
    }
}

/// What one worker measures of itself.
pub struct Watch {
    worker: usize,
    since: f64,
    at_work: f64,
    share: f64,
    scarce: Limit,
}

impl Watch {
    /// Of that worker, which begins at that time.
    pub fn new(worker: usize, now: f64) -> Self {
        Self {
            worker,
            since: now,
            at_work: 0.0,
            share: 0.0,
            scarce: SCARCE,
        }
    }

    /// A round is over that began and ended at these times; waiting for a processor is work too. Whether it was the last
    /// one of an interval.
    pub fn worked(&mut self, began: f64, ended: f64, load: &Load) -> bool {
        self.at_work += ended - began;
        let elapsed = ended - self.since;
        if elapsed < INTERVAL {
            return false;
        }
        self.share = (self.at_work / elapsed).min(1.0);
        (self.since, self.at_work) = (ended, 0.0);
        load.shares[self.worker].store(self.share.to_bits(), Ordering::Relaxed);
        match self.scarce.follow(self.share) {
            Some(true) => load.scarce.fetch_add(1, Ordering::Relaxed),
            Some(false) => load.scarce.fetch_sub(1, Ordering::Relaxed),
            None => 0,
        };
        true
    }

    /// When the worker should look again, though nothing comes: until it has said that it rests.
    pub fn deadline(&self) -> Option<f64> {
        (self.share > 0.01).then_some(self.since + INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of a tenth of a second, so much of it at work, for so many seconds.
    fn work(watch: &mut Watch, load: &Load, now: &mut f64, share: f64, seconds: f64) {
        let until = *now + seconds;
        while *now < until {
            watch.worked(*now, *now + 0.1 * share, load);
            *now += 0.1;
        }
    }

    #[test]
    fn time_is_scarce_from_four_fifths_on_and_until_it_is_plenty() {
        let load = Load::new(2);
        let (mut busy, mut idle) = (Watch::new(0, 100.0), Watch::new(1, 100.0));
        let mut seen = Vec::new();
        let (mut now, mut idles) = (100.0, 100.0);
        for share in [0.7, 0.95, 0.5, 0.35, 0.2, 0.7] {
            work(&mut busy, &load, &mut now, share, 3.0);
            work(&mut idle, &load, &mut idles, 0.0, 3.0);
            seen.push(load.is_scarce());
        }

        assert_eq!(seen, [false, true, true, true, false, false]);
        let shares = load.shares();
        assert!((shares[0] - 0.7).abs() < 0.08, "{shares:?}");
        assert!(shares[1] < 0.01, "{shares:?}");
    }

    #[test]
    fn too_much_is_over_when_it_is_little_enough() {
        let mut limit = Limit::new(0.8, 0.5);

        let said = [0.8, 0.81, 0.9, 0.6, 0.5, 0.49, 0.1, 0.7, 0.85].map(|share| limit.follow(share));

        let (over, not) = (Some(true), Some(false));
        assert_eq!(said, [None, over, None, None, None, not, None, None, over]);
    }

    #[test]
    fn a_worker_that_has_nothing_to_do_looks_once_more_and_then_rests() {
        let load = Load::new(1);
        let mut watch = Watch::new(0, 0.0);
        let mut now = 0.0;
        work(&mut watch, &load, &mut now, 0.9, 2.05);
        let due = watch.deadline().unwrap();

        watch.worked(due + 0.01, due + 0.011, &load);

        assert!(due > now - 1.1, "{due}");
        assert!(load.shares()[0] < 0.9);
        let mut at = due;
        while let Some(due) = watch.deadline() {
            at = due;
            watch.worked(at, at, &load);
        }
        assert!(at < now + 5.0, "{at}");
    }
}
