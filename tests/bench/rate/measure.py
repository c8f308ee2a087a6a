"""Inside of the namespace: one load after the other, each on a fresh gateway."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import psutil

from gateway.observability.heap import HeapCare
from tests.bench.calls import client, seconds
from tests.bench.media.cases import PCMU, Case, Processors, launcher
from tests.bench.media.gateway_server import SETTINGS
from tests.bench.media.generator import PlacedCall, Talk, talk
from tests.bench.media.network import ADDRESS
from tests.bench.media.rounds import Busy
from tests.bench.media.sip_end import SipEnd
from tests.bench.media.web_end import WebEnd, browser_certificate
from tests.bench.process import GatewayProcess, gateway_process
from tests.bench.rate.callers import Crowd, NotAnswered, Outcome, VertoCaller, make_calls
from tests.bench.rate.plan import Load
from tests.bench.rate.trunk import QuickTrunk

WARM_UP: Final = 2.0
"""Seconds of calls, or of talk, that do not count."""

SETTLE: Final = 2.0
"""Seconds in which the gateway writes down what was the last of the calls: that belongs to them as well."""

MEDIA_RATE: Final = 100.0
"""Calls a second of the media engine alone, at most: it refuses none, and what they cost does not depend on it."""

SESSIONS: Final = 20
"""Clients that call in turns: with 100 calls a second each stays far below `verto.message_rate`."""

_TALK: Final = Case("PCMU", 0, 0, PCMU, PCMU)
_NICE: Final = -10


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a load did. Times are milliseconds; None is what the load does not have.

    Attributes:
        refused: calls that the gateway had too much to do for, and said so.
        lost: calls that were not answered, did not get through DTLS, or could not be hung up.
        answer_p50, answer_p99, answer_max: from the invite to the answer, as the browser sees it.
        refusal_p99: from the invite to the refusal.
        cpu_per_call: processor time of the gateway, from the invite to the records, for each call that was not refused;
            above what the talking calls cost.
        cpu_share: per cent of the one processor that it has, everything together.
        media_per_call: processor time of the media engine, in a process of its own, for the same calls at that rate,
            100 a second at most.
        late_p99: how late invites left; far above zero, the generator is what was measured.
        talk_p99_alone, talk_p99: delay of the talking calls' packets, the worse direction, without and with the load.
        talk_lost: per cent of their packets, the worse direction.
        others: per cent of a processor that other processes used meanwhile.
    """

    calls_a_second: float
    talking: int
    calls: int
    refused: int
    lost: int
    answer_p50: float
    answer_p99: float
    answer_max: float
    refusal_p99: float | None
    cpu_per_call: float
    cpu_share: float
    media_per_call: float
    late_p99: float
    talk_p99_alone: float | None
    talk_p99: float | None
    talk_lost: float | None
    others: float


async def measure(loads: Sequence[Load], duration: float, engine: str) -> list[Figures]:
    """Each of them for so many seconds."""
    processors = Processors.of_this_machine()
    os.sched_setaffinity(0, {processors.generator})
    care = HeapCare()
    care.start()
    try:
        return [await _measure(load, duration, engine, processors) for load in loads]
    finally:
        care.stop()


async def _measure(load: Load, duration: float, engine: str, processors: Processors) -> Figures:
    media = await _media_alone(min(load.calls_a_second, MEDIA_RATE), min(duration, 20.0), engine, processors)
    async with _gateway(engine, processors) as (gateway, crowd, trunk):
        await make_calls(crowd.place, PCMU, min(load.calls_a_second, 20.0), WARM_UP)
        bench = _Bench(gateway, crowd, trunk, processors)
        alone = await bench.talk(load.talking, duration) if load.talking else None
        busy, cpu = Busy(gateway.process), gateway.cpu_seconds
        if load.talking:
            outcome, talked = await bench.talk_beside(load, duration)
        else:
            outcome, talked = await make_calls(crowd.place, PCMU, load.calls_a_second, duration), None
            await seconds(SETTLE)
        cpu = gateway.cpu_seconds - cpu
        others = busy.share(0.0 if talked is None else talked["generator_cpu"])
    for reason in sorted(set(outcome.lost)):
        _tell(f"lost {outcome.lost.count(reason)} calls: {reason}")
    return _figures(load, duration, outcome, media=media, cpu=cpu, alone=alone, talked=talked, others=others)


class _Bench:
    """What the loads of one gateway share."""

    def __init__(self, gateway: GatewayProcess, crowd: Crowd, trunk: QuickTrunk, processors: Processors) -> None:
        self._gateway, self._crowd, self._trunk, self._processors = gateway, crowd, trunk, processors

    async def talk(self, count: int, duration: float) -> Any:  # Any: figures.rs
        """So many calls talk for so long, and nothing else happens; fresh ones, because a stream cannot begin again."""
        how = Talk(warm_up=WARM_UP, seconds=duration, is_delay_pass=True)
        async with self._talking(count) as calls:
            return await talk(calls, _TALK, self._gateway.process.pid, how, self._processors)

    async def talk_beside(self, load: Load, duration: float) -> tuple[Outcome, Any]:  # Any: figures.rs
        """The same beside others that come and go."""
        how = Talk(warm_up=WARM_UP, seconds=duration, is_delay_pass=True)
        async with self._talking(load.talking) as calls, asyncio.TaskGroup() as group:
            talking = group.create_task(talk(calls, _TALK, self._gateway.process.pid, how, self._processors))
            await seconds(WARM_UP)
            outcome = await make_calls(self._crowd.place, PCMU, load.calls_a_second, duration)
        return outcome, talking.result()

    @asynccontextmanager
    async def _talking(self, count: int) -> AsyncIterator[list[PlacedCall]]:
        ends: list[SipEnd] = []

        def describe(offer: str) -> str:
            ends.append(end := SipEnd(PCMU))
            end.connect(offer)
            return end.description()

        of_others, self._trunk.describe = self._trunk.describe, describe
        certificate, placed = browser_certificate(), list[tuple[VertoCaller, str, PlacedCall]]()
        for _ in range(count):
            web = WebEnd(PCMU, certificate)
            caller = self._crowd.next()
            call_id, _ = await caller.connect(web)
            placed.append((caller, call_id, PlacedCall(web, ends[-1])))
        self._trunk.describe = of_others
        try:
            yield [call for _, _, call in placed]
        finally:
            for caller, call_id, call in placed:
                await caller.hang_up(call_id)
                call.close()


