"""How many calls may be set up at once, so that those which are set up are set up soon. Pure.

Local overload control with a window (RFC 6357): the gateway refuses what it would be too slow for, by what it measures
itself. It limits the calls that it has in hand at once, not their rate: with a window a new one comes in as one is
done, so that what is accepted is what the machine carries, without anybody knowing how much that is. The size of the
window decides how long a call waits. It follows from how long calls wait now (Little's law: as many as the machine sets
up in a second, times the seconds that each may take). docs/explanation/overload.md has the reasons.
"""

from collections import deque
from itertools import islice
from statistics import median
from typing import Final

from gateway.domain.ids import CallId

PROBE_INTERVAL: Final = 0.1
"""Seconds from one `probe` to the next, as it should be."""

TURNS: Final = 10
"""Turns of the event loop that it takes to set up a call, about: what the lag of one is worth in seconds of delay. Too
high a number makes waits shorter than they need be, too low a one leaves it to the ages of the calls in hand."""

SMOOTHED: Final = 3
"""Probes of which the middle one counts: one that was late, because the loop stood still once, says nothing."""

FEW: Final = 8
"""So many may always be in hand: they are no queue, whatever makes the loop late. Of fewer the age says nothing
either: a single one that waits for something of its own would count."""

PATIENCE: Final = 0.25
"""Seconds that calls must be late without a break before any is refused (the interval of CoDel, RFC 8289)."""

CALM: Final = 1.0
"""Seconds without a refusal, and with half of the delay at most, after which the limit is lifted."""

GAIN: Final = 0.05
"""The part of the mistake, on a logarithmic scale, that a probe makes good: half of it within 1.4 s. What a change of
the limit does shows only as calls come through, so that a faster one would swing."""

STEP: Final = 2.0
"""The greatest mistake that counts, as a factor either way."""


class OverloadControl:
    """Decides whether a new call may be begun. Reads no clock.

    Attributes:
        delay: seconds that the gateway's own part of setting up a call takes at present, as of the last probe.
        limit: calls that may be in hand at once; None while all may come.
    """

    def __init__(self, *, max_delay: float, now: float) -> None:
        """
        Args:
            max_delay: seconds that the gateway's own part may take; above 0.
        """
        self.delay = 0.0
        self.limit: float | None = None
        self._max_delay = max_delay
        self._lags: deque[float] = deque(maxlen=SMOOTHED)
        self._taken_at: dict[CallId, float] = {}
        self._since = now
        self._has_refused = False

    @property
    def in_hand(self) -> int:
        """Calls that wait for the gateway, not for a far end."""
        return len(self._taken_at)

    def take(self, call_id: CallId, now: float) -> None:
        """That call waits for the gateway from now on, if it does not already."""
        self._taken_at.setdefault(call_id, now)

    def release(self, call_id: CallId) -> None:
        """It waits for somebody else, is set up, or over; idempotent."""
        self._taken_at.pop(call_id, None)

    def may_begin(self) -> bool:
        """Whether one more call may be taken."""
        if self.limit is None or self.in_hand < self.limit:
            return True
        self._has_refused = True
        return False

    def probe(self, lag: float, now: float) -> None:
        """Look at what calls wait now, some ten times a second.

        Args:
            lag: seconds that this comes later than it should.
        """
        self._lags.append(lag)
        self.delay = max(TURNS * median(self._lags), self._waited(now))
        if self.limit is None:
            self._begin_to_limit(now)
        else:
            self._correct(self.limit)
            self._stop_limiting(now)
        self._has_refused = False

    def _waited(self, now: float) -> float:
        """How long a call is in hand from its beginning to its end: twice as long as the middle one has been so far."""
        count = len(self._taken_at)
        if count < FEW:
            return 0.0
        return 2.0 * (now - next(islice(self._taken_at.values(), count // 2, None)))

    def _begin_to_limit(self, now: float) -> None:
        if self.delay <= self._max_delay:
            self._since = now
        elif now - self._since >= PATIENCE:
            self.limit = max(FEW, self.in_hand * self._max_delay / self.delay)
            self._since = now

    def _correct(self, limit: float) -> None:
        """Fewer while calls take too long; more while they do not, as long as there are calls for it."""
        mistake = min(STEP, self._max_delay / self.delay if self.delay else STEP)
        if mistake < 1.0 or self._has_refused:
            self.limit = max(FEW, limit * max(mistake, 1.0 / STEP) ** GAIN)

    def _stop_limiting(self, now: float) -> None:
        if self._has_refused or self.delay > self._max_delay / 2.0:
            self._since = now
        elif now - self._since >= CALM:
            self.limit, self._since = None, now
