"""Tones as linear samples: sines, DTMF (ITU-T Q.23), call progress, silence; and a detector (Goertzel).

Samples are little-endian signed 16-bit, mono. Levels are in dBFS of a sine: 0 is the loudest that fits.
"""

import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

ROWS: Final = (697.0, 770.0, 852.0, 941.0)
COLUMNS: Final = (1209.0, 1336.0, 1477.0, 1633.0)
_KEYPAD: Final = ("123A", "456B", "789C", "*0#D")
DTMF_FREQUENCIES: Final[Mapping[str, tuple[float, float]]] = {
    digit: (ROWS[row], COLUMNS[column]) for row, digits in enumerate(_KEYPAD) for column, digit in enumerate(digits)
}

_FULL_SCALE: Final = 32767
_DTMF_FLOOR: Final = -36.0
"""dBFS below which a component of a digit is not heard."""
_DTMF_MARGIN: Final = 8.0
"""dB by which the strongest frequency of a group must exceed the second."""
_DTMF_TWIST: Final = 10.0
"""dB by which the two tones of a digit may differ."""


@dataclass(frozen=True, slots=True)
class CallProgressTone:
    """A tone with its cadence: seconds on and off, repeated; `off` 0 is a continuous tone."""

    frequencies: tuple[float, ...]
    on: float = 1.0
    off: float = 0.0


# ITU-T E.180 supplement 2: the North American plan, and the 425 Hz that most of the others use
RINGBACK: Final = CallProgressTone((440.0, 480.0), 2.0, 4.0)
BUSY: Final = CallProgressTone((480.0, 620.0), 0.5, 0.5)
REORDER: Final = CallProgressTone((480.0, 620.0), 0.25, 0.25)
DIAL: Final = CallProgressTone((350.0, 440.0))
RINGBACK_425: Final = CallProgressTone((425.0,), 1.0, 4.0)


def silence(seconds: float, *, rate: int = 8000) -> bytes:
    """Zero samples."""
    return bytes(2 * round(seconds * rate))


def tone(*frequencies: float, seconds: float, rate: int = 8000, level: float = -10.0, start: float = 0.0) -> bytes:
    """One sine or several added, each at `level`; `start` is the time in seconds that its first sample belongs to.

    Samples that do not fit are clipped.
    """
    return _samples(frequencies, round(start * rate), round(seconds * rate), rate, level)


def _samples(frequencies: tuple[float, ...], first: int, number: int, rate: int, level: float) -> bytes:
    amplitude = _FULL_SCALE * 10 ** (level / 20)
    sines = [_sine(2 * math.pi * frequency / rate, first, number) for frequency in frequencies]
    values = sines[0] if len(sines) == 1 else map(sum, zip(*sines, strict=True))
    samples = [round(amplitude * value) for value in values]
    if amplitude * len(sines) > _FULL_SCALE:
        samples = [max(-32768, min(_FULL_SCALE, sample)) for sample in samples]
    return array("h", samples).tobytes()


def _sine(step: float, first: int, number: int) -> list[float]:
    sin = math.sin
    return [sin(step * index) for index in range(first, first + number)]


def dtmf(digit: str, *, seconds: float, rate: int = 8000, level: float = -10.0) -> bytes:
    """The two tones of a digit. Raises ValueError when it is none of ``0-9 * # A-D``."""
    if digit not in DTMF_FREQUENCIES:
        raise ValueError("not a DTMF digit")
    return tone(*DTMF_FREQUENCIES[digit], seconds=seconds, rate=rate, level=level)


def frames(*frequencies: float, rate: int = 8000, level: float = -10.0, ptime: float = 0.020) -> Iterator[bytes]:
    """An endless tone in frames of `ptime` seconds, without a jump of phase between them."""
    size = round(ptime * rate)
    if any(frequency != int(frequency) for frequency in frequencies):
        index = 0
        while True:
            yield _samples(frequencies, index, size, rate, level)
            index += size
    second = _samples(frequencies, 0, rate, rate, level)  # whole cycles of each whole frequency
    buffer = second * (2 + 2 * size // len(second))
    position = 0
    while True:
        yield buffer[position : position + 2 * size]
        position = (position + 2 * size) % len(second)


def call_progress_frames(
    progress: CallProgressTone, *, rate: int = 8000, level: float = -16.0, ptime: float = 0.020
) -> Iterator[bytes]:
    """An endless call-progress tone in frames of `ptime` seconds; its cadence is rounded to whole frames."""
    quiet = silence(ptime, rate=rate)
    on = max(1, round(progress.on / ptime))
    period = on + round(progress.off / ptime)
    sound = frames(*progress.frequencies, rate=rate, level=level, ptime=ptime)
    index = 0
    while True:
        yield next(sound) if index % period < on else quiet
        index += 1


def power(pcm: bytes, frequency: float, *, rate: int = 8000) -> float:
    """Level in dBFS of one frequency in these samples (Goertzel); -inf for silence.

    Exact for whole cycles of the frequency; two frequencies are told apart when they differ by more than
    `rate` divided by the number of samples.
    """
    samples = array("h", pcm)
    if not samples:
        return -math.inf
    coefficient = 2 * math.cos(2 * math.pi * frequency / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + coefficient * last - before, last
    square = last * last + before * before - coefficient * last * before
    # rounding may leave a little less than nothing
    amplitude = 2 * math.sqrt(max(0.0, square)) / len(samples) / _FULL_SCALE
    return 20 * math.log10(amplitude) if amplitude > 1e-9 else -math.inf


def loudness(pcm: bytes) -> float:
    """Level of all frequencies together, in dBFS of the sine with as much power; -inf for silence."""
    samples = array("h", pcm)
    square = sum(sample * sample for sample in samples)
    return 10 * math.log10(2 * square / len(samples) / _FULL_SCALE**2) if square else -math.inf


def detect_dtmf(pcm: bytes, *, rate: int = 8000) -> str | None:
    """The digit whose two tones stand out in these samples (at least 20 ms of them), None when there is none.

    Each tone must be the only loud one of its group, both about equally loud, and together the most of what is heard
    (after ITU-T Q.24).
    """
    heard = loudness(pcm)
    if heard < _DTMF_FLOOR:
        return None
    rows = [power(pcm, frequency, rate=rate) for frequency in ROWS]
    columns = [power(pcm, frequency, rate=rate) for frequency in COLUMNS]
    row, column = max(rows), max(columns)
    if min(row, column) < _DTMF_FLOOR or abs(row - column) > _DTMF_TWIST:
        return None
    if row - sorted(rows)[-2] < _DTMF_MARGIN or column - sorted(columns)[-2] < _DTMF_MARGIN:
        return None
    together = 10 * math.log10(10 ** (row / 10) + 10 ** (column / 10))
    if together < heard - 3.0:
        return None
    return _KEYPAD[rows.index(row)][columns.index(column)]
