use std::sync::Mutex;

use proptest::prelude::*;
use rtc_srtp::crypto::{
    AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CryptoAlgorithm, CryptoError, HmacAlgorithm, Mac, RTCCrypto,
    StreamCipher, StreamCipherAlgorithm,
};

use super::*;

const SUITES: [Suite; 4] = [
    Suite::AesCm128HmacSha1_80,
    Suite::AesCm128HmacSha1_32,
    Suite::AeadAes128Gcm,
    Suite::AeadAes256Gcm,
];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn pair(suite: Suite) -> (Protector, Unprotector) {
    let key: Vec<u8> = (0..suite.key_len() as u8).collect();
    let salt: Vec<u8> = (0xA0..0xA0 + suite.salt_len() as u8).collect();
    (
        Protector::new(suite, &key, &salt).unwrap(),
        Unprotector::new(suite, &key, &salt).unwrap(),
    )
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0x00];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xD5; 160]);
    packet
}

fn report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

/// A provider that hands out given session keys instead of derived ones: the RFCs' vectors begin there.
struct Given {
    /// What the derivation of RFC 3711 section 4.3 yields: by label, the first 32 bytes of its key stream.
    streams: [[u8; 32]; 6],
}

impl Given {
    fn new(streams: &[(usize, &str)]) -> Self {
        let mut all = [[0; 32]; 6];
        for (label, text) in streams {
            let bytes = hex(text);
            all[*label][..bytes.len()].copy_from_slice(&bytes);
        }
        Self { streams: all }
    }
}

impl RTCCrypto for Given {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        Ciphers.supports(algorithm)
    }

    fn block_encrypt(&self, _: BlockCipherAlgorithm, _: &[u8], block: &mut [u8]) -> Result<(), CryptoError> {
        let (label, part) = (usize::from(block[7]), usize::from(block[15]));
        block.copy_from_slice(&self.streams[label][16 * part..16 * (part + 1)]);
        Ok(())
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        Ciphers.new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        Ciphers.new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        Ciphers.new_aead(algorithm, key)
    }
}

/// A provider with real derivation that notes with which keys ciphers and MACs are made.
#[derive(Default)]
struct Noting(Mutex<Vec<Vec<u8>>>);

impl RTCCrypto for Noting {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        Ciphers.supports(algorithm)
    }

    fn block_encrypt(&self, kind: BlockCipherAlgorithm, key: &[u8], block: &mut [u8]) -> Result<(), CryptoError> {
        Ciphers.block_encrypt(kind, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.0.lock().unwrap().push(key.to_vec());
        Ciphers.new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.0.lock().unwrap().push(key.to_vec());
        Ciphers.new_stream_cipher(algorithm, key)
    }
}

fn given_context(suite: Suite, given: &Given) -> Context {
    let (key, salt) = (vec![0; suite.key_len()], vec![0; suite.salt_len()]);
    Context::new(&key, &salt, suite.profile(), None, None, given).unwrap()
}

/// The labels of RFC 3711 section 4.3.2 that the vectors give values for.
const RTP_KEY: usize = 0;
const RTP_SALT: usize = 2;
const RTCP_KEY: usize = 3;
const RTCP_SALT: usize = 5;

