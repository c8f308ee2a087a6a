//! A jitter buffer that holds nothing back while packets come in order, and waits only for a gap to close.
//!
//! The receiver behind us has a full jitter buffer of its own, so this one need not pace anything. It puts packets in
//! order for a decoder, which cannot take them otherwise, and says what is lost once waiting longer makes no sense.

use crate::rtp::{Header, MAX_MISORDER, Packet, sequence_delta};

/// Seconds to wait for a missing packet, on a network that has not shown to need more.
pub const MIN_WAIT: f64 = 0.020;
/// Seconds to wait at most, unless another limit is set.
pub const MAX_WAIT: f64 = 0.060;
/// Packets behind a gap; with more the gap is given up.
pub const MAX_HELD: usize = 64;
const MARGIN: f64 = 0.005;
/// Seconds by which the wait shrinks in each second without a late packet.
const DECAY: f64 = 0.001;

/// A packet that owns its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPacket {
    /// Its header.
    pub header: Header,
    /// Its payload; the buffer goes back to the jitter buffer with `JitterBuffer::recycle`.
    pub payload: Vec<u8>,
}

/// What comes out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A packet.
    Packet(HeldPacket),
    /// So many packets are missing here.
    Lost(u16),
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is the next one and nothing waits: the caller plays it as it is.
    Next,
    /// It waits behind a gap, came too late, or what can be played now was added to the items.
    Kept,
}

#[derive(Debug)]
struct Held {
    packet: HeldPacket,
    arrival: f64,
}

/// Packets in as they arrive, packets and losses out in order of sequence.
#[derive(Debug)]
pub struct JitterBuffer {
    /// Came twice, or after their place was given up.
    pub packets_late: u64,
    max_wait: f64,
    next: Option<u16>,
    /// In order of sequence.
    held: Vec<Held>,
    deadline: Option<f64>,
    wait: f64,
    wait_since: f64,
    gave_up_at: Option<f64>,
    /// Buffers for payloads, so that none is allocated for a packet.
    spare: Vec<Vec<u8>>,
}

impl JitterBuffer {
    /// One that waits at most so many seconds.
    pub fn new(max_wait: f64) -> Self {
        Self {
            packets_late: 0,
            max_wait: max_wait.max(MIN_WAIT),
            next: None,
            held: Vec::new(),
            deadline: None,
            wait: MIN_WAIT,
            wait_since: 0.0,
            gave_up_at: None,
            spare: Vec::new(),
        }
    }

