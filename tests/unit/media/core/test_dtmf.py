"""Telephone-events (RFC 4733): each digit once, whatever happens on the way."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.core.dtmf import (
    DIGITS,
    END_TIMEOUT,
    MAX_DURATION,
    SEGMENT_TICKS,
    Digit,
    EventReceiver,
    EventSender,
    event_packet,
    is_end_packet,
)
from gateway.media.core.rtp import RtpPacket


def sent(digits: str, *, duration: float = 0.1, gap: float = 0.06, rate: int = 8000) -> list[tuple[float, RtpPacket]]:
    """What a sender sends, and when."""
    sender = EventSender(digits, duration=duration, gap=gap, clock_rate=rate, now=0.0)
    packets: list[tuple[float, RtpPacket]] = []
    while (now := sender.next_deadline()) is not None:
        for event in sender.handle_timeout(now):
            timestamp = (2**32 - 500 + event.timestamp_offset) & 0xFFFFFFFF
            sequence = (65530 + len(packets)) & 0xFFFF
            packets.append((now, RtpPacket(101, sequence, timestamp, 1, event.marker, event.payload)))
    return packets


def heard(packets: list[tuple[float, RtpPacket]], rate: int = 8000) -> list[Digit]:
    receiver, now = EventReceiver(rate), 0.0
    digits: list[Digit] = []
    for now, packet in packets:
        while (deadline := receiver.next_deadline()) is not None and deadline <= now:
            digits += receiver.handle_timeout(deadline)
        digits += receiver.receive(packet, now)
    assert receiver.handle_timeout(now) == []
    digits += receiver.handle_timeout(now + END_TIMEOUT)
    assert receiver.next_deadline() is None
    return digits


def test_the_packets_of_a_digit_are_those_of_the_rfc() -> None:
    packets = [packet for _, packet in sent("7", duration=0.1)]

    assert [packet.payload.hex() for packet in packets] == [
        "070a00a0",
        "070a0140",
        "070a01e0",
        "070a0280",
        "078a0320",
        "078a0320",
        "078a0320",
    ]
    assert [packet.marker for packet in packets] == [True] + [False] * 6
    assert len({packet.timestamp for packet in packets}) == 1
    assert [at for at, _ in sent("7")] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14])


@pytest.mark.parametrize("rate", [8000, 48000])
def test_every_digit_arrives_once_with_its_duration(rate: int) -> None:
    assert heard(sent(DIGITS, rate=rate), rate) == [Digit(digit, 0.1) for digit in DIGITS]


@pytest.mark.parametrize("rate", [8000, 48000])
def test_the_loss_of_any_one_packet_loses_no_digit(rate: int) -> None:
    packets = sent("42", rate=rate)
    for lost in range(len(packets)):
        digits = heard(packets[:lost] + packets[lost + 1 :], rate)

        assert digits == [Digit("4", 0.1), Digit("2", 0.1)]


def test_a_digit_whose_end_never_came_ends_with_the_next_or_with_time() -> None:
    packets = [(at, packet) for at, packet in sent("42") if not is_end_packet(packet.payload)]

    assert heard(packets) == [Digit("4", 0.08), Digit("2", 0.08)]


def test_a_digit_of_which_only_an_end_packet_came_is_whole() -> None:
    assert heard(sent("4")[-1:]) == [Digit("4", 0.1)]


@given(st.permutations(range(7)), st.sets(st.integers(0, 6), max_size=3))
def test_neither_disorder_nor_repetition_makes_a_digit_twice(order: list[int], repeated: set[int]) -> None:
    packets = sent("5")
    arrivals = [(0.001 * index, packets[n][1]) for index, n in enumerate([*order, *repeated])]

    assert [digit.digit for digit in heard(arrivals)] == ["5"]


def test_packets_of_a_digit_before_that_come_late_change_nothing() -> None:
    packets = [packet for _, packet in sent("12")]
    order = [0, 1, 2, 4, 7, 8, 3, 5, 6, 9, 10, 11]

    assert [digit.digit for digit in heard([(0.0, packets[n]) for n in order])] == ["1", "2"]


def test_the_same_key_pressed_twice_is_two_digits() -> None:
    assert heard(sent("55")) == [Digit("5", 0.1)] * 2


def test_another_source_starts_anew_even_with_older_numbers() -> None:
    first = sent("1")
    second = [(at + 1.0, replace(packet, ssrc=2, sequence=at_index)) for at_index, (at, packet) in enumerate(sent("1"))]

    assert [digit.digit for digit in heard([*first, *second])] == ["1", "1"]


@pytest.mark.parametrize("rate", [8000, 48000])
def test_a_long_digit_goes_on_in_segments_and_is_one_digit(rate: int) -> None:
    """At 48000 Hz a packet can say no more than 1.36 s (RFC 4733 section 2.5.1.3)."""
    packets = sent("9", duration=9.0, rate=rate)

    assert heard(packets, rate) == [Digit("9", 9.0)]
    assert len({packet.timestamp for _, packet in packets}) == 1 + (9 * rate - 1) // SEGMENT_TICKS
    assert sum(packet.marker for _, packet in packets) == 1


def test_a_key_that_is_never_released_ends_after_a_while() -> None:
    packets = [
        (0.05 * n, RtpPacket(101, n, 1000, 1, n == 1, event_packet(3, 400 * n, is_end=False)[0])) for n in range(1, 160)
    ]
    long = [
        (
            8.0 + 0.05 * n,
            RtpPacket(101, 200 + n, 1000 + SEGMENT_TICKS, 1, False, event_packet(3, 400 * n, is_end=False)[0]),
        )
        for n in range(1, 160)
    ]

    assert heard([*packets, *long]) == [Digit("3", MAX_DURATION)]


@given(st.lists(st.binary(max_size=8), max_size=30))
def test_garbage_is_no_more_than_wrong_digits(payloads: list[bytes]) -> None:
    receiver = EventReceiver(8000)
    for index, payload in enumerate(payloads):
        for digit in receiver.receive(RtpPacket(101, index, index // 3 * 160, 1, False, payload), index * 0.02):
            assert digit.digit in DIGITS
            assert 0 <= digit.duration <= MAX_DURATION


def test_a_hook_flash_is_an_event_but_no_digit() -> None:
    receiver = EventReceiver(8000)

    assert receiver.receive(RtpPacket(101, 1, 1, 1, True, event_packet(16, 800, is_end=True)[0]), 0.0) == []
    assert receiver.event is not None
    assert receiver.event.code == 16


def test_a_very_short_digit_is_an_end_packet_three_times_with_the_marker_first() -> None:
    packets = [packet for _, packet in sent("1", duration=0.015)]

    assert [packet.marker for packet in packets] == [True, False, False]
    assert all(is_end_packet(packet.payload) for packet in packets)


def test_a_short_gap_leaves_room_for_the_repeated_end_packets() -> None:
    sender = EventSender("12", duration=0.1, gap=0.0, clock_rate=8000, now=5.0)

    assert sender.spans == [pytest.approx((5.0, 5.14)), pytest.approx((5.14, 5.28))]
    assert sender.done_at == pytest.approx(5.28)


def test_late_timers_send_all_that_is_due_in_order() -> None:
    sender = EventSender("1", duration=0.1, gap=0.1, clock_rate=8000, now=0.0)

    assert sender.handle_timeout(0.01) == []
    durations = [int.from_bytes(event.payload[2:], "big") for event in sender.handle_timeout(10.0)]
    assert durations == [160, 320, 480, 640, 800, 800, 800]
    assert sender.next_deadline() is None


@pytest.mark.parametrize(
    ("digits", "duration", "gap"),
    [("", 0.1, 0.1), ("12x", 0.1, 0.1), ("1", 0.0, 0.1), ("1", 11.0, 0.1), ("1", 0.1, -1.0), ("1", 0.1, 60.0)],
)
def test_what_cannot_be_sent_is_refused(digits: str, duration: float, gap: float) -> None:
    with pytest.raises(ValueError, match="digit"):
        EventSender(digits, duration=duration, gap=gap, clock_rate=8000, now=0.0)


def test_the_refusal_does_not_repeat_the_digits() -> None:
    """They are PINs, and messages end in logs."""
    with pytest.raises(ValueError) as caught:
        EventSender("4711x", duration=0.1, gap=0.1, clock_rate=8000, now=0.0)
    assert "4711" not in str(caught.value)


def test_lower_case_letters_are_digits_too() -> None:
    assert [digit.digit for digit in heard(sent("abcd"))] == list("ABCD")


def test_durations_beyond_a_segment_are_counted_from_its_beginning() -> None:
    assert event_packet(1, SEGMENT_TICKS, is_end=False)[1] == 0
    payload, offset = event_packet(1, SEGMENT_TICKS + 1, is_end=True, volume=7)
    assert (payload.hex(), offset) == ("01870001", SEGMENT_TICKS)
    for a, b in itertools.pairwise(range(1, 4)):
        assert (
            event_packet(1, a * SEGMENT_TICKS + 1, is_end=False)[1]
            < event_packet(1, b * SEGMENT_TICKS + 1, is_end=False)[1]
        )
