"""One server and one case after the other, in turns."""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from tests.bench.media.cases import Case, Processors, launcher
from tests.bench.media.gateway_server import gateway_server
from tests.bench.media.generator import Talk, talk
from tests.bench.media.janus import janus
from tests.bench.media.rtpengine import rtpengine
from tests.bench.media.server import CannotMeasure, Server
from tests.harness.verto_client import RequestFailed

MAX_LATE: Final = 1.0
"""Milliseconds: a generator whose packets leave later, one of a hundred, measures itself."""

MAX_OTHERS: Final = 20.0
"""Per cent of a processor that others may use meanwhile."""

MAX_LOSS: Final = 0.1
"""Per cent, of each direction of a relay: when both lose more, the network or the generator did it."""

TRIES: Final = 2
"""For each round that shall count: on a machine where others work as well, some do not."""

_EXPECTED: Final = (CannotMeasure, RequestFailed, OSError, TimeoutError)
"""What a server does that is not able to do it. Anything else is a fault of the benchmark."""

Start = Callable[[Case, tuple[str, ...]], AbstractAsyncContextManager[Server]]


def _native(case: Case, before: tuple[str, ...]) -> AbstractAsyncContextManager[Server]:
    return gateway_server("native", case, before)


def _aiortc(case: Case, before: tuple[str, ...]) -> AbstractAsyncContextManager[Server]:
    return gateway_server("aiortc", case, before)


STARTS: Final[dict[str, Start]] = {"native": _native, "aiortc": _aiortc, "rtpengine": rtpengine, "janus": janus}


@dataclass(frozen=True, slots=True)
class Round:
    """What one server did in one case, once.

    Attributes:
        is_delay_pass: whether it is one of the pass that measures the delay, and nothing else.
        trouble: why it does not count; empty when it does.
        cpu: milliseconds of the server's processor time for a call and second.
        setup_cpu: the same for the set-up of a call.
        memory: KiB for each call after the first.
        lost: per cent, browser to trunk and trunk to browser.
        delays: milliseconds: p50 and p99, browser to trunk; the same, trunk to browser.
        late: milliseconds that the generator was late, 99 of a hundred packets less.
        late_max: the same of its latest packet. Behind 40 ms a browser has been sent silence in its place.
        others: per cent of a processor that went to other processes.
    """

    server: str
    case: str
    number: int
    is_delay_pass: bool
    trouble: str
    cpu: float
    setup_cpu: float
    memory: float
    lost: tuple[float, float]
    delays: tuple[float | None, float | None, float | None, float | None]
    late: float
    late_max: float
    others: float


@dataclass(frozen=True, slots=True)
class NotMeasured:
    """A server that cannot be measured in a case, and why."""

    server: str
    case: str
    reason: str


Result = Round | NotMeasured


async def measure(
    servers: Sequence[str], cases: Sequence[Case], *, rounds: int, how: Sequence[Talk], tell: Callable[[str], None]
) -> list[Result]:
    """All of them in turns, until `rounds` of each count, or twice as many were tried; what cannot is left out then."""
    processors, found = Processors.of_this_machine(), list[Result]()
    out: set[tuple[str, str]] = set()
    for case, one in itertools.product(cases, how):
        counting = dict.fromkeys(servers, 0)
        for number, server in itertools.product(range(1, TRIES * rounds + 1), servers):
            if (server, case.name) in out or counting[server] >= rounds:
                continue
            result = await _tried(server, case, number, one, processors)
            found.append(result)
            tell(_said(result))
            if isinstance(result, NotMeasured):
                out.add((server, case.name))
            elif not result.trouble:
                counting[server] += 1
    return found


async def _tried(server: str, case: Case, number: int, how: Talk, processors: Processors) -> Result:
    try:
        return await _round(server, case, number, how, processors)
    except (*_EXPECTED, ExceptionGroup) as error:
        reason: BaseException = error
        while isinstance(reason, BaseExceptionGroup):  # out of a task group that reads what a server says
            reason = reason.exceptions[0]
        if not isinstance(reason, _EXPECTED):
            raise
        return NotMeasured(server, case.name, str(reason) or type(reason).__name__)


