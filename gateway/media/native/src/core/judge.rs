//! How good the media of a leg is: fed by each packet, looked at about once a second, asked by Python.
//!
//! What comes in on a leg is counted there; what became of it where it was decoded is known to the leg whose far end
//! hears it. So that two locks are never held at once, the one is asked before the other is taken.

use super::keys::Mode;
use super::out::Out;
use crate::pipeline::Pipeline;
use crate::pipeline::codec::{COMFORT_NOISE_PAYLOAD_TYPE, Codec, Name, payload_ticks};
use crate::quality::ear::{Ear, Heard, Played};
use crate::quality::history::{History, Moment, Sample};
use crate::quality::level::Law;
use crate::quality::warning::{DTLS_LATE_AFTER, Observed, Warning, Watch};
use crate::quality::{CodecUse, Meter, Quality, Sent, outbound};
use crate::rtcp::{ReportBlock, RtcpSession};
use crate::rtp::Packet;

/// Seconds between two looks at a leg while packets flow: the first packet after that brings the next one.
const INTERVAL: f64 = 1.0;
/// The same without packets.
const LONGEST_INTERVAL: f64 = 5.0;
/// A frame of opus of so many bytes is a pause, which goes on until there is something to hear (RFC 7587 section 3.1.3).
const DTX_PAYLOAD: usize = 2;

/// What is known of both directions of a leg.
#[derive(Debug, Default)]
pub struct Judge {
    /// Of what comes in.
    pub meter: Meter,
    /// Of what the far end hears of the peer.
    pub ear: Ear,
    /// When ICE had its path, as long as there are no keys for it.
    path_found: Option<f64>,
    codec: Option<Codec>,
    /// Whether sound is due. While it rings nobody need send any.
    pub is_answered: bool,
    watch: Watch,
    history: History,
    /// Whether the far end has said that it sends nothing because there is nothing to hear.
    is_resting: bool,
    /// Whether the noise in its place can be heard.
    is_noisy: bool,
    looked: f64,
    sent: u64,
    last_sent: Option<f64>,
    /// Due and lost up to the last look.
    counted: (i64, i64),
}

/// All that is known of a leg.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What comes in.
    pub inbound: Quality,
    /// What the far end gets.
    pub outbound: Quality,
    /// Of what comes in, in order.
    pub codecs: Vec<CodecUse>,
    /// Warnings that stand.
    pub raised: Vec<Warning>,
    /// Those that were raised at some time.
    pub warnings: Vec<Warning>,
}

/// What a look at a leg needs to know of the rest of it.
pub struct Circumstances<'a> {
    sent: Sent<'a>,
    report: Option<&'a ReportBlock>,
    round_trip: Option<f64>,
    may_send: bool,
    may_receive: bool,
    is_keyed: bool,
}

impl Judge {
    /// The far end sends this codec from now on.
    pub fn set_codec(&mut self, codec: Codec, now: f64) {
        self.meter.set_codec(codec.name.as_str(), codec.clock_rate(), now);
        self.codec = Some(codec);
    }

    fn law(&self) -> Option<Law> {
        match self.codec?.name {
            Name::Pcmu => Some(Law::Mu),
            Name::Pcma => Some(Law::A),
            Name::Opus | Name::G722 => None,
        }
    }

    /// Count an authentic packet of the far end.
    pub fn receive(&mut self, packet: &Packet<'_>, now: f64) {
        let header = &packet.header;
        let size = packet.payload.len();
        self.meter
            .receive(header.ssrc, header.sequence, header.timestamp, size, now);
        let Some(codec) = self.codec else { return };
        if header.payload_type == codec.payload_type {
            let ticks = payload_ticks(codec.name, packet.payload);
            if ticks > 0 {
                self.meter.packet_time = ticks as f64 / f64::from(codec.clock_rate());
            }
            self.is_resting = codec.name == Name::Opus && size <= DTX_PAYLOAD;
            if let Some(law) = self.law() {
                self.meter.level.g711_frame(packet.payload, law, now);
            }
        } else if let (COMFORT_NOISE_PAYLOAD_TYPE, Some(level)) = (header.payload_type, packet.payload.first()) {
            self.is_resting = true;
            let level = -f64::from(level & 0x7F); // RFC 3389 section 3.1
            self.meter.level.described_noise(level, now);
            self.is_noisy = self.meter.level.last_anything() == Some(now);
        }
    }

