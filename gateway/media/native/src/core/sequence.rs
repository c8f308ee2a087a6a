//! Sequence numbers that go on where they stopped, however much was left out in between.
//!
//! SRTP knows only sixteen bits of a packet's number; the rest both ends count themselves (RFC 3711 section 3.3.1). A
//! receiver that hears nothing for more than 2^15 numbers counts wrongly, and from then on takes every packet for a
//! forgery. So what is not sent must not use up numbers.

use crate::rtp::sequence_delta;

/// The numbers of one encrypted stream that we send.
#[derive(Debug, Default)]
pub struct UnbrokenSequence {
    offset: u16,
    next: Option<u16>,
    is_interrupted: bool,
}

impl UnbrokenSequence {
    /// A packet was not sent.
    pub fn skip(&mut self) {
        self.is_interrupted = true;
    }

    /// The number that a packet is sent with instead of its own.
    pub fn number(&mut self, sequence: u16) -> u16 {
        if self.is_interrupted {
            self.is_interrupted = false;
            if let Some(next) = self.next {
                self.offset = sequence.wrapping_sub(next);
            }
        }
        let number = sequence.wrapping_sub(self.offset);
        if self.next.is_none_or(|next| sequence_delta(number, next) >= 0) {
            self.next = Some(number.wrapping_add(1));
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_uses_up_no_numbers() {
        let mut sequence = UnbrokenSequence::default();
        assert_eq!(
            [sequence.number(10), sequence.number(12), sequence.number(11)],
            [10, 12, 11]
        );

        sequence.skip();

        assert_eq!([sequence.number(40_000), sequence.number(40_002)], [13, 15]);
    }

    #[test]
    fn a_pause_before_the_first_packet_changes_nothing() {
        let mut sequence = UnbrokenSequence::default();
        sequence.skip();

        assert_eq!(sequence.number(65_535), 65_535);
        assert_eq!(sequence.number(0), 0);
    }
}
