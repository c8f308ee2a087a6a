use proptest::prelude::*;

use super::*;

const WALL_CLOCK: f64 = 1_800_000_000.0;
const INFO: SenderInfo = SenderInfo {
    rtp_timestamp: 4711,
    packet_count: 10,
    octet_count: 1600,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn wire(packets: &[Packet]) -> Vec<u8> {
    let mut out = Vec::new();
    write(packets, &mut out).unwrap();
    out
}

fn session(ssrc: u32, randomness: f64, wall_clock: f64) -> RtcpSession {
    RtcpSession::new(ssrc, "gateway", 0.0, wall_clock, Box::new(move || randomness))
}

fn listened(ssrc: u32) -> Reception {
    let mut reception = Reception::new(8000);
    for index in 0..10u16 {
        reception.receive(ssrc, index, 160 * u32::from(index), 160, 0.02 * f64::from(index));
    }
    reception
}

fn timed_out(session: &mut RtcpSession, now: f64, reception: &mut Reception, info: Option<SenderInfo>) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(session.handle_timeout(now, reception, info, &mut out));
    out
}

fn blocks() -> impl Strategy<Value = Vec<ReportBlock>> {
    let block = (any::<u32>(), any::<u8>(), -0x80_0000..0x80_0000i32, any::<[u32; 4]>()).prop_map(
        |(ssrc, fraction_lost, packets_lost, [highest_sequence, jitter_ticks, last_sr, delay_since_last_sr])| {
            ReportBlock {
                ssrc,
                fraction_lost,
                packets_lost,
                highest_sequence,
                jitter_ticks,
                last_sr,
                delay_since_last_sr,
            }
        },
    );
    proptest::collection::vec(block, 0..=31)
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let packet = prop_oneof![
        (any::<u32>(), any::<u64>(), any::<[u32; 3]>(), blocks()).prop_map(|(ssrc, ntp_time, info, blocks)| {
            let info = SenderInfo {
                rtp_timestamp: info[0],
                packet_count: info[1],
                octet_count: info[2],
            };
            Packet::SenderReport {
                ssrc,
                ntp_time,
                info,
                blocks,
            }
        }),
        (any::<u32>(), blocks()).prop_map(|(ssrc, blocks)| Packet::ReceiverReport { ssrc, blocks }),
        (any::<u32>(), ".{0,60}").prop_map(|(ssrc, cname)| Packet::Description { ssrc, cname }),
        (proptest::collection::vec(any::<u32>(), 0..=31), ".{0,60}")
            .prop_map(|(ssrcs, reason)| Packet::Bye { ssrcs, reason }),
    ];
    proptest::collection::vec(packet, 1..6)
}

proptest! {
    #[test]
    fn every_compound_packet_survives_the_wire(packets in packets()) {
        let data = wire(&packets);

        prop_assert_eq!(data.len() % 4, 0);
        prop_assert_eq!(parse(&data).unwrap(), packets);
    }

    #[test]
    fn garbage_is_refused_or_parsed_but_never_more(data in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = parse(&data);
    }

    #[test]
    fn lying_header_does_no_harm(
        kind in 200..205u8, count in 0..32u8, padded in any::<bool>(),
        words in proptest::collection::vec(any::<u32>(), 0..30),
    ) {
        let mut data = vec![0x80 | count | if padded { 0x20 } else { 0 }, kind, 0, words.len() as u8];
        words.iter().for_each(|word| data.extend(word.to_be_bytes()));

        let _ = parse(&data);
        let _ = session(1, 0.5, WALL_CLOCK).receive(&data, 1.0);
    }
}

#[test]
fn receiver_report_on_the_wire_is_that_of_the_rfc() {
    let block = ReportBlock {
        ssrc: 0x1122_3344,
        fraction_lost: 64,
        packets_lost: -1,
        highest_sequence: 0x0001_0005,
        jitter_ticks: 80,
        last_sr: 0xAABB_CCDD,
        delay_since_last_sr: 0x8000,
    };

    let data = wire(&[Packet::ReceiverReport {
        ssrc: 1,
        blocks: vec![block],
    }]);

    assert_eq!(
        data,
        hex("81c90007 00000001 11223344 40ffffff 00010005 00000050 aabbccdd 00008000")
    );
}

#[test]
fn cname_is_padded_with_at_least_one_zero() {
    let data = wire(&[Packet::Description {
        ssrc: 1,
        cname: "ab".into(),
    }]);

    assert_eq!(data, hex("81ca0003 00000001 0102 6162 00000000"));
}

