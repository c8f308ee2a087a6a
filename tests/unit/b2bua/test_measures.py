"""Facts as metrics."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.b2bua.measures import CallMeasures, outcome
from gateway.domain import causes
from gateway.domain.causes import Cause
from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRouted
from gateway.domain.ids import CallId, Direction, LegName
from gateway.observability.metrics import REGISTRY

CALL = CallId("one")
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def ended(direction: Direction, cause: Cause = causes.NORMAL_CLEARING, *, was_active: bool = True) -> CallEnded:
    stages = {"active": 1.0} if was_active else {}
    return CallEnded(call_id=CALL, at=NOW, direction=direction, cause=cause, ended_by=LegName.A, stages=stages)


def initiated(direction: Direction) -> CallInitiated:
    return CallInitiated(call_id=CALL, at=NOW, direction=direction, caller="a", callee="b")


def test_call_between_browsers_moves_from_outbound_to_internal() -> None:
    measures = CallMeasures()
    before = {direction: value("gateway_calls_active", direction=direction) for direction in ("outbound", "internal")}

    measures.take(initiated(Direction.OUTBOUND))
    assert value("gateway_calls_active", direction="outbound") == before["outbound"] + 1
    measures.take(CallRouted(call_id=CALL, at=NOW))
    assert value("gateway_calls_active", direction="outbound") == before["outbound"]
    assert value("gateway_calls_active", direction="internal") == before["internal"] + 1
    measures.take(ended(Direction.INTERNAL))

    assert value("gateway_calls_active", direction="internal") == before["internal"]


def test_setup_time_is_observed_under_the_direction_of_the_call() -> None:
    measures = CallMeasures()
    before = value("gateway_call_setup_seconds_sum", direction="internal")

    measures.take(initiated(Direction.OUTBOUND))
    measures.take(CallRouted(call_id=CALL, at=NOW))
    measures.take(CallAnswered(call_id=CALL, at=NOW + timedelta(seconds=2), codec_a="opus", codec_b="opus"))
    measures.take(ended(Direction.INTERNAL))

    assert value("gateway_call_setup_seconds_sum", direction="internal") == before + 2.0


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (ended(Direction.OUTBOUND), "success"),
        (ended(Direction.OUTBOUND, causes.USER_BUSY, was_active=False), "client_error"),
        (ended(Direction.OUTBOUND, causes.NORMAL_TEMPORARY_FAILURE, was_active=False), "upstream_error"),
        (ended(Direction.OUTBOUND, causes.SYSTEM_SHUTDOWN), "unknown"),
    ],
)
def test_outcome_of_a_call_is_one_of_a_closed_set(fact: CallEnded, expected: str) -> None:
    assert outcome(fact) == expected
