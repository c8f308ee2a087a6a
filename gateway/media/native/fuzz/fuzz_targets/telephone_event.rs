//! Whatever payloads a far end sends as telephone-events (RFC 4733): digits are reported within the bounds of a digit.
#![no_main]

use _native::pipeline::dtmf::{DIGITS, EventReceiver, MAX_DURATION};
use _native::rtp::{Header, Packet};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Event {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
    wait_ms: u8,
}

fuzz_target!(|input: (u32, Vec<Event>)| {
    let (clock_rate, events) = input;
    let mut receiver = EventReceiver::new(clock_rate % 200_000);
    let (mut now, mut digits, count) = (0.0, Vec::new(), events.len());
    for Event {
        sequence,
        timestamp,
        marker,
        payload,
        wait_ms,
    } in events
    {
        now += f64::from(wait_ms) / 1000.0;
        if receiver.next_deadline().is_some_and(|deadline| deadline <= now) {
            receiver.handle_timeout(now, &mut digits);
        }
        let header = Header {
            payload_type: 101,
            marker,
            sequence,
            timestamp,
            ssrc: 7,
        };
        receiver.receive(
            &Packet {
                header,
                payload: &payload,
            },
            now,
            &mut digits,
        );
    }
    receiver.handle_timeout(now + MAX_DURATION, &mut digits);
    assert!(digits.len() <= count + 1);
    for digit in digits {
        assert!(DIGITS.contains(&(digit.digit as u8)));
        assert!(digit.duration >= 0.0);
    }
});
