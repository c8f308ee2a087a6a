//! When a worker that has done its work rests before it looks for more.
//!
//! Most of the price of a packet is the wake-up that brings it. So packets that follow each other closely are left to
//! gather, for a tick at most; one that comes alone is worked on at once.

/// The pace of one worker; all times are seconds.
pub struct Pace {
    tick: f64,
    free: f64,
}

impl Pace {
    /// Of one that holds no packet longer than `tick`, and is free for work now.
    pub fn new(tick: f64, now: f64) -> Self {
        Self { tick, free: now }
    }

    /// The worker found `ready` things to do, at `began`, and has done them at `ended`. How long it rests, so that a tick
    /// passes from one beginning to the next: less after longer work, and not at all when nothing had come or it came
    /// long after the worker was free for it.
    pub fn rest(&self, ready: usize, began: f64, ended: f64) -> Option<f64> {
        let is_one_of_many = ready > 0 && began - self.free < self.tick;
        let rest = self.tick - (ended - began);
        (is_one_of_many && rest > 0.0).then_some(rest)
    }

    /// It has worked, and rested, and is free for work from now on.
    pub fn free_since(&mut self, now: f64) {
        self.free = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: f64 = 0.001;
    /// What one packet takes.
    const WORK: f64 = 0.000_01;

    /// A worker that packets come to at these times; when each round began, and how many packets it took.
    fn rounds(arrivals: &[f64], work: f64) -> Vec<(f64, usize)> {
        let mut pace = Pace::new(TICK, 0.0);
        let (mut now, mut at, mut rounds) = (0.0_f64, 0, Vec::new());
        while at < arrivals.len() {
            let mut ready = arrivals[at..].iter().take_while(|&&arrival| arrival <= now).count();
            if ready == 0 {
                now = arrivals[at];
                ready = 1;
            }
            let (began, ended) = (now, now + work * ready as f64);
            rounds.push((began, ready));
            at += ready;
            now = ended + pace.rest(ready, began, ended).unwrap_or(0.0);
            pace.free_since(now);
        }
        rounds
    }

    #[test]
    fn packets_that_come_one_by_one_do_not_wait() {
        let arrivals: Vec<f64> = (1..50).map(|at| f64::from(at) * 0.01).collect();

        let rounds = rounds(&arrivals, WORK);

        assert!(rounds.iter().map(|(began, _)| *began).eq(arrivals));
    }

    #[test]
    fn many_packets_are_taken_once_a_tick_and_none_waits_longer() {
        let arrivals: Vec<f64> = (0..10_000).map(|at| f64::from(at) * 0.000_1).collect();

        let rounds = rounds(&arrivals, WORK);

        assert!((995..1005).contains(&rounds.len()), "{}", rounds.len());
        let mut next = 0;
        for (began, ready) in rounds {
            let waited = began - arrivals[next];
            assert!((0.0..=TICK + 1e-9).contains(&waited), "{waited}");
            next += ready;
        }
    }

    #[test]
    fn a_pause_ends_the_gathering() {
        let pace = Pace::new(TICK, 1.0);

        assert_eq!(pace.rest(0, 1.0005, 1.0005), None);
        assert_eq!(pace.rest(1, 1.0 + 2.0 * TICK, 1.0 + 2.0 * TICK), None);
        assert!(pace.rest(1, 1.0005, 1.0005).is_some());
    }

    #[test]
    fn who_has_more_work_than_time_does_not_rest() {
        let arrivals: Vec<f64> = (0..10_000).map(|at| f64::from(at) * 0.000_1).collect();

        let rounds = rounds(&arrivals, 0.000_099);

        let (began, ready) = rounds.last().unwrap();
        let idle = began + 0.000_099 * *ready as f64 - 0.000_099 * 10_000.0;
        assert!(idle < 0.02, "{idle}");
    }

    #[test]
    fn without_a_tick_nothing_is_held() {
        let pace = Pace::new(0.0, 1.0);

        assert_eq!(pace.rest(5, 1.0, 1.0), None);
    }
}
