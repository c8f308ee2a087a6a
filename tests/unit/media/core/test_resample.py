"""The half-band resampler against a plain convolution, and by what it does to tones."""

import math
import random
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media.core import tones
from gateway.media.core.resample import Downsampler, Upsampler


def bessel(x: float) -> float:
    return sum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(24))


def half_band(taps: int = 63, beta: float = 6.0) -> list[float]:
    """The same filter, written down plainly: a sinc with its corner at a quarter of the rate, Kaiser's window."""
    middle = taps // 2
    coefficients = []
    for index in range(taps):
        distance = index - middle
        ideal = 0.5 if distance == 0 else math.sin(math.pi * distance / 2) / (math.pi * distance)
        coefficients.append(ideal * bessel(beta * math.sqrt(1 - (distance / 32) ** 2)) / bessel(beta))
    side = sum(value for index, value in enumerate(coefficients) if index != middle)
    return [0.5 if index == middle else value * 0.5 / side for index, value in enumerate(coefficients)]


def convolved(samples: Sequence[float], coefficients: Sequence[float]) -> list[float]:
    return [
        sum(tap * samples[index - k] for k, tap in enumerate(coefficients) if 0 <= index - k < len(samples))
        for index in range(len(samples))
    ]


def clipped(values: Sequence[float]) -> list[int]:
    return [max(-32768, min(32767, round(value))) for value in values]


NOISE = [random.Random(1).randint(-30000, 30000) for _ in range(400)]


def test_upsampling_is_the_convolution_that_it_claims_to_be() -> None:
    stuffed = [value for sample in NOISE for value in (2 * sample, 0)]
    # the filter's middle lies 31 samples back; ours answers one sample earlier
    expected = clipped(convolved([*stuffed, 0], half_band())[1:])[: 2 * len(NOISE)]

    pcm = Upsampler().process(struct.pack(f"={len(NOISE)}h", *NOISE))

    got = struct.unpack(f"={2 * len(NOISE)}h", pcm)
    shift = best_shift(got, expected)
    assert max(abs(a - b) for a, b in aligned(got, expected, shift)) <= 2


def test_downsampling_is_the_convolution_that_it_claims_to_be() -> None:
    filtered = clipped(convolved(NOISE, half_band()))

    got = struct.unpack("=200h", Downsampler().process(struct.pack("=400h", *NOISE)))

    errors = []
    for phase in (0, 1):
        expected = filtered[phase::2]
        shift = best_shift(got, expected)
        errors.append(max(abs(a - b) for a, b in aligned(got, expected, shift)))
    assert min(errors) <= 2


def aligned(a: Sequence[int], b: Sequence[int], shift: int) -> list[tuple[int, int]]:
    return [(a[index], b[index + shift]) for index in range(len(a)) if 0 <= index + shift < len(b)]


def best_shift(a: Sequence[int], b: Sequence[int]) -> int:
    return min(range(-3, 4), key=lambda shift: sum(abs(x - y) for x, y in aligned(a, b, shift)))


@pytest.mark.parametrize("frequency", [200.0, 1000.0, 2500.0, 3400.0])
def test_speech_passes_unchanged_both_ways(frequency: float) -> None:
    up = Upsampler().process(tones.tone(frequency, seconds=1.0))
    down = Downsampler().process(tones.tone(frequency, seconds=1.0, rate=16000))

    assert tones.power(up[3200:], frequency, rate=16000) == pytest.approx(-10.0, abs=0.1)
    assert tones.power(up[3200:], 8000.0 - frequency, rate=16000) < -70
    assert tones.power(down[1600:], frequency) == pytest.approx(-10.0, abs=0.1)


@pytest.mark.parametrize("frequency", [4600.0, 5000.0, 7000.0])
def test_what_eight_kilohertz_cannot_hold_is_filtered_out(frequency: float) -> None:
    down = Downsampler().process(tones.tone(frequency, seconds=1.0, rate=16000))

    assert tones.loudness(down[1600:]) < -60


@settings(max_examples=40)
@given(st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_how_the_sound_is_cut_into_frames_does_not_matter(cuts: list[int]) -> None:
    pcm = struct.pack("=400h", *NOISE)
    for make, unit in ((Upsampler, 2), (Downsampler, 4)):
        resampler, pieces, position = make(), b"", 0
        for cut in cuts:
            pieces += resampler.process(pcm[position : position + unit * cut])
            position = min(len(pcm), position + unit * cut)
        pieces += resampler.process(pcm[position:])

        assert pieces == make().process(pcm)


def test_the_loudest_square_wave_is_clipped_and_never_wraps() -> None:
    """An ideal filter overshoots a full-scale square wave; a wrapped sample would jump to the other end."""
    square = [32767 if index // 7 % 2 else -32768 for index in range(1600)]
    stuffed = [value for sample in square for value in (2 * sample, 0)]
    expected = clipped(convolved([*stuffed, 0], half_band())[1:])

    got = struct.unpack("=3200h", Upsampler().process(struct.pack("=1600h", *square)))

    assert max(got) == 32767
    assert min(got) == -32768
    assert max(abs(a - b) for a, b in aligned(got, expected, best_shift(got, expected))) <= 3


def test_silence_stays_silence() -> None:
    assert Upsampler().process(bytes(320)) == bytes(640)
    assert Downsampler().process(bytes(640)) == bytes(320)


def test_half_a_pair_of_samples_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="halved"):
        Downsampler().process(bytes(6))
