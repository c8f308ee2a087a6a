"""Token buckets: how often something may happen, all in all or for each address."""

from collections import OrderedDict
from typing import Final

from gateway.auth.core.throttle import network_of

MAX_BUCKETS: Final = 10_000
"""Addresses with a bucket; of more, the one that was heard longest ago is forgotten and starts with a full one."""


class TokenBucket:
    """Lets `rate` events a second pass, and up to `burst` at once. Counts those that it held back."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._tokens = float(burst)
        self._filled_at: float | None = None
        self._held_back = 0

    def take(self, now: float) -> bool:
        """Whether one more may pass at `now` (seconds of any clock that only goes forward)."""
        if self._filled_at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            self._held_back += 1
            return False
        self._tokens -= 1
        return True

    def held_back(self) -> int:
        """How many were held back since the last call of this."""
        count, self._held_back = self._held_back, 0
        return count


class AddressRates:
    """A token bucket for each address that is heard; IPv6 addresses of one /64 share one."""

    def __init__(self, *, rate: float, burst: int) -> None:
        """`rate` 0 lets everything pass."""
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, host: str, now: float) -> bool:
        """Whether one more of that IP address may pass."""
        if not self._rate:
            return True
        network = host if ":" not in host else network_of(host)
        bucket = self._buckets.get(network)
        if bucket is None:
            bucket = self._buckets[network] = TokenBucket(rate=self._rate, burst=self._burst)
            if len(self._buckets) > MAX_BUCKETS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(network)
        return bucket.take(now)