    /// Take a packet of any payload type; add what can be played to `items`.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64, items: &mut Vec<Item>) -> Taken {
        let sequence = packet.header.sequence;
        let next = *self.next.get_or_insert(sequence);
        let ahead = sequence_delta(sequence, next);
        if ahead == 0 && self.held.is_empty() {
            self.next = Some(sequence.wrapping_add(1));
            return Taken::Next;
        }
        if !(-MAX_MISORDER..=MAX_MISORDER).contains(&ahead) {
            self.restart(sequence, items);
            return if items.is_empty() {
                Taken::Next
            } else {
                self.add(packet, items)
            };
        }
        let place = self
            .held
            .partition_point(|held| sequence_delta(held.packet.header.sequence, next) < ahead);
        let is_held = self
            .held
            .get(place)
            .is_some_and(|held| held.packet.header.sequence == sequence);
        if ahead < 0 || is_held {
            self.take_late(now);
            return Taken::Kept;
        }
        let packet = self.owned(packet);
        self.held.insert(place, Held { packet, arrival: now });
        if ahead == 0 {
            self.release(now, items);
        } else if self.held.len() > MAX_HELD {
            self.flush(now, items);
        } else if self.deadline.is_none() {
            self.deadline = Some(now + self.current_wait(now));
        }
        Taken::Kept
    }

    fn owned(&mut self, packet: &Packet<'_>) -> HeldPacket {
        let mut payload = self.spare.pop().unwrap_or_default();
        payload.clear();
        payload.extend_from_slice(packet.payload);
        HeldPacket {
            header: packet.header,
            payload,
        }
    }

    fn add(&mut self, packet: &Packet<'_>, items: &mut Vec<Item>) -> Taken {
        items.push(Item::Packet(self.owned(packet)));
        Taken::Kept
    }

    /// Give back what was played.
    pub fn recycle(&mut self, items: &mut Vec<Item>) {
        for item in items.drain(..) {
            match item {
                Item::Packet(packet) if self.spare.len() < MAX_HELD => self.spare.push(packet.payload),
                _ => {}
            }
        }
    }

    /// The source jumped: what is left of before comes first, and nothing up to the new packet is lost.
    fn restart(&mut self, sequence: u16, items: &mut Vec<Item>) {
        items.extend(self.held.drain(..).map(|held| Item::Packet(held.packet)));
        self.reset();
        self.next = Some(sequence.wrapping_add(1));
    }

    /// Wait longer from now on, if that would have saved this packet.
    fn take_late(&mut self, now: f64) {
        self.packets_late += 1;
        if let Some(gave_up_at) = self.gave_up_at.take() {
            let wait = self.current_wait(now) + (now - gave_up_at) + MARGIN;
            self.wait = wait.min(self.max_wait);
            self.wait_since = now;
        }
    }

    fn current_wait(&self, now: f64) -> f64 {
        MIN_WAIT.max(self.wait - DECAY * (now - self.wait_since))
    }

    /// Add all that follow without a gap.
    fn release(&mut self, now: f64, items: &mut Vec<Item>) {
        let mut next = self.next.unwrap_or_default();
        let follow = self
            .held
            .iter()
            .take_while(|held| {
                let follows = held.packet.header.sequence == next;
                next = next.wrapping_add(u16::from(follows));
                follows
            })
            .count();
        items.extend(self.held.drain(..follow).map(|held| Item::Packet(held.packet)));
        self.next = Some(next);
        let waits_since = self.held.iter().map(|held| held.arrival).reduce(f64::min);
        self.deadline = waits_since.map(|since| since + self.current_wait(now));
    }

    /// Give up the gaps that have been waited for long enough.
    pub fn handle_timeout(&mut self, now: f64, items: &mut Vec<Item>) {
        while self.deadline.is_some_and(|deadline| now >= deadline) {
            self.skip_gap(now, items);
        }
    }

    fn skip_gap(&mut self, now: f64, items: &mut Vec<Item>) {
        let Some(first) = self.held.first() else {
            self.deadline = None;
            return;
        };
        let next = self.next.unwrap_or_default();
        let sequence = first.packet.header.sequence;
        self.gave_up_at = Some(now);
        self.next = Some(sequence);
        items.push(Item::Lost(sequence.wrapping_sub(next)));
        self.release(now, items);
    }

    /// Add all that is held, without waiting longer.
    pub fn flush(&mut self, now: f64, items: &mut Vec<Item>) {
        while !self.held.is_empty() {
            self.skip_gap(now, items);
        }
    }

    /// Forget what is held; the next packet starts anew.
    pub fn reset(&mut self) {
        for held in self.held.drain(..) {
            self.spare.push(held.packet.payload);
        }
        self.spare.truncate(MAX_HELD);
        self.next = None;
        self.deadline = None;
        self.gave_up_at = None;
    }

    /// Whether packets wait behind a gap.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Packets from the first that is missing to the last that is held; 0 when none waits.
    pub fn span(&self) -> usize {
        let next = self.next.unwrap_or_default();
        let last = self.held.last().map(|held| held.packet.header.sequence);
        last.map_or(0, |last| usize::from(last.wrapping_sub(next)) + 1)
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(buffer: &mut JitterBuffer, sequence: u16, now: f64) -> Vec<i32> {
        let header = Header {
            sequence,
            ..Header::default()
        };
        let mut items = Vec::new();
        let taken = buffer.receive(&Packet { header, payload: b"x" }, now, &mut items);
        if taken == Taken::Next {
            vec![i32::from(sequence)]
        } else {
            order(&items)
        }
    }

    /// Sequence numbers, losses as negative numbers.
    fn order(items: &[Item]) -> Vec<i32> {
        let number = |item: &Item| match item {
            Item::Packet(packet) => i32::from(packet.header.sequence),
            Item::Lost(packets) => -i32::from(*packets),
        };
        items.iter().map(number).collect()
    }

    fn timeout(buffer: &mut JitterBuffer, now: f64) -> Vec<i32> {
        let mut items = Vec::new();
        buffer.handle_timeout(now, &mut items);
        order(&items)
    }

    #[test]
    fn packets_in_order_pass_at_once_over_the_wrap() {
        let mut buffer = JitterBuffer::new(MAX_WAIT);
        for sequence in [65534, 65535, 0, 1] {
            assert_eq!(take(&mut buffer, sequence, 0.0), [i32::from(sequence)]);
        }
        assert_eq!((buffer.next_deadline(), buffer.is_holding()), (None, false));
    }

    #[test]
    fn a_packet_that_was_overtaken_is_waited_for() {
        let mut buffer = JitterBuffer::new(MAX_WAIT);
        take(&mut buffer, 1, 0.0);

        assert!(take(&mut buffer, 3, 0.02).is_empty());
        assert_eq!((buffer.next_deadline(), buffer.span()), (Some(0.02 + MIN_WAIT), 2));
        assert_eq!(take(&mut buffer, 2, 0.03), [2, 3]);
        assert_eq!(buffer.span(), 0);
        assert_eq!(buffer.next_deadline(), None);
    }

    #[test]
    fn gaps_are_given_up_after_the_wait() {
        let mut buffer = JitterBuffer::new(MAX_WAIT);
        take(&mut buffer, 1, 0.0);
        take(&mut buffer, 4, 0.02);
        take(&mut buffer, 6, 0.03);

        assert!(timeout(&mut buffer, 0.039).is_empty());
        assert_eq!(timeout(&mut buffer, 0.041), [-2, 4]);
        assert_eq!(timeout(&mut buffer, 0.2), [-1, 6]);
    }

    #[test]
    fn late_packets_make_it_wait_longer_but_not_for_ever() {
        let mut buffer = JitterBuffer::new(0.1);
        let mut now = 0.0;
        for round in 0..20u16 {
            take(&mut buffer, 3 * round, now);
            take(&mut buffer, 3 * round + 2, now);
            timeout(&mut buffer, now + 0.2);
            take(&mut buffer, 3 * round + 1, now + 0.25);
            now += 0.3;
        }
        take(&mut buffer, 60, now);
        take(&mut buffer, 62, now);

        assert_eq!(buffer.packets_late, 20);
        assert!((buffer.next_deadline().unwrap() - now - 0.1).abs() < 1e-3);
        assert_eq!(buffer.current_wait(now + 1000.0), MIN_WAIT);
    }

    #[test]
    fn what_is_held_is_bounded_and_a_jump_loses_nothing() {
        let mut buffer = JitterBuffer::new(MAX_WAIT);
        take(&mut buffer, 0, 0.0);
        for sequence in 2..2 + MAX_HELD as u16 {
            assert!(take(&mut buffer, sequence, 0.0).is_empty());
        }
        assert_eq!(take(&mut buffer, 2 + MAX_HELD as u16, 0.0).len(), MAX_HELD + 2);

        take(&mut buffer, 70, 0.0);
        assert_eq!(take(&mut buffer, 5000, 0.0), [70, 5000]);
        assert_eq!(take(&mut buffer, 5001, 0.0), [5001]);
    }
}