#[test]
fn key_stream_is_that_of_rfc_3711_appendix_b2() {
    let streams = [
        (RTP_KEY, "2B7E151628AED2A6ABF7158809CF4F3C"),
        (RTP_SALT, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"),
    ];
    let mut context = given_context(Suite::AesCm128HmacSha1_80, &Given::new(&streams));
    let mut packet = vec![0x80];
    packet.resize(12 + 48, 0);

    let protected = context.encrypt_rtp(&packet).unwrap();

    let stream = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(protected[12..60], hex(stream));
}

#[test]
fn session_keys_are_those_of_rfc_3711_appendix_b3() {
    let noting = Noting::default();
    let (key, salt) = (
        hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
        hex("0EC675AD498AFEEBB6960B3AABE6"),
    );

    Context::new(&key, &salt, ProtectionProfile::Aes128CmHmacSha1_80, None, None, &noting).unwrap();

    let keys = noting.0.lock().unwrap();
    assert!(keys.contains(&hex("C61E7A93744F39EE10734AFE3FF7A087")));
    assert!(keys.contains(&hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")));
}

const QUID_PRO_QUO: &str = "517569642070726f2071756f";
const GALLIA: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 \
                      61727465 73207472 6573";
const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn gcm_seals_rtp_as_in_rfc_7714_section_16() {
    for (suite, key, expected) in [
        (
            Suite::AeadAes128Gcm,
            KEY_128,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Suite::AeadAes256Gcm,
            KEY_256,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let given = Given::new(&[(RTP_KEY, key), (RTP_SALT, QUID_PRO_QUO)]);

        let sealed = given_context(suite, &given).encrypt_rtp(&hex(GALLIA)).unwrap();

        assert_eq!(sealed[..12], hex(GALLIA)[..12]);
        assert_eq!(sealed[12..], hex(expected));
        assert_eq!(
            given_context(suite, &given).decrypt_rtp(&sealed).unwrap()[..],
            hex(GALLIA)
        );
    }
}

#[test]
fn gcm_opens_rtcp_as_in_rfc_7714_section_17() {
    let report = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef \
                  deadbeef deadbeef";
    for (suite, key, sealed) in [
        (
            Suite::AeadAes128Gcm,
            KEY_128,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2f\
             c5abf87245d9eade",
        ),
        (
            Suite::AeadAes256Gcm,
            KEY_256,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f\
             57ff6f6cb26ac3be",
        ),
    ] {
        let given = Given::new(&[(RTCP_KEY, key), (RTCP_SALT, QUID_PRO_QUO)]);
        let packet = [&hex(report)[..8], &hex(sealed), &hex("800005d4")].concat();

        let opened = given_context(suite, &given).decrypt_rtcp(&packet).unwrap();

        assert_eq!(opened[..], hex(report));
    }
}

#[test]
fn packets_are_those_of_libsrtp() {
    let cm = ("e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6");
    let gcm_salt = "a0a1a2a3a4a5a6a7a8a9aaab";
    let cm_rtcp = "7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
    for (suite, (key, salt), rtp, rtcp) in [
        (
            Suite::AesCm128HmacSha1_80,
            cm,
            "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
            cm_rtcp,
        ),
        (
            Suite::AesCm128HmacSha1_32,
            cm,
            "4e55dc4ce79978d88ca4d215949d2402b78d6acc",
            cm_rtcp,
        ),
        (
            Suite::AeadAes128Gcm,
            (KEY_128, gcm_salt),
            "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
            "c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001",
        ),
        (
            Suite::AeadAes256Gcm,
            (KEY_256, gcm_salt),
            "0af7f21e8a90bdad7a425c9c31ed4bb1d90238917e7390a2793500e1681acaea",
            "8abfafa780070a90e80f9161cf4aac081ed93aaa53c15b0f3ed1a3b984167b0380000001",
        ),
    ] {
        let mut protector = Protector::new(suite, &hex(key), &hex(salt)).unwrap();
        let mut packet = [hex("800f1234decafbadcafebabe"), vec![0xAB; 16]].concat();
        let mut control = [hex("81c8000bcafebabe"), vec![0xAB; 16]].concat();

        protector.rtp(&mut packet).unwrap();
        protector.rtcp(&mut control).unwrap();

        assert_eq!(packet[12..], hex(rtp), "{suite:?}");
        assert_eq!(control[8..], hex(rtcp), "{suite:?}");
    }
}

/// What libsrtp makes of number 0 behind 65534 and 65535.
#[test]
fn roll_over_is_counted_as_libsrtp_does() {
    let cm = Protector::new(
        Suite::AesCm128HmacSha1_80,
        &hex("e1f97a0d3e018be0d64fa32c06de4139"),
        &hex("0ec675ad498afeebb6960b3aabe6"),
    );
    let gcm = Protector::new(Suite::AeadAes128Gcm, &hex(KEY_128), &hex("a0a1a2a3a4a5a6a7a8a9aaab"));
    for (protector, expected) in [
        (cm, "24ecf92d9c97bf2ac679b796fdfd365a267beecdc56456590e62"),
        (gcm, "bf6c6dfe17cc151e899f772b46409248441b38fe472d11f34b9c6eab595d256f"),
    ] {
        let mut protector = protector.unwrap();
        let mut packet = Vec::new();
        for sequence in [65_534u16, 65_535, 0] {
            packet = [
                &hex("800f")[..],
                &sequence.to_be_bytes(),
                &hex("decafbadcafebabe"),
                &[0xAB; 16],
            ]
            .concat();
            protector.rtp(&mut packet).unwrap();
        }

        assert_eq!(packet[12..], hex(expected));
    }
}

#[test]
fn keys_of_a_wrong_length_are_refused() {
    for suite in SUITES {
        let (key, salt) = (vec![0; suite.key_len()], vec![0; suite.salt_len()]);

        assert_eq!(Protector::new(suite, &key[1..], &salt).err(), Some(SrtpError::Keys));
        assert_eq!(Unprotector::new(suite, &key, &salt[1..]).err(), Some(SrtpError::Keys));
    }
}

#[test]
fn no_packet_is_taken_twice() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(suite);
        let (mut packet, mut control) = (rtp(7, 1), report(7));
        protector.rtp(&mut packet).unwrap();
        protector.rtcp(&mut control).unwrap();
        unprotector.rtp(&mut packet.clone()).unwrap();
        unprotector.rtcp(&mut control.clone()).unwrap();

        assert_eq!(unprotector.rtp(&mut packet), Err(SrtpError::Replay));
        assert_eq!(unprotector.rtcp(&mut control), Err(SrtpError::Replay));
    }
}

#[test]
fn no_key_stream_is_used_twice() {
    let (mut protector, _) = pair(Suite::AesCm128HmacSha1_80);
    protector.rtp(&mut rtp(7, 5)).unwrap();
    protector.rtp(&mut rtp(7, 3)).unwrap();

    assert_eq!(protector.rtp(&mut rtp(7, 5)), Err(SrtpError::Replay));
    assert_eq!(protector.rtp(&mut rtp(7, 3)), Err(SrtpError::Replay));
    assert_eq!(protector.rtp(&mut rtp(7, 4)), Ok(()));
    assert_eq!(protector.rtp(&mut rtp(8, 5)), Ok(()));
}

#[test]
fn late_packets_are_taken_within_the_window_across_a_roll_over() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(suite);
        let mut packets: Vec<Vec<u8>> = (0..1200u16)
            .map(|count| rtp(7, 65_000u16.wrapping_add(count)))
            .collect();
        for packet in &mut packets {
            protector.rtp(packet).unwrap();
        }
        unprotector.rtp(&mut packets[0].clone()).unwrap();
        unprotector.rtp(&mut packets[1199].clone()).unwrap();

        assert_eq!(unprotector.rtp(&mut packets[1199 - 1023].clone()), Ok(()), "{suite:?}");
        assert_eq!(
            unprotector.rtp(&mut packets[1199 - 1024].clone()),
            Err(SrtpError::Replay),
            "{suite:?}"
        );
    }
}

