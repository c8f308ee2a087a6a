"""What waits to be sent on one WebSocket: bounded in frames and bytes, because a client may stop reading."""

import asyncio
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to WebSocket's own ping."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The close frame; nothing is taken after it."""

    code: int
    reason: str


Item = str | Pong | Close


class Outbox:
    """A queue with one reader. Full: `put` says so, and the socket has to be dropped."""

    def __init__(self, *, max_frames: int, max_bytes: int) -> None:
        self._max_frames, self._max_bytes = max_frames, max_bytes
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._is_ended = False
        self._changed = asyncio.Event()

    def put(self, item: Item) -> bool:
        """Queue an item; False when there is no room. After a `Close` or the end it is dropped."""
        if self._is_ended:
            return True
        self._bytes += _size(item)
        if len(self._items) >= self._max_frames or self._bytes > self._max_bytes:
            return False
        self._items.append(item)
        self._is_ended = isinstance(item, Close)
        self._changed.set()
        return True

    def end(self) -> None:
        """Nobody is there any more: drop what waits and release the reader."""
        self._items.clear()
        self._is_ended = True
        self._changed.set()

    async def get(self) -> Item | None:
        """The next item; None at the end."""
        while not self._items:
            if self._is_ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        item = self._items.popleft()
        self._bytes -= _size(item)
        return item


def _size(item: Item) -> int:
    return len(item) if isinstance(item, str) else 125
