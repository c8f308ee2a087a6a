"""Tones as packets, sent in time, and what was heard."""

import asyncio
import functools
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

from gateway.media.codecs.opus import OpusDecoder, OpusEncoder
from gateway.media.core import g711, tones
from gateway.media.core.rtp import RtpPacket, sequence_delta, timestamp_delta

FRAME: Final = 0.02
TICKS: Final = {"opus": 960, "PCMU": 160, "PCMA": 160, "G722": 160}
RATES: Final = {"opus": 48000, "PCMU": 8000, "PCMA": 8000}
_PAUSE: Final = 3
"""Frames without a digit between two equal ones."""
_PHRASE: Final = 50
"""Frames that a speaker repeats."""
HALF_SECOND: Final = 25
"""Frames."""
PATIENCE: Final = 30.0
"""Seconds that a sound may take to be heard; only a failure takes that long."""


def payloads(codec: str, frequency: float, count: int) -> list[bytes]:
    """`count` frames of 20 ms of a tone."""
    return list(_payloads(codec, frequency, count))


def in_order(stream: Sequence[RtpPacket]) -> list[RtpPacket]:
    """The packets of one source by their numbers, none of them missing or doubled.

    What a timer makes and what a packet makes leave by different threads of the native engine, so that neighbours may
    be swapped where a sound gives way to another.
    """
    ordered = sorted(stream, key=lambda packet: sequence_delta(packet.sequence, stream[0].sequence))
    places = [sequence_delta(packet.sequence, ordered[0].sequence) for packet in stream]
    assert sorted(places) == list(range(len(stream))), places
    assert all(abs(place - at) <= 1 for at, place in enumerate(places)), places
    assert len({packet.ssrc for packet in stream}) == 1
    return ordered


def assert_unbroken(stream: Sequence[RtpPacket], *, ticks: int = 160) -> None:
    """One source, no number left out, each packet a frame after the one before.

    Where the sound changes, or the machine stood still, it may be later, but never the 3 s that a client takes for an
    end (V-103).
    """
    steps = [timestamp_delta(after.timestamp, before.timestamp) for before, after in pairwise(in_order(stream))]
    assert all(ticks <= step < 150 * ticks for step in steps), set(steps)


@functools.cache
def _payloads(codec: str, frequency: float, count: int) -> list[bytes]:
    if codec == "opus":
        return _opus_payloads(frequency, count)
    encode = g711.ulaw_encode if codec == "PCMU" else g711.alaw_encode
    pcm = tones.tone(frequency, seconds=count * FRAME)
    return [bytes(encode(pcm[at : at + 320])) for at in range(0, 320 * count, 320)]


def _opus_payloads(frequency: float, count: int) -> list[bytes]:
    encoder = OpusEncoder(48000, {})
    pcm = tones.tone(frequency, seconds=count * FRAME, rate=48000)
    encoded = [encoder.encode(pcm[at : at + 1920]) for at in range(0, 1920 * count, 1920)]
    encoder.close()
    return encoded


def heard(codec: str, packets: Sequence[RtpPacket]) -> bytes:
    """The sound of received packets as linear samples at `RATES[codec]`."""
    if codec == "opus":
        decoder = OpusDecoder(48000)
        pcm = b"".join(decoder.decode(packet.payload) for packet in packets)
        decoder.close()
        return pcm
    decode = g711.ulaw_decode if codec == "PCMU" else g711.alaw_decode
    return b"".join(bytes(decode(packet.payload)) for packet in packets)


def is_tone(pcm: bytes, frequency: float, *, rate: int) -> bool:
    """Whether the tone, and nothing else, is heard most of the time; a busy machine may cost some frames."""
    return 2 * duration(pcm, frequency, rate=rate) > len(pcm) / 2 / rate


def duration(pcm: bytes, frequency: float, *, rate: int) -> float:
    """For how many seconds the tone, and nothing else, is heard."""
    size = rate // 50 * 2
    frames = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    return sum(0.02 for frame in frames if _is_pure(frame, frequency, rate))


def _is_pure(frame: bytes, frequency: float, rate: int) -> bool:
    level = tones.power(frame, frequency, rate=rate)
    return math.isfinite(level) and level > -20.0 and level > tones.loudness(frame) - 3.0