#[test]
fn other_types_and_padding_are_stepped_over() {
    let application = "80cc0002 00000001 6e616d65";
    let feedback = "81cd0003 00000001 00000002 00000003";
    let padded = "a0c90002 00000007 00000004";

    let packets = parse(&hex(&[application, feedback, padded].concat()));

    assert_eq!(
        packets,
        Ok(vec![Packet::ReceiverReport {
            ssrc: 7,
            blocks: vec![]
        }])
    );
}

#[test]
fn items_beside_the_cname_are_left_out() {
    let header = hex("81ca0004 00000001");
    let whole = [&header[..], b"\x02\x03Bob\x01\x01c\x00\x00\x00\x00"].concat();
    let without_an_end = [&header[..], b"\x02\x03Bob\x01\x05cname"].concat();

    assert_eq!(
        parse(&whole),
        Ok(vec![Packet::Description {
            ssrc: 1,
            cname: "c".into()
        }])
    );
    assert_eq!(parse(&without_an_end), Err(RtcpError::Length));
}

#[test]
fn wrong_lengths_versions_and_padding_are_refused() {
    for (text, error) in [
        ("", RtcpError::Truncated),
        ("80", RtcpError::Truncated),
        ("40c90001 00000001", RtcpError::Version),
        ("80c90009 00000001", RtcpError::Length),
        ("81c90001 00000001", RtcpError::Length),
        ("80c90000", RtcpError::Length),
        ("80c80001 00000001", RtcpError::Length),
        ("81cb0000", RtcpError::Length),
        ("a0c90001 00000009", RtcpError::Padding),
        ("a0c90001 00000000", RtcpError::Padding),
        ("a0c90000", RtcpError::Padding),
    ] {
        assert_eq!(parse(&hex(text)), Err(error), "{text}");
    }
}

#[test]
fn too_much_for_one_packet_is_refused() {
    let bye = Packet::Bye {
        ssrcs: (0..32).collect(),
        reason: String::new(),
    };
    let description = Packet::Description {
        ssrc: 1,
        cname: "x".repeat(256),
    };

    assert_eq!(write(&[bye], &mut Vec::new()), Err(RtcpError::TooMuch));
    assert_eq!(write(&[description], &mut Vec::new()), Err(RtcpError::TooMuch));
}

#[test]
fn reports_are_spread_around_the_five_seconds_of_the_rfc() {
    let near = |value: f64, expected: f64| (value - expected).abs() < 1e-3;
    assert!(near(
        session(1, 0.0, WALL_CLOCK).next_deadline(),
        5.0 * 0.5 / 1.21828 / 2.0
    ));
    assert!(near(
        session(1, 0.9999, WALL_CLOCK).next_deadline(),
        5.0 * 1.4999 / 1.21828 / 2.0
    ));

    let mut rtcp = session(1, 0.5, WALL_CLOCK);
    let first = rtcp.next_deadline();

    assert!(!rtcp.handle_timeout(first - 0.001, &mut listened(2), Some(INFO), &mut Vec::new()));
    assert!(rtcp.handle_timeout(first, &mut listened(2), Some(INFO), &mut Vec::new()));
    assert!(near(rtcp.next_deadline(), first + 5.0 / 1.21828));
}

#[test]
fn who_sends_reports_as_a_sender_and_who_only_listens_as_a_receiver() {
    let sent = timed_out(&mut session(1, 0.5, WALL_CLOCK), 10.0, &mut listened(2), Some(INFO));
    let heard = timed_out(&mut session(1, 0.5, WALL_CLOCK), 10.0, &mut Reception::new(8000), None);

    let description = Packet::Description {
        ssrc: 1,
        cname: "gateway".into(),
    };
    let packets = parse(&sent).unwrap();
    let Packet::SenderReport {
        ntp_time, info, blocks, ..
    } = &packets[0]
    else {
        panic!("{packets:?}")
    };
    assert_eq!(*info, INFO);
    assert_eq!(blocks.iter().map(|block| block.ssrc).collect::<Vec<_>>(), [2]);
    assert_eq!(ntp_time >> 32, (WALL_CLOCK + 10.0 + NTP_EPOCH) as u64);
    assert_eq!(packets[1], description);
    assert_eq!(
        parse(&heard),
        Ok(vec![
            Packet::ReceiverReport {
                ssrc: 1,
                blocks: vec![]
            },
            description
        ])
    );
}

/// 30 ms there, 2 s until its report, 50 ms back; the two clocks differ by hours.
#[test]
fn round_trip_is_what_is_left_after_the_far_ends_delay() {
    let (mut here, mut there) = (session(1, 0.5, WALL_CLOCK), session(2, 0.5, WALL_CLOCK + 12_345.678));
    let ours = timed_out(&mut here, 10.0, &mut listened(2), Some(INFO));

    there.receive(&ours, 10.030).unwrap();
    let theirs = timed_out(&mut there, 12.030, &mut listened(1), Some(INFO));
    here.receive(&theirs, 12.080).unwrap();

    assert!((here.round_trip().unwrap() - 0.080).abs() < 0.001);
    assert!(here.remote_block().unwrap().delay_since_last_sr.abs_diff(2 * 65536) <= 2);
    assert_eq!(there.round_trip(), None);
}