#[test]
fn stream_goes_on_over_three_roll_overs() {
    let (mut protector, mut unprotector) = pair(Suite::AeadAes128Gcm);

    for count in 0..200_000u32 {
        let mut packet = rtp(7, (count + 40_000) as u16);
        protector.rtp(&mut packet).unwrap();
        if count % 97 != 0 {
            unprotector.rtp(&mut packet).unwrap();
        }
    }
}

#[test]
fn forged_first_packet_does_not_move_the_window() {
    let (mut protector, mut unprotector) = pair(Suite::AesCm128HmacSha1_80);
    let mut forged = rtp(7, 30_000);
    forged.extend([0; 10]);
    let mut packet = rtp(7, 1);
    protector.rtp(&mut packet).unwrap();

    assert_eq!(unprotector.rtp(&mut forged), Err(SrtpError::NotAuthentic));
    assert_eq!(unprotector.rtp(&mut packet), Ok(()));
}

#[test]
fn strangers_leave_no_state_behind() {
    let (mut protector, mut unprotector) = pair(Suite::AesCm128HmacSha1_80);
    for ssrc in 0..1000 {
        let mut forged = rtp(ssrc, 1);
        forged.extend([0; 10]);
        assert_eq!(unprotector.rtp(&mut forged), Err(SrtpError::NotAuthentic));
    }

    assert_eq!(unprotector.sources.len(), 0);
    assert!(
        unprotector
            .trial
            .as_ref()
            .is_some_and(|(_, trials)| *trials <= MAX_TRIALS)
    );
    let mut packet = rtp(7, 1);
    protector.rtp(&mut packet).unwrap();
    assert_eq!(unprotector.rtp(&mut packet), Ok(()));
}