    /// What the pipeline has decoded of the peer, if it has.
    pub fn listen(&mut self, pipeline: &Pipeline, now: f64) {
        if let Some((samples, rate)) = pipeline.heard() {
            self.ear.hear(samples, rate, now);
        }
    }

    /// Somebody else hears this leg from now on, and is heard by it. Returns the warnings that stood.
    pub fn restart(&mut self, pipeline: Option<&Pipeline>) -> impl Iterator<Item = Warning> + use<> {
        self.meter.restart();
        self.ear.restart(played(pipeline));
        self.counted = (0, 0);
        self.is_resting = false;
        std::mem::take(&mut self.watch).raised()
    }

    /// ICE has found a path, or another one.
    pub fn found_path(&mut self, now: f64) {
        self.path_found = Some(now);
    }

    /// A handshake begins anew.
    pub fn lost_keys(&mut self, now: f64) {
        self.path_found = self.path_found.map(|_| now);
    }

    /// Nothing is watched any more.
    pub fn stop(&mut self) {
        self.path_found = None;
    }

    /// Whether a packet may bring the next look.
    pub fn is_due(&self, now: f64) -> bool {
        now - self.looked >= INTERVAL
    }

    /// When it is looked at if no packet brings that about.
    pub fn deadline(&self, is_flowing: bool) -> Option<f64> {
        let usual = is_flowing.then_some(self.looked + LONGEST_INTERVAL);
        // A little later, so that rounding does not make it a little earlier
        let late = self.path_found.map(|found| found + DTLS_LATE_AFTER + 0.001);
        let late = late.filter(|late| *late > self.looked);
        usual.into_iter().chain(late).reduce(f64::min)
    }

    fn observed(&self, now: f64, leg: &Circumstances<'_>, heard: Option<&Heard>) -> Observed {
        let is_resting = self.is_resting && self.meter.last_received().is_some();
        let of_packets = if is_resting && self.is_noisy {
            Some(now)
        } else {
            self.meter.level.last_anything()
        };
        let of_sound = heard.and_then(|heard| heard.last_anything).map(Some);
        Observed {
            path_found: self.path_found,
            is_secured: leg.is_keyed,
            should_send: leg.may_send && self.is_answered,
            should_receive: leg.may_receive && self.is_answered,
            last_received: if is_resting {
                Some(now)
            } else {
                self.meter.last_received()
            },
            last_sent: self.last_sent,
            last_anything: self.law().map(|_| of_packets).or(of_sound),
            packets: self.totals(),
            jitter: self.meter.jitter(),
        }
    }

    /// Packets that were due, and those that are lost of them.
    fn totals(&self) -> (i64, i64) {
        let reception = &self.meter.reception;
        (reception.packets_expected(), reception.packets_lost())
    }

    /// See how it does: remember, and tell what is wrong, or no longer is.
    pub fn look(
        &mut self,
        now: f64,
        leg: &Circumstances<'_>,
        heard: Option<&Heard>,
        changed: impl FnMut(Warning, bool),
    ) {
        self.looked = now;
        if leg.is_keyed {
            self.path_found = None;
        }
        if leg.sent.packets != self.sent {
            self.sent = leg.sent.packets;
            self.last_sent = Some(now);
        }
        let observed = self.observed(now, leg, heard);
        self.watch.look(now, &observed, changed);
        if self.meter.last_received().is_some() || self.last_sent.is_some() {
            self.remember(now, leg, heard);
        }
    }

    /// How good it is, all in all; `heard` is what the peer knows.
    pub fn verdict(&self, now: &Circumstances<'_>, heard: Option<&Heard>) -> Verdict {
        Verdict {
            inbound: self.meter.quality(now.round_trip, heard),
            outbound: outbound(&now.sent, now.report, now.round_trip),
            codecs: self.meter.codecs().to_vec(),
            raised: self.watch.raised().collect(),
            warnings: self.watch.ever_raised().collect(),
        }
    }

    /// How good it was in each of the last seconds.
    pub fn samples(&self) -> Vec<Sample> {
        self.history.samples().collect()
    }