#[test]
fn blocks_that_measure_nothing_leave_the_round_trip_as_it_was() {
    let mut rtcp = session(1, 0.5, WALL_CLOCK);
    let other = ReportBlock {
        ssrc: 77,
        fraction_lost: 255,
        packets_lost: 9,
        ..Default::default()
    };
    rtcp.receive(
        &wire(&[Packet::ReceiverReport {
            ssrc: 2,
            blocks: vec![other],
        }]),
        1.0,
    )
    .unwrap();
    assert_eq!(rtcp.remote_block(), None);
    let last_sr = ((WALL_CLOCK + NTP_EPOCH) as u64 as u32) << 16;
    let lying = ReportBlock {
        ssrc: 1,
        last_sr,
        delay_since_last_sr: 10 << 16,
        ..Default::default()
    };
    let none = ReportBlock {
        ssrc: 1,
        fraction_lost: 3,
        ..Default::default()
    };

    rtcp.receive(
        &wire(&[Packet::ReceiverReport {
            ssrc: 2,
            blocks: vec![none, lying],
        }]),
        1.0,
    )
    .unwrap();

    assert_eq!(rtcp.round_trip(), None);
    assert_eq!(rtcp.remote_block(), Some(&lying));
}

#[test]
fn goodbye_is_the_last_of_a_whole_report() {
    let mut out = Vec::new();
    session(1, 0.5, WALL_CLOCK).bye(3.0, &mut listened(2), None, &mut out);

    let packets = parse(&out).unwrap();

    assert!(matches!(packets[0], Packet::ReceiverReport { .. }));
    assert!(matches!(packets[1], Packet::Description { .. }));
    assert_eq!(
        packets[2..],
        [Packet::Bye {
            ssrcs: vec![1],
            reason: String::new()
        }]
    );
}

#[test]
fn sender_report_of_another_source_is_not_taken_for_the_delay() {
    let mut rtcp = session(1, 0.5, WALL_CLOCK);
    let report = |ssrc| {
        wire(&[Packet::SenderReport {
            ssrc,
            ntp_time: 1 << 40,
            info: INFO,
            blocks: vec![],
        }])
    };
    let delay = |rtcp: &mut RtcpSession| {
        let mut out = Vec::new();
        rtcp.bye(2.0, &mut listened(2), None, &mut out);
        match &parse(&out).unwrap()[0] {
            Packet::ReceiverReport { blocks, .. } => (blocks[0].last_sr, blocks[0].delay_since_last_sr),
            other => panic!("{other:?}"),
        }
    };

    rtcp.receive(&report(99), 1.0).unwrap();
    assert_eq!(delay(&mut rtcp), (0, 0));
    rtcp.receive(&report(2), 1.0).unwrap();
    assert_eq!(delay(&mut rtcp), (1 << 24, 65536));
}

#[test]
fn cname_that_is_too_long_is_cut_between_letters() {
    let mut out = Vec::new();
    let name = "ü".repeat(200);
    let mut rtcp = RtcpSession::new(1, &name, 0.0, WALL_CLOCK, Box::new(|| 0.5));

    rtcp.bye(1.0, &mut Reception::new(8000), None, &mut out);

    assert_eq!(
        parse(&out).unwrap()[1],
        Packet::Description {
            ssrc: 1,
            cname: "ü".repeat(127)
        }
    );
}

#[test]
fn more_loss_is_expected_at_once_and_less_after_a_while() {
    let mut rtcp = session(1, 0.5, WALL_CLOCK);
    let mut expected = |fraction_lost: u8| {
        let block = ReportBlock {
            ssrc: 1,
            fraction_lost,
            ..Default::default()
        };
        let report = Packet::ReceiverReport {
            ssrc: 2,
            blocks: vec![block],
        };
        rtcp.receive(&wire(&[report]), 1.0).unwrap();
        rtcp.expected_loss()
    };

    assert_eq!(expected(0), Some(0));
    assert_eq!(expected(51), Some(20));
    assert_eq!(expected(0), Some(15));
    assert_eq!(expected(13), Some(13));
    assert_eq!((0..20).filter_map(|_| expected(0)).last(), Some(0));
    assert_eq!(session(1, 0.5, WALL_CLOCK).expected_loss(), None);
}
