"""Between 8000 and 16000 samples a second: a half-band filter in polyphase form, with state from frame to frame.

The convolution is one product of two long integers: samples and coefficients stand in them 40 bits apart, so that
the product holds every sum of products in a place of its own (Kronecker substitution). That needs neither a
native library nor a loop over samples, and takes some 20 µs for 20 ms of sound.
"""

import math
from array import array
from functools import lru_cache
from typing import Final

_LIMB: Final = 5
"""Bytes of a place: 16 of the fraction, 16 of the sample, 8 to see an overflow."""
_FRACTION_BITS: Final = 16
_TAPS: Final = 32
"""Coefficients that are neither zero nor the middle: 0 dB up to 3.5 kHz, -60 dB from 4.5 kHz, 2 ms of delay."""
_KAISER_BETA: Final = 6.0
_FLIP_SIGN: Final = bytes(value ^ 0x80 for value in range(256))
_SIGN_EXTENSION: Final = bytes(0xFF if value & 0x80 else 0x00 for value in range(256))


def _bessel(x: float) -> float:
    """The modified Bessel function of order 0, by its series."""
    return sum((x / 2) ** (2 * k) / math.factorial(k) ** 2 for k in range(24))


def _coefficients(gain_bits: int) -> int:
    """Every second coefficient of a windowed sinc with its corner at a quarter of the rate, one to a limb.

    Their sum is 2 to the power of `gain_bits`. They are symmetric, so that the order does not matter.
    """
    taps = []
    for index in range(_TAPS):
        distance = 2 * index - _TAPS + 1  # from the middle, in samples of the higher rate; odd
        window = _bessel(_KAISER_BETA * math.sqrt(1 - (distance / _TAPS) ** 2)) / _bessel(_KAISER_BETA)
        taps.append(2 / (math.pi * distance) * math.sin(math.pi * distance / 2) * window)
    scale = (1 << gain_bits) / sum(taps)
    return sum(round(tap * scale) << (8 * _LIMB * index) for index, tap in enumerate(taps))


@lru_cache(maxsize=64)
def _every_limb(value: int, number: int) -> int:
    return int.from_bytes(value.to_bytes(_LIMB, "little") * number, "little")


def _packed(pcm: bytes) -> int:
    """The samples, one to a limb, the first lowest."""
    number = len(pcm) // 2
    limbs = bytearray(_LIMB * number)
    limbs[0::_LIMB] = pcm[0::2]
    limbs[1::_LIMB] = pcm[1::2].translate(_FLIP_SIGN)  # offset binary: each place must be positive by itself
    return int.from_bytes(limbs, "little") - _every_limb(0x8000, number)


def _unpacked(limbs: int, first: int, number: int) -> bytes:
    """The integer parts of `number` limbs from `first` on as samples, clipped to 16 bits."""
    rounded = limbs + _every_limb((1 << (8 * _LIMB - 1)) + (1 << (_FRACTION_BITS - 1)), first + number + _TAPS)
    data = rounded.to_bytes(_LIMB * (first + number + _TAPS + 1), "little")
    data = data[_LIMB * first : _LIMB * (first + number)]
    pcm = bytearray(2 * number)
    pcm[0::2], pcm[1::2] = data[2::_LIMB], data[3::_LIMB]
    # The top bit is inverted by the offset that keeps the place positive.
    extension = data[4::_LIMB].translate(_FLIP_SIGN)
    if extension != data[3::_LIMB].translate(_SIGN_EXTENSION):
        _clip(pcm, extension)
    return bytes(pcm)


def _clip(pcm: bytearray, extension: bytes) -> None:
    for index, above in enumerate(extension):
        if above != _SIGN_EXTENSION[pcm[2 * index + 1]]:
            pcm[2 * index : 2 * index + 2] = b"\x00\x80" if above & 0x80 else b"\xff\x7f"


_INTERPOLATION: Final = _coefficients(_FRACTION_BITS)
_DECIMATION: Final = _coefficients(_FRACTION_BITS - 1)
"""Half as much, because the middle coefficient adds the other half."""
_HISTORY: Final = _TAPS - 1


class Upsampler:
    """8000 to 16000 samples a second."""

    def __init__(self) -> None:
        self._history = bytes(2 * _HISTORY)

    def process(self, pcm: bytes) -> bytes:
        """Twice as many samples."""
        number = len(pcm) // 2
        samples = self._history + pcm
        self._history = samples[len(samples) - 2 * _HISTORY :]
        between = _unpacked(_packed(samples) * _INTERPOLATION, _HISTORY, number)
        # The filter's middle coefficient passes each sample on as it is, half the history later.
        straight = memoryview(samples).cast("H")[_TAPS // 2 - 1 : _TAPS // 2 - 1 + number]
        output = array("H", bytes(4 * number))
        output[0::2] = array("H", straight)
        output[1::2] = array("H", between)
        return output.tobytes()


class Downsampler:
    """16000 to 8000 samples a second."""

    def __init__(self) -> None:
        self._even = self._odd = bytes(2 * _HISTORY)

    def process(self, pcm: bytes) -> bytes:
        """Half as many samples; an odd number of samples is a `ValueError`."""
        samples = array("H", pcm)
        if len(samples) % 2:
            raise ValueError(f"{len(samples)} samples cannot be halved")
        number = len(samples) // 2
        even, odd = self._even + samples[0::2].tobytes(), self._odd + samples[1::2].tobytes()
        self._even, self._odd = even[len(even) - 2 * _HISTORY :], odd[len(odd) - 2 * _HISTORY :]
        middle = _packed(even) << (8 * _LIMB * (_TAPS // 2 - 1) + _FRACTION_BITS - 1)
        return _unpacked(_packed(odd) * _DECIMATION + middle, _HISTORY, number)
