"""CRLF keep-alives of a connection that we opened (RFC 5626 sections 3.5.1 and 4.4.1)."""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from gateway.sip.settings import SipSettings

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"

EARLIEST: Final = 0.8
"""A ping comes after 80 to 100 % of the interval, so that many connections do not ping at once (section 4.4)."""


class Pinger:
    """Pings at intervals, and tells when a far end that has answered pings answers them no longer.

    Whether it ever does is not agreed on beforehand: a far end that has never answered may well be alive.

    Args:
        ping: sends one.
        on_dead: nothing came back in time.
    """

    def __init__(self, settings: SipSettings, *, ping: Callable[[], None], on_dead: Callable[[], None]) -> None:
        self._interval, self._timeout = settings.keepalive_interval, settings.keepalive_timeout
        self._ping, self._on_dead = ping, on_dead
        self._timer: asyncio.TimerHandle | None = None
        self._is_waiting = False
        self._does_answer = False

    @property
    def is_active(self) -> bool:
        """Whether it pings."""
        return self._timer is not None

    def start(self) -> None:
        """Ping from now on; idempotent."""
        if self._timer is None and self._interval:
            wait = self._interval * random.uniform(EARLIEST, 1)  # noqa: S311 - spreads load, keeps no secret
            self._timer = asyncio.get_running_loop().call_later(wait, self._on_interval)

    def stop(self) -> None:
        """Ping no longer; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._is_waiting = False

    def heard(self, data: bytes) -> None:
        """Something came from the far end: it lives, whatever it was."""
        if self._is_waiting:
            self._does_answer |= data.startswith(PONG)
            self.stop()
            self.start()

    def _on_interval(self) -> None:
        self._is_waiting = True
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._on_due)
        self._ping()

    def _on_due(self) -> None:
        self._timer = None
        if self._is_waiting and self._does_answer:
            self._is_waiting = False
            self._on_dead()
        else:
            self.start()
