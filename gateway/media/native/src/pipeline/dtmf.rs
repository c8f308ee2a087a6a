//! Telephone-events: DTMF digits in RTP (RFC 4733).
//!
//! The audio's timestamp clock and the event's clock may differ; durations here are in ticks of the event's clock.

use std::collections::VecDeque;
use std::fmt;

use super::stream::ticks;
use crate::rtp::{Packet, sequence_delta};

/// A digit's place is its event code (RFC 4733 table 3).
pub const DIGITS: &[u8; 16] = b"0123456789*#ABCD";
/// Seconds after which an event is taken as ended although its packets go on.
pub const MAX_DURATION: f64 = 10.0;
/// Seconds without a packet after which an event has ended: five updates of 50 ms (RFC 4733 section 2.5.1.2) lost.
pub const END_TIMEOUT: f64 = 0.25;
/// Seconds between the packets of an event of ours.
pub const UPDATE_INTERVAL: f64 = 0.020;
/// How often an end packet is sent.
pub const END_REPEATS: usize = 3;
/// Seconds between digits that the repeated end packets take.
pub const MIN_GAP: f64 = UPDATE_INTERVAL * (END_REPEATS - 1) as f64;
/// The longest duration that fits a packet; longer events go on in a new segment (RFC 4733 section 2.5.1.3).
pub const SEGMENT_TICKS: i64 = 0xFFFF;
/// Digits that may wait to be sent.
pub const MAX_DIGITS: usize = 256;
/// Seconds that they may take.
pub const MAX_SECONDS: f64 = 120.0;

const PAYLOAD_SIZE: usize = 4;
const END: u8 = 0x80;
const VOLUME: u8 = 0x3F;
/// -10 dBm0.
const DEFAULT_VOLUME: u8 = 10;

/// Digits that cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DigitError {
    /// Something that is no digit, or nothing at all.
    NotDigits,
    /// A duration and a gap, in seconds, that are no lengths of time.
    Length(f64, f64),
    /// More than `MAX_DIGITS` waiting.
    TooMany,
    /// More than `MAX_SECONDS` waiting.
    TooLong,
    /// The sink did not negotiate telephone-event, and hears no tones.
    NoTelephoneEvent,
}

impl fmt::Display for DigitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDigits => f.write_str("not a string of DTMF digits"),
            Self::Length(duration, gap) => {
                write!(f, "digit of {duration} s, gap of {gap} s: not within {MAX_DURATION} s")
            }
            Self::TooMany => write!(f, "more than {MAX_DIGITS} digits waiting"),
            Self::TooLong => write!(f, "digits that take more than {MAX_SECONDS} s waiting"),
            Self::NoTelephoneEvent => f.write_str("telephone-event was not negotiated"),
        }
    }
}

impl std::error::Error for DigitError {}

/// Refuse lengths that are none.
pub fn check_lengths(duration: f64, gap: f64) -> Result<(), DigitError> {
    let is_length = duration > 0.0 && duration <= MAX_DURATION && (0.0..=MAX_DURATION).contains(&gap);
    if is_length {
        Ok(())
    } else {
        Err(DigitError::Length(duration, gap))
    }
}

/// The event codes of a string of digits, lower case too.
pub fn codes(digits: &str) -> Result<Vec<u8>, DigitError> {
    if digits.is_empty() {
        return Err(DigitError::NotDigits);
    }
    let code = |digit: u8| {
        DIGITS
            .iter()
            .position(|&known| known == digit.to_ascii_uppercase())
            .map(|code| code as u8)
    };
    digits
        .bytes()
        .map(code)
        .collect::<Option<Vec<u8>>>()
        .ok_or(DigitError::NotDigits)
}

/// An event that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Digit {
    /// One of `DIGITS`. Never to be logged: digits are PINs.
    pub digit: char,
    /// Seconds.
    pub duration: f64,
}

/// The event that goes on, or went on last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedEvent {
    /// Tells it from every other event of the same receiver.
    pub number: u64,
    /// RFC 4733 table 3; 0 to 15 are digits.
    pub code: u8,
    /// Of its current segment.
    pub timestamp: u32,
    /// Duration of the segments before.
    pub previous_ticks: i64,
    /// Longest duration heard of the current segment.
    pub segment_ticks: i64,
    /// -dBm0.
    pub volume: u8,
    /// An end packet came, or the time was up.
    pub has_ended: bool,
}

