use super::*;

const SIGNALLED: &str = "203.0.113.5:4000";
const OTHER_PORT: &str = "203.0.113.5:61000";
const STRANGER: &str = "198.51.100.66:4000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn lock(signalled: &str, any_address: bool) -> SourceLock {
    SourceLock::new(Some(at(signalled)), any_address)
}

/// Of a description that was about that source.
fn left(source: &str, any_address: bool) -> SourceLock {
    let mut lock = lock(SIGNALLED, any_address);
    assert!(lock.try_lock(at(source)));
    lock
}

fn packet(ssrc: u32, sequence: u16) -> Position {
    Position { ssrc, sequence }
}

#[test]
fn signalled_source_is_taken_and_locked() {
    let mut lock = lock(SIGNALLED, false);
    assert_eq!((lock.locked(), lock.destination()), (None, Some(at(SIGNALLED))));

    assert!(lock.try_lock(at(SIGNALLED)));

    assert_eq!(lock.locked(), Some(at(SIGNALLED)));
}

#[test]
fn other_port_of_the_signalled_host_is_learned_once() {
    let mut lock = lock(SIGNALLED, false);

    assert!(lock.try_lock(at(OTHER_PORT)));
    assert_eq!(lock.destination(), Some(at(OTHER_PORT)));
    assert!(!lock.try_lock(at("203.0.113.5:61001")));
    assert_eq!(lock.locked(), Some(at(OTHER_PORT)));
}

#[test]
fn stream_that_goes_on_from_another_port_is_followed_and_answered_there() {
    for sequence in [1, 65535] {
        let mut lock = lock(SIGNALLED, false);
        lock.try_lock(at(SIGNALLED));

        assert!(lock.follow(at(OTHER_PORT), packet(7, sequence), packet(7, sequence.wrapping_add(1))));
        assert_eq!(lock.destination(), Some(at(OTHER_PORT)));
    }
}

#[test]
fn another_stream_or_a_repeat_or_another_host_is_not_followed() {
    for (source, new) in [
        (OTHER_PORT, packet(8, 101)),
        (OTHER_PORT, packet(7, 100)),
        (OTHER_PORT, packet(7, 99)),
        (OTHER_PORT, packet(7, 101 + MAX_GAP)),
        (STRANGER, packet(7, 101)),
    ] {
        let mut lock = lock(SIGNALLED, false);
        lock.try_lock(at(SIGNALLED));

        assert!(!lock.follow(at(source), packet(7, 100), new), "{source} {new:?}");
        assert_eq!(lock.destination(), Some(at(SIGNALLED)));
    }
}

#[test]
fn nothing_is_followed_before_the_first_packet() {
    assert!(!lock(SIGNALLED, false).follow(at(OTHER_PORT), packet(7, 1), packet(7, 2)));
}

#[test]
fn stranger_is_refused_before_and_after_the_lock() {
    let mut lock = lock(SIGNALLED, false);

    assert!(!lock.try_lock(at(STRANGER)));
    assert!(lock.try_lock(at(SIGNALLED)));
    assert!(!lock.try_lock(at(STRANGER)));
    assert_eq!(lock.locked(), Some(at(SIGNALLED)));
}

#[test]
fn peer_behind_a_nat_is_learned_from_any_address_once() {
    let mut lock = lock("10.1.1.1:4000", true);

    assert!(lock.may_be_elsewhere());
    assert!(lock.try_lock(at(OTHER_PORT)));
    assert!(!lock.try_lock(at(STRANGER)));
}

#[test]
fn signalled_source_takes_the_lock_back_from_whoever_was_quicker() {
    let mut lock = lock("10.1.1.1:4000", true);
    assert!(lock.try_lock(at(STRANGER)));

    assert!(lock.try_lock(at("10.1.1.1:4000")));
    assert_eq!(lock.destination(), Some(at("10.1.1.1:4000")));
}

#[test]
fn hold_without_an_address_takes_nothing() {
    let mut lock = SourceLock::new(None, true);

    assert!(!lock.try_lock(at(STRANGER)));
    assert_eq!(lock.destination(), None);
}

