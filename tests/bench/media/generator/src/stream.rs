//! One direction of one call: what leaves at one end, and what is seen of it at the other.

use _native::codec::opus::Decoder;

use crate::config::{Codec, Measure, Source};

/// Seconds between two packets.
pub const FRAME: f64 = 0.02;

/// Where in a payload its stamp is: behind what a relay may look at (the first bytes of Opus).
const STAMP_AT: usize = 8;
const STAMP: usize = 16;
const MARK: [u8; 4] = [0x5a, 0xc3, 0x96, 0x3c];

/// Mean absolute sample from which a frame counts as loud.
const LOUD: u64 = 800;

const RTP_HEADER: usize = 12;

/// The sending end.
pub struct Sender {
    ssrc: u32,
    /// Packets so far.
    pub count: u32,
    /// Number of the first packet of the window, once there is one.
    pub first: Option<u32>,
    /// When the last burst began, until it has been heard.
    pub burst_at: Option<f64>,
}

impl Sender {
    /// Nothing sent yet.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            count: 0,
            first: None,
            burst_at: None,
        }
    }

    /// Write the next packet.
    pub fn write(&mut self, source: &Source, measure: Measure, now: f64, packet: &mut Vec<u8>) {
        let number = self.count;
        let at = number as usize % source.frames.len();
        let marker = u8::from(number == 0) << 7;
        packet.clear();
        packet.extend([0x80, marker | source.payload_type]);
        packet.extend((number as u16).to_be_bytes());
        packet.extend(number.wrapping_mul(source.ticks).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(&source.frames[at].0);
        match measure {
            Measure::Stamps => stamp(&mut packet[RTP_HEADER..], number, now),
            Measure::Bursts if source.onsets.contains(&at) => self.burst_at = Some(now),
            Measure::Bursts | Measure::Counts => {}
        }
        self.count += 1;
    }
}

fn stamp(payload: &mut [u8], number: u32, now: f64) {
    let place = &mut payload[STAMP_AT..STAMP_AT + STAMP];
    place[..4].copy_from_slice(&MARK);
    place[4..8].copy_from_slice(&number.to_be_bytes());
    place[8..].copy_from_slice(&now.to_be_bytes());
}

/// Number and time of a stamped payload.
pub fn read_stamp(payload: &[u8]) -> Option<(u32, f64)> {
    let place = payload.get(STAMP_AT..STAMP_AT + STAMP)?;
    let (mark, rest) = place.split_at(4);
    let (number, time) = rest.split_at(4);
    (mark == MARK).then_some(())?;
    Some((
        u32::from_be_bytes(number.try_into().ok()?),
        f64::from_be_bytes(time.try_into().ok()?),
    ))
}

/// Which packets have arrived, by number.
#[derive(Default)]
pub struct Seen(Vec<u64>);

impl Seen {
    /// Note one; whether it is new.
    pub fn note(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1 << (number % 64));
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }

    /// How many of those numbers.
    pub fn among(&self, numbers: std::ops::Range<u32>) -> u64 {
        let has = |number: &u32| {
            let word = self.0.get(*number as usize / 64).copied().unwrap_or(0);
            word & 1 << (number % 64) != 0
        };
        numbers.filter(has).count() as u64
    }
}

/// Tells loud frames from silence.
pub struct Ear {
    decoder: Option<Decoder>,
    pcm: Vec<i16>,
    was_loud: bool,
}

impl Ear {
    /// For what this codec carries; None when libopus says no.
    pub fn new(codec: Codec) -> Option<Self> {
        let decoder = match codec {
            Codec::Pcmu => None,
            Codec::Opus => Some(Decoder::new(8000).ok()?),
        };
        Some(Self {
            decoder,
            pcm: Vec::new(),
            was_loud: true,
        })
    }

    /// Whether this payload is loud and the one before was not.
    pub fn is_onset(&mut self, payload: &[u8]) -> bool {
        self.pcm.clear();
        match &mut self.decoder {
            None => self.pcm.extend(payload.iter().map(|&byte| linear(byte))),
            Some(decoder) => {
                if decoder.decode(payload, &mut self.pcm).is_err() {
                    return false;
                }
            }
        }
        let sum: u64 = self.pcm.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
        let is_loud = sum > LOUD * self.pcm.len() as u64;
        let is_onset = is_loud && !self.was_loud;
        self.was_loud = is_loud;
        is_onset
    }
}

/// One sample of mu-law (G.711).
fn linear(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i16::from(byte & 0x0F) << 3) + 0x84) << ((byte & 0x70) >> 4);
    if byte & 0x80 != 0 {
        0x84 - magnitude
    } else {
        magnitude - 0x84
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Hex;

    fn source(frames: &[[u8; 160]], onsets: Vec<usize>) -> Source {
        Source {
            codec: Codec::Pcmu,
            payload_type: 0,
            ticks: 160,
            frames: frames.iter().map(|frame| Hex(frame.to_vec())).collect(),
            onsets,
        }
    }

    #[test]
    fn a_stamp_comes_out_as_it_went_in() {
        let source = source(&[[0xD5; 160]], Vec::new());
        let (mut sender, mut packet) = (Sender::new(7), Vec::new());

        sender.write(&source, Measure::Stamps, 1.0, &mut packet);
        sender.write(&source, Measure::Stamps, 1.02, &mut packet);

        assert_eq!(read_stamp(&packet[RTP_HEADER..]), Some((1, 1.02)));
        assert_eq!(packet[2..8], [0, 1, 0, 0, 0, 160]);
        assert_eq!(read_stamp(&[0xD5; 160]), None);
        assert_eq!(read_stamp(&[0; 10]), None);
    }

    #[test]
    fn a_packet_is_seen_once() {
        let mut seen = Seen::default();

        let new = [3, 64, 3, 200].map(|number| seen.note(number));

        assert_eq!(new, [true, true, false, true]);
        assert_eq!(seen.among(0..64), 1);
        assert_eq!(seen.among(64..1000), 2);
    }

    #[test]
    fn an_onset_is_the_first_loud_payload_after_silence() {
        let mut ear = Ear::new(Codec::Pcmu).expect("no decoder is needed");
        let (silence, loud) = ([0xFF; 160], [0x80; 160]);

        let heard = [loud, silence, silence, loud, loud, silence, loud].map(|frame| ear.is_onset(&frame));

        assert_eq!(heard, [false, false, false, true, false, false, true]);
    }

    #[test]
    fn a_burst_is_dated_by_its_first_packet() {
        let source = source(&[[0xFF; 160], [0x80; 160], [0x80; 160]], vec![1]);
        let (mut sender, mut packet) = (Sender::new(7), Vec::new());

        for at in [1.0, 2.0, 3.0] {
            sender.write(&source, Measure::Bursts, at, &mut packet);
        }

        assert_eq!(sender.burst_at, Some(2.0));
    }

    #[test]
    fn mu_law_has_its_ends_where_g711_says() {
        assert_eq!(linear(0xFF), 0);
        assert_eq!(linear(0x80), 32124);
        assert_eq!(linear(0x00), -32124);
    }
}
