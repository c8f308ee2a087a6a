//! Packets cost no memory of their own: after a second of a call, nothing is allocated any more.

use std::net::UdpSocket;
use std::sync::Arc;

use _native::codec::Encoder;
use _native::codec::effort::Effort;
use _native::core::{Bench, Core, LegCell, Pair, Route, Settings};
use _native::pipeline::codec::{Codec, LegCodec, Name};
use _native::pipeline::settings::StageSettings;
use _native::pipeline::tones::sines;
use _native::pipeline::{Config, Pipeline};
use _native::rtp::{self, Header, Packet, Sink};
use _native::source_lock::SourceLock;
use _native::sys::monotonic;

/// Counts packets and bytes.
#[derive(Default)]
struct Counting(usize, usize);

impl Sink for Counting {
    fn packet(&mut self, _header: &Header, payload: &[u8]) {
        self.0 += 1;
        self.1 += payload.len();
    }
}

fn leg(name: Name) -> LegCodec {
    LegCodec {
        codec: Codec::new(name, 96),
        telephone_event: Some((101, 8000)),
    }
}

/// Packets of a tone, a little of which change places, or are lost.
fn talk(name: Name, packets: u32) -> Vec<(Header, Vec<u8>)> {
    let rate = name.sample_rate().unwrap_or(48000);
    let mut encoder = Encoder::new(&Codec::new(name, 96), rate, Effort::default()).unwrap();
    let size = rate as usize / 50;
    let mut talk: Vec<_> = (0..packets)
        .map(|index| {
            let (mut pcm, mut payload) = (Vec::new(), Vec::new());
            sines(&[440.0], index as usize * size, size, rate, -10.0, &mut pcm);
            encoder.encode(&pcm, &mut payload).unwrap();
            let timestamp = index * (name.clock_rate() / 50);
            (
                Header {
                    payload_type: 96,
                    sequence: index as u16,
                    timestamp,
                    ssrc: 1,
                    marker: false,
                },
                payload,
            )
        })
        .collect();
    for index in (7..talk.len() - 1).step_by(20) {
        talk.swap(index, index + 1);
    }
    talk.into_iter()
        .enumerate()
        .filter(|(index, _)| index % 25 != 24)
        .map(|(_, packet)| packet)
        .collect()
}

fn run(pipeline: &mut Pipeline, packets: &[(Header, Vec<u8>)], sink: &mut Counting) {
    let mut digits = Vec::new();
    for (header, payload) in packets {
        let now = f64::from(header.sequence) * 0.02;
        while pipeline.next_deadline().is_some_and(|deadline| deadline <= now) {
            let deadline = pipeline.next_deadline().unwrap();
            pipeline.handle_timeout(deadline, sink, &mut digits);
        }
        pipeline.receive(
            &Packet {
                header: *header,
                payload,
            },
            now,
            sink,
            &mut digits,
        );
    }
}

#[test]
fn packets_allocate_nothing_once_a_call_has_settled() {
    let control = allocation_counter::measure(|| drop(std::hint::black_box(vec![0u8; 9])));
    assert_eq!(control.count_total, 1);
    let names = [Name::Opus, Name::Pcmu, Name::Pcma, Name::G722];
    for source in names {
        let packets = talk(source, 500);
        for sink in names {
            for needs_continuity in [false, true] {
                let settings = StageSettings {
                    needs_continuity,
                    ..StageSettings::default()
                };
                let config = Config {
                    stage: settings,
                    ..Config::new(leg(source), leg(sink))
                };
                let mut pipeline = Pipeline::new(config, 0.0).unwrap();
                let mut sent = Counting::default();
                run(&mut pipeline, &packets[..100], &mut sent);

                let allocated = allocation_counter::measure(|| run(&mut pipeline, &packets[100..], &mut sent));

                assert!(sent.0 > 450, "{source:?} {sink:?}: {}", sent.0);
                assert_eq!(
                    allocated.count_total, 0,
                    "{source:?} to {sink:?}, continuity {needs_continuity}"
                );
            }
        }
    }
}

/// A leg of a call between trunks, with the far end's socket.
fn trunk(core: &Core) -> (Arc<LegCell>, UdpSocket) {
    let bound = || Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let far = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut pair = Pair::new(bound(), bound());
    pair.rtp_lock = SourceLock::new(far.local_addr().ok(), false);
    let leg = core.leg(Route::Pair(Box::new(pair)), 0.0);
    leg.change(core, |leg| {
        leg.out.keys.set_plain();
        leg.out.may_send = true;
        leg.may_receive = true;
        leg.payload_types = 1 << 96;
    });
    (leg, far)
}

#[test]
fn judging_a_call_allocates_nothing_but_room_for_a_minute() {
    for (source, sink) in [
        (Name::Pcmu, Name::Pcmu),
        (Name::Opus, Name::Pcmu),
        (Name::Opus, Name::Opus),
    ] {
        let core = Core::start(Settings {
            complexity: None,
            realtime: false,
            workers: 1,
            tick: 0.001,
            addresses: Vec::new(),
            consent_timeout: 30.0,
        })
        .unwrap();
        let ((a, far), (b, _other)) = (trunk(&core), trunk(&core));
        a.connect(Arc::downgrade(&b), &core);
        b.connect(Arc::downgrade(&a), &core);
        let pipeline = Pipeline::new(Config::new(leg(source), leg(sink)), monotonic()).unwrap();
        b.change(&core, |leg| leg.pipeline = Some(pipeline));
        a.change(&core, |inner| inner.judge.set_codec(leg(source).codec, monotonic()));
        let (mut bench, began) = (Bench::new(0), monotonic());
        // In order and complete: the timers of this call run by another clock
        let datagrams: Vec<_> = (0..450u16)
            .zip(talk(source, 500))
            .map(|(index, (header, payload))| {
                let mut datagram = Vec::new();
                let header = Header {
                    sequence: index,
                    timestamp: u32::from(index) * source.clock_rate() / 50,
                    ..header
                };
                rtp::write(&header, &payload, &mut datagram);
                (began + 0.02 * f64::from(index), datagram)
            })
            .collect();
        let from = far.local_addr().unwrap();
        let mut play = |part: &[(f64, Vec<u8>)]| {
            for (now, datagram) in part {
                a.receive(0, datagram, from, *now, &core, &mut bench);
            }
        };
        play(&datagrams[..100]);

        let allocated = allocation_counter::measure(|| play(&datagrams[100..]));

        assert!(a.history().len() >= 8, "{source:?}: {}", a.history().len());
        assert_eq!(allocated.count_total, 0, "{source:?} to {sink:?}");
        core.stop();
    }
}
