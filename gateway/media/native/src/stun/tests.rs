use proptest::prelude::*;

use super::*;

/// Test vectors of RFC 5769.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 \
    00240004 6e0001ff 80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 \
    00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";
const IPV4_RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 \
    00200008 0001a147e112a643 00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";
const IPV6_RESPONSE: &str = "010100482112a442b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 \
    00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 \
    80280004 c8fb0b4c";
const LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e \
    00060012 e3839ee38388e383aae38383e382afe382b90000 \
    0015001c 662f2f3439396b39353464364f4c33346f4c39465354767936347341 \
    0014000b 6578616d706c652e6f726700 00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666";

const LONG_TERM_KEY: &str = "e8ca7ad59d5eb0518e312911d2dab2a9";

const TRANSACTION: [u8; 12] = *b"transaction!";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

#[test]
fn request_of_rfc_5769_is_read_and_authentic() {
    let data = hex(REQUEST);

    let message = Message::parse(&data).unwrap();

    assert_eq!((message.class, message.method), (Class::Request, BINDING));
    assert_eq!(message.username, Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.local_ufrag(), Some(&b"evtj"[..]));
    assert_eq!(message.priority, Some(0x6E00_01FF));
    assert_eq!(message.role, Some(Role::Controlled(0x932F_F9B1_5126_3B36)));
    assert!(message.has_fingerprint);
    assert!(message.is_authentic(&Key::new(PASSWORD)));
    assert!(!message.is_authentic(&Key::new(b"VOkJxbRl1RmTxUk/WvJxBT")));
}

