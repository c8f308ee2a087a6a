"""Whether a trunk is alive, by what its answers to OPTIONS say, with hysteresis. Pure."""

from enum import Enum
from typing import Final

DOWN_AFTER: Final = 3
"""Probes in a row without an answer after which a trunk is down: one lost datagram is no failure."""

UP_AFTER: Final = 2
"""Answers in a row after which a trunk that was down is up again; the first answer of all is enough."""

_DEAD: Final = frozenset({408, 503})


class Health(Enum):
    """What is known of a trunk."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class HealthCheck:
    """Counts answers and silences.

    Attributes:
        health: see `Health`.
        deadline: when the next probe is due, absolute.
    """

    def __init__(self, *, interval: float, now: float) -> None:
        self.health = Health.UNKNOWN
        self.deadline = now
        self._interval = interval
        self._answers = self._silences = 0

    def take(self, status: int | None, now: float, *, random: float) -> bool:
        """Take the outcome of a probe; whether the health is another now.

        Args:
            status: of the final response, None when there was none. Whatever answers is alive, a 4xx as well: but for
                408 and 503, by which a proxy or the trunk itself says that calls would fail.
            random: 0 up to 1; spreads the probes of many gateways.
        """
        is_alive = status is not None and status not in _DEAD
        self._answers, self._silences = (self._answers + 1, 0) if is_alive else (0, self._silences + 1)
        self.deadline = now + self._interval * (0.9 + 0.2 * random)
        before = self.health
        if self._silences >= DOWN_AFTER:
            self.health = Health.DOWN
        elif self._answers >= (UP_AFTER if before is Health.DOWN else 1):
            self.health = Health.UP
        return self.health is not before
