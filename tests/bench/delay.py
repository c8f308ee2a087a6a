"""The gateway's own share of the delay: from a packet going in to the packet with its content coming out."""

import asyncio
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.media.codecs.opus import OpusDecoder, OpusEncoder
from gateway.media.core import g711, tones
from gateway.media.core.rtp import RtpPacket
from tests.bench.calls import FRAME, BenchCall, Stream, client, place, seconds
from tests.bench.process import gateway_process
from tests.bench.trunk import BenchTrunk

QUIET: Final = 20
"""Frames of silence before each burst."""

LOUD: Final = 5
"""Frames of tone in a burst."""

THRESHOLD: Final = 800.0
"""Mean absolute sample from which a frame counts as loud."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Milliseconds; `lost` counts what never came out."""

    name: str
    count: int
    median: float
    p99: float
    lost: int


def summed_up(name: str, delays: Sequence[float], expected: int) -> Delays:
    """Median and 99th percentile of delays in seconds."""
    ordered = sorted(delay * 1000.0 for delay in delays)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return Delays(name, len(ordered), statistics.median(ordered), p99, expected - len(ordered))


async def measure(duration: float) -> list[Delays]:
    """Pass-through and transcoding, each in both directions, `duration` seconds each, one call."""
    results: list[Delays] = []
    async with BenchTrunk().running() as trunk:
        async with gateway_process(trunk.address, prefer="passthrough") as gateway, client(gateway) as verto:
            call = await place(verto, trunk, ["PCMU"])
            results += await _stamped(call, duration)
            await verto.bye(call.call_id)
            await call.browser.close()
        async with gateway_process(trunk.address, prefer="quality") as gateway, client(gateway) as verto:
            call = await place(verto, trunk, ["opus"])
            results += await _bursts(call, duration)
            await verto.bye(call.call_id)
            await call.browser.close()
    return results


# ---- pass-through: every payload carries its number


async def _stamped(call: BenchCall, duration: float) -> list[Delays]:
    frames = [struct.pack("!I", index) + bytes(156) for index in range(int(duration / FRAME) + 100)]
    seen_at_trunk: dict[int, float] = {}
    seen_at_browser: dict[int, float] = {}

    def number(packet: RtpPacket) -> int:
        return int(struct.unpack_from("!I", packet.payload)[0])

    def at_trunk(packet: RtpPacket, at: float) -> None:
        seen_at_trunk.setdefault(number(packet), at)

    call.trunk.on_packet = at_trunk
    outward = Stream(call.browser.send, frames, payload_type=0, ticks=160, ssrc=0x1111)
    inward = Stream(call.trunk.send, frames, payload_type=0, ticks=160, ssrc=0x2222)
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(_read(call, lambda packet, at: seen_at_browser.setdefault(number(packet), at)))
        outward.start()
        inward.start(FRAME / 2)
        await seconds(duration)
        outward.stop()
        inward.stop()
        await seconds(0.2)
        reader.cancel()
    return [
        _matched("pass-through, browser to trunk", outward.sent_at, seen_at_trunk),
        _matched("pass-through, trunk to browser", inward.sent_at, seen_at_browser),
    ]


def _matched(name: str, sent_at: Sequence[float], seen: dict[int, float]) -> Delays:
    # The first ten packets may meet a leg that is still locking on to its source.
    delays = [seen[index] - at for index, at in enumerate(sent_at) if index >= 10 and index in seen]
    return summed_up(name, delays, len(sent_at) - 10)


async def _read(call: BenchCall, take: Callable[[RtpPacket, float], object]) -> None:
    while True:
        packet = await call.browser.received.get()
        take(packet, time.perf_counter())


# ---- transcoding: bursts of tone in silence


async def _bursts(call: BenchCall, duration: float) -> list[Delays]:
    decoder = OpusDecoder(8000)
    loud_at_trunk: list[float] = []
    loud_at_browser: list[float] = []
    at_trunk, at_browser = _Onset(loud_at_trunk), _Onset(loud_at_browser)
    call.trunk.on_packet = lambda packet, at: at_trunk.take(bytes(g711.ulaw_decode(packet.payload)), at)
    outward = Stream(call.browser.send, _opus_bursts(), payload_type=111, ticks=960, ssrc=0x1111)
    inward = Stream(call.trunk.send, _ulaw_bursts(), payload_type=0, ticks=160, ssrc=0x2222)
    async with asyncio.TaskGroup() as group:
        reader = group.create_task(_read(call, lambda packet, at: at_browser.take(decoder.decode(packet.payload), at)))
        outward.start()
        inward.start(FRAME / 2)
        await seconds(duration)
        outward.stop()
        inward.stop()
        await seconds(0.3)
        reader.cancel()
    decoder.close()
    return [
        _after_each("transcoding opus to PCMU", outward.sent_at, loud_at_trunk),
        _after_each("transcoding PCMU to opus", inward.sent_at, loud_at_browser),
    ]


class _Onset:
    """Notes when a frame is loud after one that was not."""

    def __init__(self, onsets: list[float]) -> None:
        self._onsets, self._was_loud = onsets, False

    def take(self, pcm: bytes, at: float) -> None:
        samples = memoryview(pcm).cast("h")
        is_loud = sum(map(abs, samples)) > THRESHOLD * len(samples)
        if is_loud and not self._was_loud:
            self._onsets.append(at)
        self._was_loud = is_loud


def _after_each(name: str, sent_at: Sequence[float], onsets: Sequence[float]) -> Delays:
    period = QUIET + LOUD
    bursts = [sent_at[index] for index in range(period + QUIET, len(sent_at) - LOUD, period)]
    delays = []
    for at in bursts:
        onset = next((onset for onset in onsets if at <= onset < at + QUIET * FRAME), None)
        if onset is not None:
            delays.append(onset - at)
    return summed_up(name, delays, len(bursts))


def _pcm(rate: int, count: int) -> bytes:
    """`count` periods of silence and tone, 16 bits."""
    tone = tones.tone(1000.0, seconds=LOUD * FRAME, rate=rate)
    return (bytes(2 * int(rate * QUIET * FRAME)) + tone) * count


def _opus_bursts() -> list[bytes]:
    encoder = OpusEncoder(48000, {})
    pcm, size = _pcm(48000, 8), 2 * int(48000 * FRAME)
    frames = [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    encoder.close()
    return frames


def _ulaw_bursts() -> list[bytes]:
    pcm, size = _pcm(8000, 1), 2 * int(8000 * FRAME)
    return [bytes(g711.ulaw_encode(pcm[at : at + size])) for at in range(0, len(pcm), size)]
