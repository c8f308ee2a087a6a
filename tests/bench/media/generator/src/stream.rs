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
