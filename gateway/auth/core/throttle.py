"""How often an address or a user may be wrong before it is not even listened to.

A leaky bucket for each: every failure fills it by one, and it drains at the rate that is allowed. Nothing is kept of
those who are never wrong, and the table is bounded: of too many the one that failed longest ago is forgotten.
"""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

MAX_ENTRIES: Final = 10_000
"""Buckets of one table. An attacker with more addresses than that gets through as often as it has addresses."""


@dataclass(frozen=True, slots=True)
class _Bucket:
    level: float
    at: float
    reported_at: float | None = None
    """When `fail` said last that its owner is shut out."""


class Throttle:
    """Times are seconds of any steady clock."""

    def __init__(self, limit: int, window: float, *, max_entries: int = MAX_ENTRIES) -> None:
        """
        Args:
            limit: failures allowed within `window` seconds; 0 allows any number.
        """
        self._limit, self._rate, self._window, self._max_entries = limit, limit / window, window, max_entries
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` is listened to again; 0 when it is now."""
        bucket = self._buckets.get(key)
        if bucket is None or self._limit == 0:
            return 0.0
        level = self._drained(bucket, now)
        if level <= 0:
            del self._buckets[key]
            return 0.0
        return max(0.0, (level - self._limit + 1) / self._rate)

    def fail(self, key: str, now: float) -> bool:
        """`key` was wrong. Whether it is shut out and that should be reported: at most once in `window` seconds."""
        if self._limit == 0:
            return False
        bucket = self._buckets.get(key)
        level = 0.0 if bucket is None else max(0.0, self._drained(bucket, now))
        level, reported_at = min(level + 1, float(self._limit)), None if bucket is None else bucket.reported_at
        is_out = level > self._limit - 1
        is_report = is_out and (reported_at is None or now >= reported_at + self._window)
        self._buckets[key] = _Bucket(level, now, now if is_report else reported_at)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max_entries:
            self._buckets.popitem(last=False)
        return is_report

    def forgive(self, key: str) -> None:
        """`key` was right: what it had failed before is forgotten."""
        self._buckets.pop(key, None)

    def _drained(self, bucket: _Bucket, now: float) -> float:
        return bucket.level - (now - bucket.at) * self._rate


@lru_cache(maxsize=MAX_ENTRIES)
def network_of(peer: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        # By hand: an `ip_network` takes four times as long, and the SIP port asks for each datagram.
        return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"
    return peer
