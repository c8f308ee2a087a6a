"""The jitter buffer: nothing is held while all is in order, gaps are waited for, and what waits is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.core.jitter import MAX_HELD, MAX_WAIT, MIN_WAIT, Item, JitterBuffer, Lost
from gateway.media.core.rtp import RtpPacket


def packet(sequence: int) -> RtpPacket:
    return RtpPacket(0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, 1, False, b"x")


def order(items: list[Item]) -> list[int | Lost]:
    return [item if isinstance(item, Lost) else item.sequence for item in items]


def test_packets_in_order_pass_at_once_over_the_wrap() -> None:
    buffer = JitterBuffer()

    assert [order(buffer.receive(packet(65534 + n), 0.02 * n)) for n in range(4)] == [[65534], [65535], [0], [1]]
    assert buffer.next_deadline() is None
    assert not buffer.is_holding


def test_a_packet_that_was_overtaken_is_waited_for() -> None:
    buffer = JitterBuffer()
    buffer.receive(packet(1), 0.0)

    assert buffer.receive(packet(3), 0.02) == []
    assert buffer.is_holding
    assert buffer.next_deadline() == pytest.approx(0.02 + MIN_WAIT)
    assert order(buffer.receive(packet(2), 0.03)) == [2, 3]
    assert buffer.next_deadline() is None


def test_a_gap_is_given_up_after_the_wait() -> None:
    buffer = JitterBuffer()
    buffer.receive(packet(1), 0.0)
    buffer.receive(packet(4), 0.02)
    buffer.receive(packet(6), 0.03)

    assert buffer.handle_timeout(0.039) == []
    assert order(buffer.handle_timeout(0.041)) == [Lost(2), 4]
    assert buffer.next_deadline() == pytest.approx(0.03 + MIN_WAIT)
    assert order(buffer.handle_timeout(0.2)) == [Lost(1), 6]


def test_two_gaps_whose_time_is_up_are_given_up_together() -> None:
    buffer = JitterBuffer()
    for sequence in (1, 3, 5):
        buffer.receive(packet(sequence), 0.0)

    assert order(buffer.handle_timeout(1.0)) == [Lost(1), 3, Lost(1), 5]


def test_late_packets_make_it_wait_longer_and_good_times_shorter_again() -> None:
    buffer = JitterBuffer()
    sequence, now = 0, 0.0

    def lose_one(seconds_late: float | None) -> float:
        """Let one packet come late, or never; return how long the gap was waited for."""
        nonlocal sequence, now
        now += 1.0
        buffer.receive(packet(sequence), now)
        buffer.receive(packet(sequence + 2), now)
        deadline = buffer.next_deadline()
        assert deadline is not None
        buffer.handle_timeout(deadline)
        if seconds_late is not None:
            assert buffer.receive(packet(sequence + 1), deadline + seconds_late) == []
        sequence += 3
        return deadline - now

    assert lose_one(0.010) == pytest.approx(MIN_WAIT)
    assert lose_one(None) == pytest.approx(MIN_WAIT + 0.015, abs=0.002)
    assert lose_one(0.5) == pytest.approx(MIN_WAIT + 0.015, abs=0.003)
    assert lose_one(None) == pytest.approx(MAX_WAIT, abs=0.002)
    now += 60
    assert lose_one(None) == pytest.approx(MIN_WAIT)
    assert buffer.packets_late == 2


def test_what_comes_twice_is_counted_and_dropped() -> None:
    buffer = JitterBuffer()
    for sequence in (1, 1, 3, 3):
        buffer.receive(packet(sequence), 0.0)

    assert buffer.packets_late == 2
    assert order(buffer.receive(packet(2), 0.0)) == [2, 3]


@pytest.mark.parametrize("jump", [5000, -5000])
def test_a_jump_of_the_source_starts_anew_without_loss(jump: int) -> None:
    buffer = JitterBuffer()
    buffer.receive(packet(10000), 0.0)
    buffer.receive(packet(10003), 0.0)
    buffer.receive(packet(10002), 0.0)

    assert order(buffer.receive(packet(10000 + jump), 0.01)) == [10002, 10003, 10000 + jump]
    assert order(buffer.receive(packet(10001 + jump), 0.02)) == [10001 + jump]
    assert buffer.next_deadline() is None


def test_a_flood_behind_a_gap_does_not_pile_up() -> None:
    buffer = JitterBuffer()
    buffer.receive(packet(0), 0.0)
    out = [order(buffer.receive(packet(n), 0.0)) for n in range(2, MAX_HELD + 3)]

    assert out[-1][0] == Lost(1)
    assert len(out[-1]) == MAX_HELD + 2
    assert not buffer.is_holding


def test_flush_hands_out_all_and_reset_forgets_all() -> None:
    buffer = JitterBuffer()
    for sequence in (1, 3, 6):
        buffer.receive(packet(sequence), 0.0)
    assert order(buffer.flush(0.001)) == [Lost(1), 3, Lost(2), 6]

    buffer.receive(packet(9), 0.01)
    buffer.reset()
    assert buffer.next_deadline() is None
    assert order(buffer.receive(packet(400), 0.02)) == [400]


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 0.05)), max_size=80), st.integers(0, 0xFFFF))
def test_whatever_comes_goes_out_in_order_once_with_every_loss_named(
    arrivals: list[tuple[int, float]], base: int
) -> None:
    buffer, now = JitterBuffer(), 0.0
    items: list[Item] = []
    for offset, pause in arrivals:
        now += pause
        items += buffer.handle_timeout(now)
        items += buffer.receive(packet(base + offset), now)
    items += buffer.flush(now)

    expected = None
    for item in items:
        if isinstance(item, Lost):
            assert expected is not None
            expected = (expected + item.packets) & 0xFFFF
        else:
            assert expected in (None, item.sequence)
            expected = (item.sequence + 1) & 0xFFFF
    played = sum(isinstance(item, RtpPacket) for item in items)
    assert played + buffer.packets_late == len(arrivals)
