"""Hold music: a melody of our own, synthesised, so that nobody's licence is needed. Linear samples as in `tones`."""

import math
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

NOTE: Final = 0.5
"""Seconds of a note. It ends in silence, so that the melody may be cut and repeated between any two."""

PITCHES: Final[Mapping[str, float]] = {
    "G3": 196.0, "A3": 220.0, "B3": 246.94, "C4": 261.63, "D4": 293.66, "E4": 329.63, "F4": 349.23,
    "G4": 392.0, "A4": 440.0, "B4": 493.88, "C5": 523.25, "D5": 587.33, "E5": 659.26, "G5": 783.99,
}  # fmt: skip
"""Hertz, equal temperament with A4 at 440 (ISO 16)."""

MELODY: Final = (
    *("C4", "E4", "G4", "C5", "E5", "C5", "G4", "E4"),
    *("A3", "C4", "E4", "A4", "C5", "A4", "E4", "C4"),
    *("F4", "A4", "C5", "A4", "G4", "E4", "D4", "C4"),
    *("G3", "B3", "D4", "G4", "B4", "D5", "B4", "G4"),
)
"""Broken chords of C, a, F and G: sixteen seconds."""

_LEVEL: Final = -16.0
"""dBFS of the first moment of a note; music on hold should be softer than speech."""
_OVERTONES: Final = ((1, 1.0), (2, 0.35), (3, 0.12))
_DECAY: Final = 6.0
"""How often a second a note fades by the factor e."""
_EDGE: Final = 0.005
"""Seconds in which a note rises and, at its end, goes out: without it one would hear clicks."""


def melody(*, rate: int) -> bytes:
    """The melody once."""
    loudness = _loudness(rate)
    notes = {name: _note(PITCHES[name], rate, loudness) for name in dict.fromkeys(MELODY)}
    return b"".join(notes[name] for name in MELODY)


def _loudness(rate: int) -> list[float]:
    """Of each sample of a note: a plucked string, more or less."""
    size, edge = round(NOTE * rate), _EDGE * rate
    amplitude = 32767 * 10 ** (_LEVEL / 20)
    fading = math.exp(-_DECAY / rate)
    loudness = []
    for index in range(size):
        loudness.append(amplitude * min(1.0, index / edge, (size - 1 - index) / edge))
        amplitude *= fading
    return loudness


def _note(frequency: float, rate: int, loudness: Sequence[float]) -> bytes:
    sin, step = math.sin, 2 * math.pi * frequency / rate
    waves = [[part * sin(number * step * index) for index in range(len(loudness))] for number, part in _OVERTONES]
    values = map(sum, zip(*waves, strict=True))
    return array("h", [round(loud * value) for loud, value in zip(loudness, values, strict=True)]).tobytes()


def pitches_of(first: int, last: int) -> tuple[float, ...]:
    """The frequencies of the notes from number `first` up to but not including `last`."""
    return tuple(chain(PITCHES[name] for name in MELODY[first:last]))
