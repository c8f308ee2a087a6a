//! What judging costs a packet, and a leg: `cargo run --release --no-default-features --example judge_cost`.
//!
//! Rounds of all codecs, interleaved; prints the median of each in nanoseconds of the processor a packet, of a packet
//! that is only counted for RTCP beside it, and the bytes that a leg has for it.

use std::hint::black_box;

use _native::core::Judge;
use _native::pipeline::codec::{Codec, Name};
use _native::quality::reception::Reception;
use _native::rtp::{Header, Packet};
use _native::sys::processor_time;

const PACKETS: u32 = 200_000;
const ROUNDS: usize = 9;

fn main() {
    let mut rounds: [Vec<f64>; 3] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(counted());
        rounds[1].push(judged(Name::Pcmu, &[0x55; 160]));
        rounds[2].push(judged(Name::Opus, &[0x78; 100]));
    }
    for (name, figures) in ["counted", "PCMU judged", "opus judged"].iter().zip(&mut rounds) {
        figures.sort_by(f64::total_cmp);
        println!("{name}: {:.0} ns a packet", figures[ROUNDS / 2]);
    }
    println!("a leg: {} bytes and its samples", size_of::<Judge>());
}

fn header(index: u32) -> Header {
    Header {
        payload_type: 96,
        sequence: index as u16,
        timestamp: 160 * index,
        ssrc: 1,
        marker: false,
    }
}

fn counted() -> f64 {
    let mut reception = Reception::new(8000);
    cost(|index, now| {
        let header = black_box(header(index));
        reception.receive(header.ssrc, header.sequence, header.timestamp, 160, now);
    })
}

fn judged(name: Name, payload: &[u8]) -> f64 {
    let mut judge = Judge::default();
    judge.set_codec(Codec::new(name, 96), 0.0);
    cost(|index, now| {
        let packet = Packet {
            header: header(index),
            payload: black_box(payload),
        };
        judge.receive(&packet, now);
        black_box(judge.is_due(now));
    })
}

fn cost(mut work: impl FnMut(u32, f64)) -> f64 {
    let began = processor_time();
    for index in 0..PACKETS {
        work(index, 0.02 * f64::from(index));
    }
    (processor_time() - began) * 1e9 / f64::from(PACKETS)
}
