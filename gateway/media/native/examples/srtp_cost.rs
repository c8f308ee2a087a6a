//! What SRTP costs a packet: `cargo run --release --no-default-features --example srtp_cost`.
//!
//! Rounds of all suites, interleaved; prints the median of each in nanoseconds of the processor a packet.

use _native::srtp::{Protector, Suite, Unprotector};
use _native::sys::processor_time;

const PACKETS: u32 = 60_000;
const ROUNDS: usize = 5;
const SUITES: [Suite; 4] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

fn main() {
    for payload in [60, 160] {
        let mut rounds = vec![Vec::new(); SUITES.len()];
        for _ in 0..ROUNDS {
            for (figures, suite) in rounds.iter_mut().zip(SUITES) {
                figures.push(round(suite, payload));
            }
        }
        for (figures, suite) in rounds.iter_mut().zip(SUITES) {
            let protect = median(figures, |figure| figure.0);
            let unprotect = median(figures, |figure| figure.1);
            println!("{payload:4} bytes  {suite:?}: protect {protect:.0} ns, unprotect {unprotect:.0} ns");
        }
    }
}

fn median(figures: &[(f64, f64)], which: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut sorted: Vec<f64> = figures.iter().map(which).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn round(suite: Suite, payload: usize) -> (f64, f64) {
    let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
    let mut protector = Protector::new(suite, &key, &salt).expect("keys of the suite's lengths");
    let mut unprotector = Unprotector::new(suite, &key, &salt).expect("keys of the suite's lengths");
    let mut packets: Vec<Vec<u8>> = (0..PACKETS).map(|count| rtp(count as u16, payload)).collect();

    let began = processor_time();
    for packet in &mut packets {
        protector.rtp(packet).expect("a packet of our own");
    }
    let protected = processor_time();
    for packet in &mut packets {
        unprotector.rtp(packet).expect("a packet that was just protected");
    }
    let each = |seconds: f64| seconds * 1e9 / f64::from(PACKETS);
    (each(protected - began), each(processor_time() - protected))
}

fn rtp(sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = Vec::with_capacity(12 + payload + _native::srtp::MAX_OVERHEAD);
    packet.extend([0x80, 0x00]);
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0, 0, 0, 7]);
    packet.resize(12 + payload, 0xD5);
    packet
}
