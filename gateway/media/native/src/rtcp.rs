//! RTCP (RFC 3550 section 6): sender and receiver reports, CNAME, BYE; when to send and what to learn.

use std::fmt;

use crate::quality::reception::{Reception, SourceReport};

#[cfg(test)]
mod tests;

/// Seconds between reports at the mean (RFC 3550 section 6.2).
pub const MIN_INTERVAL: f64 = 5.0;

/// e - 3/2: what reconsideration would take away from the mean (RFC 3550 section 6.3.1).
const COMPENSATION: f64 = 1.21828;

/// Seconds from 1900 to 1970.
const NTP_EPOCH: f64 = 2_208_988_800.0;

/// Reports over which a loss is forgotten.
const LOSS_MEMORY: f64 = 4.0;
/// Less than this is no loss to prepare for, as a fraction.
const LEAST_LOSS: f64 = 0.005;

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const CNAME: u8 = 1;
const HEADER: usize = 4;
const SENDER: usize = 24;
const BLOCK: usize = 24;
const MAX_ITEMS: usize = 31;
const MAX_TEXT: usize = 255;

/// Why bytes are not a compound RTCP packet, or none can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RtcpError {
    /// No packet at all, or less than a header behind the last.
    Truncated,
    /// Another version than 2.
    Version,
    /// A length that does not fit, of a packet or of something in it.
    Length,
    /// Padding of no bytes, or of more than there are.
    Padding,
    /// More than 31 blocks or sources, or a text of more than 255 bytes, to be written.
    TooMuch,
}

impl fmt::Display for RtcpError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Truncated => "truncated RTCP packet",
            Self::Version => "RTCP version is not 2",
            Self::Length => "wrong length in an RTCP packet",
            Self::Padding => "wrong padding of an RTCP packet",
            Self::TooMuch => "too much for one RTCP packet",
        })
    }
}

impl std::error::Error for RtcpError {}

/// What a receiver says about one source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: u32,
    /// Since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Since the beginning, 24 bits with a sign; less than zero when packets came twice.
    pub packets_lost: i32,
    /// Extended with the count of cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks.
    pub jitter_ticks: u32,
    /// Middle 32 bits of the NTP time of the last sender report, 0 when there was none.
    pub last_sr: u32,
    /// In 1/65536 s.
    pub delay_since_last_sr: u32,
}

/// What a sender says about its stream (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The stream's time at the moment of the report.
    pub rtp_timestamp: u32,
    /// Packets since the beginning.
    pub packet_count: u32,
    /// Payload bytes since the beginning.
    pub octet_count: u32,
}

/// One packet of a compound packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// SR.
    SenderReport {
        /// Of the sender.
        ssrc: u32,
        /// 64-bit NTP timestamp.
        ntp_time: u64,
        /// About its stream.
        info: SenderInfo,
        /// About the streams that it receives.
        blocks: Vec<ReportBlock>,
    },
    /// RR.
    ReceiverReport {
        /// Of the receiver.
        ssrc: u32,
        /// About the streams that it receives.
        blocks: Vec<ReportBlock>,
    },
    /// One chunk of an SDES packet; only its CNAME is kept.
    Description {
        /// The source.
        ssrc: u32,
        /// Empty when there was none.
        cname: String,
    },
    /// BYE.
    Bye {
        /// The sources that leave.
        ssrcs: Vec<u32>,
        /// Empty when there was none.
        reason: String,
    },
}

/// Parse a compound packet; types other than the four (APP, feedback, XR) are left out.
///
/// Reduced-size packets (RFC 5506) are taken as well, so the first packet's type is not checked.
pub fn parse(mut data: &[u8]) -> Result<Vec<Packet>, RtcpError> {
    let mut packets = Vec::new();
    if data.is_empty() {
        return Err(RtcpError::Truncated);
    }
    while !data.is_empty() {
        let [first, kind, high, low, ..] = *data else {
            return Err(RtcpError::Truncated);
        };
        if first >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let size = HEADER * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let packet = data.get(HEADER..size).ok_or(RtcpError::Length)?;
        let body = without_padding(packet, first & 0x20 != 0)?;
        parse_one(kind, usize::from(first & 0x1F), body, &mut packets)?;
        data = &data[size..];
    }
    Ok(packets)
}

