//! Whatever a far end sends, a direction of a call goes on: between any two codecs, with events, in any order.
#![no_main]

use _native::pipeline::codec::{Codec, LegCodec, Name};
use _native::pipeline::{Config, Pipeline};
use _native::rtp::{self, Header, Sink};
use libfuzzer_sys::fuzz_target;

const NAMES: [Name; 4] = [Name::Opus, Name::Pcmu, Name::Pcma, Name::G722];

struct Counter(u64);

impl Sink for Counter {
    fn packet(&mut self, header: &Header, payload: &[u8]) {
        assert!(header.payload_type < 128 && payload.len() <= 1500);
        self.0 += 1;
    }
}

fn leg(choice: u8) -> LegCodec {
    let telephone_event = (choice & 4 != 0).then_some((101, if choice & 8 != 0 { 48_000 } else { 8000 }));
    LegCodec {
        codec: Codec::new(NAMES[usize::from(choice & 3)], 96),
        telephone_event,
    }
}

fuzz_target!(|data: &[u8]| {
    let [source, sink, rest @ ..] = data else { return };
    let Ok(mut pipeline) = Pipeline::new(Config::new(leg(*source), leg(*sink)), 0.0) else {
        return;
    };
    let (mut now, mut out, mut digits) = (0.0, Counter(0), Vec::new());
    let mut rest = rest;
    // Each datagram begins with its length and the milliseconds that have passed.
    while let [size, wait_ms, tail @ ..] = rest {
        let (datagram, next) = tail.split_at(usize::from(*size).min(tail.len()));
        rest = next;
        now += f64::from(*wait_ms) / 1000.0;
        if pipeline.next_deadline().is_some_and(|deadline| deadline <= now) {
            pipeline.handle_timeout(now, &mut out, &mut digits);
        }
        if let Ok(packet) = rtp::parse(datagram) {
            pipeline.receive(&packet, now, &mut out, &mut digits);
        }
    }
});
