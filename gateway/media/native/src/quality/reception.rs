//! What was received of one leg (RFC 3550 appendices A.1, A.3 and A.8), and in which order.

use std::ops::RangeInclusive;

use super::burst::LossPattern;
use crate::rtp::{MAX_DROPOUT, MAX_MISORDER};

/// How far ahead of the highest, modulo 2^16, a packet is that begins a new count.
const RESTART: RangeInclusive<u16> = MAX_DROPOUT as u16..=u16::MAX - (MAX_MISORDER as u16 - 1);

/// What a receiver says about one source (RFC 3550 section 6.4.1), but for what only RTCP knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceReport {
    /// The source.
    pub ssrc: u32,
    /// Since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Since the source began; less than zero when packets came twice. Fits 24 bits.
    pub packets_lost: i32,
    /// Extended to 32 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks.
    pub jitter_ticks: u32,
}

/// Counts of one stream, and of those that came before it on the same leg.
///
/// A change of SSRC, or a jump of the sequence, starts a new count; [`Reception::packets_lost`] keeps the sum over
/// all of them.
#[derive(Clone, Debug)]
pub struct Reception {
    clock_rate: u32,
    ssrc: Option<u32>,
    packets: u64,
    bytes: u64,
    reordered: u64,
    pattern: LossPattern,
    lost_before: i64,
    expected_before: i64,
    jitter_ticks: f64,
    base: u16,
    highest: u16,
    cycles: i64,
    received: i64,
    expected_prior: i64,
    received_prior: i64,
    transit: Option<u32>,
}

