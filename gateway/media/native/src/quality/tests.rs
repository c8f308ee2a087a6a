use super::e_model::Band;
use super::*;

/// A meter that heard so many packets of 20 ms, but for those that are left out.
fn heard(codec: &str, count: u16, is_lost: impl Fn(u16) -> bool) -> Meter {
    let mut meter = Meter::new(codec, 8000, 0.0);
    for index in (0..count).filter(|index| !is_lost(*index)) {
        meter.receive(1, index, 160 * u32::from(index), 160, 0.001 + 0.02 * f64::from(index));
    }
    meter
}

#[test]
fn nothing_is_claimed_of_a_leg_that_heard_nothing() {
    let quality = Meter::new("PCMU", 8000, 0.0).quality(None, None);

    assert_eq!(quality, Quality::default());
}

#[test]
fn no_opinion_is_held_before_a_second_has_been_heard() {
    assert_eq!(heard("PCMU", 49, |_| false).quality(None, None).rating, None);
    assert!(heard("PCMU", 50, |_| false).quality(None, None).rating.is_some());
}

#[test]
fn good_call_is_as_good_as_its_codec() {
    let narrow = heard("PCMU", 500, |_| false).quality(Some(0.04), None).rating.unwrap();
    let full = heard("opus", 500, |_| false).quality(Some(0.04), None).rating.unwrap();

    assert_eq!((narrow.band, full.band), (Band::Narrow, Band::Full));
    assert!(narrow.mos > 4.3 && full.mos > 4.3);
    assert_eq!(heard("GSM", 500, |_| false).quality(None, None).rating, None);
}

#[test]
fn losses_are_told_with_their_shape_and_lower_the_opinion() {
    let quality = heard("PCMU", 1000, |index| index % 100 >= 95).quality(None, None);

    assert_eq!((quality.packets, quality.lost), (950, 45));
    assert!((quality.loss.unwrap() - 45.0 / 995.0).abs() < 1e-9);
    let shape = quality.burst_gap.unwrap();
    assert_eq!(shape.lost, 45);
    assert!((shape.burst_duration - 0.1).abs() < 1e-9 && (shape.burst_density - 1.0).abs() < 1e-9);
    assert!(quality.rating.unwrap().mos < 4.0);
}

#[test]
fn late_audio_counts_like_lost_audio() {
    let meter = heard("PCMU", 500, |_| false);
    let before = meter.quality(None, None).rating.unwrap();
    let playout = Playout {
        late_packets: 50,
        decoded: Some(Decoded {
            concealed_seconds: 1.0,
            played_seconds: 10.0,
        }),
    };

    let quality = meter.quality(
        None,
        Some(&Heard {
            playout,
            ..Heard::default()
        }),
    );

    assert_eq!(quality.playout, Some(playout));
    assert!(quality.rating.unwrap().mos < before.mos - 0.5);
}

#[test]
fn what_came_twice_is_not_late() {
    let mut meter = heard("PCMU", 500, |_| false);
    meter.receive(1, 499, 160 * 499, 160, 10.0);
    let playout = Playout {
        late_packets: 1,
        decoded: None,
    };

    let quality = meter.quality(
        None,
        Some(&Heard {
            playout,
            ..Heard::default()
        }),
    );

    assert_eq!((quality.duplicated, quality.playout), (1, Some(Playout::default())));
}

#[test]
fn a_new_count_keeps_the_codecs_and_nothing_else() {
    let mut meter = heard("PCMU", 500, |index| index % 10 == 0);

    meter.restart();

    assert_eq!(meter.quality(None, None), Quality::default());
    assert_eq!((meter.codecs().len(), meter.last_received()), (1, None));
}

#[test]
fn level_is_there_once_it_was_measured() {
    let mut meter = heard("PCMU", 10, |_| false);
    assert_eq!(meter.quality(None, None).level, None);

    meter.level.g711_frame(&[0x80; 160], level::Law::Mu, 1.0);

    assert!(meter.quality(None, None).level.unwrap().sound_level.unwrap() > -1.0);
}

#[test]
fn codecs_are_remembered_in_their_order_and_not_without_end() {
    let mut meter = Meter::new("opus", 48_000, 0.0);
    meter.set_codec("opus", 48_000, 1.0);
    meter.set_codec("PCMU", 8000, 2.0);
    assert_eq!(
        meter
            .codecs()
            .iter()
            .map(|each| (&*each.name, each.since))
            .collect::<Vec<_>>(),
        [("opus", 0.0), ("PCMU", 2.0)]
    );

    for index in 0..100 {
        meter.set_codec(
            if index % 2 == 0 { "G722" } else { "PCMU" },
            8000,
            3.0 + f64::from(index),
        );
    }

    assert_eq!(meter.codecs().len(), MAX_CODECS);
    assert_eq!(
        (&*meter.codecs()[0].name, meter.codecs()[MAX_CODECS - 1].since),
        ("opus", 102.0)
    );
}

fn sent(first: u16) -> Sent<'static> {
    Sent {
        packets: 1000,
        bytes: 160_000,
        first,
        codec: "PCMU",
        clock_rate: 8000,
        packet_time: 0.02,
    }
}

#[test]
fn what_goes_out_is_judged_by_the_far_end() {
    let report = ReportBlock {
        ssrc: 1,
        packets_lost: 100,
        highest_sequence: 0x1_0000 + 464 - 1,
        jitter_ticks: 80,
        ..ReportBlock::default()
    };
    let sent = sent(65_000);

    let quality = outbound(&sent, Some(&report), Some(0.1));

    assert_eq!(
        (quality.packets, quality.lost, quality.round_trip),
        (1000, 100, Some(0.1))
    );
    assert!((quality.loss.unwrap() - 0.1).abs() < 1e-9 && (quality.jitter.unwrap() - 0.01).abs() < 1e-9);
    assert!(quality.rating.unwrap().mos < 3.5);
}

#[test]
fn what_goes_out_unreported_has_no_figures_but_its_counts() {
    let sent = sent(0);

    let quality = outbound(&sent, None, None);

    assert_eq!(
        quality,
        Quality {
            packets: 1000,
            bytes: 160_000,
            ..Quality::default()
        }
    );
}