    fn remember(&mut self, now: f64, leg: &Circumstances<'_>, heard: Option<&Heard>) {
        let totals = self.totals();
        let (due, lost) = (totals.0 - self.counted.0, totals.1 - self.counted.1);
        self.counted = totals;
        let loss = (due > 0).then(|| (lost.max(0) as f64 / due as f64).min(1.0));
        let rating = loss.and_then(|loss| self.meter.opinion(loss, 1.0, leg.round_trip));
        let jitter = self.meter.jitter().filter(|_| due > 0);
        let level = self.meter.level.summary().current_level;
        let outbound = leg.report.map_or_else(Moment::default, |report| {
            let (loss, jitter) = (f64::from(report.fraction_lost) / 256.0, leg.sent.jitter(report));
            Moment::new(Some(loss), Some(jitter), leg.sent.opinion(loss, jitter, leg.round_trip))
        });
        self.history.push(&Sample {
            at: now,
            inbound: Moment::new(loss, jitter, rating),
            outbound,
            level: level
                .or(heard.and_then(|heard| heard.level.current_level))
                .filter(|_| due > 0),
            round_trip: leg.round_trip,
        });
    }
}

/// What a pipeline has come to, as an ear counts it.
pub fn played(pipeline: Option<&Pipeline>) -> Played {
    pipeline.map_or_else(Played::default, |pipeline| {
        let counters = pipeline.counters();
        Played {
            late: counters.packets_late,
            concealed: counters.frames_concealed as f64 * pipeline.source().codec.ptime,
            is_decoding: pipeline.heard().is_some(),
        }
    })
}

