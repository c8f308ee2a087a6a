"""How much of speech is understood, and how far its spectrum is off, against the clean speech."""

from typing import Final

import numpy
from pystoi import stoi
from scipy.signal import correlate

from tests.bench.speech.rows import Verdict
from tests.bench.speech.voice import Signal

_FLOOR: Final = 1e4
"""Power of a bin of the spectrum below which nothing is heard beside G.711's own noise."""
_PAUSE: Final = 40.0
"""Decibels below the loudest frame, from where on a frame is a pause and does not count."""
_LONGEST_DELAY: Final = 0.5


def judge(clean: Signal, heard: Signal, rate: int) -> Verdict:
    """STOI (Taal et al. 2011), 0 to 1, and log-spectral distance in decibels; a delay between the two is left out."""
    clean, heard = _aligned(clean, heard, rate)
    return Verdict(float(stoi(clean, heard, rate)), _distance(clean, heard, rate))


def _aligned(clean: Signal, heard: Signal, rate: int) -> tuple[Signal, Signal]:
    length = min(len(clean), len(heard))
    likeness = correlate(heard[:length], clean[:length], method="fft")[length - 1 :]
    delay = int(numpy.argmax(likeness[: int(_LONGEST_DELAY * rate)]))
    length = min(len(clean), len(heard) - delay)
    return clean[:length], heard[delay : delay + length]


def _distance(clean: Signal, heard: Signal, rate: int) -> float:
    one, two = _spectra(clean, rate // 50), _spectra(heard, rate // 50)
    loudness = one.mean(axis=1)
    is_speech = loudness > loudness.max() - _PAUSE
    return float(numpy.sqrt(((one - two)[is_speech] ** 2).mean(axis=1)).mean())


def _spectra(signal: Signal, size: int) -> Signal:
    """Decibels; a row a frame."""
    frames = signal[: len(signal) // size * size].reshape(-1, size) * numpy.hanning(size)
    return 10.0 * numpy.log10(numpy.abs(numpy.fft.rfft(frames, axis=1)) ** 2 + _FLOOR)
