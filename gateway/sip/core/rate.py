"""A token bucket: how often something may happen."""


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