impl ReceivedEvent {
    /// Of all segments together.
    pub fn duration_ticks(&self) -> i64 {
        self.previous_ticks + self.segment_ticks
    }
}

/// Packets of telephone-event in, each digit out once, whatever was lost or repeated.
#[derive(Debug)]
pub struct EventReceiver {
    /// For a relay: what `receive` made of the last packet.
    pub event: Option<ReceivedEvent>,
    clock_rate: u32,
    ssrc: u32,
    sequence: u16,
    deadline: Option<f64>,
    events: u64,
}

impl EventReceiver {
    /// For a payload type with this clock rate.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            event: None,
            clock_rate: clock_rate.max(1),
            ssrc: 0,
            sequence: 0,
            deadline: None,
            events: 0,
        }
    }

    /// Take one telephone-event packet; add the digits that ended with it.
    ///
    /// A packet that is too short, or that came after a newer event began, changes nothing.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64, digits: &mut Vec<Digit>) {
        let header = &packet.header;
        let Some(&[code, flags, high, low]) = packet.payload.first_chunk::<PAYLOAD_SIZE>() else {
            return;
        };
        let ticks = i64::from(u16::from_be_bytes([high, low]));
        let is_same = self
            .event
            .is_some_and(|event| header.ssrc == self.ssrc && header.timestamp == event.timestamp);
        if !is_same {
            if self.event.is_some() && self.is_late(packet) {
                return;
            }
            if !self.take_next_segment(packet, code) {
                self.end(digits);
                self.begin(code, flags & VOLUME, header.timestamp);
            }
        }
        if self.ssrc != header.ssrc || sequence_delta(header.sequence, self.sequence) > 0 || self.deadline.is_none() {
            self.ssrc = header.ssrc;
            self.sequence = header.sequence;
        }
        let Some(event) = self.event.as_mut().filter(|event| !event.has_ended) else {
            return;
        };
        event.segment_ticks = event.segment_ticks.max(ticks);
        self.deadline = Some(now + END_TIMEOUT);
        if flags & END != 0 || event.duration_ticks() as f64 >= MAX_DURATION * f64::from(self.clock_rate) {
            self.end(digits);
        }
    }

    fn begin(&mut self, code: u8, volume: u8, timestamp: u32) {
        self.events += 1;
        self.event = Some(ReceivedEvent {
            number: self.events,
            code,
            timestamp,
            previous_ticks: 0,
            segment_ticks: 0,
            volume,
            has_ended: false,
        });
    }

    /// Whether this packet of another event was sent before the last one that we had.
    fn is_late(&self, packet: &Packet<'_>) -> bool {
        let header = &packet.header;
        header.ssrc == self.ssrc && (-63..=0).contains(&sequence_delta(header.sequence, self.sequence))
    }

    /// Whether the packet goes on with the event that is under way, in a new segment.
    fn take_next_segment(&mut self, packet: &Packet<'_>, code: u8) -> bool {
        let header = &packet.header;
        let Some(event) = self.event.as_mut() else { return false };
        let is_next = !event.has_ended
            && header.ssrc == self.ssrc
            && code == event.code
            && header.timestamp == event.timestamp.wrapping_add(SEGMENT_TICKS as u32);
        if is_next {
            event.previous_ticks += SEGMENT_TICKS;
            event.timestamp = header.timestamp;
            event.segment_ticks = 0;
        }
        is_next
    }

    fn end(&mut self, digits: &mut Vec<Digit>) {
        self.deadline = None;
        let Some(event) = self.event.as_mut().filter(|event| !event.has_ended) else {
            return;
        };
        event.has_ended = true;
        if let Some(&digit) = DIGITS.get(usize::from(event.code)) {
            let duration = MAX_DURATION.min(event.duration_ticks() as f64 / f64::from(self.clock_rate));
            digits.push(Digit {
                digit: char::from(digit),
                duration,
            });
        } // else a hook flash or a fax tone: relayed, but no digit
    }

    /// Add the digit whose end packets were all lost, once it is clear that no more will come.
    pub fn handle_timeout(&mut self, now: f64, digits: &mut Vec<Digit>) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.end(digits);
        }
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.deadline
    }
}

