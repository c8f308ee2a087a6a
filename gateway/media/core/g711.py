"""G.711: µ-law and A-law <-> 16-bit linear samples, by table (ITU-T G.711).

Linear samples are little-endian signed 16-bit, as everywhere in `media`.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final

ULAW_SILENCE: Final = 0xFF
ALAW_SILENCE: Final = 0xD5

_ULAW_BIAS: Final = 132
"""33 of the recommendation's 14-bit scale, in our 16-bit one."""

_HALF: Final = 1 << 15
"""Samples of one sign."""

_OTHER_SIGN: Final = bytes(code ^ 0x80 for code in range(256))


def _ulaw_to_sample(code: int) -> int:
    code ^= 0xFF
    magnitude = ((((code & 0x0F) << 3) + _ULAW_BIAS) << ((code >> 4) & 7)) - _ULAW_BIAS
    return -magnitude if code & 0x80 else magnitude


def _alaw_to_sample(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code >> 4) & 7, code & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


def _byte_tables(expand: Callable[[int], int]) -> tuple[bytes, bytes]:
    samples = [expand(code) & 0xFFFF for code in range(256)]
    return bytes(sample & 0xFF for sample in samples), bytes(sample >> 8 for sample in samples)


def _ulaw_steps() -> Iterator[bytes]:
    """The codes of 0, 1, 2 ...; every sixteen steps they get twice as wide, and half of the first is in the bias."""
    for step in range(128):
        width = 8 << (step >> 4)
        yield bytes((step ^ 0xFF,)) * (width if step else width - _ULAW_BIAS % width)


def _alaw_steps() -> Iterator[bytes]:
    for step in range(128):
        yield bytes((step ^ 0xD5,)) * (16 << max(0, (step >> 4) - 1))


def _compress_table(steps: Iterable[bytes]) -> bytes:
    """Indexed by the sample as an unsigned 16-bit number; what is above the last step is clipped to it.

    Below zero magnitudes are in ones' complement, as the reference code of ITU-T G.191 has it.
    """
    positive = b"".join(steps)
    positive = positive.ljust(_HALF, positive[-1:])
    return positive + positive[::-1].translate(_OTHER_SIGN)


_ULAW_LOW, _ULAW_HIGH = _byte_tables(_ulaw_to_sample)
_ALAW_LOW, _ALAW_HIGH = _byte_tables(_alaw_to_sample)
_TO_ULAW: Final = _compress_table(_ulaw_steps())
_TO_ALAW: Final = _compress_table(_alaw_steps())
ULAW_TO_ALAW: Final = bytes(_TO_ALAW[_ulaw_to_sample(code) & 0xFFFF] for code in range(256))
ALAW_TO_ULAW: Final = bytes(_TO_ULAW[_alaw_to_sample(code) & 0xFFFF] for code in range(256))
"""For `bytes.translate`, as the one above."""


def _expand(payload: bytes, low: bytes, high: bytes) -> bytes:
    pcm = bytearray(2 * len(payload))
    pcm[0::2] = payload.translate(low)
    pcm[1::2] = payload.translate(high)
    return bytes(pcm)


def _compress(pcm: bytes, table: bytes) -> bytes:
    samples = array("H", pcm)
    if len(samples) < 2:  # itemgetter of one key returns no tuple
        return bytes(table[sample] for sample in samples)
    return bytes(itemgetter(*samples)(table))


def ulaw_decode(payload: bytes) -> bytes:
    """µ-law bytes as linear samples."""
    return _expand(payload, _ULAW_LOW, _ULAW_HIGH)


def alaw_decode(payload: bytes) -> bytes:
    """A-law bytes as linear samples."""
    return _expand(payload, _ALAW_LOW, _ALAW_HIGH)


def ulaw_encode(pcm: bytes) -> bytes:
    """Linear samples as µ-law bytes; an odd number of bytes is a `ValueError`."""
    return _compress(pcm, _TO_ULAW)


def alaw_encode(pcm: bytes) -> bytes:
    """Linear samples as A-law bytes; an odd number of bytes is a `ValueError`."""
    return _compress(pcm, _TO_ALAW)


def ulaw_to_alaw(payload: bytes) -> bytes:
    """µ-law bytes as A-law bytes, without the way through linear samples."""
    return payload.translate(ULAW_TO_ALAW)


def alaw_to_ulaw(payload: bytes) -> bytes:
    """A-law bytes as µ-law bytes, without the way through linear samples."""
    return payload.translate(ALAW_TO_ULAW)
