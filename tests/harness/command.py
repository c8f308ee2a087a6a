"""`rtc-gateway` commands in a process of their own, beside a gateway that runs."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

DEADLINE: Final = 30.0
"""Seconds that a command may take."""


async def command_line(folder: Path, *arguments: str) -> str:
    """What the command prints, on the store and with the keys in that folder."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "RTC_GATEWAY__DATA_DIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode().strip()