def digits(codec: str, payloads: Sequence[bytes]) -> str:
    """The digits whose tones are in these frames. A busy machine may cost frames inside one; 60 ms part two."""
    decode = g711.ulaw_decode if codec == "PCMU" else g711.alaw_decode
    found, before, quiet = "", None, 0
    for payload in payloads:
        digit = tones.detect_dtmf(bytes(decode(payload)))
        if digit is None:
            quiet += 1
            continue
        if digit != before or quiet >= _PAUSE:
            found += digit
        before, quiet = digit, 0
    return found


def packets(codec: str, frames: Sequence[bytes], *, payload_type: int, ssrc: int, first: int = 1000) -> list[RtpPacket]:
    """The frames as RTP."""
    return [
        RtpPacket(payload_type, first + index, 5000 + (first + index) * TICKS[codec], ssrc, index == 0, frame)
        for index, frame in enumerate(frames)
    ]


def lone(payload_type: int, sequence: int, ssrc: int, payload: bytes) -> RtpPacket:
    """A packet that need not hurry: a minute of the sender's clock after the number before.

    A packet that goes on where its stream was is left out when silence has filled its time: nobody knows how long a
    test stood still in between. One from a clock that has jumped is heard.
    """
    return RtpPacket(payload_type, sequence & 0xFFFF, sequence * 60 * 8000 & 0xFFFFFFFF, ssrc, False, payload)


def burst(send: Callable[[RtpPacket], None], stream: Sequence[RtpPacket]) -> None:
    """Send all packets at once, as after a hiccup of the network: none of them can be late."""
    for packet in stream:
        send(packet)


async def play(send: Callable[[RtpPacket], None], stream: Sequence[RtpPacket]) -> None:
    """Send packets one every 20 ms; return when the last has left."""
    loop = asyncio.get_running_loop()
    began, done = loop.time(), loop.create_future()
    for index, packet in enumerate(stream):
        loop.call_at(began + index * FRAME, send, packet)
    loop.call_at(began + len(stream) * FRAME, done.set_result, None)
    await done


@contextmanager
def speaking(
    send: Callable[[RtpPacket], None], codec: str, frequency: float, *, payload_type: int, ssrc: int, first: int = 0
) -> Iterator[None]:
    """Send a tone, one packet every 20 ms, while the block runs. A whole number of hertz: one second is repeated.

    Args:
        first: number of the first packet.
    """
    loop = asyncio.get_running_loop()
    frames = payloads(codec, frequency, _PHRASE)
    began = loop.time()
    timer: asyncio.TimerHandle

    def say(number: int) -> None:
        nonlocal timer
        sequence, payload = first + number, frames[number % _PHRASE]
        send(RtpPacket(payload_type, sequence & 0xFFFF, sequence * TICKS[codec], ssrc, number == 0, payload))
        timer = loop.call_at(began + (number + 1) * FRAME, say, number + 1)

    say(0)
    try:
        yield
    finally:
        timer.cancel()


async def collect(queue: "asyncio.Queue[RtpPacket]", count: int, *, payload_type: int) -> list[RtpPacket]:
    """The next `count` packets with that payload type."""
    result: list[RtpPacket] = []
    while len(result) < count:
        packet = await queue.get()
        if packet.payload_type == payload_type:
            result.append(packet)
    return result


def is_ringing(codec: str, pcm: bytes) -> bool:
    """Whether linear samples at the codec's rate are a ringback: a quarter of their power is its first frequency's."""
    return tones.power(pcm, 440.0, rate=RATES[codec]) > tones.loudness(pcm) - 6


async def until(
    packet: Callable[[], Awaitable[RtpPacket]], stream: list[RtpPacket], codec: str, is_so: Callable[[bytes], bool]
) -> None:
    """Add what comes to a stream until its last half second, as linear samples, is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            stream.append(await packet())
            if len(stream) % 5 == 0 and len(stream) >= HALF_SECOND and is_so(heard(codec, stream[-HALF_SECOND:])):
                return


async def until_tone(
    packet: Callable[[], Awaitable[RtpPacket]], stream: list[RtpPacket], codec: str, frequency: float
) -> None:
    """Add what comes to a stream until its last half second is that tone."""
    await until(packet, stream, codec, lambda pcm: is_tone(pcm, frequency, rate=RATES[codec]))
