//! Telephone-events of one pipeline: those of the source relayed to the sink, and digits of our own.

use std::collections::VecDeque;

use super::dtmf::{
    Digit, DigitError, END_REPEATS, EventPacket, EventPayload, EventReceiver, EventSender, MAX_DIGITS, MAX_SECONDS,
    ReceivedEvent, event_payload, is_end_packet, payload_duration,
};
use super::stage::Stage;
use super::stream::SinkStream;
use crate::rtp::{Packet, Sink};

/// Passes telephone-events on, their durations scaled to the sink's event clock, and reports the digits.
#[derive(Debug)]
pub struct EventRelay {
    receiver: EventReceiver,
    source_rate: u32,
    /// Payload type and clock rate of the sink's, None when it has none: then digits are reported only.
    sink: Option<(u8, u32)>,
    /// Number of the event that the sink hears, or heard last.
    relayed: Option<u64>,
    /// Where it begins.
    position: i64,
}

impl EventRelay {
    /// From the clock rate of the source's telephone-event to payload type and clock rate of the sink's.
    pub fn new(source_rate: u32, sink: Option<(u8, u32)>) -> Self {
        let sink = sink.map(|(payload_type, rate)| (payload_type, rate.max(1)));
        Self {
            receiver: EventReceiver::new(source_rate),
            source_rate: source_rate.max(1),
            sink,
            relayed: None,
            position: 0,
        }
    }

    /// Take a telephone-event packet; add the digits that ended, send what goes to the sink.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a packet meets on its way, each of another owner"
    )]
    pub fn receive(
        &mut self,
        packet: &Packet<'_>,
        now: f64,
        is_audible: bool,
        stage: &mut Stage,
        stream: &mut SinkStream,
        sink: &mut dyn Sink,
        digits: &mut Vec<Digit>,
    ) {
        let before = self.receiver.event.map(|event| event.number);
        self.receiver.receive(packet, now, digits);
        match self.taken(packet, now, is_audible, before, stage, stream) {
            Some((target, event, is_end)) => {
                let (payload, position) = self.next(target.1, &event, is_end, stream);
                stage.forward_event(packet, (target.0, &payload), position, now, stream, sink);
            }
            None => stage.skip(packet, now, stream, sink),
        }
    }

    /// The event of the packet, if it is one that the sink hears; with where it goes, and whether it ends.
    fn taken(
        &mut self,
        packet: &Packet<'_>,
        now: f64,
        is_audible: bool,
        before: Option<u64>,
        stage: &mut Stage,
        stream: &mut SinkStream,
    ) -> Option<((u8, u32), ReceivedEvent, bool)> {
        let event = self.receiver.event?;
        let target = self.sink?;
        let is_current = packet.header.timestamp == event.timestamp && packet.payload.len() >= 4;
        if !is_audible || !is_current {
            return None;
        }
        if Some(event.number) != before {
            self.relayed = Some(event.number);
            self.position = stage.place_event(packet, now, stream);
        }
        if Some(event.number) != self.relayed {
            return None; // began while the sink could not hear it
        }
        let is_end = is_end_packet(packet.payload);
        if event.has_ended && !is_end {
            return None; // overtaken by its end, or longer than any event may be
        }
        Some((target, event, is_end))
    }

    /// The payload for the sink and the position of the packet; the stream goes on after the event.
    fn next(
        &self,
        sink_rate: u32,
        event: &ReceivedEvent,
        is_end: bool,
        stream: &mut SinkStream,
    ) -> (EventPayload, i64) {
        let rate = i64::from(sink_rate);
        let clock_rate = i64::from(stream.clock_rate);
        let ticks = (event.duration_ticks() * rate / i64::from(self.source_rate)).max(1);
        let (payload, offset) = event_payload(event.code, ticks, is_end, event.volume);
        stream.position = stream.position.max(self.position + ticks * clock_rate / rate);
        (payload, self.position + offset * clock_rate / rate)
    }

    /// End an event whose end packets were all lost, also towards the sink.
    pub fn handle_timeout(&mut self, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink, digits: &mut Vec<Digit>) {
        let was_relaying = self.is_relaying();
        self.receiver.handle_timeout(now, digits);
        let (Some(event), Some(target)) = (self.receiver.event, self.sink) else {
            return;
        };
        if was_relaying && event.has_ended {
            let (payload, position) = self.next(target.1, &event, true, stream);
            for _ in 0..END_REPEATS {
                stream.append_at(target.0, &payload, position, false, sink);
            }
            stream.reached(stream.position, now, now);
        }
    }

    /// Whether the sink hears an event that has not ended. One that another took the place of has.
    fn is_relaying(&self) -> bool {
        self.receiver
            .event
            .is_some_and(|event| Some(event.number) == self.relayed && !event.has_ended)
    }

    /// The sink is going to hear something else; an event that goes on is reported only.
    pub fn stop(&mut self) {
        self.relayed = None;
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        self.receiver.next_deadline()
    }
}

