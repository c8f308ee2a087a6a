"""Refuses new calls while the machine cannot keep up: `core.overload` with a clock, metrics and log lines."""

import asyncio
from dataclasses import dataclass
from math import ceil
from typing import Final

from gateway.b2bua.core.call import State
from gateway.b2bua.core.overload import OverloadControl
from gateway.domain.causes import SWITCH_CONGESTION
from gateway.domain.ids import CallId
from gateway.observability.logging import get_logger
from gateway.observability.metrics import CALLS_IN_HAND, CALLS_REFUSED, SETUP_DELAY_SECONDS

OURS: Final = frozenset({State.ROUTING, State.PREPARING, State.CONNECTING})
"""States in which a call waits for the gateway and for nobody else."""

LINE_INTERVAL: Final = 1.0
"""Seconds between two log lines about refused calls, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadStatus:
    """What operators see.

    Attributes:
        is_limiting: whether new calls may be refused.
        setup_delay: seconds that the gateway's own part of setting up a call takes at present.
        calls_in_hand: calls that wait for the gateway.
        limit: how many may; None for any number.
        refused: calls that were refused since the start.
    """

    is_limiting: bool
    setup_delay: float
    calls_in_hand: int
    limit: int | None
    refused: int


class OverloadGuard:
    """One per program. Give `take_lag` to the probe of the event loop.

    Args:
        max_delay: `calls.max_setup_delay`; 0 refuses nothing.
    """

    def __init__(self, max_delay: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_on = max_delay > 0.0
        self.control = OverloadControl(max_delay=max_delay or 1.0, now=self._loop.time())
        self.retry_after = max(1, ceil(max_delay))
        """Whole seconds after which somebody who was refused may try again: what is in hand is done by then. No longer,
        because whoever obeys sends nothing until then, and everything afterwards (RFC 5390)."""
        self._refused = self._reported = 0
        self._reported_at = -LINE_INTERVAL
        self._refusing_since: float | None = None
        self._refused_before = 0
        self._log = get_logger()

    @property
    def status(self) -> OverloadStatus:
        """For operators."""
        limit = self.control.limit if self._is_on else None
        return OverloadStatus(
            is_limiting=limit is not None,
            setup_delay=self.control.delay,
            calls_in_hand=self.control.in_hand,
            limit=None if limit is None else ceil(limit),
            refused=self._refused,
        )

    def refuses(self) -> bool:
        """A call has come: whether it must be refused, which is counted."""
        if not self._is_on or self.control.may_begin():
            return False
        self._refused += 1
        CALLS_REFUSED.labels(SWITCH_CONGESTION.name.lower()).inc()
        return True

    def turn_away(self) -> int | None:
        """The same for a call by SIP: the seconds for Retry-After where it must be refused."""
        return self.retry_after if self.refuses() else None

    def stands_at(self, call_id: CallId, state: State) -> None:
        """A call has come to that state, or stays in it."""
        if state in OURS:
            self.control.take(call_id, self._loop.time())
        else:
            self.control.release(call_id)

    def take_lag(self, lag: float) -> None:
        """The probe fired so many seconds late."""
        now = self._loop.time()
        self.control.probe(lag, now)
        SETUP_DELAY_SECONDS.set(self.control.delay)
        CALLS_IN_HAND.set(self.control.in_hand)
        if self._refusing_since is None and self._refused > self._reported:
            self._refusing_since, self._refused_before = now, self._reported
        if self._refusing_since is not None:
            self._report(self._refusing_since, now)

    def _report(self, since: float, now: float) -> None:
        """Say once a second how many were refused, and once that it is over."""
        limit = self.control.limit
        if limit is None:
            count = self._refused - self._refused_before
            self._log.info("calls_taken_again", refused=count, duration_s=round(now - since, 1))
            self._refusing_since, self._reported = None, self._refused
        elif self._refused > self._reported and now - self._reported_at >= LINE_INTERVAL:
            self._log.warning(
                "calls_refused",
                cause=SWITCH_CONGESTION.name,
                refused=self._refused - self._reported,
                calls_in_hand=self.control.in_hand,
                limit=ceil(limit),
                setup_delay_s=round(self.control.delay, 3),
            )
            self._reported, self._reported_at = self._refused, now
