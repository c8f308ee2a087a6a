//! Any datagram is a STUN message or it is not; what is read of it stays within it.
#![no_main]

use _native::demux::kind_of;
use _native::stun::{Key, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    kind_of(data);
    let Ok(message) = Message::parse(data) else { return };
    let is_signed_with_nothing = message.is_authentic(&Key::new(b"not the password"));
    assert!(!is_signed_with_nothing);
    if let Some(ufrag) = message.local_ufrag() {
        assert!(message.username.is_some_and(|username| username.starts_with(ufrag)));
    }
    assert!(message.error_code.is_none_or(|code| code < 1000));
});
