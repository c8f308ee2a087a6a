"""A task that sleeps and works in turns, can be woken, and can be asked to come to its end."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress


class Turns:
    """The sleep and the work of one task."""

    def __init__(self) -> None:
        self._end = asyncio.Event()
        self._sleep: asyncio.Timeout | None = None
        self._work: asyncio.Timeout | None = None

    def stop(self) -> None:
        """Ask the task to end: it is woken from its sleep, or interrupted in its work; idempotent."""
        self._end.set()
        if self._work is not None:
            self._work.reschedule(self._now())

    def wake(self, deadline: float) -> None:
        """Have it sleep until then instead, if it sleeps."""
        if self._sleep is not None:
            self._sleep.reschedule(deadline)

    async def end_before(self, deadline: float | None) -> bool:
        """Sleep until that time of the loop's clock; true as soon as the task shall end."""
        try:
            async with asyncio.timeout_at(deadline) as sleep:
                self._sleep = sleep
                try:
                    await self._end.wait()
                finally:
                    self._sleep = None
        except TimeoutError:
            return False
        return True

    async def work(self, work: Awaitable[None]) -> None:
        """Do it, but no longer than until the task shall end."""
        with suppress(TimeoutError):  # it shall end: nobody waits for that answer any more
            async with asyncio.timeout(None) as self._work:
                try:
                    await work
                finally:
                    self._work = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