fn without_padding(body: &[u8], has_padding: bool) -> Result<&[u8], RtcpError> {
    if !has_padding {
        return Ok(body);
    }
    let padding = usize::from(*body.last().ok_or(RtcpError::Padding)?);
    if padding == 0 {
        return Err(RtcpError::Padding);
    }
    body.len()
        .checked_sub(padding)
        .map(|size| &body[..size])
        .ok_or(RtcpError::Padding)
}

fn parse_one(kind: u8, count: usize, body: &[u8], packets: &mut Vec<Packet>) -> Result<(), RtcpError> {
    match kind {
        SR => packets.push(Packet::SenderReport {
            ssrc: u32_at(body, 0)?,
            ntp_time: u64::from(u32_at(body, 4)?) << 32 | u64::from(u32_at(body, 8)?),
            info: SenderInfo {
                rtp_timestamp: u32_at(body, 12)?,
                packet_count: u32_at(body, 16)?,
                octet_count: u32_at(body, 20)?,
            },
            blocks: parse_blocks(&body[SENDER..], count)?,
        }),
        RR => packets.push(Packet::ReceiverReport {
            ssrc: u32_at(body, 0)?,
            blocks: parse_blocks(&body[4..], count)?,
        }),
        SDES => parse_chunks(body, count, packets)?,
        BYE => {
            let ssrcs = (0..count)
                .map(|index| u32_at(body, 4 * index))
                .collect::<Result<_, _>>()?;
            let rest = &body[4 * count..];
            let reason = rest
                .first()
                .map_or(Ok(&rest[..0]), |size| part(rest, 1, usize::from(*size)))?;
            packets.push(Packet::Bye {
                ssrcs,
                reason: text(reason),
            });
        }
        _ => {}
    }
    Ok(())
}

fn parse_blocks(body: &[u8], count: usize) -> Result<Vec<ReportBlock>, RtcpError> {
    let block = |index: usize| -> Result<ReportBlock, RtcpError> {
        let at = BLOCK * index;
        let loss = u32_at(body, at + 4)?;
        Ok(ReportBlock {
            ssrc: u32_at(body, at)?,
            fraction_lost: (loss >> 24) as u8,
            packets_lost: (loss << 8) as i32 >> 8,
            highest_sequence: u32_at(body, at + 8)?,
            jitter_ticks: u32_at(body, at + 12)?,
            last_sr: u32_at(body, at + 16)?,
            delay_since_last_sr: u32_at(body, at + 20)?,
        })
    };
    (0..count).map(block).collect()
}

fn parse_chunks(body: &[u8], count: usize, packets: &mut Vec<Packet>) -> Result<(), RtcpError> {
    let mut at = 0;
    for _ in 0..count {
        let ssrc = u32_at(body, at)?;
        let mut cname = String::new();
        at += 4;
        loop {
            let item = *body.get(at).ok_or(RtcpError::Length)?;
            if item == 0 {
                break;
            }
            let size = usize::from(*body.get(at + 1).ok_or(RtcpError::Length)?);
            let value = part(body, at + 2, size)?;
            if item == CNAME {
                cname = text(value);
            }
            at += 2 + size;
        }
        at += 4 - at % 4; // at least one zero byte ends a chunk, then it is padded to a word
        packets.push(Packet::Description { ssrc, cname });
    }
    Ok(())
}

fn part(data: &[u8], at: usize, size: usize) -> Result<&[u8], RtcpError> {
    data.get(at..at + size).ok_or(RtcpError::Length)
}

