//! No datagram opens without the key, and none that was changed.
#![no_main]

use _native::srtp::{Protector, Suite, Unprotector};
use libfuzzer_sys::fuzz_target;

const SUITES: [Suite; 4] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

fuzz_target!(|data: &[u8]| {
    let Some((first, packet)) = data.split_first() else {
        return;
    };
    let suite = SUITES[usize::from(*first) % SUITES.len()];
    let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
    let (Ok(mut protector), Ok(mut unprotector)) =
        (Protector::new(suite, &key, &salt), Unprotector::new(suite, &key, &salt))
    else {
        panic!("keys of the suite's lengths");
    };

    // A tag of 32 bits is met by chance once in 2^32.
    if suite != Suite::AesCm128HmacSha1_32 {
        assert!(unprotector.rtp(&mut packet.to_vec()).is_err());
    }
    assert!(unprotector.rtcp(&mut packet.to_vec()).is_err());

    let mut protected = packet.to_vec();
    if protector.rtp(&mut protected).is_ok() {
        let mut opened = protected.clone();
        assert!(unprotector.rtp(&mut opened).is_ok());
        assert_eq!(opened, packet);
        assert!(unprotector.rtp(&mut protected).is_err(), "a replay");
    }
    let mut protected = packet.to_vec();
    if protector.rtcp(&mut protected).is_ok() {
        assert!(unprotector.rtcp(&mut protected).is_ok());
        assert_eq!(protected, packet);
    }
});
