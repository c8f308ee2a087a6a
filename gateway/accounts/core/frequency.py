"""How many calls somebody has begun within the last hour. Pure."""

from collections import deque
from datetime import datetime, timedelta
from typing import Final

HOUR: Final = timedelta(hours=1)


class HourlyCounts:
    """Counts by key; what is older than an hour is forgotten. Keeps nothing of keys without a call in that time."""

    def __init__(self) -> None:
        self._times: dict[str, deque[datetime]] = {}

    def __len__(self) -> int:
        return len(self._times)

    def count(self, key: str, now: datetime) -> int:
        """Calls of that key within the hour before `now`."""
        times = self._times.get(key)
        if times is None:
            return 0
        while times and times[0] <= now - HOUR:
            times.popleft()
        if not times:
            del self._times[key]
        return len(times)

    def add(self, key: str, now: datetime) -> None:
        """One more begins. Add only what a limit lets through: that bounds the memory."""
        self.count(key, now)
        self._times.setdefault(key, deque()).append(now)