fn u32_at(data: &[u8], at: usize) -> Result<u32, RtcpError> {
    let bytes = part(data, at, 4)?;
    Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

/// Write a compound packet behind what is in `out`; [`RtcpError::TooMuch`] when one does not fit its format, and
/// what is in `out` is of no use then.
pub fn write(packets: &[Packet], out: &mut Vec<u8>) -> Result<(), RtcpError> {
    packets.iter().try_for_each(|packet| write_one(packet, out))
}

fn write_one(packet: &Packet, out: &mut Vec<u8>) -> Result<(), RtcpError> {
    let start = out.len();
    out.extend([0; HEADER]);
    let (kind, count) = match packet {
        Packet::SenderReport {
            ssrc,
            ntp_time,
            info,
            blocks,
        } => {
            out.extend(ssrc.to_be_bytes());
            out.extend(ntp_time.to_be_bytes());
            for value in [info.rtp_timestamp, info.packet_count, info.octet_count] {
                out.extend(value.to_be_bytes());
            }
            write_blocks(blocks, out);
            (SR, blocks.len())
        }
        Packet::ReceiverReport { ssrc, blocks } => {
            out.extend(ssrc.to_be_bytes());
            write_blocks(blocks, out);
            (RR, blocks.len())
        }
        Packet::Description { ssrc, cname } => {
            out.extend(ssrc.to_be_bytes());
            out.push(CNAME);
            write_text(cname, out)?;
            out.push(0);
            (SDES, 1)
        }
        Packet::Bye { ssrcs, reason } => {
            ssrcs.iter().for_each(|ssrc| out.extend(ssrc.to_be_bytes()));
            if !reason.is_empty() {
                write_text(reason, out)?;
            }
            (BYE, ssrcs.len())
        }
    };
    if count > MAX_ITEMS {
        return Err(RtcpError::TooMuch);
    }
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    let words = ((out.len() - start) / 4 - 1) as u16;
    let [high, low] = words.to_be_bytes();
    out[start..start + HEADER].copy_from_slice(&[0x80 | count as u8, kind, high, low]);
    Ok(())
}

fn write_blocks(blocks: &[ReportBlock], out: &mut Vec<u8>) {
    for block in blocks {
        let loss = u32::from(block.fraction_lost) << 24 | block.packets_lost as u32 & 0xFF_FFFF;
        for value in [
            block.ssrc,
            loss,
            block.highest_sequence,
            block.jitter_ticks,
            block.last_sr,
            block.delay_since_last_sr,
        ] {
            out.extend(value.to_be_bytes());
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) -> Result<(), RtcpError> {
    if text.len() > MAX_TEXT {
        return Err(RtcpError::TooMuch);
    }
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
    Ok(())
}

/// The last sender report of the far end.
struct LastReport {
    ssrc: u32,
    /// Middle 32 bits of its NTP time.
    ntp_middle: u32,
    arrived: f64,
}

/// RTCP of one leg: answers with what to send and when, and measures the round trip.
///
/// Two members in a session and the minimal interval: of RFC 3550 section 6.3 there remains the spreading of reports.
/// Times are seconds of the caller's monotonic clock.
pub struct RtcpSession {
    ssrc: u32,
    cname: String,
    ntp_offset: f64,
    randomness: Box<dyn FnMut() -> f64 + Send>,
    last_report: Option<LastReport>,
    deadline: f64,
    round_trip: Option<f64>,
    remote_block: Option<ReportBlock>,
    expected_loss: Option<f64>,
}

impl RtcpSession {
    /// `ssrc`: of the stream that we send. `cname`: RFC 7022; the same for all streams of one endpoint, at most 255
    /// bytes, what is longer is cut. `wall_clock`: seconds since 1970 at `now`. `randomness`: numbers in [0, 1), to
    /// spread reports (RFC 3550 section 6.3.1).
    pub fn new(
        ssrc: u32,
        cname: &str,
        now: f64,
        wall_clock: f64,
        mut randomness: Box<dyn FnMut() -> f64 + Send>,
    ) -> Self {
        let end = (0..=MAX_TEXT.min(cname.len()))
            .rev()
            .find(|end| cname.is_char_boundary(*end))
            .unwrap_or(0);
        let deadline = now + interval(&mut randomness) / 2.0;
        Self {
            ssrc,
            cname: cname[..end].to_owned(),
            ntp_offset: wall_clock + NTP_EPOCH - now,
            randomness,
            last_report: None,
            deadline,
            round_trip: None,
            remote_block: None,
            expected_loss: None,
        }
    }

    /// Seconds, of the last report that allowed to measure it.
    pub fn round_trip(&self) -> Option<f64> {
        self.round_trip
    }

    /// What the far end said last about our stream.
    pub fn remote_block(&self) -> Option<&ReportBlock> {
        self.remote_block.as_ref()
    }

    /// Percent of our packets that the far end is going to lose, by what it said: more is believed at once, less is
    /// believed slowly. None before its first report.
    pub fn expected_loss(&self) -> Option<u8> {
        self.expected_loss.map(|share| (share * 100.0).ceil() as u8)
    }

    fn ntp_time(&self, now: f64) -> u64 {
        let time = now + self.ntp_offset;
        // Seconds and fraction apart: together they have more bits than an f64.
        let seconds = time.floor();
        (seconds as u64) << 32 | ((time - seconds) * 4_294_967_296.0) as u64
    }

    /// Take a compound packet of the far end; return what it said.
    pub fn receive(&mut self, data: &[u8], now: f64) -> Result<Vec<Packet>, RtcpError> {
        let packets = parse(data)?;
        for packet in &packets {
            let blocks = match packet {
                Packet::SenderReport {
                    ssrc, ntp_time, blocks, ..
                } => {
                    let ntp_middle = (ntp_time >> 16) as u32;
                    self.last_report = Some(LastReport {
                        ssrc: *ssrc,
                        ntp_middle,
                        arrived: now,
                    });
                    blocks
                }
                Packet::ReceiverReport { blocks, .. } => blocks,
                _ => continue,
            };
            let ours = self.ssrc;
            for block in blocks.iter().filter(|block| block.ssrc == ours) {
                self.take_block(*block, now);
            }
        }
        Ok(packets)
    }

    fn take_block(&mut self, block: ReportBlock, now: f64) {
        self.remote_block = Some(block);
        let reported = f64::from(block.fraction_lost) / 256.0;
        let before = self.expected_loss.unwrap_or(reported);
        let smoothed = before + (reported - before) / LOSS_MEMORY;
        // what is left of a loss long ago is nothing
        self.expected_loss = Some(reported.max(if smoothed < LEAST_LOSS { 0.0 } else { smoothed }));
        if block.last_sr == 0 {
            return;
        }
        let here = (self.ntp_time(now) >> 16) as u32;
        let elapsed = here.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr);
        // Else the far end's clock made its delay longer than the time that passed.
        if elapsed < 0x8000_0000 {
            self.round_trip = Some(f64::from(elapsed) / 65536.0);
        }
    }

    /// When [`RtcpSession::handle_timeout`] wants to be called.
    pub fn next_deadline(&self) -> f64 {
        self.deadline
    }

    /// Write the report that is due behind what is in `out`; false before its time. `sender` is `None` when nothing
    /// was sent since the last report.
    pub fn handle_timeout(
        &mut self,
        now: f64,
        reception: &mut Reception,
        sender: Option<SenderInfo>,
        out: &mut Vec<u8>,
    ) -> bool {
        if now < self.deadline {
            return false;
        }
        self.deadline = now + interval(&mut self.randomness);
        self.report(now, reception, sender, None, out);
        true
    }

    /// Write the last report, with BYE, behind what is in `out`.
    pub fn bye(&mut self, now: f64, reception: &mut Reception, sender: Option<SenderInfo>, out: &mut Vec<u8>) {
        let bye = Packet::Bye {
            ssrcs: vec![self.ssrc],
            reason: String::new(),
        };
        self.report(now, reception, sender, Some(bye), out);
    }

    fn block(&self, received: SourceReport, now: f64) -> ReportBlock {
        let last = self.last_report.as_ref().filter(|last| last.ssrc == received.ssrc);
        ReportBlock {
            ssrc: received.ssrc,
            fraction_lost: received.fraction_lost,
            packets_lost: received.packets_lost,
            highest_sequence: received.highest_sequence,
            jitter_ticks: received.jitter_ticks,
            last_sr: last.map_or(0, |last| last.ntp_middle),
            delay_since_last_sr: last.map_or(0, |last| ((now - last.arrived) * 65536.0) as u32),
        }
    }

    fn report(
        &self,
        now: f64,
        reception: &mut Reception,
        sender: Option<SenderInfo>,
        last: Option<Packet>,
        out: &mut Vec<u8>,
    ) {
        let blocks: Vec<ReportBlock> = reception
            .report()
            .map(|received| self.block(received, now))
            .into_iter()
            .collect();
        let report = match sender {
            None => Packet::ReceiverReport {
                ssrc: self.ssrc,
                blocks,
            },
            Some(info) => Packet::SenderReport {
                ssrc: self.ssrc,
                ntp_time: self.ntp_time(now),
                info,
                blocks,
            },
        };
        let description = Packet::Description {
            ssrc: self.ssrc,
            cname: self.cname.clone(),
        };
        let packets: Vec<Packet> = [report, description].into_iter().chain(last).collect();
        // One block, one source and a CNAME that was cut always fit.
        let written = write(&packets, out);
        debug_assert!(written.is_ok());
    }
}

fn interval(randomness: &mut Box<dyn FnMut() -> f64 + Send>) -> f64 {
    MIN_INTERVAL * (0.5 + randomness()) / COMPENSATION
}
