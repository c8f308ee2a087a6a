//! Where in a stream the losses are: bursts and gaps (RFC 3611 section 4.7.2 and appendix A.2).

/// Packets received in a row that end a burst (RFC 3611 section 4.7.2).
pub const GMIN: u64 = 16;

/// Packets that a late one may be behind before it counts as lost.
const REORDERING: i64 = 64;

/// The transitions of the four-state model of RFC 3611 appendix A.2: 1 is received in a gap, 2 received in a burst,
/// 3 lost in a burst, 4 lost alone in a gap.
#[derive(Clone, Copy, Debug, Default)]
struct Transitions {
    c11: u64,
    c13: u64,
    c14: u64,
    c22: u64,
    c23: u64,
    c33: u64,
}

/// Follows a stream packet by packet; a late one is waited for until 64 newer ones have come.
#[derive(Clone, Debug, Default)]
pub struct LossPattern {
    /// Bit i: the packet i behind the highest has come.
    window: u64,
    /// How many bits are of this stream.
    filled: i64,
    highest: i64,
    duplicated: u64,
    decided: u64,
    lost: u64,
    /// Losses that follow no other loss, so many runs of them there are.
    runs: u64,
    was_lost: bool,
    transitions: Transitions,
    /// Received since the last loss.
    received_since: u64,
    /// Lost since the last gap.
    lost_in_burst: u64,
}

/// The shape of what was lost; densities are fractions, lengths means in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BurstGap {
    /// Packets that this is about.
    pub packets: u64,
    /// How many of them were lost.
    pub lost: u64,
    /// Fraction lost within bursts.
    pub burst_density: f64,
    /// Fraction lost within gaps.
    pub gap_density: f64,
    /// Mean length of a burst, 0 without one.
    pub burst_duration: f64,
    /// Mean length of a gap.
    pub gap_duration: f64,
    /// Mean length of a run of losses over what it would be, were losses independent (G.107 section 7.5): 1 for random
    /// loss, more for bursty loss.
    pub burst_ratio: f64,
}

impl LossPattern {
    /// The stream goes on with another source, or another count: what is open is closed.
    pub fn restart(&mut self) {
        self.flush();
        self.filled = 0;
    }

    /// A packet has come; `sequence` is extended with the count of cycles, and may be a little behind the highest.
    pub fn receive(&mut self, sequence: i64) {
        if self.filled == 0 {
            self.window = 1;
            self.filled = 1;
            self.highest = sequence;
            return;
        }
        let behind = self.highest - sequence;
        if behind < 0 {
            for _ in behind..0 {
                self.advance();
            }
            self.highest = sequence;
            self.window |= 1;
        } else if behind < self.filled {
            self.duplicated += self.window >> behind & 1;
            self.window |= 1 << behind;
        }
    }

    /// Packets that came more than once, as far as a window of 64 tells.
    pub fn duplicated(&self) -> u64 {
        self.duplicated
    }

    fn advance(&mut self) {
        if self.filled == REORDERING {
            self.decide(self.window >> (REORDERING - 1) & 1 == 0);
        } else {
            self.filled += 1;
        }
        self.window <<= 1;
    }

    fn flush(&mut self) {
        for behind in (0..self.filled).rev() {
            self.decide(self.window >> behind & 1 == 0);
        }
        self.filled = 0;
    }

    fn decide(&mut self, is_lost: bool) {
        self.decided += 1;
        if !is_lost {
            self.received_since += 1;
        } else {
            self.lost += 1;
            self.runs += u64::from(!self.was_lost);
            self.lose();
        }
        self.was_lost = is_lost;
    }

    fn lose(&mut self) {
        let received = std::mem::take(&mut self.received_since);
        let transitions = &mut self.transitions;
        if received >= GMIN || self.lost == 1 {
            match self.lost_in_burst {
                0 => {}
                1 => transitions.c14 += 1,
                _ => transitions.c13 += 1,
            }
            self.lost_in_burst = 1;
            transitions.c11 += received;
        } else {
            self.lost_in_burst += 1;
            match received {
                0 => transitions.c33 += 1,
                _ => {
                    transitions.c23 += 1;
                    transitions.c22 += received - 1;
                }
            }
        }
    }

    /// The shape so far; `packet_time` is what one packet lasts, in seconds.
    pub fn burst_gap(&self, packet_time: f64) -> BurstGap {
        let mut all = self.clone();
        all.flush();
        all.close();
        let Transitions {
            c11,
            c13,
            c14,
            c22,
            c23,
            c33,
        } = all.transitions;
        let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (burst_lost, burst_received) = (c33 + c23 + c13, c22 + c23);
        let gap = c11 + c14;
        BurstGap {
            packets: all.decided,
            lost: all.lost,
            burst_density: ratio(burst_lost, burst_lost + burst_received),
            gap_density: ratio(c14, gap),
            burst_duration: packet_time * ratio(burst_lost + burst_received, c13),
            gap_duration: packet_time * ratio(gap, c13 + 1),
            burst_ratio: all.burst_ratio(),
        }
    }

