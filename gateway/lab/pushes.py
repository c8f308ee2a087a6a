"""Pushes that would have been delivered: the lab's stand-in for FCM and APNs, which keeps them for whoever asks."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.push import Push
from gateway.observability.clock import utc_now

MAX_PUSHES: Final = 1000


@dataclass(frozen=True, slots=True)
class KeptPush:
    """A push, and when it was sent."""

    push: Push
    at: datetime


class PushLog:
    """A `PushSender` that delivers nothing. The oldest make room."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._pushes: deque[KeptPush] = deque(maxlen=MAX_PUSHES)

    def send(self, push: Push) -> None:
        """Keep it."""
        self._pushes.append(KeptPush(push, self._clock()))

    def newest(self, count: int) -> list[KeptPush]:
        """The last ones, newest first."""
        return list(reversed(self._pushes))[:count]
