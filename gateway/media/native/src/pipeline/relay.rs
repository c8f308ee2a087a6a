//! Forwards packets whose codec both legs share: at once, payload untouched, loss and disorder passed on.
//!
//! Sequence numbers and timestamps are moved by constants, which change only where something else was put into the
//! stream in between (silence, digits), where a packet was left out, or where the source itself jumped.

use super::codec::{Codec, Name, payload_ticks};
use super::stream::{EVENT_INTERVAL, Place, SinkStream, SourceClock};
use crate::codec::comfort_noise::ComfortNoise;
use crate::codec::g711;
use crate::rtp::{Header, MAX_DROPOUT, MAX_MISORDER, Packet, Sink, sequence_delta};

/// Packets behind the newest that are still forwarded; SRTP would refuse to send one of them twice.
const WINDOW: i32 = 64;
/// Frames of silence that are sent at once to fill a hole; a longer one is left open.
const MAX_CATCH_UP_FRAMES: i64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Newest,
    Older,
    /// Seen before, or from before a splice.
    Late,
    /// Of another source, or too far away: everything before it is forgotten.
    Restart,
}

/// The stage of pass-through, and of µ-law <-> A-law, which is pass-through with another alphabet.
#[derive(Debug)]
pub struct Relay {
    /// Packets that came twice, or after their time.
    pub packets_late: u64,
    source: Name,
    sink: Codec,
    /// Payload of 20 ms in the sink's codec.
    silence: &'static [u8],
    /// Whether holes are filled with silence.
    needs_continuity: bool,
    /// What each payload byte becomes, if not itself.
    translation: Option<Box<[u8; 256]>>,
    translated: Vec<u8>,
    clock: SourceClock,
    ssrc: Option<u32>,
    highest: u16,
    /// Bit n: the packet n behind the highest came.
    seen: u64,
    sequence_offset: u16,
    /// Where we left the stream; elsewhere now means that something else was put in, None that we were suspended.
    left_sequence: Option<u16>,
}

impl Relay {
    /// Between these codecs; see the fields.
    pub fn new(
        source: &Codec,
        sink: &Codec,
        silence: &'static [u8],
        needs_continuity: bool,
        translation: Option<Box<[u8; 256]>>,
    ) -> Self {
        Self {
            packets_late: 0,
            source: source.name,
            sink: *sink,
            silence,
            needs_continuity,
            translation,
            translated: Vec::new(),
            clock: SourceClock::new(source.clock_rate(), sink.clock_rate()),
            ssrc: None,
            highest: 0,
            seen: u64::MAX,
            sequence_offset: 0,
            left_sequence: None,
        }
    }

    fn is_spliced(&self, stream: &SinkStream) -> bool {
        self.left_sequence != Some(stream.sequence)
    }

