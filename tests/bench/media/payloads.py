"""What both ends say: made once, the same for every server."""

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.media.codecs.opus import OpusEncoder
from gateway.media.core import g711, tones
from tests.bench.media.cases import Codec

FRAME: Final = 0.02
SPEECH: Final = 100
"""Frames of speech before they come again."""

QUIET: Final = 20
LOUD: Final = 5
"""Frames of silence, and of tone behind them, in the pass that measures the delay of transcoding."""

BURSTS: Final = 8
SMALLEST: Final = 24
"""Bytes that a stamp needs, with what a relay may look at before it."""


@dataclass(frozen=True, slots=True)
class Payloads:
    """Frames of one side, and the numbers of those that begin a burst."""

    frames: Sequence[bytes]
    onsets: Sequence[int] = ()


@functools.cache
def speech(codec: Codec) -> Payloads:
    """Voiced syllables, four a second, with breath between them: neither a tone nor noise, as codecs see it."""
    frames = _encoded(codec, _speech(_rate(codec)))
    return Payloads([frame if len(frame) >= SMALLEST else frame + bytes(SMALLEST - len(frame)) for frame in frames])


@functools.cache
def bursts(codec: Codec) -> Payloads:
    """Silence and tone in turns."""
    rate, period = _rate(codec), QUIET + LOUD
    tone = tones.tone(1000.0, seconds=LOUD * FRAME, rate=rate)
    pcm = (bytes(2 * int(rate * QUIET * FRAME)) + tone) * BURSTS
    return Payloads(_encoded(codec, pcm), range(QUIET, BURSTS * period, period))


def _rate(codec: Codec) -> int:
    return 48000 if codec.name == "opus" else 8000


def _speech(rate: int) -> bytes:
    chance = random.Random(20)
    samples = []
    for index in range(int(rate * SPEECH * FRAME)):
        at = index / rate
        pitch = 2 * math.pi * 120.0 * at
        voice = sum(math.sin(pitch * overtone) / overtone for overtone in range(1, 12))
        loudness = max(0.0, math.sin(2 * math.pi * 4.0 * at)) ** 0.5
        samples.append(int(6000 * loudness * voice / 2 + chance.gauss(0.0, 60.0)))
    return b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)


def _encoded(codec: Codec, pcm: bytes) -> list[bytes]:
    size = 2 * int(_rate(codec) * FRAME)
    frames = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    if codec.name == "PCMU":
        return [bytes(g711.ulaw_encode(frame)) for frame in frames]
    encoder = OpusEncoder(_rate(codec), {})
    encoded = [encoder.encode(frame) for frame in frames]
    encoder.close()
    return encoded
