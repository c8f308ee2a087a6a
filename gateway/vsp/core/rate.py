"""A token bucket: so many messages at once, so many per second over a longer time."""


class TokenBucket:
    """Full at the start. Knows the time only from its caller."""

    def __init__(self, *, rate: float, burst: int, now: float) -> None:
        """
        Args:
            rate: tokens per second.
            burst: tokens when full.
        """
        self._rate, self._burst = rate, float(burst)
        self._tokens, self._at = float(burst), now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take so many tokens; False, and none is taken, when there are fewer."""
        elapsed = max(now - self._at, 0.0)
        self._tokens, self._at = min(self._tokens + elapsed * self._rate, self._burst), now
        if self._tokens < cost:
            return False
        self._tokens -= cost
        return True