#[test]
fn asking_whether_a_source_may_be_taken_locks_nothing() {
    let lock = lock(SIGNALLED, false);

    assert!(lock.may_lock(at(OTHER_PORT)));
    assert!(!lock.may_lock(at(STRANGER)));
    assert_eq!(lock.locked(), None);
}

#[test]
fn packets_that_were_on_their_way_from_the_source_that_was_left_are_taken_and_lock_nothing() {
    for (any_address, moved) in [(false, "203.0.113.5:4100"), (true, "10.1.1.1:4100")] {
        let mut lock = left(OTHER_PORT, any_address).renewed(Some(at(moved)), any_address);

        assert!(lock.try_lock(at(OTHER_PORT)));
        assert_eq!((lock.locked(), lock.destination()), (None, Some(at(moved))));
        assert!(lock.try_lock(at(moved)));
        assert!(!lock.try_lock(at(OTHER_PORT)));
        assert_eq!(lock.locked(), Some(at(moved)));
    }
}

#[test]
fn far_end_that_stays_where_it_was_is_locked_once_its_packets_cannot_be_late_any_more() {
    let mut lock = left(OTHER_PORT, false).renewed(Some(at("203.0.113.5:4100")), false);

    for _ in 0..MAX_LATE {
        assert!(lock.try_lock(at(OTHER_PORT)));
        assert_eq!(lock.locked(), None);
    }

    assert!(lock.try_lock(at(OTHER_PORT)));
    assert_eq!(lock.locked(), Some(at(OTHER_PORT)));
}

#[test]
fn description_that_names_the_same_address_leaves_no_source_also_after_a_hold() {
    for is_held in [false, true] {
        let mut lock = left(OTHER_PORT, false);
        if is_held {
            lock = lock.renewed(None, false);
        }

        let mut lock = lock.renewed(Some(at(SIGNALLED)), false);

        assert!(lock.try_lock(at(OTHER_PORT)));
        assert_eq!(lock.locked(), Some(at(OTHER_PORT)));
    }
}

#[test]
fn source_that_was_left_is_locked_when_it_is_signalled_or_a_handshake_has_shown_it() {
    let lock = left(OTHER_PORT, false);

    let mut signalled = lock.renewed(Some(at(OTHER_PORT)), false);
    assert!(signalled.try_lock(at(OTHER_PORT)));
    assert_eq!(signalled.locked(), Some(at(OTHER_PORT)));

    let mut shown = lock.renewed(Some(at("203.0.113.5:4100")), false);
    assert!(shown.lock(at(OTHER_PORT)));
    assert_eq!(shown.locked(), Some(at(OTHER_PORT)));
}

#[test]
fn source_that_was_left_for_another_host_is_a_stranger() {
    let lock = left(SIGNALLED, false);

    assert!(!lock.renewed(Some(at(STRANGER)), false).try_lock(at(SIGNALLED)));
}

#[test]
fn addresses_that_packets_will_not_come_from_are_known() {
    for (signalled, local, expected) in [
        ("203.0.113.5", "198.51.100.1", false),
        ("10.1.1.1", "198.51.100.1", true),
        ("192.168.1.5", "198.51.100.1", true),
        ("172.31.255.255", "198.51.100.1", true),
        ("172.32.0.0", "198.51.100.1", false),
        ("100.64.3.3", "198.51.100.1", true),
        ("169.254.1.1", "198.51.100.1", true),
        ("192.168.1.5", "192.168.7.1", false),
        ("192.168.1.5", "10.0.0.1", true),
        ("127.0.0.1", "127.0.0.1", false),
        ("127.0.0.1", "192.168.1.1", true),
        ("203.0.113.5", "127.0.0.1", true),
        ("127.0.0.2", "127.0.0.1", false),
        ("fd00::1", "2001:db8::1", true),
        ("fd00::1", "fd00::2", false),
        ("fe80::1", "fd00::2", true),
        ("::1", "2001:db8::1", true),
    ] {
        assert_eq!(
            is_behind_nat(signalled.parse().unwrap(), local.parse().unwrap()),
            expected,
            "{signalled} {local}"
        );
    }
}