#[test]
fn responses_of_rfc_5769_are_read_and_authentic() {
    for (text, address) in [
        (IPV4_RESPONSE, "192.0.2.1:32853"),
        (IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let data = hex(text);

        let message = Message::parse(&data).unwrap();

        assert_eq!(message.class, Class::Success);
        assert_eq!(message.mapped_address, Some(address.parse().unwrap()));
        assert!(message.has_fingerprint);
        assert!(message.is_authentic(&Key::new(PASSWORD)));
    }
}

#[test]
fn request_with_a_long_term_credential_of_rfc_5769_is_authentic() {
    let data = hex(LONG_TERM);
    // MD5 of "マトリックス:example.org:TheMatrIX"
    let key = Key::new(&hex(LONG_TERM_KEY));

    let message = Message::parse(&data).unwrap();

    assert!(!message.has_fingerprint);
    assert!(message.is_authentic(&key));
    assert!(message.unknown().is_empty());
}

#[test]
fn our_response_is_that_of_rfc_5769_but_for_its_padding() {
    let key = Key::new(PASSWORD);
    let vector = hex(IPV4_RESPONSE);
    let transaction = Message::parse(&vector).unwrap().transaction;
    let mut buffer = vec![1, 2, 3];

    Writer::new(&mut buffer, Class::Success, BINDING, &transaction)
        .mapped_address("192.0.2.1:32853".parse().unwrap())
        .integrity(&key)
        .fingerprint();

    assert_eq!(buffer[HEADER..HEADER + 12], hex("00200008 0001a147e112a643"));
    let message = Message::parse(&buffer).unwrap();
    assert!(message.is_authentic(&key) && message.has_fingerprint);
}

#[test]
fn error_response_says_what_was_wrong() {
    let mut buffer = Vec::new();
    let key = Key::new(PASSWORD);

    Writer::new(&mut buffer, Class::Error, BINDING, &TRANSACTION)
        .error_code(420, "Unknown Attribute")
        .unknown_attributes(&[0x0030, 0x7FFF])
        .integrity(&key)
        .fingerprint();

    let message = Message::parse(&buffer).unwrap();
    assert_eq!((message.class, message.error_code), (Class::Error, Some(420)));
    assert!(message.is_authentic(&key));
    assert_eq!(buffer[HEADER + 4..HEADER + 8], [0, 0, 4, 20]);
    assert_eq!(buffer[HEADER + 28..HEADER + 36], hex("000a0004 00307fff"));
}

#[test]
fn nothing_is_read_behind_the_integrity() {
    let mut buffer = Vec::new();
    let writer = Writer::new(&mut buffer, Class::Request, BINDING, &TRANSACTION).username(b"a:b");
    writer
        .integrity(&Key::new(PASSWORD))
        .use_candidate()
        .priority(7)
        .fingerprint();

    let message = Message::parse(&buffer).unwrap();

    assert!(message.is_authentic(&Key::new(PASSWORD)));
    assert!(!message.use_candidate);
    assert_eq!(message.priority, None);
}

#[test]
fn first_attribute_of_a_type_counts() {
    let mut buffer = Vec::new();
    Writer::new(&mut buffer, Class::Request, BINDING, &TRANSACTION)
        .username(b"a:b")
        .username(b"c:d")
        .role(Role::Controlling(1))
        .role(Role::Controlled(2))
        .priority(1)
        .priority(2)
        .fingerprint();

    let message = Message::parse(&buffer).unwrap();

    assert_eq!(message.username, Some(&b"a:b"[..]));
    assert_eq!(message.role, Some(Role::Controlling(1)));
    assert_eq!(message.priority, Some(1));
}

#[test]
fn unknown_attributes_are_reported_when_they_must_be_understood() {
    let mut buffer = Vec::new();
    let mut writer = Writer::new(&mut buffer, Class::Request, BINDING, &TRANSACTION);
    for kind in 0x0031..0x0040 {
        writer = writer.attribute(kind, b"?");
    }
    writer.attribute(0xC057, b"network cost").fingerprint();

    let message = Message::parse(&buffer).unwrap();

    assert_eq!(
        message.unknown(),
        (0x0031..0x0031 + MAX_UNKNOWN as u16).collect::<Vec<_>>()
    );
}

#[test]
fn messages_that_are_none_are_refused() {
    let good = hex(REQUEST);
    let refused = |data: &[u8]| Message::parse(data).err();
    let changed = |at: usize, byte: u8| {
        let mut data = good.clone();
        data[at] = byte;
        Message::parse(&data).err()
    };

    assert_eq!(refused(&[]), Some(StunError::NotStun));
    assert_eq!(refused(&good[..19]), Some(StunError::NotStun));
    assert_eq!(changed(0, 0x80), Some(StunError::NotStun));
    assert_eq!(changed(4, 0x20), Some(StunError::NotStun));
    assert_eq!(refused(&good[..good.len() - 4]), Some(StunError::Length));
    assert_eq!(changed(3, 0x54), Some(StunError::Length));
    assert_eq!(changed(22, 0xFF), Some(StunError::Length));
    assert_eq!(changed(43, 0x03), Some(StunError::Attribute));
    assert_eq!(changed(good.len() - 1, 0), Some(StunError::Fingerprint));
    assert_eq!(changed(24, b's'), Some(StunError::Fingerprint));
}

proptest! {
    #[test]
    fn any_datagram_is_parsed_or_refused(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&data);
    }

    #[test]
    fn any_attributes_are_parsed_or_refused(
        attributes in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
    ) {
        let mut buffer = Vec::new();
        let writer = Writer::new(&mut buffer, Class::Request, BINDING, &TRANSACTION);
        let _ = attributes.iter().fold(writer, |writer, (kind, value)| writer.attribute(*kind, value));

        if let Ok(message) = Message::parse(&buffer) {
            prop_assert!(!message.is_authentic(&Key::new(b"unknown")));
        }
    }

    #[test]
    fn any_method_and_address_survive_the_wire(
        method in 0..0x1000u16, v6 in any::<bool>(), ip in any::<u128>(), port in any::<u16>(), id in any::<[u8; 12]>(),
    ) {
        let ip = if v6 { IpAddr::V6(Ipv6Addr::from(ip)) } else { IpAddr::V4(Ipv4Addr::from(ip as u32)) };
        let mut buffer = Vec::new();
        Writer::new(&mut buffer, Class::Success, method, &id).mapped_address(SocketAddr::new(ip, port)).fingerprint();

        let message = Message::parse(&buffer).unwrap();

        prop_assert_eq!((message.class, message.method, message.transaction), (Class::Success, method, id));
        prop_assert_eq!(message.mapped_address, Some(SocketAddr::new(ip.to_canonical(), port)));
    }

    #[test]
    fn any_change_of_a_signed_message_is_noticed(at in 0..116usize, bit in 0..8u8) {
        let mut data = hex(LONG_TERM);
        data[at] ^= 1 << bit;

        if let Ok(message) = Message::parse(&data) {
            prop_assert!(!message.is_authentic(&Key::new(&hex(LONG_TERM_KEY))));
        }
    }
}
