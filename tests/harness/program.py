"""The program as a user starts it: a process of its own on free ports."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEADLINE: Final = 30.0

FREE_PORTS: Final = {
    "RTC_GATEWAY__HTTP__LISTEN": "http://127.0.0.1:0",
    "RTC_GATEWAY__SIP__LISTEN": "udp:127.0.0.1:0,tcp:127.0.0.1:0",
    "RTC_GATEWAY__METRICS__LISTEN": "127.0.0.1:0",
}


@dataclass
class Program:
    """A program that runs, or has ended."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            return (await self.process.stdout.readline()).decode()

    async def stop(self, number: int) -> int:
        """Send it that signal; returns its exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()


@asynccontextmanager
async def started(folder: Path, *arguments: str, environ: Mapping[str, str] = FREE_PORTS) -> AsyncIterator[Program]:
    """`rtc-gateway ARGUMENTS` in that folder; killed at the end of the block if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=folder,
        env={**os.environ, **environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
