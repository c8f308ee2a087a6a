"""Speech with loss through the compiled transcoder, against libopus by itself at the same loss."""

import math
import random
from array import array
from functools import lru_cache

import pytest

from gateway.media._native import NativeDecoder, NativeEncoder
from gateway.media.core import tones
from gateway.media.core.codec import G722, OPUS, LegCodec
from gateway.media.core.rtp import RtpPacket
from gateway.media.engines.native_stream import leg_values
from tests.unit.media.test_compiled_pipeline import compiled
from tests.unit.media.virtual import FRAME

RATE = 16000
SIZE = 2 * RATE // 50
BANDS = [250.0 * 1.2**step for step in range(18)]
"""Hertz, of a voice."""


@lru_cache(maxsize=1)
def speech() -> bytes:
    """Six seconds of something like it: a pitch that moves, syllables, vowels that differ, and breath between them."""
    noise = random.Random(7)
    samples, phase = array("h"), 0.0
    for index in range(6 * RATE):
        time = index / RATE
        syllable = max(0.0, math.sin(2 * math.pi * 3.5 * time)) ** 0.5
        phase += 2 * math.pi * (140 + 50 * math.sin(4 * time)) / RATE
        formant = 700 + 400 * math.sin(2.3 * time)
        voice = sum(math.sin(number * phase) / (1 + ((140 * number - formant) / 300) ** 2) for number in range(1, 16))
        samples.append(int(6000 * syllable * voice + noise.uniform(-150, 150)))
    return samples.tobytes()


@lru_cache(maxsize=1)
def spoken() -> list[bytes]:
    """The same as packets of opus with in-band FEC."""
    encoder = NativeEncoder(("opus", 111, 48000, 2, {"useinbandfec": "1"}, FRAME, None), RATE)
    pcm = speech()
    return [encoder.encode(pcm[at : at + SIZE]) for at in range(0, len(pcm), SIZE)]


def lost(percent: int) -> set[int]:
    """Which packets do not arrive, the same ones each time; never the first or the last."""
    chance = random.Random(percent)
    return {index for index in range(1, len(spoken()) - 1) if chance.random() < percent / 100}


def through_the_gateway(missing: set[int]) -> bytes:
    run, _ = compiled(OPUS, G722, continuity=False)
    run.feed(
        (FRAME * index, RtpPacket(111, index, 960 * index, 1, False, payload))
        for index, payload in enumerate(spoken())
        if index not in missing
    )
    ear = NativeDecoder(leg_values(LegCodec(G722)), RATE)
    return b"".join(ear.decode(packet.payload) for packet in run.packets)


def by_libopus(missing: set[int]) -> bytes:
    """As its demo does: FEC from the packet that follows, else what the decoder makes up; then G.722, too."""
    decoder = NativeDecoder(leg_values(LegCodec(OPUS)), RATE)
    mouth, ear = NativeEncoder(leg_values(LegCodec(G722)), RATE), NativeDecoder(leg_values(LegCodec(G722)), RATE)
    payloads, heard = spoken(), b""
    for index, payload in enumerate(payloads):
        following = payloads[index + 1] if index + 1 < len(payloads) and index + 1 not in missing else None
        pcm = decoder.conceal(SIZE // 2, following) if index in missing else decoder.decode(payload)
        heard += ear.decode(mouth.encode(pcm))
    return heard


def distance(heard: bytes) -> float:
    """Log-spectral distance from what was said, in dB; both codecs delay it a little, so the best of some places."""
    return min(_distance(_levels(heard[2 * shift :])) for shift in (96, 104, 112, 120, 128))


def _distance(heard: list[list[float]]) -> float:
    frames = list(zip(_said(), heard, strict=True))
    return sum(math.dist(said, ours) / math.sqrt(len(BANDS)) for said, ours in frames) / len(frames)


@lru_cache(maxsize=1)
def _said() -> list[list[float]]:
    return _levels(speech())


def _levels(pcm: bytes) -> list[list[float]]:
    """Of each band in every other frame, from half a second on."""
    places = range(25 * SIZE, len(speech()) - 2 * SIZE, 2 * SIZE)
    return [[max(-60.0, tones.power(pcm[at : at + SIZE], band, rate=RATE)) for band in BANDS] for at in places]


@pytest.mark.parametrize("percent", [0, 5, 20])
def test_speech_with_loss_is_no_worse_than_libopus_makes_it(percent: int) -> None:
    missing = lost(percent)

    ours = through_the_gateway(missing)
    theirs = by_libopus(missing)

    assert len(ours) == pytest.approx(len(theirs), abs=SIZE)
    assert distance(ours) <= distance(theirs) + 0.1
