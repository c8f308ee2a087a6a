//! A mixer of n legs: everybody hears all the others, and not themselves.

use super::codec::{Codec, CodecError, LegCodec};
use super::dtmf::{Digit, EventReceiver};
use super::playout::{DelayLimits, Playout};
use super::stream::{FRAME, SinkStream, ticks};
use crate::codec::effort::Effort;
use crate::codec::gain::Gain;
use crate::codec::{Encoder, silence};
use crate::rtp::{Header, Packet, Sink};

/// Samples a second at which is mixed: what G.722 has, and opus can have.
pub const RATE: u32 = 16000;
const FRAME_SAMPLES: usize = RATE as usize / 50;
/// Part by which the mix may become louder from frame to frame after it was too loud.
const RELEASE: f32 = 0.05;
/// Frames behind which the mix is left out instead of made at once: the process stood still.
const MAX_BEHIND: f64 = 0.2;

/// Who takes part, by the order in which they came.
pub type MemberId = u64;

/// Where the mixer puts what it sends to each member.
pub trait MemberSink {
    /// Takes one packet for one member; the payload is only borrowed.
    fn packet(&mut self, member: MemberId, header: &Header, payload: &[u8]);
}

struct ToMember<'a> {
    member: MemberId,
    sink: &'a mut dyn MemberSink,
}

impl Sink for ToMember<'_> {
    fn packet(&mut self, header: &Header, payload: &[u8]) {
        self.sink.packet(self.member, header, payload);
    }
}

/// What a new member is made of.
#[derive(Debug, Clone, Copy)]
pub struct MemberConfig {
    /// What it sends.
    pub receive: LegCodec,
    /// What it is sent.
    pub send: Codec,
    /// Of the stream towards it; a random number of the caller, as the next two.
    pub ssrc: u32,
    /// Of the first packet.
    pub first_sequence: u16,
    /// Of the first packet.
    pub first_timestamp: u32,
    /// How hard its encoder works.
    pub effort: Effort,
}

#[derive(Debug)]
struct Member {
    id: MemberId,
    /// Nobody hears it.
    is_muted: bool,
    gain: Gain,
    receive: LegCodec,
    playout: Playout,
    events: Option<EventReceiver>,
    /// Of what it says in this frame; not touched while `is_heard` is false.
    pcm: [i16; FRAME_SAMPLES],
    is_heard: bool,
    send: Codec,
    encoder: Encoder,
    narrower: crate::codec::Resampler,
    limiter: Limiter,
    stream: SinkStream,
}

/// Keeps a sum of voices within what fits, by making it softer as a whole instead of clipping it.
#[derive(Debug)]
struct Limiter {
    factor: f32,
}

impl Limiter {
    fn limit(&mut self, sums: &[i32; FRAME_SAMPLES], pcm: &mut [i16; FRAME_SAMPLES]) {
        let peak = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or_default();
        let fits = if peak > 32767 { 32767.0 / peak as f32 } else { 1.0 };
        let before = self.factor;
        // down at once, for what is too loud is in this very frame; up slowly
        self.factor = if fits < before {
            fits
        } else {
            fits.min(before + RELEASE)
        };
        let begin = before.min(fits);
        let step = (self.factor - begin) / FRAME_SAMPLES as f32;
        for (index, (sample, sum)) in pcm.iter_mut().zip(sums).enumerate() {
            *sample = (*sum as f32 * (begin + step * index as f32)) as i16; // a cast clips
        }
    }
}

/// A conference. Sans-IO: packets and `now` in, packets out every 20 ms.
#[derive(Debug)]
pub struct Mixer {
    members: Vec<Member>,
    next_id: MemberId,
    due: f64,
    total: [i32; FRAME_SAMPLES],
    others: [i32; FRAME_SAMPLES],
    mixed: [i16; FRAME_SAMPLES],
    narrow: Vec<i16>,
    payload: Vec<u8>,
}

