"""When to write what has been told: a little later, so that many facts cost one transaction."""

import asyncio
from typing import Final

GATHER: Final = 0.1
"""Seconds that facts may gather before they are written. A process that is killed loses what has gathered."""


class Pace:
    """Between those who put something into a queue and the one task that writes it."""

    def __init__(self, *, enough: int, gather: float = GATHER) -> None:
        """
        Args:
            enough: so much is written at once, without waiting for more.
            gather: seconds that less is waited with.
        """
        self._enough, self._gather = enough, gather
        self._something, self._much = asyncio.Event(), asyncio.Event()
        self._has_ended = False

    def tell(self, waiting: int) -> None:
        """Something was put; so much waits now."""
        self._something.set()
        if waiting >= self._enough:
            self._much.set()

    def end(self) -> None:
        """Nobody waits any more, now or later."""
        self._has_ended = True
        self._something.set()
        self._much.set()

    async def wait(self, waiting: int) -> None:
        """Return when it is time to write.

        Args:
            waiting: how much waits already.
        """
        if self._has_ended:
            return
        if not waiting:
            self._something.clear()
            await self._something.wait()
        if waiting < self._enough and not self._has_ended:
            self._much.clear()
            try:
                async with asyncio.timeout(self._gather):
                    await self._much.wait()
            except TimeoutError:
                return
