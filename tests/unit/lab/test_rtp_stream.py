"""The stream that the lab sends."""

import pytest

from gateway.lab.rtp_stream import FRAME_S, OutgoingStream, frames
from gateway.lab.scenario import Silence, Tone
from gateway.lab.sdp import PCMA, PCMU
from gateway.media.core.rtp import RtpPacket


def stream(*, sequence: int = 100, timestamp: int = 5000, clock_rate: int = 8000) -> OutgoingStream:
    return OutgoingStream(ssrc=1, sequence=sequence, timestamp=timestamp, clock_rate=clock_rate, now=0.0)


def heard(sequence: int, timestamp: int, *, ssrc: int = 77, marker: bool = False) -> RtpPacket:
    return RtpPacket(0, sequence & 0xFFFF, timestamp, ssrc, marker, b"sound")


def numbers(packets: list[RtpPacket | None]) -> list[tuple[int, int, bool] | None]:
    return [None if packet is None else (packet.sequence, packet.timestamp, packet.marker) for packet in packets]


def test_frames_follow_each_other_without_a_gap() -> None:
    sending = stream(sequence=65535, timestamp=0xFFFFFFFF)

    sent = [sending.frame(0, b"x" * 160, now=index * FRAME_S) for index in range(3)]

    assert numbers([*sent]) == [(65535, 0xFFFFFFFF, True), (0, 159, False), (1, 319, False)]
    assert (sending.packets, sending.octets) == (3, 480)


def test_echo_keeps_order_gaps_and_duplicates_of_what_came() -> None:
    sending = stream()

    echoed = [
        sending.echo(heard(*numbers), now=0.0) for numbers in ((10, 0), (11, 160), (13, 480), (12, 320), (13, 480))
    ]

    assert numbers(echoed) == [
        (100, 5000, True),
        (101, 5160, False),
        (103, 5480, False),
        (102, 5320, False),
        (103, 5480, False),
    ]


def test_echo_goes_on_over_the_wrap_of_the_sequence() -> None:
    sending = stream()

    echoed = [sending.echo(heard(65534 + index, 160 * index), now=0.02 * index) for index in range(4)]

    assert numbers(echoed) == [(100 + index, 5000 + 160 * index, index == 0) for index in range(4)]


def test_echo_after_a_tone_is_the_same_source_going_on() -> None:
    sending = stream()
    sending.frame(0, b"", now=0.0)

    echoed = sending.echo(heard(900, 33), now=1.0)

    assert numbers([echoed]) == [(101, 5000 + 8000, True)]


def test_tone_after_an_echo_is_the_same_source_going_on() -> None:
    sending = stream()
    sending.echo(heard(900, 33), now=0.0)

    tone = sending.frame(0, b"", now=0.5)

    assert numbers([tone]) == [(101, 5000 + 4000, True)]


def test_packet_from_before_the_echo_is_left_out() -> None:
    sending = stream()
    sending.frame(0, b"", now=0.0)
    sending.echo(heard(900, 160), now=1.0)

    assert sending.echo(heard(899, 0), now=1.0) is None


@pytest.mark.parametrize("restarted", [heard(3, 7, ssrc=78), heard(40_000, 7)])
def test_new_source_or_a_restart_at_the_far_end_leaves_ours_continuous(restarted: RtpPacket) -> None:
    sending = stream()
    sending.echo(heard(900, 0), now=0.0)

    echoed = sending.echo(restarted, now=0.1)

    assert numbers([echoed]) == [(101, 5000 + 800, True)]


def test_timestamp_tells_a_pause() -> None:
    sending = stream()
    sending.frame(0, b"", now=0.0)
    sending.pause()

    assert numbers([sending.frame(0, b"", now=2.0)]) == [(101, 5000 + 16000, True)]


def test_report_time_is_extrapolated() -> None:
    sending = stream()
    sending.frame(0, b"", now=0.0)

    assert sending.timestamp_at(0.01) == 5080


@pytest.mark.parametrize("codec", [PCMU, PCMA])
def test_one_second_of_silence_is_fifty_equal_frames(codec: object) -> None:
    payloads = frames(Silence(), PCMU if codec == PCMU else PCMA)

    assert len(payloads) == 50
    assert set(payloads) == {bytes((0xFF if codec == PCMU else 0xD5,)) * 160}


def test_tone_that_would_click_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="whole number"):
        frames(Tone(440.5), PCMU)
