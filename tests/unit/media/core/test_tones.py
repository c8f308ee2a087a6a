"""Tones and the detector."""

import itertools
import math
import struct

import pytest

from gateway.media.core import tones
from gateway.media.core.dtmf import DIGITS


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize("level", [0.0, -10.0, -30.0])
def test_a_tone_has_its_frequency_and_its_level(rate: int, level: float) -> None:
    pcm = tones.tone(1004.0, seconds=1.0, rate=rate, level=level)

    assert len(pcm) == 2 * rate
    assert tones.power(pcm, 1004.0, rate=rate) == pytest.approx(level, abs=0.05)
    assert tones.loudness(pcm) == pytest.approx(level, abs=0.05)
    assert tones.power(pcm, 900.0, rate=rate) < level - 40


def test_a_tone_that_begins_later_goes_on_where_the_first_ended() -> None:
    whole = tones.tone(437.5, seconds=0.1)

    assert tones.tone(437.5, seconds=0.06) + tones.tone(437.5, seconds=0.04, start=0.06) == whole


@pytest.mark.parametrize("frequencies", [(1004.0,), (440.0, 480.0), (437.5,)])
def test_frames_of_an_endless_tone_join_without_a_jump(frequencies: tuple[float, ...]) -> None:
    pcm = b"".join(itertools.islice(tones.frames(*frequencies), 125))

    assert pcm == tones.tone(*frequencies, seconds=2.5)


def test_what_does_not_fit_is_clipped() -> None:
    samples = struct.unpack("=8000h", tones.tone(400.0, 500.0, seconds=1.0, level=0.0))

    assert (max(samples), min(samples)) == (32767, -32768)


def test_a_call_progress_tone_keeps_its_cadence() -> None:
    frames = list(itertools.islice(tones.call_progress_frames(tones.BUSY), 100))

    heard = [tones.loudness(frame) > -40 for frame in frames]
    assert heard == ([True] * 25 + [False] * 25) * 2
    assert tones.power(b"".join(frames[:25]), 480.0) == pytest.approx(-16, abs=0.5)
    assert tones.power(b"".join(frames[:25]), 620.0) == pytest.approx(-16, abs=0.5)


def test_a_continuous_call_progress_tone_never_stops() -> None:
    assert all(tones.loudness(frame) > -40 for frame in itertools.islice(tones.call_progress_frames(tones.DIAL), 100))


def test_silence_is_silent() -> None:
    assert tones.silence(0.020) == bytes(320)
    assert tones.loudness(tones.silence(0.1)) == -math.inf
    assert tones.power(tones.silence(0.1), 1000.0) == -math.inf
    assert tones.power(b"", 1000.0) == -math.inf


def test_every_digit_is_on_the_keypad_once() -> None:
    assert set(tones.DTMF_FREQUENCIES) == set(DIGITS)
    assert len(set(tones.DTMF_FREQUENCIES.values())) == 16
    assert tones.DTMF_FREQUENCIES["8"] == (852.0, 1336.0)


@pytest.mark.parametrize("digit", DIGITS)
@pytest.mark.parametrize("rate", [8000, 48000])
@pytest.mark.parametrize("level", [-4.0, -10.0, -25.0])
def test_every_digit_is_detected(digit: str, rate: int, level: float) -> None:
    assert tones.detect_dtmf(tones.dtmf(digit, seconds=0.04, rate=rate, level=level), rate=rate) == digit


@pytest.mark.parametrize(
    "pcm",
    [
        tones.silence(0.04),
        tones.tone(1004.0, seconds=0.04),
        tones.tone(770.0, seconds=0.04),
        tones.tone(440.0, 480.0, seconds=0.04),
        tones.tone(697.0, 1209.0, seconds=0.04, level=-45.0),
        tones.tone(697.0, 770.0, 1209.0, seconds=0.04),
        tones.tone(697.0, 1209.0, 400.0, 2500.0, 3000.0, 2000.0, seconds=0.04, level=-16.0),
    ],
    ids=["silence", "1004", "one-tone", "ringback", "too-quiet", "two-rows", "in-a-crowd"],
)
def test_what_is_no_digit_is_none(pcm: bytes) -> None:
    assert tones.detect_dtmf(pcm) is None


def test_tones_of_very_different_level_are_no_digit() -> None:
    loud = struct.unpack("=320h", tones.tone(697.0, seconds=0.04, level=-6.0))
    quiet = struct.unpack("=320h", tones.tone(1209.0, seconds=0.04, level=-22.0))

    assert tones.detect_dtmf(struct.pack("=320h", *map(sum, zip(loud, quiet, strict=True)))) is None


def test_something_else_than_a_digit_has_no_tones() -> None:
    with pytest.raises(ValueError, match="not a DTMF digit"):
        tones.dtmf("E", seconds=0.1)