impl<'a> Circumstances<'a> {
    /// Those of now.
    pub fn of(out: &'a Out, rtcp: Option<&'a RtcpSession>, pipeline: Option<&Pipeline>, may_receive: bool) -> Self {
        let sink = pipeline.map(|pipeline| pipeline.sink().codec);
        Self {
            sent: Sent {
                packets: out.counters.packets_sent,
                bytes: out.counters.bytes_sent,
                first: out.first_sequence,
                codec: sink.map_or("", |codec| codec.name.as_str()),
                clock_rate: sink.map_or(8000, |codec| codec.clock_rate()),
                packet_time: sink.map_or(0.02, |codec| codec.frame_seconds()),
            },
            report: rtcp.and_then(RtcpSession::remote_block),
            round_trip: rtcp.and_then(RtcpSession::round_trip),
            may_send: out.may_send,
            may_receive,
            is_keyed: out.keys.mode() != Mode::Unkeyed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Header;

    fn judge(name: Name, payload_type: u8) -> Judge {
        let mut judge = Judge::default();
        judge.set_codec(Codec::new(name, payload_type), 0.0);
        judge.is_answered = true;
        judge
    }

    fn circumstances(sent: u64) -> Circumstances<'static> {
        Circumstances {
            sent: Sent {
                packets: sent,
                codec: "PCMU",
                clock_rate: 8000,
                packet_time: 0.02,
                ..Sent::default()
            },
            report: None,
            round_trip: None,
            may_send: true,
            may_receive: true,
            is_keyed: true,
        }
    }

    /// So many seconds of packets of 20 ms in both directions; what is warned of, and in which second.
    fn talk(judge: &mut Judge, seconds: u32, payload_type: u8, payload: &[u8]) -> Vec<(u32, &'static str, bool)> {
        talk_from(judge, 0, seconds, payload_type, payload)
    }

    /// The same from a later second on.
    fn talk_from(
        judge: &mut Judge,
        first: u32,
        seconds: u32,
        payload_type: u8,
        payload: &[u8],
    ) -> Vec<(u32, &'static str, bool)> {
        let mut warnings = Vec::new();
        for index in 50 * first..50 * (first + seconds) {
            let now = 1.0 + 0.02 * f64::from(index);
            let header = Header {
                payload_type,
                sequence: index as u16,
                timestamp: 160 * index,
                ssrc: 1,
                marker: false,
            };
            judge.receive(&Packet { header, payload }, now);
            if judge.is_due(now) {
                let sent = circumstances(u64::from(index) + 1);
                judge.look(now, &sent, None, |warning, is_raised| {
                    warnings.push((index / 50, warning.name(), is_raised))
                });
            }
        }
        warnings
    }

    #[test]
    fn a_good_call_has_a_sample_a_second_and_no_warning() {
        let mut judge = judge(Name::Pcmu, 0);

        let warnings = talk(&mut judge, 30, 0, &[0x80; 160]);

        let samples: Vec<_> = judge.history.samples().collect();
        assert_eq!(warnings, []);
        assert!((29..=30).contains(&samples.len()), "{}", samples.len());
        let last = samples.last().unwrap();
        assert_eq!((last.inbound.loss, last.level), (Some(0.0), Some(0.0)));
        assert!(last.inbound.mos.is_some_and(|mos| mos > 4.3));
        assert_eq!(last.outbound, Moment::default(), "nobody has reported");
    }

    #[test]
    fn idle_patterns_of_both_laws_are_no_sound() {
        for (name, number, idle) in [(Name::Pcmu, 0, 0xFF), (Name::Pcma, 8, 0xD5)] {
            let warnings = talk(&mut judge(name, number), 20, number, &[idle; 160]);

            assert_eq!(warnings, [(15, "no_sound", true)], "{name:?}");
        }
    }

    #[test]
    fn silence_counts_from_the_answer_on() {
        let mut judge = judge(Name::Pcmu, 0);
        judge.is_answered = false;
        assert_eq!(talk(&mut judge, 60, 0, &[0xFF; 160]), [], "it rings");

        judge.is_answered = true;

        assert_eq!(talk_from(&mut judge, 60, 20, 0, &[0xFF; 160]), [(75, "no_sound", true)]);
    }

    #[test]
    fn opus_that_nobody_decodes_is_not_called_silent() {
        assert_eq!(talk(&mut judge(Name::Opus, 111), 30, 111, &[0xF8, 0xFF, 0xFE]), []);
    }

    #[test]
    fn a_pause_that_was_announced_is_not_the_end_of_the_stream() {
        let mut judge = judge(Name::Pcmu, 0);
        talk(&mut judge, 3, 0, &[0x80; 160]);
        let header = Header {
            payload_type: COMFORT_NOISE_PAYLOAD_TYPE,
            sequence: 150,
            ..Header::default()
        };
        judge.receive(&Packet { header, payload: &[60] }, 4.0);

        let mut warnings = 0;
        for second in 5..60_u32 {
            judge.look(
                f64::from(second),
                &circumstances(1000 + u64::from(second)),
                None,
                |_, _| warnings += 1,
            );
        }

        assert_eq!(warnings, 0, "noise of -60 dBov can be heard");
    }

    #[test]
    fn a_handshake_that_hangs_is_looked_at_in_time() {
        let mut judge = judge(Name::Opus, 111);
        judge.look(98.0, &circumstances(0), None, |_, _| ());
        judge.found_path(100.0);
        let unkeyed = || Circumstances {
            is_keyed: false,
            ..circumstances(0)
        };

        let due = judge.deadline(false).unwrap();
        let mut warnings = Vec::new();
        judge.look(due, &unkeyed(), None, |warning, is_raised| {
            warnings.push((warning, is_raised))
        });
        judge.look(due + 1.0, &circumstances(0), None, |warning, is_raised| {
            warnings.push((warning, is_raised))
        });

        assert!((due - 105.0).abs() < 0.01);
        assert_eq!(warnings, [(Warning::DtlsLate, true), (Warning::DtlsLate, false)]);
        assert_eq!(judge.deadline(false), None);
    }

    #[test]
    fn what_the_far_end_reports_is_in_the_samples() {
        let mut judge = judge(Name::Pcmu, 0);
        let report = ReportBlock {
            fraction_lost: 64,
            jitter_ticks: 160,
            ..ReportBlock::default()
        };
        let reported = Circumstances {
            report: Some(&report),
            round_trip: Some(0.08),
            ..circumstances(50)
        };

        judge.look(1.0, &reported, None, |_, _| ());

        let sample = judge.history.samples().next().unwrap();
        assert_eq!((sample.outbound.loss, sample.outbound.jitter), (Some(0.25), Some(0.02)));
        assert!(sample.outbound.mos.is_some_and(|mos| mos < 2.5));
        assert_eq!(sample.round_trip, Some(0.08));
    }

    #[test]
    fn another_listener_takes_standing_warnings_back() {
        let mut judge = judge(Name::Pcmu, 0);
        talk(&mut judge, 20, 0, &[0xFF; 160]);

        let stood: Vec<_> = judge.restart(None).collect();

        assert_eq!(stood, [Warning::NoSound]);
        assert_eq!((judge.totals(), judge.watch.ever_raised().count()), ((0, 0), 0));
        assert_eq!(judge.meter.codecs().len(), 1);
    }
}