impl Mixer {
    /// One without members; its first frame is due at `now`.
    pub fn new(now: f64) -> Self {
        Self {
            members: Vec::new(),
            next_id: 0,
            due: now,
            total: [0; FRAME_SAMPLES],
            others: [0; FRAME_SAMPLES],
            mixed: [0; FRAME_SAMPLES],
            narrow: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Somebody joins.
    pub fn add(&mut self, config: MemberConfig) -> Result<MemberId, CodecError> {
        let MemberConfig { receive, send, .. } = config;
        let encoder = Encoder::new(&send, RATE, config.effort)?;
        let narrower = crate::codec::Resampler::between(RATE, encoder.sample_rate());
        let id = self.next_id;
        let stream = SinkStream::new(
            config.ssrc,
            config.first_sequence,
            config.first_timestamp,
            &send,
            self.due,
        );
        self.members.push(Member {
            id,
            is_muted: false,
            gain: Gain::UNITY,
            receive,
            playout: Playout::new(&receive.codec, RATE, DelayLimits::default())?,
            events: receive.telephone_event.map(|(_, rate)| EventReceiver::new(rate)),
            pcm: [0; FRAME_SAMPLES],
            is_heard: false,
            send,
            encoder,
            narrower,
            limiter: Limiter { factor: 1.0 },
            stream,
        });
        self.next_id += 1;
        Ok(id)
    }

    /// Somebody leaves; one that is not there changes nothing.
    pub fn remove(&mut self, member: MemberId) {
        self.members.retain(|one| one.id != member);
    }

    /// How many take part.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody takes part.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn member(&mut self, member: MemberId) -> Option<&mut Member> {
        self.members.iter_mut().find(|one| one.id == member)
    }

    /// Nobody hears a muted member; it hears all the others.
    pub fn set_muted(&mut self, member: MemberId, is_muted: bool) {
        if let Some(member) = self.member(member) {
            member.is_muted = is_muted;
        }
    }

    /// Louder or softer for all the others.
    pub fn set_gain(&mut self, member: MemberId, gain: Gain) {
        if let Some(member) = self.member(member) {
            member.gain = gain;
        }
    }

    /// Take a packet of a member; add the digits that ended with it.
    pub fn receive(&mut self, member: MemberId, packet: &Packet<'_>, now: f64, digits: &mut Vec<Digit>) {
        let Some(member) = self.member(member) else { return };
        member.playout.receive(packet, now);
        let is_event = member
            .receive
            .telephone_event
            .is_some_and(|event| event.0 == packet.header.payload_type);
        if let Some(events) = member.events.as_mut().filter(|_| is_event) {
            events.receive(packet, now, digits);
        }
    }

    /// When `handle_timeout` wants to be called; None: nobody is there.
    pub fn next_deadline(&self) -> Option<f64> {
        (!self.members.is_empty()).then_some(self.due)
    }

    /// Send the frames that are due; add the digits whose end was lost, with whose they were.
    pub fn handle_timeout(&mut self, now: f64, sink: &mut dyn MemberSink, digits: &mut Vec<(MemberId, Digit)>) {
        let mut ended = Vec::new();
        for member in &mut self.members {
            if let Some(events) = &mut member.events {
                events.handle_timeout(now, &mut ended);
                digits.extend(ended.drain(..).map(|digit| (member.id, digit)));
            }
        }
        let behind = now - self.due;
        if self.members.is_empty() || behind > MAX_BEHIND {
            let frames = (behind / FRAME).max(0.0).floor();
            self.due += frames * FRAME;
            for member in &mut self.members {
                member.stream.position += frames as i64 * member.stream.frame_ticks;
            }
        }
        while self.due <= now && !self.members.is_empty() {
            self.listen();
            self.speak(sink);
            self.due += FRAME;
        }
    }

    /// Take a frame of everybody.
    fn listen(&mut self) {
        self.total.fill(0);
        for member in &mut self.members {
            member.is_heard = member.playout.frame(self.due, &mut member.pcm) && !member.is_muted;
            if member.is_heard {
                member.gain.apply_all(&mut member.pcm);
                for (sum, &sample) in self.total.iter_mut().zip(&member.pcm) {
                    *sum += i32::from(sample);
                }
            }
        }
    }

    /// Send a frame to everybody.
    fn speak(&mut self, sink: &mut dyn MemberSink) {
        for member in &mut self.members {
            self.others = self.total;
            if member.is_heard {
                for (sum, &sample) in self.others.iter_mut().zip(&member.pcm) {
                    *sum -= i32::from(sample);
                }
            }
            member.limiter.limit(&self.others, &mut self.mixed);
            let pcm = member.narrower.process(&self.mixed, &mut self.narrow);
            let is_encoded = member.encoder.encode(pcm, &mut self.payload).is_ok();
            let payload = if is_encoded {
                &self.payload
            } else {
                silence(member.send.name)
            };
            let frame_ticks = ticks(FRAME, member.send.clock_rate());
            let marker = member.stream.packets_sent == 0;
            member.stream.append(
                payload,
                frame_ticks,
                marker,
                &mut ToMember {
                    member: member.id,
                    sink,
                },
            );
            member.stream.due = self.due + FRAME;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Decoder;
    use crate::pipeline::codec::Name;
    use crate::pipeline::tones::{loudness, power, sines};

    #[derive(Default)]
    struct Sent(Vec<(MemberId, Header, Vec<u8>)>);

    impl MemberSink for Sent {
        fn packet(&mut self, member: MemberId, header: &Header, payload: &[u8]) {
            self.0.push((member, *header, payload.to_vec()));
        }
    }

    impl Sent {
        fn heard(&self, member: MemberId, name: Name) -> Vec<i16> {
            let mut decoder = Decoder::new(name, name.sample_rate().unwrap_or(RATE)).unwrap();
            let mut pcm = Vec::new();
            for (_, _, payload) in self.0.iter().filter(|sent| sent.0 == member) {
                decoder.decode(payload, &mut pcm).unwrap();
            }
            pcm
        }
    }

    fn config(name: Name) -> MemberConfig {
        let codec = Codec::new(name, 96);
        MemberConfig {
            receive: LegCodec {
                codec,
                telephone_event: Some((101, 8000)),
            },
            send: codec,
            ssrc: 7,
            first_sequence: 65530,
            first_timestamp: 0,
            effort: Effort::default(),
        }
    }

    /// Members with these codecs, each of which speaks a tone of its own at that level for three seconds.
    fn conference(names: &[Name], level: f64, muted: Option<usize>) -> Sent {
        let mut mixer = Mixer::new(0.0);
        let mut sent = Sent::default();
        let mut speakers = Vec::new();
        for &name in names {
            let id = mixer.add(config(name)).unwrap();
            let rate = name.sample_rate().unwrap_or(RATE);
            speakers.push((
                id,
                rate,
                Encoder::new(&Codec::new(name, 96), rate, Effort::default()).unwrap(),
                name,
            ));
        }
        if let Some(index) = muted {
            mixer.set_muted(index as MemberId, true);
        }
        for tick in 0..150u32 {
            let now = f64::from(tick) * FRAME + 1e-4;
            for (index, (id, rate, encoder, name)) in speakers.iter_mut().enumerate() {
                let size = *rate as usize / 50;
                let (mut pcm, mut payload) = (Vec::new(), Vec::new());
                sines(
                    &[400.0 + 300.0 * index as f64],
                    tick as usize * size,
                    size,
                    *rate,
                    level,
                    &mut pcm,
                );
                encoder.encode(&pcm, &mut payload).unwrap();
                let timestamp = tick * (name.clock_rate() / 50);
                let header = Header {
                    payload_type: 96,
                    sequence: tick as u16,
                    timestamp,
                    ssrc: 1,
                    marker: false,
                };
                mixer.receive(
                    *id,
                    &Packet {
                        header,
                        payload: &payload,
                    },
                    now,
                    &mut Vec::new(),
                );
            }
            mixer.handle_timeout(now, &mut sent, &mut Vec::new());
        }
        sent
    }

    #[test]
    fn everybody_hears_the_others_and_not_themselves_in_any_codec() {
        let names = [Name::Pcmu, Name::Opus, Name::G722, Name::Pcma];
        let sent = conference(&names, -20.0, None);

        for (index, &name) in names.iter().enumerate() {
            let rate = name.sample_rate().unwrap_or(RATE);
            let heard = sent.heard(index as MemberId, name);
            let heard = &heard[heard.len() - 2 * rate as usize..];
            for other in 0..names.len() {
                let level = power(heard, 400.0 + 300.0 * other as f64, rate);
                let is_own = other == index;
                assert!(
                    if is_own {
                        level < -45.0
                    } else {
                        (level + 20.0).abs() < 2.0
                    },
                    "{index} {other} {level}"
                );
            }
        }
    }

    #[test]
    fn streams_are_unbroken_from_the_first_frame_on() {
        let sent = conference(&[Name::Pcmu, Name::Opus], -20.0, None);
        let of_first: Vec<&Header> = sent.0.iter().filter(|sent| sent.0 == 0).map(|sent| &sent.1).collect();

        assert_eq!(of_first.len(), 150);
        assert!(of_first[0].marker && !of_first[1].marker);
        for pair in of_first.windows(2) {
            assert_eq!(pair[1].sequence.wrapping_sub(pair[0].sequence), 1);
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 160);
        }
    }

    #[test]
    fn a_muted_member_is_not_heard_and_many_loud_ones_do_not_clip() {
        let sent = conference(&[Name::G722, Name::G722, Name::G722], -20.0, Some(1));
        let heard = sent.heard(0, Name::G722);
        assert!(power(&heard[16000..], 700.0, RATE) < -45.0);
        assert!((power(&heard[16000..], 1000.0, RATE) + 20.0).abs() < 1.0);

        let sent = conference(&[Name::G722; 6], -3.0, None);
        let heard = sent.heard(0, Name::G722);
        let heard = &heard[heard.len() - 16000..];
        let tones: f64 = (1..6)
            .map(|index| 10f64.powf(power(heard, 400.0 + 300.0 * f64::from(index), RATE) / 10.0))
            .sum();
        assert!(
            loudness(heard) - 10.0 * tones.log10() < 1.0,
            "nearly all of it is what they said"
        );
    }

    #[test]
    fn a_process_that_stood_still_leaves_out_what_it_missed() {
        let mut mixer = Mixer::new(0.0);
        mixer.add(config(Name::Pcmu)).unwrap();
        let mut sent = Sent::default();
        mixer.handle_timeout(0.0, &mut sent, &mut Vec::new());

        mixer.handle_timeout(5.0, &mut sent, &mut Vec::new());

        assert!(sent.0.len() <= 3);
        assert_eq!(sent.0[1].1.timestamp, 250 * 160);
        assert!(mixer.next_deadline().unwrap() > 5.0);
        mixer.remove(0);
        assert_eq!((mixer.next_deadline(), mixer.len()), (None, 0));
    }
}
