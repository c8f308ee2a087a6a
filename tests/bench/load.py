"""Many calls at once: what is lost, what it costs, whether memory grows."""

import asyncio
from dataclasses import dataclass

from gateway.media.codecs.opus import OpusEncoder
from gateway.media.core import g711, tones
from tests.bench.calls import FRAME, BenchCall, Stream, client, place, seconds
from tests.bench.process import GatewayProcess, gateway_process
from tests.bench.trunk import BenchTrunk


@dataclass(frozen=True, slots=True)
class Load:
    """What `calls` calls did in `duration` seconds.

    Attributes:
        lost_in_gateway: packets that the gateway received and did not send on, both directions.
        lost_before_gateway: packets that the generator sent and the gateway's legs did not see.
        cpu_ms_per_call_second: processor time of the gateway.
        memory_half, memory_end: resident bytes after half of the time and at the end.
    """

    calls: int
    duration: float
    sent: int
    arrived: int
    lost_in_gateway: int
    lost_before_gateway: int
    cpu_ms_per_call_second: float
    memory_before: int
    memory_half: int
    memory_end: int


async def measure(calls: int, duration: float, *, prefer: str, codec: str) -> Load:
    """`calls` calls at once, `codec` at the browser and PCMU at the trunk."""
    async with (
        BenchTrunk().running() as trunk,
        gateway_process(trunk.address, prefer=prefer) as gateway,
        client(gateway) as verto,
    ):
        before = gateway.memory_bytes
        placed = [await place(verto, trunk, [codec]) for _ in range(calls)]
        load = await _talk(gateway, placed, duration, before, codec)
        for call in placed:
            await verto.bye(call.call_id)
            await call.browser.close()
    return load


async def _talk(
    gateway: GatewayProcess, placed: list[BenchCall], duration: float, memory_before: int, codec: str
) -> Load:
    frames = {"opus": _opus(), "PCMU": _ulaw()}
    payload_type, ticks = {"opus": (111, 960), "PCMU": (0, 160)}[codec]
    outward = [
        Stream(call.browser.send, frames[codec], payload_type=payload_type, ticks=ticks, ssrc=0x1111) for call in placed
    ]
    inward = [Stream(call.trunk.send, frames["PCMU"], payload_type=0, ticks=160, ssrc=0x2222) for call in placed]
    arrived = [0]
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(_count(call, arrived)) for call in placed]
        for index, stream in enumerate([*outward, *inward]):
            stream.start(FRAME * index / (2 * len(placed)))
        await seconds(1.0)
        cpu = gateway.cpu_seconds
        await seconds(duration / 2)
        half = gateway.memory_bytes
        await seconds(duration / 2)
        cpu = gateway.cpu_seconds - cpu
        sent = sum(stream.stop() for stream in [*outward, *inward])
        await seconds(0.5)
        end = gateway.memory_bytes
        totals = [one["media"] for one in (await gateway.get("/v2/gateway/calls?state=live&limit=250"))["data"]]
        for reader in readers:
            reader.cancel()
    received = sum(one["a_packets_received"] + one["b_packets_received"] for one in totals)
    # What a leg sends is what the other received, and silence where nothing had come yet: never less.
    forwarded = sum(
        min(one["a_packets_sent"], one["b_packets_received"]) + min(one["b_packets_sent"], one["a_packets_received"])
        for one in totals
    )
    return Load(
        calls=len(placed),
        duration=duration,
        sent=sent,
        arrived=arrived[0] + sum(call.trunk.received for call in placed),
        lost_in_gateway=received - forwarded,
        lost_before_gateway=sent - received,
        cpu_ms_per_call_second=cpu * 1000.0 / (len(placed) * duration),
        memory_before=memory_before,
        memory_half=half,
        memory_end=end,
    )


async def _count(call: BenchCall, arrived: list[int]) -> None:
    while True:
        await call.browser.received.get()
        arrived[0] += 1


def _opus() -> list[bytes]:
    encoder = OpusEncoder(48000, {})
    pcm, size = tones.tone(700.0, seconds=1.0, rate=48000), 2 * int(48000 * FRAME)
    frames = [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    encoder.close()
    return frames


def _ulaw() -> list[bytes]:
    pcm, size = tones.tone(1000.0, seconds=1.0), 2 * int(8000 * FRAME)
    return [bytes(g711.ulaw_encode(pcm[at : at + size])) for at in range(0, len(pcm), size)]