#[test]
fn number_of_sources_is_bounded() {
    let key = [0; 16];
    let salt = [0; 14];
    let suite = Suite::AesCm128HmacSha1_80;
    let mut unprotector = Unprotector::new(suite, &key, &salt).unwrap();
    let mut last = Ok(());
    for ssrc in 0..=MAX_SOURCES as u32 {
        let mut packet = rtp(ssrc, 1);
        Protector::new(suite, &key, &salt).unwrap().rtp(&mut packet).unwrap();
        last = unprotector.rtp(&mut packet);
    }

    assert_eq!(last, Err(SrtpError::Sources));
}

#[test]
fn srtcp_that_is_not_encrypted_is_refused_unread() {
    for suite in SUITES {
        let (_, mut unprotector) = pair(suite);
        let mut packet = report(7);
        packet.extend([0, 0, 0, 1]);
        packet.extend([0; 16]);
        let index = packet.len() - suite.after_index() - INDEX;
        packet[index] = 0;

        assert_eq!(unprotector.rtcp(&mut packet), Err(SrtpError::NotEncrypted), "{suite:?}");
    }
}

#[test]
fn header_ends_where_its_length_field_says() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(suite);
        // One contributing source; a one-byte extension (RFC 8285) with padding before and between its elements.
        let mut plain = hex("9100 0001 00000000 00000007 00000009 bede0003 00 1055 00 2066 000000000000");
        plain.extend([0xD5; 160]);
        let mut packet = plain.clone();

        protector.rtp(&mut packet).unwrap();
        assert_eq!(packet[..32], plain[..32]);
        assert_ne!(packet[32..40], plain[32..40]);
        unprotector.rtp(&mut packet).unwrap();

        assert_eq!(packet, plain);
    }
}

proptest! {
    #[test]
    fn any_datagram_is_opened_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200), which in 0..4usize) {
        let (mut protector, mut unprotector) = pair(SUITES[which]);

        prop_assert!(unprotector.rtp(&mut data.clone()).is_err());
        prop_assert!(unprotector.rtcp(&mut data.clone()).is_err());
        let _ = protector.rtp(&mut data.clone());
        let _ = protector.rtcp(&mut data.clone());
    }

    #[test]
    fn changed_packet_is_refused_and_left_as_it_was(which in 0..4usize, position in 0..172usize, bit in 0..8u8) {
        let (mut protector, mut unprotector) = pair(SUITES[which]);
        let mut first = rtp(7, 1);
        let mut packet = rtp(7, 2);
        protector.rtp(&mut first).unwrap();
        protector.rtp(&mut packet).unwrap();
        unprotector.rtp(&mut first).unwrap();
        packet[position] ^= 1 << bit;
        let changed = packet.clone();

        prop_assert!(unprotector.rtp(&mut packet).is_err());
        prop_assert_eq!(packet, changed);
    }

    #[test]
    fn everything_reordered_within_the_window_arrives_once(
        start in any::<u16>(), order in Just((0..300u16).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (mut protector, mut unprotector) = pair(Suite::AeadAes256Gcm);
        let mut packets: Vec<Vec<u8>> = (0..300u16).map(|count| rtp(7, start.wrapping_add(count))).collect();
        for packet in &mut packets {
            protector.rtp(packet).unwrap();
        }
        unprotector.rtp(&mut packets[0].clone()).unwrap();

        let taken = order.iter().filter(|&&index| unprotector.rtp(&mut packets[usize::from(index)].clone()).is_ok());

        prop_assert_eq!(taken.count(), 299);
    }
}
