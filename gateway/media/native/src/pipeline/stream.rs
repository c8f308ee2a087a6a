//! The stream towards a sink: one continuous row of sequence numbers and timestamps; and how a source maps into it.
//!
//! A *position* is a number of ticks of the sink's clock since the stream began (or changed its codec); it never wraps.

use super::codec::Codec;
use crate::rtp::{Header, Sink, timestamp_delta};

/// Seconds of a frame of silence.
pub const FRAME: f64 = 0.020;
/// Seconds between the packets of a telephone-event at most (RFC 4733 section 2.5.1.2).
pub const EVENT_INTERVAL: f64 = 0.050;
/// Seconds that a stream may be behind without leaving anything out.
const SHORT: f64 = 0.040;
/// Seconds behind which frames are left out instead of sent at once: the process itself stood still, or nobody asked
/// for this stream to go on.
const STALL: f64 = 0.200;
/// Seconds by which the sink's timeline may be ahead of a source that goes on after silence: a frame of silence that
/// was not over yet, and jitter.
const MAX_LEAD: f64 = 0.040;
/// Seconds by which a source's timestamps may differ from the time that passed.
pub const JUMP: f64 = 1.0;

/// A number of seconds in whole ticks, rounded as the reference engine rounds (half to even).
pub fn ticks(seconds: f64, rate: u32) -> i64 {
    (seconds * f64::from(rate)).round_ties_even() as i64
}

/// Next sequence number and position, and the time that they are due; counts what was sent.
#[derive(Debug)]
pub struct SinkStream {
    /// Of all its packets.
    pub ssrc: u32,
    /// Of the next packet.
    pub sequence: u16,
    /// Of the next packet, if it follows without a gap.
    pub position: i64,
    /// When sound for `position` is due, if the stream shall not pause.
    pub due: f64,
    /// When the sound at hand is over that came last: without a lead of the timeline, and with what is pending.
    pub ends: f64,
    /// Whether the last packet was silence of ours.
    pub is_filling: bool,
    /// In packets.
    pub packets_sent: u64,
    /// Of `packets_sent`: silence, or a sound of our own.
    pub silence_sent: u64,
    /// Payload only.
    pub bytes_sent: u64,
    /// Of audio.
    pub payload_type: u8,
    /// Ticks a second.
    pub clock_rate: u32,
    /// Ticks of 20 ms.
    pub frame_ticks: i64,
    first_timestamp: u32,
}

impl SinkStream {
    /// A stream that begins at `now` with these numbers.
    pub fn new(ssrc: u32, first_sequence: u16, first_timestamp: u32, codec: &Codec, now: f64) -> Self {
        Self {
            ssrc,
            sequence: first_sequence,
            position: 0,
            due: now,
            ends: now,
            is_filling: false,
            packets_sent: 0,
            silence_sent: 0,
            bytes_sent: 0,
            payload_type: codec.payload_type,
            clock_rate: codec.clock_rate(),
            frame_ticks: ticks(FRAME, codec.clock_rate()),
            first_timestamp,
        }
    }

    /// Go on with another payload type, and perhaps clock rate, from the timestamp that was next.
    pub fn set_codec(&mut self, codec: &Codec) {
        self.first_timestamp = self.timestamp(self.position);
        self.position = 0;
        self.payload_type = codec.payload_type;
        self.clock_rate = codec.clock_rate();
        self.frame_ticks = ticks(FRAME, self.clock_rate);
    }

    /// The RTP timestamp of a position.
    pub fn timestamp(&self, position: i64) -> u32 {
        self.first_timestamp.wrapping_add(position as u32)
    }

    /// The RTP timestamp that belongs to a moment, for sender reports.
    pub fn timestamp_at(&self, now: f64) -> u32 {
        self.timestamp(self.position + ticks(now - self.due, self.clock_rate))
    }

