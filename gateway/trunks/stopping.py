"""A task that sleeps and works in turns, and can be asked to come to its end."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress


class Stopping:
    """The wish that a task may end. It wakes it from its sleep, and interrupts what it waits for."""

    def __init__(self) -> None:
        self._wish = asyncio.Event()
        self._work: asyncio.Timeout | None = None
        self._sleep: asyncio.Timeout | None = None

    def wish(self) -> None:
        """Ask it to end; idempotent."""
        self._wish.set()
        if self._work is not None:
            self._work.reschedule(asyncio.get_running_loop().time())

    async def comes_before(self, deadline: float | None) -> bool:
        """Sleep until the deadline of the loop's clock; true as soon as the end is wished for."""
        try:
            async with asyncio.timeout_at(deadline) as self._sleep:
                try:
                    await self._wish.wait()
                finally:
                    self._sleep = None
        except TimeoutError:
            return False
        return True

    def wake(self, deadline: float | None) -> None:
        """Sleep until another deadline than was said; no effect while it is at work."""
        if self._sleep is not None:
            self._sleep.reschedule(deadline)

    async def interrupts(self, work: Awaitable[None]) -> None:
        """Do the work, but no longer than until the end is wished for."""
        with suppress(TimeoutError):  # the wish: nobody waits for that answer any more
            async with asyncio.timeout(None) as self._work:
                try:
                    await work
                finally:
                    self._work = None
