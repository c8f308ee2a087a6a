"""The program itself as a process, on free ports."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEADLINE: Final = 30.0
"""Seconds that it may take to say something, or to end."""

FREE_PORTS: Final = {
    "RTC_GATEWAY__HTTP__LISTEN": "http://127.0.0.1:0",
    "RTC_GATEWAY__SIP__LISTEN": "udp:127.0.0.1:0,tcp:127.0.0.1:0",
    "RTC_GATEWAY__METRICS__LISTEN": "127.0.0.1:0",
    "RTC_GATEWAY__CALLS__MAX_SETUP_DELAY": "0",
}


@dataclass
class Program:
    """A process that has been started."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """The next line of its standard output; empty at the end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stdout.readline()).decode()

    async def http_address(self) -> str:
        """Where `serve` listens for plain HTTP, once it says that it is ready."""
        found = ""
        while "ready" not in (line := await self.line()):
            assert line, "it ended before it was ready"
            if "listening on http://" in line:
                found = line.split()[-1]
        return found

    async def complaints(self) -> str:
        """All of its standard error, once it has ended."""
        assert self.process.stderr is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stderr.read()).decode()

    async def stop(self, number: int) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> int:
        """The exit code, once it has ended by itself."""
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()


@asynccontextmanager
async def started(
    folder: Path, *arguments: str, environ: Mapping[str, str] = FREE_PORTS, with_complaints: bool = False
) -> AsyncIterator[Program]:
    """`rtc-gateway` with these arguments, killed at the end if it still runs.

    Args:
        with_complaints: keep its standard error, for a program that says little there.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if with_complaints else asyncio.subprocess.DEVNULL,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
