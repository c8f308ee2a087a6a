//! Packets cost no memory of their own: after a second of a call, nothing is allocated any more.

use _native::codec::Encoder;
use _native::pipeline::codec::{Codec, LegCodec, Name};
use _native::pipeline::settings::StageSettings;
use _native::pipeline::tones::sines;
use _native::pipeline::{Config, Pipeline};
use _native::rtp::{Header, Packet, Sink};

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
    let mut encoder = Encoder::new(&Codec::new(name, 96), rate, 5).unwrap();
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
