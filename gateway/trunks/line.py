"""One trunk as it is now: registered or not, alive or not, how full."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import TRUNK_CALLS, TRUNK_CALLS_REFUSED
from gateway.sip.call import Rejected, SipCallEvent
from gateway.sip.endpoint import Endpoint
from gateway.sip.trunk_settings import TrunkSettings
from gateway.trunks.core.choice import Candidate
from gateway.trunks.core.health import Health
from gateway.trunks.core.limits import CallLimit, Over
from gateway.trunks.core.rules import rules_of
from gateway.trunks.probing import TrunkProbing
from gateway.trunks.registration import TrunkRegistration

LONGEST_REST: Final = 300.0
"""Seconds that a trunk is left alone at most because it said so (Retry-After in a 503)."""

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkStatus:
    """What operators see of a trunk.

    Attributes:
        health: `unknown` (never asked, or not answered yet), `up`, `down`.
        registration: a `core.registration.State`, None for a trunk that we do not register at.
        is_registered: whether the registrar sends calls to us now.
        calls: both ways together.
        rests_s: seconds for which the trunk wants no calls, 0.0 for none.
    """

    name: str
    health: str
    registration: str | None
    is_registered: bool
    calls: int
    rests_s: float
    is_usable: bool


class TrunkLine:
    """The state of one trunk.

    Args:
        tokens, random: as `TrunkRegistration` and `TrunkProbing` want them.
    """

    def __init__(
        self,
        trunk: TrunkSettings,
        endpoint: Endpoint,
        *,
        user_agent: str,
        tokens: Callable[[], str],
        random: Callable[[], float],
    ) -> None:
        self.trunk, self.rules = trunk, rules_of(trunk)
        self.registration: TrunkRegistration | None = None
        self.probing: TrunkProbing | None = None
        if trunk.register:
            self.registration = TrunkRegistration(trunk, endpoint, user_agent=user_agent, tokens=tokens, random=random)
        if trunk.health_interval:
            self.probing = TrunkProbing(trunk, endpoint, user_agent=user_agent, tokens=tokens, random=random)
        self._limit = CallLimit(max_calls=trunk.max_calls, max_calls_per_second=trunk.max_calls_per_second)
        self._rests_until = 0.0
        self._is_over = False

    @property
    def is_usable(self) -> bool:
        """Whether a call out should try it before others."""
        is_down = self.probing is not None and self.probing.health is Health.DOWN
        is_unbound = self.registration is not None and not self.registration.is_bound
        return not is_down and not is_unbound and self._now() >= self._rests_until

    @property
    def candidate(self) -> Candidate:
        """For `choice.in_order`."""
        trunk = self.trunk
        return Candidate(name=trunk.name, priority=trunk.priority, weight=trunk.weight, is_usable=self.is_usable)

    @property
    def status(self) -> TrunkStatus:
        """For operators."""
        registration = self.registration
        return TrunkStatus(
            name=self.trunk.name,
            health=(Health.UNKNOWN if self.probing is None else self.probing.health).value,
            registration=None if registration is None else registration.state.value,
            is_registered=registration is not None and registration.is_bound,
            calls=self._limit.calls,
            rests_s=round(max(0.0, self._rests_until - self._now()), 1),
            is_usable=self.is_usable,
        )

    def take_call(self, way: str) -> Over | None:
        """Take a place for a call; `Over` when a limit is met, which is logged once until a call gets through again.

        Args:
            way: `in` or `out`.
        """
        over = self._limit.take(self._now())
        if over is not None:
            TRUNK_CALLS_REFUSED.labels(self.trunk.name, way, over.limit.value).inc()
            if not self._is_over:
                _log.warning("trunk_limit_met", trunk=self.trunk.name, reason=over.limit.value, calls=self._limit.calls)
        else:
            TRUNK_CALLS.labels(self.trunk.name).set(self._limit.calls)
        self._is_over = over is not None
        return over

    def release_call(self) -> None:
        """Give the place back."""
        self._limit.release()
        TRUNK_CALLS.labels(self.trunk.name).set(self._limit.calls)

    def note(self, event: SipCallEvent) -> None:
        """Learn from what became of a call: a 503 with Retry-After wants no further calls (RFC 3261 section 21.5.4)."""
        match event:
            case Rejected(status=503, retry_after=float(seconds)) if seconds > 0:
                rest = min(seconds, LONGEST_REST)
                self._rests_until = max(self._rests_until, self._now() + rest)
                _log.info("trunk_rests", trunk=self.trunk.name, retry_s=rest)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
