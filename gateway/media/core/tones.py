"""Tones as linear samples: sines, DTMF (ITU-T Q.23), call progress (Q.35, E.180), silence; and a detector (Goertzel).

Samples are little-endian signed 16-bit, mono. Levels are in dBFS of a sine: 0 is the loudest that fits.
"""

from collections.abc import Iterator


def silence(seconds: float, *, rate: int = 8000) -> bytes:
    """Zero samples."""
    raise NotImplementedError


def tone(*frequencies: float, seconds: float, rate: int = 8000, level: float = -10.0, start: float = 0.0) -> bytes:
    """One sine or several added, each at `level`; `start` is the time in seconds that its first sample belongs to."""
    raise NotImplementedError


def dtmf(digit: str, *, seconds: float, rate: int = 8000, level: float = -10.0) -> bytes:
    """The two tones of a digit. Raises ValueError when it is none of ``0-9 * # A-D``."""
    raise NotImplementedError


def frames(*frequencies: float, rate: int = 8000, level: float = -10.0, ptime: float = 0.020) -> Iterator[bytes]:
    """An endless tone in frames of `ptime` seconds, without a jump of phase between them."""
    raise NotImplementedError


def power(pcm: bytes, frequency: float, *, rate: int = 8000) -> float:
    """Level in dBFS of one frequency in these samples (Goertzel); -inf for silence."""
    raise NotImplementedError


def detect_dtmf(pcm: bytes, *, rate: int = 8000) -> str | None:
    """The digit whose two tones stand out in these samples (at least 20 ms of them), None when there is none."""
    raise NotImplementedError