    /// Take a packet of audio.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        let header = &packet.header;
        match self.order(header, stream) {
            Order::Late => self.packets_late += 1,
            Order::Older => {
                let position = self.clock.position(header);
                self.forward(packet, position, header.marker, stream, sink);
            }
            Order::Newest | Order::Restart => self.go_on(packet, now, stream, sink),
        }
    }

    fn go_on(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        let header = &packet.header;
        let mut marker = header.marker;
        if !self.clock.follows(header, now) {
            stream.catch_up(now);
            self.clock.start(header, stream.position, now);
            self.rebase_sequence(header, stream);
            marker = true;
        } else if self.is_spliced(stream) {
            self.close_hole(stream.position - self.clock.ideal(header), stream, sink);
            if !self.clock.resume(header, stream.position, now) {
                self.packets_late += 1;
                self.seen = u64::MAX; // what it overtook would get a number that the silence has used
                return;
            }
            self.rebase_sequence(header, stream);
            marker = true;
        }
        self.clock.advance(header, now);
        let position = self.clock.position(header);
        self.forward(packet, position, marker, stream, sink);
        self.leave(header.sequence, stream);
        let ticks = payload_ticks(self.source, packet.payload);
        let ends = now + stream.seconds(ticks);
        stream.reached(position + ticks, ends + stream.seconds(self.clock.shift), ends);
    }

    /// The stream goes on after the packet with this sequence number of the source.
    fn leave(&mut self, sequence: u16, stream: &mut SinkStream) {
        stream.sequence = sequence.wrapping_add(self.sequence_offset).wrapping_add(1);
        self.left_sequence = Some(stream.sequence);
    }

    fn order(&mut self, header: &Header, stream: &SinkStream) -> Order {
        let ahead = sequence_delta(header.sequence, self.highest);
        if self.ssrc != Some(header.ssrc) || !(-MAX_MISORDER..=MAX_DROPOUT).contains(&ahead) {
            self.ssrc = Some(header.ssrc);
            self.highest = header.sequence;
            self.seen = u64::MAX;
            self.left_sequence = None;
            self.clock.forget();
            return Order::Restart;
        }
        if ahead > 0 {
            self.highest = header.sequence;
            self.seen = self.seen.checked_shl(ahead as u32).unwrap_or(0) | 1;
            return Order::Newest;
        }
        let bit = 1u64.checked_shl(-ahead as u32).unwrap_or(0);
        let behind = sequence_delta(stream.sequence, header.sequence.wrapping_add(self.sequence_offset));
        if bit == 0 || self.seen & bit != 0 || behind > WINDOW {
            return Order::Late; // perhaps only because of what was put into the stream meanwhile
        }
        self.seen |= bit;
        Order::Older
    }

    /// This packet takes the stream's next sequence number; none from before it is forwarded any more.
    fn rebase_sequence(&mut self, header: &Header, stream: &SinkStream) {
        self.sequence_offset = stream.sequence.wrapping_sub(header.sequence);
        self.seen = u64::MAX;
    }

    /// Something else was in the stream, but ended before the source goes on, if `lead` is negative.
    fn close_hole(&mut self, lead: i64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        if lead < -stream.frame_ticks {
            let frames = -lead / stream.frame_ticks;
            if self.needs_continuity && frames <= MAX_CATCH_UP_FRAMES {
                for _ in 0..frames {
                    stream.append_silence(self.silence, sink);
                }
            } else {
                stream.position -= lead;
            }
        }
    }

    fn forward(
        &mut self,
        packet: &Packet<'_>,
        position: i64,
        marker: bool,
        stream: &mut SinkStream,
        sink: &mut dyn Sink,
    ) {
        let sequence = packet.header.sequence.wrapping_add(self.sequence_offset);
        let place = Place {
            payload_type: stream.payload_type,
            sequence,
            position,
            marker,
        };
        match &self.translation {
            None => stream.send(place, packet.payload, sink),
            Some(table) => {
                self.translated.clear();
                self.translated
                    .extend(packet.payload.iter().map(|&code| table[usize::from(code)]));
                stream.send(place, &self.translated, sink);
            }
        }
    }

    /// Take a packet that has a sequence number but is not for the sink. The packets after it move up by one.
    pub fn skip(&mut self, header: &Header, stream: &SinkStream) {
        if self.order(header, stream) == Order::Newest {
            self.sequence_offset = self.sequence_offset.wrapping_sub(1);
            self.seen = u64::MAX;
        }
    }

    /// The position at which a telephone-event begins whose first packet this is.
    pub fn place_event(&self, header: &Header, now: f64, stream: &mut SinkStream) -> i64 {
        if !self.is_spliced(stream) && self.clock.follows(header, now) {
            return self.clock.position(header);
        }
        stream.catch_up(now);
        stream.position
    }

    /// Send a telephone-event packet, `out` its payload type and payload, in the place of this one.
    pub fn forward_event(
        &mut self,
        header: &Header,
        out: (u8, &[u8]),
        position: i64,
        now: f64,
        stream: &mut SinkStream,
        sink: &mut dyn Sink,
    ) {
        let order = self.order(header, stream);
        if order == Order::Late {
            self.packets_late += 1;
            return;
        }
        if order != Order::Older && self.is_spliced(stream) {
            if !self.clock.follows(header, now) {
                self.clock.start(header, position, now);
            }
            self.rebase_sequence(header, stream);
        }
        let sequence = header.sequence.wrapping_add(self.sequence_offset);
        if order != Order::Older {
            self.leave(header.sequence, stream);
        }
        stream.reached(stream.position, now, now + EVENT_INTERVAL);
        stream.send(
            Place {
                payload_type: out.0,
                sequence,
                position,
                marker: header.marker,
            },
            out.1,
            sink,
        );
    }

    /// Pass payloads on with every byte changed, or as they are.
    pub fn set_translation(&mut self, translation: Option<Box<[u8; 256]>>) {
        self.translation = translation;
    }

    /// A frame of silence, because the source has nothing; of the noise that it described where every sample stands
    /// for itself. What has a memory, or an encoder, cannot be put together here.
    pub fn silence(&mut self, noise: Option<&mut ComfortNoise>, stream: &mut SinkStream, sink: &mut dyn Sink) {
        let encode = match self.sink.name {
            Name::Pcmu => g711::linear_to_ulaw,
            Name::Pcma => g711::linear_to_alaw,
            Name::Opus | Name::G722 => return stream.append_silence(self.silence, sink),
        };
        let Some(noise) = noise else {
            return stream.append_silence(self.silence, sink);
        };
        self.translated.clear();
        self.translated
            .extend(noise.frame(self.silence.len()).iter().map(|&sample| encode(sample)));
        stream.append_silence(&self.translated, sink);
    }

    /// The sink is going to hear something else for a while.
    pub fn suspend(&mut self) {
        self.left_sequence = None;
    }
}