    /// Seconds as ticks of this stream's clock.
    pub fn seconds(&self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.clock_rate)
    }

    /// A packet at any place, counted as sent.
    pub fn send(&mut self, place: Place, payload: &[u8], sink: &mut dyn Sink) {
        self.packets_sent += 1;
        self.bytes_sent += payload.len() as u64;
        let header = Header {
            payload_type: place.payload_type,
            marker: place.marker,
            sequence: place.sequence,
            timestamp: self.timestamp(place.position),
            ssrc: self.ssrc,
        };
        sink.packet(&header, payload);
    }

    /// The next packet of audio; lasts `ticks`. The caller moves `due`.
    pub fn append(&mut self, payload: &[u8], ticks: i64, marker: bool, sink: &mut dyn Sink) {
        let place = Place {
            payload_type: self.payload_type,
            sequence: self.sequence,
            position: self.position,
            marker,
        };
        self.send(place, payload, sink);
        self.sequence = self.sequence.wrapping_add(1);
        self.position += ticks;
    }

    /// The next packet, of something else than audio, that does not move the timeline.
    pub fn append_at(&mut self, payload_type: u8, payload: &[u8], position: i64, marker: bool, sink: &mut dyn Sink) {
        self.send(
            Place {
                payload_type,
                sequence: self.sequence,
                position,
                marker,
            },
            payload,
            sink,
        );
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Something real has been sent that lasts until `position`; see `due` and `ends`.
    pub fn reached(&mut self, position: i64, due: f64, ends: f64) {
        self.position = self.position.max(position);
        self.due = due;
        self.ends = ends;
        self.is_filling = false;
    }

    /// A frame of silence or of a sound of ours at its due time: timestamps keep step with the clock for ever.
    pub fn append_silence(&mut self, payload: &[u8], sink: &mut dyn Sink) {
        self.due += FRAME;
        self.ends = self.due;
        self.is_filling = true;
        self.silence_sent += 1;
        self.append(payload, self.frame_ticks, false, sink);
    }

    /// Leave out what should have been sent a while ago, in whole frames; a short delay changes nothing.
    pub fn catch_up(&mut self, now: f64) {
        let behind = now - self.due;
        if behind > SHORT {
            let frames = (behind / FRAME) as i64;
            self.position += frames * self.frame_ticks;
            self.due += frames as f64 * FRAME;
            self.ends = self.due;
        }
    }

    /// Whether so much is due that it is better left out than sent at once.
    pub fn is_stalled(&self, now: f64) -> bool {
        now - self.due > STALL
    }
}

/// Where a packet goes in a stream, and as what.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its payload type.
    pub payload_type: u8,
    /// Its sequence number.
    pub sequence: u16,
    /// Where it begins.
    pub position: i64,
    /// Its marker bit.
    pub marker: bool,
}

/// A source's timestamps as positions of the sink's stream: a straight line, drawn anew when the source jumps.
///
/// While the source is silent something else may be put into the stream. What follows is then a little beside the
/// line, by `shift`, for silence comes in whole frames. The line itself stays, so that these shifts never add up.
#[derive(Debug)]
pub struct SourceClock {
    /// Ticks of the sink's clock by which the source is beside its line now.
    pub shift: i64,
    source_rate: i64,
    sink_rate: i64,
    tolerance: i64,
    ssrc: Option<u32>,
    last_timestamp: u32,
    origin: i64,
    /// Of the source's clock since the line was drawn.
    last_ticks: i64,
    last_time: f64,
    last_lead: Option<i64>,
}

impl SourceClock {
    /// Between clocks of these rates.
    pub fn new(source_rate: u32, sink_rate: u32) -> Self {
        Self {
            shift: 0,
            source_rate: i64::from(source_rate),
            sink_rate: i64::from(sink_rate),
            tolerance: ticks(MAX_LEAD, sink_rate),
            ssrc: None,
            last_timestamp: 0,
            origin: 0,
            last_ticks: 0,
            last_time: 0.0,
            last_lead: None,
        }
    }

    /// Whether the packet lies on the line: the same source, its timestamp about as much later as it is later.
    pub fn follows(&self, header: &Header, now: f64) -> bool {
        if self.ssrc != Some(header.ssrc) {
            return false;
        }
        let passed = timestamp_delta(header.timestamp, self.last_timestamp) as f64 / self.source_rate as f64;
        (passed - (now - self.last_time)).abs() < JUMP
    }

    /// Draw the line anew: this packet belongs to `position`.
    pub fn start(&mut self, header: &Header, position: i64, now: f64) {
        self.ssrc = Some(header.ssrc);
        self.last_timestamp = header.timestamp;
        self.last_time = now;
        self.last_ticks = 0;
        self.origin = position;
        self.shift = 0;
        self.last_lead = None;
    }

    /// This packet is the newest so far.
    pub fn advance(&mut self, header: &Header, now: f64) {
        self.last_ticks += timestamp_delta(header.timestamp, self.last_timestamp);
        self.last_timestamp = header.timestamp;
        self.last_time = now;
    }

    /// The packet's place on the line.
    pub fn ideal(&self, header: &Header) -> i64 {
        let ticks = self.last_ticks + timestamp_delta(header.timestamp, self.last_timestamp);
        self.origin + (ticks * self.sink_rate).div_euclid(self.source_rate)
    }

    /// Where the packet goes: its place on the line, and the shift.
    pub fn position(&self, header: &Header) -> i64 {
        self.ideal(header) + self.shift
    }

    /// Let the source go on at `position`, beside its line; false when the packet should rather be left out.
    ///
    /// That is so if silence covers its time and more: it was delayed in the network. But if the next is just as
    /// late, the source's clock stood still, or the network has become slower for good, and the line is drawn anew.
    pub fn resume(&mut self, header: &Header, position: i64, now: f64) -> bool {
        let lead = position - self.ideal(header);
        if lead <= self.tolerance {
            self.shift = lead;
            self.last_lead = None;
            return true;
        }
        if self.last_lead.is_none_or(|before| lead < before - self.tolerance / 4) {
            self.last_lead = Some(lead);
            return false;
        }
        self.start(header, position, now);
        true
    }

    /// The next packet starts a new line.
    pub fn forget(&mut self) {
        self.ssrc = None;
    }
}
