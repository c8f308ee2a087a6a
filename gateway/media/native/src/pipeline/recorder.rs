//! A recording of both directions of a call: two channels side by side, aligned, as WAV or Ogg/Opus.
//!
//! Packets go in as they arrive; bytes of a file come out as time passes. Both sources wait for the same fixed time in
//! front of the recorder, so that what was said at the same time stands at the same place, and their clocks are made
//! to agree with ours. Nothing here writes a file.

use opus::{Application, Bitrate, MSEncoder};

use super::codec::{Codec, CodecError};
use super::playout::{DelayLimits, Playout};
use super::stream::FRAME;
use crate::rtp::Packet;

/// Samples a second of a recording.
pub const RATE: u32 = 16000;
const FRAME_SAMPLES: usize = RATE as usize / 50;
/// Seconds that both directions wait, so that hardly any network is too slow for them.
const DELAY: f64 = 0.200;
/// Seconds behind which silence is written instead of what was heard: the process stood still.
const MAX_BEHIND: f64 = 5.0;
/// Bytes of a WAV header.
pub const WAV_HEADER_SIZE: usize = 44;
/// bit/s of both channels together.
const BITRATE: i32 = 48000;
/// Two packets of opus, and the length of the first.
const MAX_PAYLOAD: usize = 2 * 1275 + 2;
/// Packets of 20 ms in an Ogg page: what is lost at most when the process dies.
const PACKETS_A_PAGE: usize = 50;
/// Of Ogg/Opus, whatever was encoded (RFC 7845 section 4).
const GRANULE_RATE: u32 = 48000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first channel.
    Left,
    /// The second channel.
    Right,
}

/// How a recording is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 16-bit linear samples, 64 kB a second.
    Wav,
    /// Opus in Ogg (RFC 7845), 6 kB a second.
    OggOpus,
}

#[derive(Debug)]
enum Writer {
    Wav { bytes: u64 },
    Ogg(Box<Ogg>),
}

/// Two sources in, bytes of a file out.
#[derive(Debug)]
pub struct Recorder {
    left: Option<Playout>,
    right: Option<Playout>,
    writer: Writer,
    begun: f64,
    frames: u64,
    left_pcm: [i16; FRAME_SAMPLES],
    right_pcm: [i16; FRAME_SAMPLES],
    both: Vec<i16>,
}

impl Recorder {
    /// A recording that begins at `now`; adds the beginning of the file to `file`. `serial` tells Ogg streams apart.
    pub fn new(format: Format, serial: u32, now: f64, file: &mut Vec<u8>) -> Result<Self, CodecError> {
        let writer = match format {
            Format::Wav => {
                file.extend_from_slice(&wav_header(u64::from(u32::MAX)));
                Writer::Wav { bytes: 0 }
            }
            Format::OggOpus => Writer::Ogg(Box::new(Ogg::new(serial, file)?)),
        };
        Ok(Self {
            left: None,
            right: None,
            writer,
            begun: now,
            frames: 0,
            left_pcm: [0; FRAME_SAMPLES],
            right_pcm: [0; FRAME_SAMPLES],
            both: Vec::with_capacity(2 * FRAME_SAMPLES),
        })
    }

    /// What that side speaks from now on. Until it is known, there is silence.
    pub fn set_codec(&mut self, side: Side, codec: &Codec) -> Result<(), CodecError> {
        let playout = Playout::new(codec, RATE, DelayLimits { min: DELAY, max: DELAY })?;
        *self.playout(side) = Some(playout);
        Ok(())
    }

