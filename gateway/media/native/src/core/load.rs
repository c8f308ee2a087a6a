//! Whether the workers have time to spare: each measures how much of a second it was not at rest.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Seconds over which a worker's load is measured.
const INTERVAL: f64 = 1.0;
/// Share of the time above which a worker has none to spare.
const SCARCE: f64 = 0.8;
/// Share below which it has again: what is saved under load must not be what ends it.
const PLENTY: f64 = 0.3;

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
    is_scarce: bool,
}

impl Watch {
    /// Of that worker, which begins at that time.
    pub fn new(worker: usize, now: f64) -> Self {
        Self {
            worker,
            since: now,
            at_work: 0.0,
            share: 0.0,
            is_scarce: false,
        }
    }

    /// A round is over that began and ended at these times; waiting for a processor is work too. Returns whether time is
    /// scarce, when that has changed.
    pub fn worked(&mut self, began: f64, ended: f64, load: &Load) -> Option<bool> {
        self.at_work += ended - began;
        let elapsed = ended - self.since;
        if elapsed < INTERVAL {
            return None;
        }
        self.share = (self.at_work / elapsed).min(1.0);
        (self.since, self.at_work) = (ended, 0.0);
        load.shares[self.worker].store(self.share.to_bits(), Ordering::Relaxed);
        if !self.is_scarce && self.share > SCARCE {
            self.is_scarce = true;
            load.scarce.fetch_add(1, Ordering::Relaxed);
            Some(true)
        } else if self.is_scarce && self.share < PLENTY {
            self.is_scarce = false;
            load.scarce.fetch_sub(1, Ordering::Relaxed);
            Some(false)
        } else {
            None
        }
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
