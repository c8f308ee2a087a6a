"""How many calls a trunk carries: at once, and a second (a token bucket). Pure."""

from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Final

from gateway.sip.core.rate import TokenBucket

FULL_RETRY: Final = 5
"""Seconds that a caller is asked to wait when all places are taken: nobody knows when one will be free."""


class Limit(Enum):
    """Which limit a call has met."""

    CALLS = "calls"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Over:
    """No. `retry_after` is whole seconds from now, at least one."""

    limit: Limit
    retry_after: int


class CallLimit:
    """The places of one trunk.

    Attributes:
        calls: places that are taken.
    """

    def __init__(self, *, max_calls: int, max_calls_per_second: float) -> None:
        """
        Args:
            max_calls: 0 for no limit.
            max_calls_per_second: 0 for no limit. What one second allows may come at once, at least one call.
        """
        self.calls = 0
        self._max_calls, self._rate = max_calls, max_calls_per_second
        self._bucket = TokenBucket(rate=self._rate, burst=max(1, int(self._rate)))

    def take(self, now: float) -> Over | None:
        """Take a place; `Over` when there is none. A call that is refused takes nothing."""
        if self._max_calls and self.calls >= self._max_calls:
            return Over(Limit.CALLS, FULL_RETRY)
        if self._rate and not self._bucket.take(now):
            return Over(Limit.RATE, max(1, ceil(1.0 / self._rate)))
        self.calls += 1
        return None

    def release(self) -> None:
        """Give a place back."""
        assert self.calls > 0
        self.calls -= 1
