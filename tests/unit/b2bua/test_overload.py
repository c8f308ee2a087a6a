"""What the guard does with the core's word: counts, log lines, and where calls stand."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.b2bua.core.call import State
from gateway.b2bua.core.overload import FEW, PROBE_INTERVAL
from gateway.b2bua.overload import OverloadGuard
from gateway.domain.ids import CallId
from gateway.observability.metrics import REGISTRY
from tests.fakes.autojump import AutojumpLoop

LATE = 1.0
"""Seconds of lag that nobody would wait for."""


class Machine:
    """A guard whose probes are as late as a test says, in time that does not pass by itself."""

    def __init__(self, loop: AutojumpLoop, max_delay: float = 1.0) -> None:
        self.loop = loop
        self.guard = loop.run_until_complete(self._make(max_delay))

    @staticmethod
    async def _make(max_delay: float) -> OverloadGuard:
        return OverloadGuard(max_delay)

    def passes(self, seconds: float, *, lag: float = 0.0, refusing: int = 0) -> None:
        """Time, with a probe each tenth of a second and so many calls between two of them."""
        end = self.loop.time() + seconds
        while self.loop.time() < end:
            self.loop.advance(PROBE_INTERVAL)
            for _ in range(refusing):
                self.guard.refuses()
            self.guard.take_lag(lag)

    def fill(self) -> None:
        """As many calls in hand as always may be."""
        for number in range(FEW):
            self.guard.stands_at(CallId(str(number)), State.ROUTING)

    def empty(self) -> None:
        """They are called."""
        for number in range(FEW):
            self.guard.stands_at(CallId(str(number)), State.DIALING)


@pytest.fixture
def loop() -> Iterator[AutojumpLoop]:
    loop = AutojumpLoop()
    yield loop
    loop.close()


@pytest.fixture
def machine(loop: AutojumpLoop) -> Machine:
    return Machine(loop)


def refused_total() -> float:
    return REGISTRY.get_sample_value("gateway_calls_refused_total", {"reason": "switch_congestion"}) or 0.0


def test_call_that_comes_to_a_late_gateway_is_refused_and_counted(machine: Machine) -> None:
    machine.fill()
    machine.passes(1.0, lag=LATE)
    before = refused_total()

    assert machine.guard.refuses()
    assert refused_total() == before + 1
    assert machine.guard.status.refused == 1


def test_gateway_that_is_in_time_refuses_nobody(machine: Machine) -> None:
    machine.passes(1.0)
    machine.fill()

    assert not machine.guard.refuses()
    assert machine.guard.turn_away() is None
    assert machine.guard.status.limit is None


def test_setting_of_zero_refuses_nobody(loop: AutojumpLoop) -> None:
    machine = Machine(loop, max_delay=0.0)
    machine.fill()
    machine.passes(5.0, lag=LATE)

    assert not machine.guard.refuses()
    assert not machine.guard.status.is_limiting


@pytest.mark.parametrize(("max_delay", "seconds"), [(0.2, 1), (1.0, 1), (2.5, 3)])
def test_caller_by_sip_may_try_again_once_what_is_in_hand_is_done(
    loop: AutojumpLoop, max_delay: float, seconds: int
) -> None:
    machine = Machine(loop, max_delay)
    machine.fill()
    machine.passes(1.0, lag=LATE)

    assert machine.guard.turn_away() == seconds


@pytest.mark.parametrize("state", [State.DIALING, State.RINGING, State.EARLY, State.ACTIVE, State.ENDED])
def test_call_that_waits_for_somebody_else_is_not_in_hand(machine: Machine, state: State) -> None:
    machine.fill()

    machine.guard.stands_at(CallId("0"), state)

    assert machine.guard.status.calls_in_hand == FEW - 1


def test_call_is_in_hand_again_once_the_called_side_has_answered(machine: Machine) -> None:
    for state in (State.ROUTING, State.PREPARING, State.DIALING, State.RINGING, State.CONNECTING):
        machine.guard.stands_at(CallId("one"), state)

    assert machine.guard.status.calls_in_hand == 1


def test_refused_calls_make_one_line_a_second_and_one_at_the_end(machine: Machine) -> None:
    machine.fill()
    machine.passes(0.5, lag=LATE)

    with capture_logs() as lines:
        machine.passes(3.5, lag=LATE, refusing=5)
        machine.empty()
        machine.passes(3.0)

    *refusals, over = lines
    assert {line["event"] for line in refusals} == {"calls_refused"}
    assert 4 <= len(refusals) <= 5
    assert refusals[0] == {
        "event": "calls_refused",
        "log_level": "warning",
        "cause": "SWITCH_CONGESTION",
        "refused": 5,
        "calls_in_hand": FEW,
        "limit": FEW,
        "setup_delay_s": 10.0,
    }
    assert over["event"] == "calls_taken_again"
    assert sum(line["refused"] for line in refusals) == over["refused"] == machine.guard.status.refused


def test_second_overload_is_counted_by_itself(machine: Machine) -> None:
    for _ in range(2):
        machine.fill()
        machine.passes(1.0, lag=LATE)
        with capture_logs() as lines:
            machine.passes(PROBE_INTERVAL, lag=LATE, refusing=7)
            machine.empty()
            machine.passes(3.0)

        assert [line["refused"] for line in lines] == [7, 7]


def test_limit_that_nobody_met_is_not_worth_a_line(machine: Machine) -> None:
    with capture_logs() as lines:
        machine.passes(1.0, lag=LATE)
        machine.passes(3.0)

    assert lines == []


def test_figures_of_the_last_probe_are_shown(machine: Machine) -> None:
    machine.fill()
    machine.passes(1.0, lag=LATE)

    assert REGISTRY.get_sample_value("gateway_calls_in_hand") == FEW
    assert REGISTRY.get_sample_value("gateway_setup_delay_seconds") == machine.guard.status.setup_delay
    assert machine.guard.status.setup_delay >= LATE
