"""Facts as metrics and as the log lines that begin and end a call."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.domain import causes
from gateway.domain.causes import Cause
from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRouted, Fact
from gateway.domain.ids import CallId, Direction
from gateway.observability import metrics
from gateway.observability.logging import get_logger

_CLIENT_ERRORS: Final = frozenset(
    cause.name
    for cause in (
        causes.UNALLOCATED_NUMBER,
        causes.NO_ROUTE_DESTINATION,
        causes.USER_BUSY,
        causes.NO_USER_RESPONSE,
        causes.NO_ANSWER,
        causes.SUBSCRIBER_ABSENT,
        causes.CALL_REJECTED,
        causes.NUMBER_CHANGED,
        causes.INVALID_NUMBER_FORMAT,
        causes.OUTGOING_CALL_BARRED,
        causes.BEARERCAPABILITY_NOTAUTH,
        causes.INCOMPATIBLE_DESTINATION,
        causes.MANDATORY_IE_MISSING,
        causes.ORIGINATOR_CANCEL,
        causes.LOSE_RACE,
    )
)
_UPSTREAM_ERRORS: Final = frozenset(
    cause.name
    for cause in (
        causes.DESTINATION_OUT_OF_ORDER,
        causes.NORMAL_CIRCUIT_CONGESTION,
        causes.NETWORK_OUT_OF_ORDER,
        causes.NORMAL_TEMPORARY_FAILURE,
        causes.SWITCH_CONGESTION,
        causes.RECOVERY_ON_TIMER_EXPIRE,
        causes.SERVICE_NOT_IMPLEMENTED,
        causes.INTERWORKING,
        causes.MEDIA_TIMEOUT,
    )
)


def outcome(ended: CallEnded) -> str:
    """`success`, `client_error`, `upstream_error`, `server_error` or `unknown` (style.md 4)."""
    name = ended.cause.name
    if "active" in ended.stages and ended.cause is causes.NORMAL_CLEARING:
        return "success"
    if name in _CLIENT_ERRORS:
        return "client_error"
    if name in _UPSTREAM_ERRORS:
        return "upstream_error" if ended.ended_by is not None or ended.sip_status else "server_error"
    return "success" if ended.cause is causes.NORMAL_CLEARING else "unknown"


class CallMeasures:
    """Counts calls and logs their first and last line. Give `take` to the directory as a listener."""

    def __init__(self) -> None:
        self._log = get_logger()
        self._started: dict[CallId, CallInitiated] = {}
        self._internal: set[CallId] = set()

    def take(self, fact: Fact) -> None:
        """One fact, in order."""
        match fact:
            case CallInitiated():
                self._started[fact.call_id] = fact
                metrics.CALLS_ACTIVE.labels(fact.direction.value).inc()
                self._log.info(
                    "call_initiated",
                    call_id=fact.call_id,
                    direction=fact.direction.value,
                    session_id=fact.session_id,
                    verto_call_id=fact.verto_call_id,
                )
            case CallRouted():
                metrics.CALLS_ACTIVE.labels(self._direction(fact.call_id)).dec()
                self._internal.add(fact.call_id)
                metrics.CALLS_ACTIVE.labels(self._direction(fact.call_id)).inc()
            case CallAnswered():
                started = self._started.get(fact.call_id)
                if started is not None:
                    elapsed = (fact.at - started.at).total_seconds()
                    metrics.CALL_SETUP_SECONDS.labels(self._direction(fact.call_id)).observe(elapsed)
            case CallEnded():
                self._ended(fact)
            case _:
                pass

    def _direction(self, call_id: CallId) -> str:
        """As far as it is known now: a browser's call counts as outbound until its route leads to another browser."""
        return (Direction.INTERNAL if call_id in self._internal else self._started[call_id].direction).value

    def _ended(self, fact: CallEnded) -> None:
        if fact.call_id in self._started:
            metrics.CALLS_ACTIVE.labels(self._direction(fact.call_id)).dec()
            del self._started[fact.call_id]
        self._internal.discard(fact.call_id)
        metrics.CALLS_ENDED.labels(fact.direction.value, outcome(fact), _reason(fact.cause)).inc()
        self._log.info(
            "call_ended",
            call_id=fact.call_id,
            direction=fact.direction.value,
            cause=fact.cause.name,
            ended_by=None if fact.ended_by is None else fact.ended_by.value,
            status=fact.sip_status,
            duration_s=fact.duration_s,
            trunk=fact.trunk,
            sip_call_id=fact.sip_call_id,
            stages=fact.stages,
            **_quality_in_short(fact.quality),
        )


def _quality_in_short(legs: Mapping[str, Mapping[str, Any]]) -> dict[str, object]:  # Any: JSON
    """What tells most of how good the legs were, `leg_figure_direction`, as far as it is known."""
    figures: dict[str, object] = {}
    for leg, quality in legs.items():
        for direction in ("in", "out"):
            side = quality.get(f"{direction}bound", {})
            figures |= {f"{leg}_{name}_{direction}": side[name] for name in ("loss", "jitter_s", "mos") if name in side}
        if quality.get("warnings"):
            figures[f"{leg}_warnings"] = quality["warnings"]
    return figures


def _reason(cause: Cause) -> str:
    return cause.name.lower() if cause in causes.ALL else "other"