@asynccontextmanager
async def _gateway(engine: str, processors: Processors) -> AsyncIterator[tuple[GatewayProcess, Crowd, QuickTrunk]]:
    """With the settings that it has by default, but for limits; its log, which nobody reads, is written."""
    nobody = SipEnd(PCMU)
    settings = {**SETTINGS, "MEDIA__ENGINE": engine, "LOG__LEVEL": "info"}
    async with (
        QuickTrunk(lambda _offer: nobody.description()).running() as trunk,
        gateway_process(
            trunk.address, prefer="passthrough", more=settings, launcher=launcher(processors.server, nice=_NICE),
            is_log_read=False,
        ) as gateway,
        AsyncExitStack() as clients,
    ):  # fmt: skip
        callers = [VertoCaller(await clients.enter_async_context(client(gateway))) for _ in range(SESSIONS)]
        yield gateway, Crowd(callers), trunk
    nobody.close()


async def _media_alone(rate: float, duration: float, engine: str, processors: Processors) -> float:
    """Milliseconds of processor time for a call of the engine alone."""
    process = await asyncio.create_subprocess_exec(
        *launcher(processors.server, nice=_NICE),
        *(sys.executable, "-m", "tests.bench.rate.engine_alone", engine),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    async with asyncio.timeout(30):
        port = int(await process.stdout.readline())
    reader, writer = await asyncio.open_connection(ADDRESS, port)
    answers: dict[int, asyncio.Future[str]] = {}

    async def read() -> None:
        while line := await reader.readline():
            number, sdp = json.loads(line)
            answers.pop(number).set_result(sdp)

    async def place(web: WebEnd) -> float:
        loop, number = asyncio.get_running_loop(), web.ssrc
        began, answer = loop.time(), loop.create_future()
        answers[number] = answer
        writer.write(json.dumps([number, web.offer()]).encode() + b"\n")
        async with asyncio.timeout(10):
            sdp = await answer
        answered_after = loop.time() - began
        await web.connect(sdp)
        return answered_after

    async with asyncio.TaskGroup() as group:
        group.create_task(read())
        await make_calls(place, PCMU, min(rate, 20.0), WARM_UP)
        server = psutil.Process(process.pid)
        cpu = sum(server.cpu_times()[:2])
        outcome = await make_calls(place, PCMU, rate, duration)
        await seconds(0.5)
        cpu = sum(server.cpu_times()[:2]) - cpu
        writer.close()
    process.stdin.close()
    await process.wait()
    if outcome.lost:
        raise NotAnswered(f"media alone: {len(outcome.lost)} calls lost, {outcome.lost[0]}")
    return float(cpu * 1000.0 / len(outcome.answered))


def _figures(
    load: Load, duration: float, outcome: Outcome, *, media: float, cpu: float, alone: Any, talked: Any, others: float
) -> Figures:  # Any: figures.rs
    answered, refused, count = sorted(outcome.answered), sorted(outcome.refused), len(outcome.late)
    for_calls = cpu if talked is None else talked["server_cpu"] - alone["server_cpu"]
    share = cpu / (duration + SETTLE) if talked is None else talked["server_cpu"] / talked["seconds"]
    return Figures(
        calls_a_second=load.calls_a_second,
        talking=load.talking,
        calls=count,
        refused=len(refused),
        lost=len(outcome.lost),
        answer_p50=percentile(answered, 0.5),
        answer_p99=percentile(answered, 0.99),
        answer_max=answered[-1],
        refusal_p99=percentile(refused, 0.99) if refused else None,
        cpu_per_call=for_calls * 1000.0 / (count - len(refused)),
        cpu_share=share * 100.0,
        media_per_call=media,
        late_p99=percentile(sorted(outcome.late), 0.99),
        talk_p99_alone=None if alone is None else _worse(alone, "delay_p99"),
        talk_p99=None if talked is None else _worse(talked, "delay_p99"),
        talk_lost=None if talked is None else max(map(_lost, _directions(talked))),
        others=others,
    )


def _directions(figures: Any) -> tuple[Any, Any]:
    return figures["web_to_sip"], figures["sip_to_web"]


def _worse(figures: Any, name: str) -> float:
    return max(float(direction[name]) for direction in _directions(figures))


def _lost(direction: Any) -> float:
    return float(max(0, direction["sent"] - direction["received"]) * 100.0 / direction["sent"])


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
