//! What joins the two legs of a pipeline: a relay or a transcoder.

use super::relay::Relay;
use super::stream::SinkStream;
use super::transcoder::Transcoder;
use crate::codec::comfort_noise::ComfortNoise;
use crate::rtp::{Packet, Sink};

/// Takes packets of the source, appends to the stream of the sink.
#[derive(Debug)]
pub enum Stage {
    /// Passes payloads on.
    Relay(Relay),
    /// Makes others of them.
    Transcoder(Box<Transcoder>),
}

impl Stage {
    /// Take a packet of audio.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        match self {
            Self::Relay(relay) => relay.receive(packet, now, stream, sink),
            Self::Transcoder(transcoder) => transcoder.receive(packet, now, stream, sink),
        }
    }

    /// Take a packet that has a sequence number but is not for the sink: that is no loss.
    pub fn skip(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        match self {
            Self::Relay(relay) => relay.skip(&packet.header, stream),
            Self::Transcoder(transcoder) => transcoder.skip(packet, now, stream, sink),
        }
    }

    /// The position at which a telephone-event begins whose first packet this is.
    pub fn place_event(&mut self, packet: &Packet<'_>, now: f64, stream: &mut SinkStream) -> i64 {
        match self {
            Self::Relay(relay) => relay.place_event(&packet.header, now, stream),
            Self::Transcoder(transcoder) => transcoder.place_event(now, stream),
        }
    }

    /// Send a telephone-event packet, `out` its payload type and payload, in the place of this one.
    pub fn forward_event(
        &mut self,
        packet: &Packet<'_>,
        out: (u8, &[u8]),
        position: i64,
        now: f64,
        stream: &mut SinkStream,
        sink: &mut dyn Sink,
    ) {
        match self {
            Self::Relay(relay) => relay.forward_event(&packet.header, out, position, now, stream, sink),
            Self::Transcoder(transcoder) => transcoder.forward_event(packet, out, position, now, stream, sink),
        }
    }

    /// A frame of silence, because the source has nothing; or of the noise that it described.
    pub fn silence(&mut self, noise: Option<&mut ComfortNoise>, stream: &mut SinkStream, sink: &mut dyn Sink) {
        match self {
            Self::Relay(relay) => relay.silence(noise, stream, sink),
            Self::Transcoder(transcoder) => transcoder.silence(noise, stream, sink),
        }
    }

    /// The sink is going to hear something else for a while: forget what is under way.
    pub fn suspend(&mut self) {
        match self {
            Self::Relay(relay) => relay.suspend(),
            Self::Transcoder(transcoder) => transcoder.suspend(),
        }
    }

    /// Send what waits for something that may still come.
    pub fn flush(&mut self, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        if let Self::Transcoder(transcoder) = self {
            transcoder.flush(now, stream, sink);
        }
    }

    /// Send what has waited for long enough.
    pub fn handle_timeout(&mut self, now: f64, stream: &mut SinkStream, sink: &mut dyn Sink) {
        if let Self::Transcoder(transcoder) = self {
            transcoder.handle_timeout(now, stream, sink);
        }
    }

    /// When `handle_timeout` wants to be called.
    pub fn next_deadline(&self) -> Option<f64> {
        match self {
            Self::Relay(_) => None,
            Self::Transcoder(transcoder) => transcoder.next_deadline(),
        }
    }

    /// Packets that came twice, or after their time.
    pub fn packets_late(&self) -> u64 {
        match self {
            Self::Relay(relay) => relay.packets_late,
            Self::Transcoder(transcoder) => transcoder.packets_late(),
        }
    }

    /// Frames that the decoder made up for lost ones.
    pub fn frames_concealed(&self) -> u64 {
        match self {
            Self::Relay(_) => 0,
            Self::Transcoder(transcoder) => transcoder.frames_concealed,
        }
    }
}
