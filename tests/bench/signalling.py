"""Calls set up and torn down at a rate against SIPp, signalling only: each side has a processor of its own."""

import asyncio
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.interop.sipp_runner import PROGRAM

HOST: Final = "127.0.0.1"
SIPP_PORT: Final = 5092
SCENARIOS: Final = Path(__file__).parent / "scenarios"


@dataclass(frozen=True, slots=True)
class Signalling:
    """What one role of the user agent did. Times are milliseconds, from the INVITE to the 200.

    Attributes:
        role: `callee` answers at once; `caller` calls, and hangs up when it is answered.
        lost: calls that were not set up and torn down.
        cpu_per_call: milliseconds of processor time.
        cpu_share: of the one processor that it has.
    """

    role: str
    rate: float
    calls: int
    lost: int
    median: float
    p99: float
    worst: float
    cpu_per_call: float
    cpu_share: float


async def measure(rate: float, duration: float) -> list[Signalling]:
    """Both roles, one after the other; `rate` is calls a second, `duration` seconds."""
    return [await _callee(rate, duration), await _caller(rate, duration)]


async def _agent(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.sip_agent", *arguments, stdout=asyncio.subprocess.PIPE, limit=1 << 26
    )


async def _told(agent: asyncio.subprocess.Process, *, within: float) -> dict[str, Any]:
    assert agent.stdout is not None
    async with asyncio.timeout(within):
        told: dict[str, Any] = json.loads(await agent.stdout.readline())
    return told


async def _sipp(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    """On the last processor; the user agent has the first."""
    processor = max(os.sched_getaffinity(0))
    return await asyncio.create_subprocess_exec(
        PROGRAM, *arguments, "-i", HOST, "-nostdin",
        cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {processor}),
    )  # fmt: skip


async def _callee(rate: float, duration: float) -> Signalling:
    count = int(rate * duration)
    agent = await _agent("answer")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = (await _told(agent, within=30.0))["port"]
        caller = await _sipp(
            folder, f"{HOST}:{port}", "-sf", str(SCENARIOS / "uac_burst.xml"), "-p", str(SIPP_PORT),
            "-r", str(int(rate)), "-m", str(count), "-l", str(count),
            "-trace_rtt", "-rtt_freq", "1", "-timeout", f"{int(duration) + 60}s",
        )  # fmt: skip
        await caller.wait()
        agent.terminate()
        figures = await _told(agent, within=30.0)
        await agent.wait()
        latencies = _response_times(folder)
    return _signalling("callee", rate, count, latencies, figures)


async def _caller(rate: float, duration: float) -> Signalling:
    count = int(rate * duration)
    with tempfile.TemporaryDirectory() as name:
        callee = await _sipp(
            Path(name), "-sf", str(SCENARIOS / "uas_burst.xml"), "-p", str(SIPP_PORT), "-m", str(count)
        )
        agent = await _agent("call", f"sip:bench@{HOST}:{SIPP_PORT}", str(rate), str(count))
        figures = await _told(agent, within=duration + 90.0)
        await agent.wait()
        if callee.returncode is None:
            callee.terminate()
        await callee.wait()
    return _signalling("caller", rate, count, figures["latencies"], figures)


def _response_times(folder: Path) -> list[float]:
    """SIPp's trace of them: `date;milliseconds;name`, one line a measurement."""
    rows = [line.split(";") for file in folder.glob("*_rtt.csv") for line in file.read_text().splitlines()[1:]]
    return sorted(float(row[1]) for row in rows if row[2].startswith("invite"))


def _signalling(role: str, rate: float, count: int, latencies: list[float], figures: dict[str, Any]) -> Signalling:
    done = len(latencies) - figures.get("failed", 0)
    return Signalling(
        role=role,
        rate=rate,
        calls=count,
        lost=count - done,
        median=latencies[len(latencies) // 2],
        p99=latencies[int(len(latencies) * 0.99)],
        worst=latencies[-1],
        cpu_per_call=figures["cpu"] * 1000.0 / count,
        cpu_share=figures["cpu"] * rate / count,
    )