    /// End the burst or the lone loss that is open, and count what came after it.
    fn close(&mut self) {
        match self.lost_in_burst {
            0 => {}
            1 => self.transitions.c14 += 1,
            _ => self.transitions.c13 += 1,
        }
        self.lost_in_burst = 0;
        self.transitions.c11 += std::mem::take(&mut self.received_since);
    }

    fn burst_ratio(&self) -> f64 {
        if self.runs == 0 || self.lost == self.decided {
            return 1.0;
        }
        let mean_run = self.lost as f64 / self.runs as f64;
        let loss = self.lost as f64 / self.decided as f64;
        (mean_run * (1.0 - loss)).max(1.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The shape of a stream written down: a dot is a packet, an x a loss.
    fn shape(stream: &str) -> BurstGap {
        let mut pattern = LossPattern::default();
        stream
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'.')
            .for_each(|(at, _)| pattern.receive(at as i64));
        pattern.burst_gap(0.02)
    }

    fn near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-9
    }

    #[test]
    fn stream_without_loss_is_one_gap() {
        let all = shape(&".".repeat(200));

        assert_eq!((all.packets, all.lost), (200, 0));
        assert!(near(all.gap_duration, 4.0) && near(all.burst_duration, 0.0));
        assert!(near(all.burst_density, 0.0) && near(all.gap_density, 0.0) && near(all.burst_ratio, 1.0));
    }

    #[test]
    fn lone_losses_are_part_of_a_gap() {
        let all = shape(&format!("{0}x{0}x{0}", ".".repeat(49)));

        assert_eq!((all.packets, all.lost), (149, 2));
        assert!(near(all.gap_density, 2.0 / 149.0) && near(all.burst_duration, 0.0));
        assert!(near(all.gap_duration, 149.0 * 0.02));
    }

    #[test]
    fn losses_closer_than_gmin_are_a_burst() {
        let all = shape(&format!("{0}x..xx{1}x{0}", ".".repeat(40), ".".repeat(15)));

        // From the first to the last loss: four lost, seventeen received.
        assert_eq!((all.packets, all.lost), (101, 4));
        assert!(near(all.burst_density, 4.0 / 21.0) && near(all.burst_duration, 21.0 * 0.02));
        assert!(near(all.gap_density, 0.0) && near(all.gap_duration, 80.0 * 0.02 / 2.0));
    }

    #[test]
    fn gmin_packets_in_a_row_end_a_burst() {
        let one = shape(&format!("{0}xx{1}xx{0}", ".".repeat(40), ".".repeat(15)));
        let two = shape(&format!("{0}xx{1}xx{0}", ".".repeat(40), ".".repeat(16)));

        assert!(near(one.burst_duration, 19.0 * 0.02));
        assert!(near(two.burst_duration, 2.0 * 0.02) && near(two.burst_density, 1.0));
    }

    #[test]
    fn burst_ratio_tells_random_from_bursty_loss() {
        let alone = shape(&"x.........".repeat(100)[1..]);
        let in_fours = shape(&"xxxx....................................".repeat(50)[4..]);

        assert!(near(alone.burst_ratio, 1.0));
        assert!((in_fours.burst_ratio - 3.6).abs() < 0.02);
    }

    #[test]
    fn late_packet_is_waited_for() {
        let mut pattern = LossPattern::default();
        (0..100).filter(|at| *at != 50).for_each(|at| pattern.receive(at));
        pattern.receive(50);

        assert_eq!(pattern.burst_gap(0.02).lost, 0);
        assert_eq!(pattern.duplicated(), 0);
        pattern.receive(50);
        assert_eq!(pattern.duplicated(), 1);
    }

    #[test]
    fn packet_that_comes_too_late_stays_lost() {
        let mut pattern = LossPattern::default();
        (0..200).filter(|at| *at != 50).for_each(|at| pattern.receive(at));
        pattern.receive(50);

        assert_eq!(pattern.burst_gap(0.02).lost, 1);
    }

    proptest! {
        #[test]
        fn bursts_and_gaps_make_up_the_stream(kept in proptest::collection::vec(0..10u8, 1..500)) {
            let stream: String = kept.iter().map(|each| if *each < 7 { '.' } else { 'x' }).collect();
            let stream = stream.trim_matches('x');
            let all = shape(stream);

            prop_assert_eq!(all.packets as usize, stream.len());
            prop_assert_eq!(all.lost as usize, stream.matches('x').count());
            prop_assert!(all.burst_density <= 1.0 && all.gap_density <= 1.0);
            prop_assert!(all.burst_ratio >= 1.0);
        }
    }
}
