"""The programs that a reader keeps running in other terminals."""

import asyncio
import json
import os
import re
import shlex
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

PATIENCE: Final = 60.0
"""Seconds that a program may take to start on a busy machine."""

ROOT: Final = Path(__file__).parents[3]

_FREE_PORTS: Final = {
    "RTC_GATEWAY__HTTP__LISTEN": "http://127.0.0.1:0",
    "RTC_GATEWAY__SIP__LISTEN": "udp:127.0.0.1:0,tcp:127.0.0.1:0",
    "RTC_GATEWAY__METRICS__LISTEN": "127.0.0.1:0",
}


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[str]:
    """`rtc-gateway demo`, as `make run` starts it in that folder, on free ports; yields host and port of its HTTP."""
    command = (sys.executable, "-m", "gateway", "demo", "--json")
    environ = {**_FREE_PORTS, "PYTHONPATH": str(ROOT)}
    with (folder / "demo.log").open("wb") as log:
        async with _program(command, folder, environ, errors=log.fileno()) as process:
            line = await _line(process)
            assert line, (folder / "demo.log").read_text(encoding="utf-8")
            yield json.loads(line)["http_urls"][0].removeprefix("http://")


@asynccontextmanager
async def file_server(command: str, folder: Path) -> AsyncIterator[str]:
    """The page's own line for that, with a free port in place of 8000; yields host and port."""
    program, *arguments = shlex.split(command.replace(" 8000 ", " 0 "))
    assert program == "python3"
    async with _program((sys.executable, "-u", *arguments), folder, {}, errors=STDOUT) as process:
        found = re.search(r"HTTP on (\S+) port (\d+)", await _line(process))
        assert found is not None
        yield f"{found[1]}:{found[2]}"


@asynccontextmanager
async def _program(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], *, errors: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, **environ}, stdin=DEVNULL, stdout=PIPE, stderr=errors
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(PATIENCE):
            await process.communicate()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readline()).decode()