def _said(result: Result) -> str:
    if isinstance(result, NotMeasured):
        return f"{result.case} {result.server}: not measured: {result.reason}"
    kind = "delay" if result.is_delay_pass else "round"
    figures = f"{result.cpu:.2f} ms/call-second, lost {max(result.lost):.3f} %, others {result.others:.0f} %"
    ways = zip(("out", "in"), result.delays[::2], result.delays[1::2], strict=True)
    delays = "".join(f", {way} {p50:.2f}/{p99:.2f} ms" for way, p50, p99 in ways if p50 is not None and p99 is not None)
    late = f", generator late by {result.late_max:.1f} ms at worst"
    return f"{result.case} {result.server} {kind} {result.number}: {figures}{delays}{late}. {result.trouble}".rstrip()


async def _round(server: str, case: Case, number: int, how: Talk, processors: Processors) -> Round:
    count = case.delay_calls if how.is_delay_pass else case.calls
    before = launcher(processors.server, nice=-10, realtime=1 if how.is_delay_pass else 0)
    with ExitStack() as stack:
        async with STARTS[server](case, before) as running:
            process = psutil.Process(running.process_id)
            await running.prepare(count)
            cpu, memory, calls = _cpu(process), 0, []
            for _ in range(count):
                call = await running.place()
                stack.callback(call.close)
                calls.append(call)
                # What the first call of all brings with it is no call's own
                memory = memory or process.memory_info().rss
            setup = (_cpu(process) - cpu) * 1000.0 / count
            busy = Busy(process)
            figures = await talk(calls, case, process.pid, how, processors)
            others = busy.share(figures["generator_cpu"])
    lost = _lost(figures["web_to_sip"]), _lost(figures["sip_to_web"])
    return Round(
        server=server,
        case=case.name,
        number=number,
        is_delay_pass=how.is_delay_pass,
        trouble=_trouble(figures, lost if case.is_relay else (0.0, 0.0), others),
        cpu=figures["server_cpu"] * 1000.0 / (count * figures["seconds"]),
        setup_cpu=setup,
        memory=(figures["server_memory"] - memory) / 1024 / max(count - 1, 1),
        lost=lost,
        delays=(
            figures["web_to_sip"]["delay_p50"],
            figures["web_to_sip"]["delay_p99"],
            figures["sip_to_web"]["delay_p50"],
            figures["sip_to_web"]["delay_p99"],
        ),
        late=figures["late_p99"],
        late_max=figures["late_max"],
        others=others,
    )


def _lost(direction: Any) -> float:  # Any: figures.rs
    sent = direction["sent"]
    return float(max(0, sent - direction["received"]) * 100.0 / sent) if sent else 100.0


def _trouble(figures: Any, lost: tuple[float, float], others: float) -> str:  # Any: figures.rs
    found = []
    if figures["late_p99"] > MAX_LATE:
        found.append(f"generator late by {figures['late_p99']:.1f} ms")
    if figures["send_errors"]:
        found.append(f"{figures['send_errors']} packets not sent")
    if figures["bad"]:
        found.append(f"{figures['bad']} packets unreadable")
    if min(lost) > MAX_LOSS:
        found.append(f"lost {min(lost):.2f} % both ways")
    if others > MAX_OTHERS:
        found.append(f"other processes used {others:.0f} %")
    return "thrown away: " + ", ".join(found) if found else ""


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Busy:
    """What other processes used from here on, as a share of one processor.

    A process that ends leaves its time to its parent (proc(5), cutime), so the sum over all of them loses nothing.
    """

    def __init__(self, server: psutil.Process) -> None:
        self._own = (server, psutil.Process())
        self._loop = asyncio.get_running_loop()
        self._began, self._used, self._theirs = self._loop.time(), self._ours(), sum(_times())

    def share(self, generator_cpu: float) -> float:
        """Per cent; `generator_cpu` is what the generator used, in seconds."""
        everybody, ours = sum(_times()) - self._theirs, self._ours() - self._used
        return max(0.0, everybody - ours - generator_cpu) * 100.0 / (self._loop.time() - self._began)

    def _ours(self) -> float:
        return sum(map(_cpu, self._own))


def _times() -> Iterator[float]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        yield sum(map(int, fields[11:15])) / 100.0
