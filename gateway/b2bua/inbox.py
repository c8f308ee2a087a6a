"""What a call has not heard yet. Each leg has a door of its own into it, because legs are replaced."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.b2bua.core.events import Event, HangupRequested
from gateway.domain.causes import NORMAL_TEMPORARY_FAILURE
from gateway.observability.logging import get_logger

INBOX_SIZE: Final = 256
"""Events that may wait for one call. Full: a peer floods it, and the call is ended."""


class Door:
    """One leg's way into an inbox. What comes through it is told apart from the news of who sat there before."""

    def __init__(self, put: "Callable[[Door, Event], None]") -> None:
        self._put = put

    def __call__(self, event: Event) -> None:
        """See `Post`."""
        self._put(self, event)


class Inbox:
    """Events with the doors that they came through; no door: news of the call itself, its media or other calls."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[tuple[Door | None, Event]] = asyncio.Queue(INBOX_SIZE)
        self._log = get_logger()

    def post(self, event: Event) -> None:
        """Put an event in; never blocks."""
        self._put(None, event)

    def door(self) -> Door:
        """A way in for one leg."""
        return Door(self._put)

    async def get(self) -> tuple[Door | None, Event]:
        """The next event, once there is one."""
        return await self._waiting.get()

    def drain(self) -> list[tuple[Door | None, Event]]:
        """Everything that waits: nobody will read it here any more."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]

    def _put(self, door: Door | None, event: Event) -> None:
        try:
            self._waiting.put_nowait((door, event))
        except asyncio.QueueFull:
            self._waiting.get_nowait()
            self._waiting.put_nowait((None, HangupRequested(NORMAL_TEMPORARY_FAILURE)))
            self._log.warning("call_inbox_overflowed", size=INBOX_SIZE)


__all__ = ["INBOX_SIZE", "Door", "Inbox"]