/// A payload of telephone-event.
pub type EventPayload = [u8; PAYLOAD_SIZE];

/// Payload of an event that has lasted `ticks`, and the ticks from its beginning to that of its segment.
pub fn event_payload(code: u8, ticks: i64, is_end: bool, volume: u8) -> (EventPayload, i64) {
    let segments = (ticks - 1).max(0) / SEGMENT_TICKS;
    let offset = segments * SEGMENT_TICKS;
    let [high, low] = ((ticks - offset) as u16).to_be_bytes();
    (
        [code, (if is_end { END } else { 0 }) | (volume & VOLUME), high, low],
        offset,
    )
}

/// Whether this payload of telephone-event says that its event is over.
pub fn is_end_packet(payload: &[u8]) -> bool {
    payload.len() >= PAYLOAD_SIZE && payload[1] & END != 0
}

/// The duration that a payload of telephone-event carries, in ticks.
pub fn payload_duration(payload: &EventPayload) -> i64 {
    i64::from(u16::from_be_bytes([payload[2], payload[3]]))
}

/// A telephone-event packet to be sent, with everything but payload type, sequence and SSRC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EventPacket {
    /// When, in seconds.
    pub due: f64,
    /// What.
    pub payload: EventPayload,
    /// In ticks of the event's clock since the beginning of the first digit.
    pub timestamp_offset: i64,
    /// First of its digit.
    pub marker: bool,
}

/// Digits as timed packets: an update every 20 ms, the end packet three times (RFC 4733 section 2.5.1).
#[derive(Debug)]
pub struct EventSender {
    packets: VecDeque<EventPacket>,
    /// When each digit begins, and when its last end packet leaves.
    pub spans: Vec<(f64, f64)>,
}

impl EventSender {
    /// Digits of `duration` seconds with a `gap` between them, at least 40 ms because the end packet's repeats take
    /// that long; the first begins at `now`.
    pub fn new(digits: &str, duration: f64, gap: f64, clock_rate: u32, now: f64) -> Result<Self, DigitError> {
        let codes = codes(digits)?;
        check_lengths(duration, gap)?;
        let mut sender = Self {
            packets: VecDeque::new(),
            spans: Vec::with_capacity(codes.len()),
        };
        for (index, code) in codes.into_iter().enumerate() {
            let start = now + index as f64 * (duration + gap.max(MIN_GAP));
            sender.schedule(code, start, ticks(start - now, clock_rate), duration, clock_rate);
        }
        Ok(sender)
    }

    fn schedule(&mut self, code: u8, start: f64, start_ticks: i64, duration: f64, rate: u32) {
        // A duration of 0 has another meaning (RFC 4733 section 2.3.5): the first packet leaves after one interval.
        let updates = ((duration / UPDATE_INTERVAL - 1e-6) as i64).max(0);
        for index in 1..=updates {
            let elapsed = index as f64 * UPDATE_INTERVAL;
            let (payload, offset) = event_payload(code, ticks(elapsed, rate).max(1), false, DEFAULT_VOLUME);
            let timestamp_offset = start_ticks + offset;
            self.packets.push_back(EventPacket {
                due: start + elapsed,
                payload,
                timestamp_offset,
                marker: index == 1,
            });
        }
        let (payload, offset) = event_payload(code, ticks(duration, rate).max(1), true, DEFAULT_VOLUME);
        for repeat in 0..END_REPEATS {
            self.packets.push_back(EventPacket {
                due: start + duration + repeat as f64 * UPDATE_INTERVAL,
                payload,
                timestamp_offset: start_ticks + offset,
                marker: updates == 0 && repeat == 0,
            });
        }
        self.spans
            .push((start, start + duration + (END_REPEATS - 1) as f64 * UPDATE_INTERVAL));
    }

    /// When the last packet leaves.
    pub fn done_at(&self) -> f64 {
        self.spans.last().map_or(0.0, |span| span.1)
    }

    /// When the next packet is due; None when all have been sent.
    pub fn next_deadline(&self) -> Option<f64> {
        self.packets.front().map(|packet| packet.due)
    }

    /// The next packet if it is due.
    pub fn next_due(&mut self, now: f64) -> Option<EventPacket> {
        let is_due = self.packets.front().is_some_and(|packet| packet.due <= now);
        if is_due { self.packets.pop_front() } else { None }
    }
}
