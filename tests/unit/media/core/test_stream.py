"""The sink's timeline and the line that a source draws into it."""

import pytest

from gateway.media.core.codec import OPUS, PCMU
from gateway.media.core.rtp import RtpPacket
from gateway.media.core.stream import SinkStream, SourceClock


def stream() -> SinkStream:
    return SinkStream(ssrc=7, first_sequence=65535, first_timestamp=2**32 - 160, codec=PCMU, now=10.0)


def packet(timestamp: int, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(0, 0, timestamp & 0xFFFFFFFF, ssrc, False, b"")


def test_what_is_appended_follows_without_a_jump_over_both_wraps() -> None:
    sink = stream()

    packets = [sink.append(bytes(160), 160, marker=index == 0) for index in range(3)]

    assert [(p.sequence, p.timestamp) for p in packets] == [(65535, 2**32 - 160), (0, 0), (1, 160)]
    assert [p.marker for p in packets] == [True, False, False]
    assert (sink.packets_sent, sink.bytes_sent) == (3, 480)


def test_another_clock_rate_goes_on_from_the_timestamp_that_was_next() -> None:
    sink = stream()
    sink.append(bytes(160), 160)
    sink.set_codec(OPUS)

    first, second = sink.append(b"x", 960), sink.append(b"x", 960)

    assert (first.payload_type, first.timestamp, second.timestamp) == (111, 0, 960)


@pytest.mark.parametrize(("late", "frames"), [(0.0, 0), (0.04, 0), (0.05, 2), (1.0, 50)])
def test_only_a_long_delay_is_made_up_for_and_in_whole_frames(late: float, frames: int) -> None:
    sink = stream()

    sink.catch_up(10.0 + late)

    assert sink.position == 160 * frames
    assert sink.due == pytest.approx(10.0 + 0.02 * frames)


def test_the_timestamp_of_a_moment_lies_between_those_of_the_packets() -> None:
    sink = stream()
    sink.append(bytes(160), 160)
    sink.reached(sink.position, due=10.02, ends=10.02)

    assert sink.timestamp_at(10.01) == 2**32 - 80
    assert sink.timestamp_at(10.02) == 0


def test_a_source_maps_into_another_clock_over_the_wrap() -> None:
    clock = SourceClock(48000, 8000)
    clock.start(packet(2**32 - 960), 1000, 0.0)

    assert clock.position(packet(0)) == 1160
    clock.advance(packet(0), 0.02)
    assert clock.position(packet(960)) == 1320
    assert clock.position(packet(-960)) == 1000


def test_a_source_follows_its_line_unless_it_jumps_changes_or_is_forgotten() -> None:
    clock = SourceClock(8000, 8000)
    assert not clock.follows(packet(0), 0.0)
    clock.start(packet(0), 0, 0.0)

    assert clock.follows(packet(160), 0.02)
    assert clock.follows(packet(160), 0.9)
    assert clock.follows(packet(80000), 10.0)
    assert not clock.follows(packet(80000), 0.02)
    assert not clock.follows(packet(160), 5.0)
    assert not clock.follows(packet(160, ssrc=2), 0.02)
    clock.forget()
    assert not clock.follows(packet(160), 0.02)


def test_a_small_lead_is_kept_beside_the_line_and_does_not_move_it() -> None:
    clock = SourceClock(8000, 8000)
    clock.start(packet(0), 0, 0.0)

    assert clock.resume(packet(1600), 1700, 0.2)
    assert (clock.ideal(packet(1600)), clock.position(packet(1600))) == (1600, 1700)
    assert clock.resume(packet(3200), 3150, 0.4)
    assert clock.shift == -50


def test_what_was_delayed_is_left_out_until_it_has_caught_up() -> None:
    clock = SourceClock(8000, 8000)
    clock.start(packet(0), 0, 0.0)

    outcomes = [clock.resume(packet(160 * n), 1600, 0.2) for n in range(1, 10)]

    assert outcomes == [False] * 7 + [True] * 2  # the last two are not more than 40 ms behind


def test_what_stays_late_draws_a_new_line() -> None:
    clock = SourceClock(8000, 8000)
    clock.start(packet(0), 0, 0.0)

    assert not clock.resume(packet(160), 1600, 0.2)
    assert clock.resume(packet(320), 1760, 0.22)
    assert clock.ideal(packet(480)) == 1920