/// Digits of our own on their way to the sink, one string after the other.
#[derive(Debug)]
pub struct OutgoingDigits {
    senders: VecDeque<EventSender>,
    spans: VecDeque<(f64, f64)>,
    clock_rate: u32,
    position: i64,
    first_offset: i64,
    /// Seconds by which the timeline was ahead when the digit began; it stays so, or digits would add up.
    lead: f64,
}

impl Default for OutgoingDigits {
    fn default() -> Self {
        Self {
            senders: VecDeque::new(),
            spans: VecDeque::new(),
            clock_rate: 8000,
            position: 0,
            first_offset: 0,
            lead: 0.0,
        }
    }
}

impl OutgoingDigits {
    /// Queue digits behind those that are still going out; return when the last packet leaves.
    pub fn add(&mut self, digits: &str, duration: f64, gap: f64, clock_rate: u32, now: f64) -> Result<f64, DigitError> {
        let count = digits.len();
        if self.spans.len() + count > MAX_DIGITS {
            return Err(DigitError::TooMany);
        }
        let start = self.spans.back().map_or(now, |span| now.max(span.1 + gap));
        if start - now + count as f64 * (duration + gap) > MAX_SECONDS {
            return Err(DigitError::TooLong);
        }
        let sender = EventSender::new(digits, duration, gap, clock_rate, start)?;
        let done_at = sender.done_at();
        self.spans.extend(&sender.spans);
        self.senders.push_back(sender);
        self.clock_rate = clock_rate.max(1);
        Ok(done_at)
    }

    /// When the digit that is being sent now has left, with its repeats; None between digits.
    pub fn busy_until(&mut self, now: f64) -> Option<f64> {
        while self.spans.front().is_some_and(|span| span.1 < now) {
            self.spans.pop_front();
        }
        self.spans.front().filter(|span| span.0 <= now).map(|span| span.1)
    }

    /// The deadline, or the end of the digits that are being sent then.
    pub fn postponed(&self, mut deadline: f64) -> f64 {
        for &(start, end) in &self.spans {
            if start > deadline {
                break;
            }
            deadline = deadline.max(end);
        }
        deadline
    }

    /// When the next packet is due.
    pub fn next_deadline(&self) -> Option<f64> {
        self.senders.front().and_then(EventSender::next_deadline)
    }

    /// Send the packets that are due.
    pub fn handle_timeout(&mut self, now: f64, payload_type: u8, stream: &mut SinkStream, sink: &mut dyn Sink) {
        while let Some(sender) = self.senders.front_mut() {
            if let Some(event) = sender.next_due(now) {
                self.send(&event, payload_type, now, stream, sink);
            } else if sender.next_deadline().is_some() {
                break;
            } else {
                self.senders.pop_front();
            }
        }
    }

    fn send(&mut self, event: &EventPacket, payload_type: u8, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        let scale = f64::from(stream.clock_rate) / f64::from(self.clock_rate);
        let scaled = |ticks: i64| (ticks as f64 * scale).round_ties_even() as i64;
        let lasted = payload_duration(&event.payload);
        if event.marker {
            stream.catch_up(now);
            self.position = stream.position;
            self.first_offset = event.timestamp_offset;
            self.lead = stream.due - (now - lasted as f64 / f64::from(self.clock_rate));
        }
        let position = self.position + scaled(event.timestamp_offset - self.first_offset);
        let end = position + scaled(lasted);
        if end > stream.position {
            stream.reached(end, now + self.lead, now);
        }
        stream.append_at(payload_type, &event.payload, position, event.marker, sink);
    }

    /// Send no more of them.
    pub fn clear(&mut self) {
        self.senders.clear();
        self.spans.clear();
    }
}
