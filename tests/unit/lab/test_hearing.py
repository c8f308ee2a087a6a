"""What the lab hears."""

import math
import random

import pytest

from gateway.lab.hearing import MAX_DIGITS, NOTHING, Digit, Hearing, measure
from gateway.lab.rtp_stream import frames
from gateway.lab.scenario import Silence, Tone
from gateway.lab.sdp import OPUS, PCMA, PCMU, Agreed, Codec
from gateway.media.core.rtp import RtpPacket


def hearing(codec: Codec = PCMU) -> Hearing:
    return Hearing(Agreed(codec, 0, 0, 101, 101))


def sine(frequency: float, *, amplitude: float = 8000.0, count: int = 8000) -> list[int]:
    return [round(amplitude * math.sin(2 * math.pi * frequency * index / 8000)) for index in range(count)]


def event(code: int, *, timestamp: int, duration_ticks: int, is_end: bool = False) -> RtpPacket:
    payload = bytes((code, 0x80 if is_end else 0)) + duration_ticks.to_bytes(2, "big")
    return RtpPacket(101, 0, timestamp, 1, False, payload)


@pytest.mark.parametrize("frequency", [60.0, 425.0, 700.0, 1000.0, 1004.0, 1004.4, 3390.0])
def test_frequency_of_a_tone_is_found_within_a_quarter_hertz(frequency: float) -> None:
    sound = measure(sine(frequency))

    assert sound.frequency == pytest.approx(frequency, abs=0.25)


def test_level_of_a_full_scale_sine_is_minus_three() -> None:
    assert measure(sine(1000, amplitude=32767)).level_dbov == pytest.approx(-3.01, abs=0.01)


def test_noise_has_a_level_and_no_frequency() -> None:
    noise = random.Random(1)

    sound = measure([noise.randint(-3000, 3000) for _ in range(8000)])

    assert sound.level_dbov is not None
    assert sound.frequency is None


def test_tone_in_noise_is_still_a_tone() -> None:
    noise = random.Random(1)

    sound = measure([sample + noise.randint(-2000, 2000) for sample in sine(700)])

    assert sound.frequency == pytest.approx(700, abs=0.5)


@pytest.mark.parametrize("samples", [[], [0] * 8000])
def test_silence_is_nothing(samples: list[int]) -> None:
    assert measure(samples) == NOTHING


@pytest.mark.parametrize("rest", [0, 1000], ids=["silence", "constant"])
def test_tone_that_stopped_half_a_second_ago_has_a_level_and_no_frequency(rest: int) -> None:
    sound = measure([*sine(1004.0, count=3000), *[rest] * 5000])

    assert sound.level_dbov is not None
    assert sound.frequency is None


def test_very_quiet_or_very_short_sound_has_no_frequency() -> None:
    assert measure(sine(700, amplitude=20)).frequency is None
    assert measure(sine(700, count=400)).frequency is None


@pytest.mark.parametrize("codec", [PCMU, PCMA])
def test_tone_of_the_lab_is_heard_at_its_level(codec: Codec) -> None:
    listener = hearing(codec)
    for index, payload in enumerate(frames(Tone(1004.0), codec)):
        listener.receive(RtpPacket(0, index, 160 * index, 1, False, payload), index * 0.02)

    sound = measure(listener.samples())

    assert sound.frequency == pytest.approx(1004, abs=0.25)
    assert sound.level_dbov == pytest.approx(-13 - 3.14 - 3.01, abs=0.1)
    assert (listener.audio_packets, listener.stats.packets_lost) == (50, 0)


def test_only_the_last_second_counts() -> None:
    listener = hearing()
    for index, payload in enumerate([*frames(Tone(700.0), PCMU), *frames(Silence(), PCMU)]):
        listener.receive(RtpPacket(0, index, 160 * index, 1, False, payload), index * 0.02)

    assert measure(listener.samples()) == NOTHING


def test_codec_that_the_lab_cannot_decode_is_counted_and_not_measured() -> None:
    listener = hearing(OPUS)
    listener.receive(RtpPacket(0, 1, 0, 1, False, b"opus"), 0.0)

    assert (listener.audio_packets, list(listener.samples())) == (1, [])


def test_digit_is_told_once_with_its_longest_duration() -> None:
    listener = hearing()
    for ticks, is_end in ((160, False), (320, False), (800, True), (800, True), (800, True)):
        listener.receive(event(5, timestamp=1000, duration_ticks=ticks, is_end=is_end), 0.0)

    assert listener.digits == [Digit("5", 0.1)]


def test_same_digit_twice_is_two_digits() -> None:
    listener = hearing()
    for timestamp in (1000, 3000):
        listener.receive(event(11, timestamp=timestamp, duration_ticks=800), 0.0)

    assert [digit.digit for digit in listener.digits] == ["#", "#"]


def test_late_packet_of_the_digit_before_is_not_a_new_digit() -> None:
    listener = hearing()
    for code, timestamp in ((1, 1000), (2, 3000), (1, 1000)):
        listener.receive(event(code, timestamp=timestamp, duration_ticks=800), 0.0)

    assert [digit.digit for digit in listener.digits] == ["1", "2"]


def test_event_that_is_no_digit_is_ignored() -> None:
    listener = hearing()
    listener.receive(event(16, timestamp=1000, duration_ticks=800), 0.0)
    listener.receive(RtpPacket(101, 0, 2000, 1, False, b"\x01"), 0.0)

    assert listener.digit_count == 0


def test_digits_kept_are_bounded() -> None:
    listener = hearing()
    for index in range(MAX_DIGITS + 10):
        listener.receive(event(1, timestamp=1000 * index, duration_ticks=800), 0.0)

    assert (listener.digit_count, len(listener.digits)) == (MAX_DIGITS + 10, MAX_DIGITS)


def test_digits_and_counts_stay_when_something_else_is_agreed() -> None:
    listener = hearing()
    listener.receive(event(1, timestamp=1000, duration_ticks=800), 0.0)

    later = listener.continued(Agreed(PCMA, 8, 8, 101, 101))

    assert [digit.digit for digit in later.digits] == ["1"]
    assert later.stats.packets_received == 1