    fn playout(&mut self, side: Side) -> &mut Option<Playout> {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    /// Take a packet of one side, whatever it carries.
    pub fn receive(&mut self, side: Side, packet: &Packet<'_>, now: f64) {
        if let Some(playout) = self.playout(side) {
            playout.receive(packet, now);
        }
    }

    /// When the next frame is written.
    pub fn next_deadline(&self) -> f64 {
        self.begun + self.frames as f64 * FRAME
    }

    /// Seconds that have been written.
    pub fn duration(&self) -> f64 {
        self.frames as f64 * FRAME
    }

    /// Add what is due to the file.
    pub fn handle_timeout(&mut self, now: f64, file: &mut Vec<u8>) -> Result<(), CodecError> {
        while self.next_deadline() <= now {
            let due = self.next_deadline();
            if now - due > MAX_BEHIND {
                self.left_pcm.fill(0);
                self.right_pcm.fill(0);
            } else {
                take(&mut self.left, due, &mut self.left_pcm);
                take(&mut self.right, due, &mut self.right_pcm);
            }
            self.write_frame(file)?;
        }
        Ok(())
    }

    fn write_frame(&mut self, file: &mut Vec<u8>) -> Result<(), CodecError> {
        self.frames += 1;
        match &mut self.writer {
            Writer::Wav { bytes } => {
                *bytes += 4 * FRAME_SAMPLES as u64;
                for (left, right) in self.left_pcm.iter().zip(&self.right_pcm) {
                    file.extend_from_slice(&left.to_le_bytes());
                    file.extend_from_slice(&right.to_le_bytes());
                }
            }
            Writer::Ogg(ogg) => {
                self.both.clear();
                let pairs = self.left_pcm.iter().zip(&self.right_pcm);
                self.both.extend(pairs.flat_map(|(&left, &right)| [left, right]));
                ogg.write(&self.both, file)?;
            }
        }
        Ok(())
    }

    /// Add the end of the file, with what still waits to be heard; return what to put at its beginning instead of what
    /// is there, if anything: a WAV file names its length there.
    pub fn finish(mut self, now: f64, file: &mut Vec<u8>) -> Result<Option<[u8; WAV_HEADER_SIZE]>, CodecError> {
        self.handle_timeout(now + DELAY, file)?;
        match self.writer {
            Writer::Wav { bytes } => Ok(Some(wav_header(bytes))),
            Writer::Ogg(mut ogg) => {
                ogg.finish(file);
                Ok(None)
            }
        }
    }
}

fn take(playout: &mut Option<Playout>, now: f64, pcm: &mut [i16]) {
    match playout {
        Some(playout) => {
            playout.frame(now, pcm);
        }
        None => pcm.fill(0),
    }
}

/// Two channels of 16-bit linear samples; a length that does not fit is written as the longest.
fn wav_header(bytes: u64) -> [u8; WAV_HEADER_SIZE] {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let mut header = [0; WAV_HEADER_SIZE];
    header[..4].copy_from_slice(b"RIFF");
    header[4..8].copy_from_slice(&bytes.saturating_add(36).to_le_bytes());
    header[8..16].copy_from_slice(b"WAVEfmt ");
    header[16..20].copy_from_slice(&16u32.to_le_bytes());
    header[20..22].copy_from_slice(&1u16.to_le_bytes()); // linear samples
    header[22..24].copy_from_slice(&2u16.to_le_bytes()); // channels
    header[24..28].copy_from_slice(&RATE.to_le_bytes());
    header[28..32].copy_from_slice(&(4 * RATE).to_le_bytes());
    header[32..34].copy_from_slice(&4u16.to_le_bytes());
    header[34..36].copy_from_slice(&16u16.to_le_bytes());
    header[36..40].copy_from_slice(b"data");
    header[40..].copy_from_slice(&bytes.to_le_bytes());
    header
}

/// Opus packets in pages (RFC 3533, RFC 7845).
///
/// Each direction is a stream of its own: encoded as stereo, one voice would be heard in the other's channel.
#[derive(Debug)]
struct Ogg {
    encoder: MSEncoder,
    serial: u32,
    page: u32,
    granule: u64,
    /// Packets of the page that is being filled, and their lengths.
    packets: Vec<u8>,
    lengths: Vec<usize>,
    payload: Vec<u8>,
}

/// Which stream each channel is.
const CHANNELS: [u8; 2] = [0, 1];
const BEGIN_OF_STREAM: u8 = 2;
const END_OF_STREAM: u8 = 4;

impl Ogg {
    fn new(serial: u32, file: &mut Vec<u8>) -> Result<Self, CodecError> {
        let failed = |error: opus::Error| CodecError::Native(error.to_string());
        let mut encoder = MSEncoder::new(RATE, 2, 0, &CHANNELS, Application::Voip).map_err(failed)?;
        encoder.set_bitrate(Bitrate::Bits(BITRATE)).map_err(failed)?;
        let lookahead = encoder.get_lookahead().map_err(failed)?.unsigned_abs() * (GRANULE_RATE / RATE);
        let mut ogg = Self {
            encoder,
            serial,
            page: 0,
            granule: 0,
            packets: Vec::new(),
            lengths: Vec::new(),
            payload: vec![0; MAX_PAYLOAD],
        };
        // RFC 7845 section 5.1: version 1, two channels, what to skip, rate, no gain; two streams, none of them stereo
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend_from_slice(&(lookahead as u16).to_le_bytes());
        head.extend_from_slice(&RATE.to_le_bytes());
        head.extend_from_slice(&[0, 0, 1, 2, 0]);
        head.extend_from_slice(&CHANNELS);
        ogg.add(&head);
        ogg.end_page(BEGIN_OF_STREAM, file);
        // section 5.2: a vendor, no comments
        ogg.add(b"OpusTags\x0b\x00\x00\x00rtc-gateway\x00\x00\x00\x00");
        ogg.end_page(0, file);
        Ok(ogg)
    }

