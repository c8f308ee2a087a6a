"""From where a plain RTP leg takes packets."""

import pytest

from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.core.source_lock import MAX_GAP, MAX_LATE, Address, SourceLock, is_behind_nat

SIGNALLED = ("203.0.113.5", 4000)
OTHER_PORT = ("203.0.113.5", 61000)
STRANGER = ("198.51.100.66", 4000)
MOVED = ("203.0.113.5", 4100)


def test_signalled_source_is_taken_and_locked() -> None:
    lock = SourceLock(SIGNALLED, any_address=False)

    assert lock.try_lock(SIGNALLED)
    assert lock.locked == SIGNALLED


def test_nothing_is_locked_and_packets_go_to_the_signalled_address_before_the_first_packet() -> None:
    lock = SourceLock(SIGNALLED, any_address=False)

    assert lock.locked is None
    assert lock.destination == SIGNALLED


def test_other_port_of_the_signalled_host_is_learned_once() -> None:
    lock = SourceLock(SIGNALLED, any_address=False)

    assert lock.try_lock(OTHER_PORT)
    assert lock.destination == OTHER_PORT
    assert not lock.try_lock(("203.0.113.5", 61001))
    assert lock.locked == OTHER_PORT


def packet(sequence: int, *, ssrc: int = 7) -> bytes:
    return serialize(RtpPacket(0, sequence & 0xFFFF, 160, ssrc, False, b"x" * 160))


@pytest.mark.parametrize("sequence", [1, 65535])
def test_stream_that_goes_on_from_another_port_is_followed_and_answered_there(sequence: int) -> None:
    lock = SourceLock(SIGNALLED, any_address=False)
    lock.try_lock(SIGNALLED)

    assert lock.follow(OTHER_PORT, last=packet(sequence), data=packet(sequence + 1))
    assert lock.destination == OTHER_PORT


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (OTHER_PORT, packet(101, ssrc=8)),
        (OTHER_PORT, packet(100)),
        (OTHER_PORT, packet(99)),
        (OTHER_PORT, packet(101 + MAX_GAP)),
        (STRANGER, packet(101)),
    ],
)
def test_another_stream_or_a_repeat_or_another_host_is_not_followed(source: Address, data: bytes) -> None:
    lock = SourceLock(SIGNALLED, any_address=False)
    lock.try_lock(SIGNALLED)

    assert not lock.follow(source, last=packet(100), data=data)
    assert lock.destination == SIGNALLED


def test_nothing_is_followed_before_the_first_packet() -> None:
    assert not SourceLock(SIGNALLED, any_address=False).follow(OTHER_PORT, last=b"", data=packet(1))


def test_stranger_is_refused_before_and_after_the_lock() -> None:
    lock = SourceLock(SIGNALLED, any_address=False)

    assert not lock.try_lock(STRANGER)
    assert lock.try_lock(SIGNALLED)
    assert not lock.try_lock(STRANGER)
    assert lock.locked == SIGNALLED


def test_peer_behind_a_nat_is_learned_from_any_address_once() -> None:
    lock = SourceLock(("10.1.1.1", 4000), any_address=True)

    assert lock.try_lock(OTHER_PORT)
    assert not lock.try_lock(STRANGER)


def test_signalled_source_takes_the_lock_back_from_whoever_was_quicker() -> None:
    lock = SourceLock(("10.1.1.1", 4000), any_address=True)
    assert lock.try_lock(STRANGER)

    assert lock.try_lock(("10.1.1.1", 4000))
    assert lock.destination == ("10.1.1.1", 4000)


def test_hold_without_an_address_takes_nothing() -> None:
    lock = SourceLock(None, any_address=True)

    assert not lock.try_lock(STRANGER)
    assert lock.destination is None


def left(source: Address) -> SourceLock:
    """A lock of a description that was about that source."""
    lock = SourceLock(SIGNALLED, any_address=False)
    assert lock.try_lock(source)
    return lock


@pytest.mark.parametrize(("moved", "any_address"), [(MOVED, False), (("10.1.1.1", 4100), True)])
def test_packets_that_were_on_their_way_from_the_source_that_was_left_are_taken_and_lock_nothing(
    moved: Address, any_address: bool
) -> None:
    lock = left(OTHER_PORT).renewed(moved, any_address=any_address)

    assert lock.try_lock(OTHER_PORT)
    assert (lock.locked, lock.destination) == (None, moved)
    assert lock.try_lock(moved)
    assert not lock.try_lock(OTHER_PORT)
    assert lock.locked == moved


def test_far_end_that_stays_where_it_was_is_locked_once_its_packets_cannot_be_late_any_more() -> None:
    lock = left(OTHER_PORT).renewed(MOVED, any_address=False)

    assert [lock.try_lock(OTHER_PORT) for _ in range(MAX_LATE)] == [True] * MAX_LATE
    assert lock.locked is None

    assert lock.try_lock(OTHER_PORT)
    assert lock.locked == OTHER_PORT


@pytest.mark.parametrize("is_held", [False, True])
def test_description_that_names_the_same_address_leaves_no_source_also_after_a_hold(is_held: bool) -> None:
    lock = left(OTHER_PORT)
    if is_held:
        lock = lock.renewed(None, any_address=False)

    lock = lock.renewed(SIGNALLED, any_address=False)

    assert lock.try_lock(OTHER_PORT)
    assert lock.locked == OTHER_PORT


def test_source_that_was_left_is_locked_when_it_is_signalled() -> None:
    lock = left(OTHER_PORT).renewed(OTHER_PORT, any_address=False)

    assert lock.try_lock(OTHER_PORT)
    assert lock.locked == OTHER_PORT


def test_source_that_was_left_for_another_host_is_a_stranger() -> None:
    assert not left(SIGNALLED).renewed(STRANGER, any_address=False).try_lock(SIGNALLED)


@pytest.mark.parametrize(
    ("signalled", "local", "expected"),
    [
        ("203.0.113.5", "198.51.100.1", False),
        ("10.1.1.1", "198.51.100.1", True),
        ("192.168.1.5", "198.51.100.1", True),
        ("100.64.3.3", "198.51.100.1", True),
        ("192.168.1.5", "192.168.7.1", False),
        ("192.168.1.5", "10.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "192.168.1.1", True),
        ("203.0.113.5", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("fd00::1", "2001:db8::1", True),
        ("fd00::1", "fd00::2", False),
    ],
)
def test_addresses_that_packets_will_not_come_from_are_known(signalled: str, local: str, expected: bool) -> None:
    assert is_behind_nat(signalled, local) is expected


@pytest.mark.parametrize("any_address", [True, False])
def test_lock_tells_whether_a_nat_is_in_between(any_address: bool) -> None:
    assert SourceLock(SIGNALLED, any_address=any_address).may_be_elsewhere is any_address


def test_asking_whether_a_source_may_be_taken_locks_nothing() -> None:
    lock = SourceLock(SIGNALLED, any_address=False)

    assert lock.may_lock(OTHER_PORT)
    assert not lock.may_lock(STRANGER)
    assert lock.locked is None
