use super::*;
use crate::codec::Encoder;
use crate::codec::effort::Effort;
use crate::pipeline::codec::Name;
use crate::pipeline::tones::{loudness, power, sines};

const RATE: u32 = 8000;

/// A source that speaks a tone in packets of 20 ms.
struct Source {
    encoder: Encoder,
    packets: u32,
}

impl Source {
    fn new() -> Self {
        Self {
            encoder: Encoder::new(&Codec::new(Name::Pcmu, 0), RATE, Effort::default()).unwrap(),
            packets: 0,
        }
    }

    fn packet(&mut self) -> (Header, Vec<u8>) {
        let mut pcm = Vec::new();
        sines(&[440.0], self.packets as usize * 160, 160, RATE, -10.0, &mut pcm);
        let mut payload = Vec::new();
        self.encoder.encode(&pcm, &mut payload).unwrap();
        let header = Header {
            sequence: self.packets as u16,
            timestamp: 160 * self.packets,
            ssrc: 1,
            ..Header::default()
        };
        self.packets += 1;
        (header, payload)
    }
}

fn playout(limits: DelayLimits) -> Playout {
    Playout::new(&Codec::new(Name::Pcmu, 0), RATE, limits).unwrap()
}

/// Packets at these times, frames every 20 ms; what is heard.
fn run(playout: &mut Playout, arrivals: &[(f64, (Header, Vec<u8>))], seconds: f64) -> Vec<i16> {
    let mut heard = Vec::new();
    let mut next = arrivals.iter().peekable();
    for tick in 0..(seconds / FRAME) as usize {
        let now = tick as f64 * FRAME;
        while let Some((at, (header, payload))) = next.next_if(|arrival| arrival.0 <= now) {
            playout.receive(
                &Packet {
                    header: *header,
                    payload,
                },
                *at,
            );
        }
        let mut pcm = [0; 160];
        playout.frame(now, &mut pcm);
        heard.extend(pcm);
    }
    heard
}

fn arrivals(count: u32, at: impl Fn(u32) -> f64) -> Vec<(f64, (Header, Vec<u8>))> {
    let mut source = Source::new();
    let mut arrivals: Vec<_> = (0..count).map(|index| (at(index), source.packet())).collect();
    arrivals.sort_by(|one, two| one.0.total_cmp(&two.0));
    arrivals
}

#[test]
fn on_a_clean_network_sound_hardly_waits_and_is_whole() {
    let mut playout = playout(DelayLimits::default());

    let heard = run(
        &mut playout,
        &arrivals(200, |index| f64::from(index) * FRAME + 0.001),
        4.0,
    );

    let begin = heard.iter().position(|&sample| sample != 0).unwrap();
    assert!(begin <= 640, "{begin}");
    assert_eq!(
        (playout.frames_concealed, playout.periods_cut, playout.periods_repeated),
        (0, 0, 0)
    );
    assert!((power(&heard[800..24800], 440.0, RATE) + 10.0).abs() < 0.3);
}

#[test]
fn after_jitter_has_shown_sound_waits_for_it() {
    let mut playout = playout(DelayLimits::default());
    let jitter = |index: u32| f64::from(index * 7919 % 100) * 0.001; // up to 100 ms

    run(
        &mut playout,
        &arrivals(1500, |index| f64::from(index) * FRAME + jitter(index)),
        15.0,
    );
    let before = playout.frames_concealed;
    assert!(playout.lateness.target(15.0) > 0.08 && playout.lateness.target(15.0) < 0.13);
    let mut second = playout;
    let later: Vec<_> = arrivals(1500, |index| f64::from(index) * FRAME + jitter(index))
        .into_iter()
        .skip(750)
        .collect();
    let shifted: Vec<_> = later.into_iter().map(|(at, packet)| (at - 15.0, packet)).collect();
    run(&mut second, &shifted, 14.0);

    assert!(before < 60, "{before}");
    assert!(
        second.frames_concealed - before < 20,
        "{}",
        second.frames_concealed - before
    );
}

#[test]
fn another_clock_is_followed_both_ways_without_a_hole() {
    for drift in [1.0 + 500e-6, 1.0 - 500e-6] {
        let mut playout = playout(DelayLimits::default());

        let heard = run(
            &mut playout,
            &arrivals(6000, |index| f64::from(index) * FRAME * drift + 0.001),
            119.0,
        );

        assert!(playout.frames_concealed < 4, "{drift} {}", playout.frames_concealed);
        assert!(playout.periods_cut + playout.periods_repeated >= 2, "{drift}");
        assert!(playout.buffer.len() < 1600, "{drift} {}", playout.buffer.len());
        for second in heard[8000..].chunks_exact(8000) {
            assert!((loudness(second) + 10.0).abs() < 0.5, "{drift}");
        }
    }
}

#[test]
fn lost_packets_are_made_up_and_a_pause_is_silence() {
    let mut playout = playout(DelayLimits::default());
    let mut packets = arrivals(200, |index| {
        f64::from(index) * FRAME + if index < 100 { 0.001 } else { 1.001 }
    });
    packets.retain(|(_, (header, _))| header.sequence % 20 != 7 || header.sequence > 100);

    let heard = run(&mut playout, &packets, 5.0);

    // five at the pause that nobody announced
    assert_eq!(playout.frames_concealed, 5 + u64::from(MAX_CONCEALED));
    assert_eq!((playout.periods_cut, playout.periods_repeated), (0, 0));
    assert!(loudness(&heard[20000..23000]) < -60.0);
    assert!((loudness(&heard[28000..36000]) + 10.0).abs() < 0.5);
}

#[test]
fn cutting_and_repeating_leave_a_tone_as_it_was() {
    let mut pcm = Vec::new();
    sines(&[200.0, 400.0], 0, 1600, RATE, -10.0, &mut pcm);
    let level = loudness(&pcm);
    let period = best_period(&pcm, RATE).unwrap();
    assert_eq!(period % 40, 0);

    for _ in 0..4 {
        cut_period(&mut pcm, period);
    }
    repeat_period(&mut pcm, period);

    assert_eq!(pcm.len(), 1600 - 3 * period);
    assert!((loudness(&pcm) - level).abs() < 0.2);
    assert!(power(&pcm[..1200], 200.0, RATE) > -11.0);
}

#[test]
fn what_waits_is_bounded_whatever_comes() {
    let mut playout = playout(DelayLimits::default());

    run(&mut playout, &arrivals(500, |_| 0.001), 0.04);

    assert!(playout.buffer.len() <= 5600);
}

#[test]
fn loss_alone_neither_stretches_nor_shortens() {
    for limits in [DelayLimits::default(), DelayLimits { min: 0.2, max: 0.2 }] {
        let mut playout = playout(limits);
        let mut packets = arrivals(1000, |index| f64::from(index) * FRAME + 0.001);
        packets.retain(|(_, (header, _))| !matches!(header.sequence % 13, 5 | 8 | 9));

        run(&mut playout, &packets, 19.5);

        assert_eq!((playout.periods_cut, playout.periods_repeated), (0, 0), "{limits:?}");
        let lost = (0..970).filter(|index| matches!(index % 13, 5 | 8 | 9)).count() as u64;
        assert!(
            playout.frames_concealed.abs_diff(lost) <= 3,
            "{} of {lost}",
            playout.frames_concealed
        );
    }
}
