"""Rows that were read a moment ago: a call looks at the same few of them several times on its way."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

from gateway.store.database import Database

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")

SECONDS: Final = 0.5
"""What another process has written is seen after so long at the latest, as changes of accounts are elsewhere."""

MOST: Final = 1024
"""Rows that are remembered; of more, all are forgotten."""


class Recent(Generic[_K, _V]):
    """Reads through a memory. What this process writes is seen at once, but for rows that no decision reads."""

    def __init__(
        self,
        database: Database,
        read: Callable[[_K], Awaitable[_V]],
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            read: asks the database; what it raises is not remembered.
            seconds: how long an answer is good for.
        """
        self._database, self._read, self._seconds, self._clock = database, read, seconds, clock
        self._known: dict[_K, tuple[int, float, _V]] = {}

    async def get(self, key: _K) -> _V:
        """The row, maybe as it was a moment ago; raises as `read` does."""
        version, now = self._database.version, self._clock()
        known = self._known.get(key)
        if known is not None and known[0] == version and now - known[1] < self._seconds:
            return known[2]
        value = await self._read(key)
        self._keep(key, version, now, value)
        return value

    def know(self, key: _K, value: _V, *, as_of: tuple[int, float]) -> None:
        """Take a row that was read by another key. `as_of` is what `moment` said before that."""
        self._keep(key, *as_of, value)

    def moment(self) -> tuple[int, float]:
        """Before a read, for `know`."""
        return self._database.version, self._clock()

    def _keep(self, key: _K, version: int, at: float, value: _V) -> None:
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[key] = (version, at, value)
