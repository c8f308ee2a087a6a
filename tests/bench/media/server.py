"""What all servers under test have in common."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from tests.bench.media.generator import PlacedCall
from tests.harness.ending import end


class CannotMeasure(Exception):
    """A server is not installed, does not start, or cannot do the case: it is shown as not measured, with this."""


class Server(Protocol):
    """A running server."""

    process_id: int

    async def prepare(self, calls: int) -> None:
        """What its users do once, before they call: log in, register."""

    async def place(self) -> PlacedCall:
        """One more call, set up as far as that both ends may talk."""


@asynccontextmanager
async def running(command: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process, until the end of the block. What it prints goes nowhere: servers complain about strangers' RTCP."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise CannotMeasure(f"{command[0]}: not installed") from error
    try:
        yield process
    finally:
        await end(process, patience=10)
