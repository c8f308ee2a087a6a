//! Any datagram is a compound RTCP packet or it is not; one that is survives being written down, and the session.
#![no_main]

use _native::rtcp::{RtcpSession, parse, write};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut session = RtcpSession::new(1, "gateway", 0.0, 1.8e9, Box::new(|| 0.5));
    let taken = session.receive(data, 10.0);
    assert!(
        session
            .round_trip()
            .is_none_or(|seconds| (0.0..32768.0).contains(&seconds))
    );
    let Ok(packets) = parse(data) else {
        assert!(taken.is_err());
        return;
    };
    let mut wire = Vec::new();
    // What was no UTF-8 is longer when it is written again, and may not fit then.
    if write(&packets, &mut wire).is_ok() && !packets.is_empty() {
        assert_eq!(parse(&wire).as_ref(), Ok(&packets));
    }
});