impl Reception {
    /// `clock_rate` is that of the payload's timestamps, in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1),
            ssrc: None,
            packets: 0,
            bytes: 0,
            reordered: 0,
            pattern: LossPattern::default(),
            lost_before: 0,
            expected_before: 0,
            jitter_ticks: 0.0,
            base: 0,
            highest: 0,
            cycles: 0,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
        }
    }

    /// Count one packet, whatever it carries; `now` is its time of arrival in seconds.
    pub fn receive(&mut self, ssrc: u32, sequence: u16, timestamp: u32, payload_size: usize, now: f64) {
        self.packets += 1;
        self.bytes += payload_size as u64;
        let ahead = sequence.wrapping_sub(self.highest);
        if self.ssrc != Some(ssrc) || RESTART.contains(&ahead) {
            self.restart(ssrc, sequence);
        } else if ahead < MAX_DROPOUT as u16 {
            if sequence < self.highest {
                self.cycles += 0x1_0000;
            }
            self.highest = sequence;
        } else {
            self.reordered += 1;
        }
        self.received += 1;
        self.pattern
            .receive(self.cycles + i64::from(sequence) - if sequence > self.highest { 0x1_0000 } else { 0 });
        self.measure_jitter(timestamp, now);
    }

    fn measure_jitter(&mut self, timestamp: u32, now: f64) {
        let transit = ((now * f64::from(self.clock_rate)) as i64 as u32).wrapping_sub(timestamp);
        if let Some(last) = self.transit {
            let distance = transit.wrapping_sub(last) as i32;
            self.jitter_ticks += (f64::from(distance.unsigned_abs()) - self.jitter_ticks) / 16.0;
        }
        self.transit = Some(transit);
    }

    /// The codec was renegotiated.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        let clock_rate = clock_rate.max(1);
        if clock_rate != self.clock_rate {
            self.jitter_ticks *= f64::from(clock_rate) / f64::from(self.clock_rate);
            self.clock_rate = clock_rate;
            self.transit = None;
        }
    }

    fn restart(&mut self, ssrc: u32, sequence: u16) {
        self.lost_before = self.packets_lost();
        self.expected_before = self.packets_expected();
        self.ssrc = Some(ssrc);
        self.base = sequence;
        self.highest = sequence;
        self.cycles = 0;
        self.received = 0;
        self.expected_prior = 0;
        self.received_prior = 0;
        self.transit = None;
        self.pattern.restart();
    }

    /// The source of the current stream.
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// Packets of all streams.
    pub fn packets_received(&self) -> u64 {
        self.packets
    }

    /// Payload bytes of all streams.
    pub fn bytes_received(&self) -> u64 {
        self.bytes
    }

    /// Packets that came behind one that was sent after them.
    pub fn packets_reordered(&self) -> u64 {
        self.reordered
    }

    /// Where losses are, and how many came twice.
    pub fn pattern(&self) -> &LossPattern {
        &self.pattern
    }

    fn expected_of_this(&self) -> i64 {
        match self.ssrc {
            None => 0,
            Some(_) => self.cycles + i64::from(self.highest) - i64::from(self.base) + 1,
        }
    }

    /// Packets that the sources have sent, as far as their sequence numbers tell.
    pub fn packets_expected(&self) -> i64 {
        self.expected_before + self.expected_of_this()
    }

    /// Packets that did not arrive, over all streams; less than zero when packets were duplicated.
    pub fn packets_lost(&self) -> i64 {
        self.lost_before + self.expected_of_this() - self.received
    }

    /// Interarrival jitter in seconds.
    pub fn jitter(&self) -> f64 {
        self.jitter_ticks / f64::from(self.clock_rate)
    }

    /// For the next report, `None` before the first packet; begins a new interval for `fraction_lost`.
    pub fn report(&mut self) -> Option<SourceReport> {
        let ssrc = self.ssrc?;
        let expected = self.expected_of_this();
        let interval_expected = expected - self.expected_prior;
        let interval_lost = interval_expected - (self.received - self.received_prior);
        self.expected_prior = expected;
        self.received_prior = self.received;
        let fraction = if interval_lost <= 0 {
            0
        } else {
            255.min((interval_lost << 8) / interval_expected)
        };
        Some(SourceReport {
            ssrc,
            fraction_lost: fraction as u8,
            packets_lost: (expected - self.received).clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest_sequence: (self.cycles + i64::from(self.highest)) as u32,
            jitter_ticks: self.jitter_ticks as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn received(sequences: &[u16]) -> Reception {
        let mut reception = Reception::new(8000);
        for (index, sequence) in sequences.iter().enumerate() {
            reception.receive(1, *sequence, 160 * u32::from(*sequence), 160, 0.02 * index as f64);
        }
        reception
    }

    #[test]
    fn nothing_received_is_nothing_expected() {
        let mut reception = Reception::new(8000);

        assert_eq!((reception.packets_expected(), reception.packets_lost()), (0, 0));
        assert_eq!(reception.report(), None);
    }

    #[test]
    fn losses_are_counted_across_a_roll_over() {
        let mut reception = received(&[65_533, 65_534, 1, 3]);

        assert_eq!((reception.packets_expected(), reception.packets_lost()), (7, 3));
        let block = reception.report().unwrap();
        assert_eq!((block.packets_lost, block.highest_sequence), (3, 0x1_0003));
        assert_eq!(block.fraction_lost, (3 * 256 / 7) as u8);
        assert_eq!(reception.report().unwrap().fraction_lost, 0, "a new interval");
    }

    #[test]
    fn what_comes_twice_makes_up_for_a_loss_and_a_jump_begins_anew() {
        let mut reception = received(&[65_534, 65_535, 1, 2, 2]);
        assert_eq!((reception.packets_expected(), reception.packets_lost()), (5, 0));

        reception.receive(1, 30_000, 0, 1, 1.0);

        assert_eq!((reception.expected_of_this(), reception.packets_received()), (1, 6));
    }

    #[test]
    fn a_report_has_the_loss_since_the_one_before() {
        let mut reception = received(&[0, 1, 3]);

        let first = reception.report().unwrap();
        let second = reception.report().unwrap();

        assert_eq!(
            (first.fraction_lost, first.packets_lost, first.highest_sequence),
            (64, 1, 3)
        );
        assert_eq!((second.fraction_lost, second.packets_lost), (0, 1));
    }

    #[test]
    fn late_packet_is_not_lost_but_out_of_order() {
        let reception = received(&[1, 2, 4, 3, 5]);

        assert_eq!((reception.packets_lost(), reception.packets_reordered()), (0, 1));
        assert_eq!(reception.pattern().duplicated(), 0);
    }

    #[test]
    fn late_packet_from_before_a_roll_over_is_told_from_a_new_one() {
        let reception = received(&[65_534, 0, 65_535, 1]);

        assert_eq!((reception.packets_expected(), reception.packets_lost()), (4, 0));
        assert_eq!(reception.pattern().burst_gap(0.02).lost, 0);
    }

    #[test]
    fn packet_that_came_twice_is_less_than_no_loss() {
        let reception = received(&[1, 2, 2, 3]);

        assert_eq!(reception.packets_lost(), -1);
        assert_eq!(reception.pattern().duplicated(), 1);
    }

    #[test]
    fn jump_of_the_sequence_is_a_restart_and_keeps_what_was_lost() {
        let mut reception = received(&[1, 3]);
        reception.receive(1, 40_000, 0, 160, 1.0);
        reception.receive(1, 40_002, 0, 160, 1.0);
        reception.receive(2, 5, 0, 160, 1.0);

        assert_eq!(reception.packets_lost(), 2);
        assert_eq!(reception.packets_expected(), 7);
        assert_eq!(reception.packets_received(), 5);
        assert_eq!(reception.bytes_received(), 800);
        assert_eq!(reception.report().unwrap().ssrc, 2);
    }

    #[test]
    fn limits_of_a_dropout_and_of_misordering_are_those_of_the_rfc() {
        assert_eq!(received(&[1, 3000]).packets_lost(), 2998);
        assert_eq!(received(&[1, 3001]).packets_lost(), 0);
        assert_eq!(received(&[1000, 901]).packets_reordered(), 1);
        assert_eq!(received(&[1000, 900]).packets_reordered(), 0);
    }

    #[test]
    fn steady_stream_has_no_jitter_and_one_of_ten_milliseconds_has_that() {
        let mut steady = Reception::new(8000);
        let mut shaken = Reception::new(8000);
        for index in 0..500u16 {
            let at = 0.02 * f64::from(index) + 0.001;
            steady.receive(1, index, 160 * u32::from(index), 160, at);
            shaken.receive(1, index, 160 * u32::from(index), 160, at + 0.01 * f64::from(index % 2));
        }

        assert!(steady.jitter() < 0.0002);
        assert!((shaken.jitter() - 0.010).abs() < 0.0003);
    }

    #[test]
    fn change_of_the_clock_rate_keeps_the_jitter_in_seconds() {
        let mut reception = received(&[1, 2, 3]);
        reception.receive(1, 4, 0, 160, 1.0);
        let jitter = reception.jitter();

        reception.set_clock_rate(48_000);

        assert!(jitter > 0.0 && (reception.jitter() - jitter).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn any_stream_is_counted_without_a_fault(
            packets in proptest::collection::vec((0..3u32, any::<u16>(), any::<u32>(), 0.0..1e6f64), 0..200),
        ) {
            let mut reception = Reception::new(48_000);
            for (ssrc, sequence, timestamp, now) in packets {
                reception.receive(ssrc, sequence, timestamp, 10, now);
                prop_assert!(reception.packets_expected() >= 0 && reception.jitter() >= 0.0);
            }
            reception.report();
            reception.pattern().burst_gap(0.02);
        }

        #[test]
        fn lost_and_received_make_up_what_was_sent(
            start in any::<u16>(), kept in proptest::collection::vec(any::<bool>(), 2..400),
        ) {
            let sent: Vec<u16> = (0..kept.len() as u16).map(|index| start.wrapping_add(index)).collect();
            let first = kept.iter().position(|kept| *kept);
            let last = kept.iter().rposition(|kept| *kept);
            prop_assume!(first.is_some());
            let arrived: Vec<u16> = sent.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(each, _)| *each).collect();

            let reception = received(&arrived);

            let expected = (last.unwrap() - first.unwrap() + 1) as i64;
            prop_assert_eq!(reception.packets_expected(), expected);
            prop_assert_eq!(reception.packets_lost(), expected - arrived.len() as i64);
            prop_assert_eq!(reception.pattern().burst_gap(0.02).lost as i64, reception.packets_lost());
        }
    }
}