    fn add(&mut self, packet: &[u8]) {
        self.packets.extend_from_slice(packet);
        self.lengths.push(packet.len());
    }

    fn write(&mut self, pcm: &[i16], file: &mut Vec<u8>) -> Result<(), CodecError> {
        let size = self
            .encoder
            .encode(pcm, &mut self.payload)
            .map_err(|error| CodecError::Native(error.to_string()))?;
        // a page has room for 255 lengths of at most 255 bytes
        let segments: usize = self.lengths.iter().map(|length| length / 255 + 1).sum();
        if self.lengths.len() >= PACKETS_A_PAGE || segments + size / 255 + 1 > 255 {
            self.end_page(0, file);
        }
        self.packets.extend_from_slice(&self.payload[..size]);
        self.lengths.push(size);
        self.granule += u64::from(GRANULE_RATE / 50);
        Ok(())
    }

    fn finish(&mut self, file: &mut Vec<u8>) {
        self.end_page(END_OF_STREAM, file);
    }

    /// RFC 3533 section 6.
    fn end_page(&mut self, flags: u8, file: &mut Vec<u8>) {
        let begin = file.len();
        file.extend_from_slice(b"OggS\x00");
        file.push(flags);
        file.extend_from_slice(&self.granule.to_le_bytes());
        file.extend_from_slice(&self.serial.to_le_bytes());
        file.extend_from_slice(&self.page.to_le_bytes());
        file.extend_from_slice(&[0; 4]); // the checksum, computed over zeros in its place
        let segments = file.len();
        file.push(0);
        for &length in &self.lengths {
            file.resize(file.len() + length / 255, 255);
            file.push((length % 255) as u8);
        }
        file[segments] = (file.len() - segments - 1) as u8;
        file.append(&mut self.packets);
        let checksum = ogg_checksum(&file[begin..]);
        file[segments - 4..segments].copy_from_slice(&checksum.to_le_bytes());
        self.page += 1;
        self.lengths.clear();
    }
}

const fn checksum_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 != 0 {
                value << 1 ^ 0x04C1_1DB7
            } else {
                value << 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

static CHECKSUMS: [u32; 256] = checksum_table();

/// CRC-32 without reflection, from zero (RFC 3533 section 6, item 7).
fn ogg_checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, &byte| {
        sum << 8 ^ CHECKSUMS[((sum >> 24) as u8 ^ byte) as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::codec::effort::Effort;
    use crate::pipeline::codec::Name;
    use crate::pipeline::tones::{loudness, power, sines};
    use crate::rtp::Header;

    /// Both sides speak for three seconds, each its tone, with some jitter; the right one a second later.
    fn recorded(format: Format) -> (Vec<u8>, Option<[u8; WAV_HEADER_SIZE]>) {
        let mut file = Vec::new();
        let mut recorder = Recorder::new(format, 7, 0.0, &mut file).unwrap();
        let (left, right) = (Codec::new(Name::Pcmu, 0), Codec::new(Name::Opus, 111));
        recorder.set_codec(Side::Left, &left).unwrap();
        recorder.set_codec(Side::Right, &right).unwrap();
        let mut mouths = [
            Encoder::new(&left, 8000, Effort::default()).unwrap(),
            Encoder::new(&right, 16000, Effort::default()).unwrap(),
        ];
        for tick in 0..200u32 {
            let sides = [
                (Side::Left, 440.0, 8000u32, 160u32, 0u8, 0),
                (Side::Right, 700.0, 16000, 960, 111, 50),
            ];
            for ((side, frequency, rate, ticks, payload_type, begin), mouth) in sides.into_iter().zip(&mut mouths) {
                if !(begin..begin + 150).contains(&tick) {
                    continue;
                }
                let (mut pcm, mut payload) = (Vec::new(), Vec::new());
                let size = rate as usize / 50;
                sines(&[frequency], tick as usize * size, size, rate, -10.0, &mut pcm);
                mouth.encode(&pcm, &mut payload).unwrap();
                let header = Header {
                    payload_type,
                    sequence: tick as u16,
                    timestamp: tick * ticks,
                    ssrc: 1,
                    marker: false,
                };
                let at = f64::from(tick) * FRAME + f64::from(tick % 3) * 0.003;
                recorder.receive(
                    side,
                    &Packet {
                        header,
                        payload: &payload,
                    },
                    at,
                );
            }
            recorder
                .handle_timeout(f64::from(tick) * FRAME + 0.01, &mut file)
                .unwrap();
        }
        assert!((recorder.duration() - 4.0).abs() < 0.05);
        let header = recorder.finish(4.0, &mut file).unwrap();
        (file, header)
    }

    fn assert_aligned(left: &[i16], right: &[i16]) {
        let second = |pcm: &[i16], from: f64| -> Vec<i16> {
            let begin = (from * f64::from(RATE)) as usize;
            pcm[begin..begin + 8000].to_vec()
        };
        assert!((power(&second(left, 1.5), 440.0, RATE) + 10.0).abs() < 1.0);
        assert!((power(&second(right, 1.5), 700.0, RATE) + 10.0).abs() < 1.0);
        assert!(
            loudness(&second(right, 0.5)) < -60.0,
            "the right one began a second later"
        );
        assert!(loudness(&second(left, 3.5)) < -50.0 && (loudness(&second(right, 3.5)) + 10.0).abs() < 1.0);
        let begins = [left, right].map(|pcm| pcm.iter().position(|sample| sample.abs() > 2000).unwrap() as f64);
        assert!(
            ((begins[1] - begins[0]) / f64::from(RATE) - 1.0).abs() < 0.05,
            "{begins:?}"
        );
    }

    fn channels(pcm: &[i16]) -> (Vec<i16>, Vec<i16>) {
        (
            pcm.iter().step_by(2).copied().collect(),
            pcm.iter().skip(1).step_by(2).copied().collect(),
        )
    }

    #[test]
    fn a_wav_file_has_both_directions_aligned_and_says_how_long_it_is() {
        let (file, header) = recorded(Format::Wav);

        let header = header.unwrap();
        assert_eq!(header[..4], file[..4]);
        assert_eq!(
            u32::from_le_bytes(header[40..].try_into().unwrap()) as usize,
            file.len() - WAV_HEADER_SIZE
        );
        let samples: Vec<i16> = file[WAV_HEADER_SIZE..]
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let (left, right) = channels(&samples);
        assert_aligned(&left, &right);
    }

    /// Packets of an Ogg file; every checksum, page number and flag is looked at.
    fn packets(mut file: &[u8]) -> (Vec<Vec<u8>>, u64) {
        let (mut packets, mut page_number, mut granule) = (Vec::new(), 0u32, 0);
        let mut is_last = false;
        while !file.is_empty() {
            assert!(!is_last);
            assert_eq!(file[..5], *b"OggS\0");
            assert_eq!(file[5] & 2 != 0, page_number == 0);
            is_last = file[5] & 4 != 0;
            granule = u64::from_le_bytes(file[6..14].try_into().unwrap());
            assert_eq!(file[14..18], 7u32.to_le_bytes());
            assert_eq!(file[18..22], page_number.to_le_bytes());
            let segments = file[26] as usize;
            let size = 27
                + segments
                + file[27..27 + segments]
                    .iter()
                    .map(|&length| usize::from(length))
                    .sum::<usize>();
            let mut page = file[..size].to_vec();
            page[22..26].fill(0);
            assert_eq!(file[22..26], ogg_checksum(&page).to_le_bytes());
            let (mut data, mut packet) = (&file[27 + segments..size], Vec::new());
            for &length in &file[27..27 + segments] {
                packet.extend_from_slice(&data[..usize::from(length)]);
                data = &data[usize::from(length)..];
                if length < 255 {
                    packets.push(std::mem::take(&mut packet));
                }
            }
            assert!(packet.is_empty());
            file = &file[size..];
            page_number += 1;
        }
        assert!(is_last);
        (packets, granule)
    }

    #[test]
    fn an_ogg_file_has_both_directions_aligned() {
        let (file, header) = recorded(Format::OggOpus);

        assert_eq!(header, None);
        let (packets, granule) = packets(&file);
        assert_eq!(packets[0][..10], *b"OpusHead\x01\x02");
        assert_eq!(packets[0].len(), 23);
        assert!(packets[1].starts_with(b"OpusTags"));
        assert_eq!(granule, 960 * (packets.len() as u64 - 2));
        let mut decoder = opus::MSDecoder::new(RATE, 2, 0, &CHANNELS).unwrap();
        let mut samples = Vec::new();
        for packet in &packets[2..] {
            let mut frame = [0; 2 * FRAME_SAMPLES];
            assert_eq!(decoder.decode(packet, &mut frame, false).unwrap(), FRAME_SAMPLES);
            samples.extend(frame);
        }
        let (left, right) = channels(&samples);
        assert_aligned(&left, &right);
        assert!(file.len() < 40_000);
    }

    #[test]
    fn a_recorder_that_nobody_asked_for_minutes_writes_silence_for_them() {
        let mut file = Vec::new();
        let mut recorder = Recorder::new(Format::Wav, 0, 10.0, &mut file).unwrap();

        recorder.handle_timeout(70.0, &mut file).unwrap();

        assert_eq!(file.len(), WAV_HEADER_SIZE + 3001 * 4 * FRAME_SAMPLES);
        assert!(recorder.next_deadline() > 70.0);
    }
}
