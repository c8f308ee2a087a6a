"""How many calls are let in: against a machine on paper, and by what is measured."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.b2bua.core.overload import CALM, FEW, PATIENCE, PROBE_INTERVAL, TURNS, OverloadControl
from gateway.domain.ids import CallId
from tests.fakes.model_server import ModelServer, Run

CAPACITY = 80.0
MAX_DELAY = 1.0
LATE = 3.0 * MAX_DELAY / TURNS
"""Seconds of lag with which calls take three times as long as they may."""


def control() -> OverloadControl:
    return OverloadControl(max_delay=MAX_DELAY, now=0.0)


class Probes:
    """Probes in time, each as late as it is told."""

    def __init__(self, controlled: OverloadControl) -> None:
        self.controlled, self.now = controlled, 0.0

    def run(self, seconds: float, *, lag: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += PROBE_INTERVAL + lag
            self.controlled.probe(lag, self.now)


def is_limiting(controlled: OverloadControl) -> bool:
    return controlled.limit is not None


def take(controlled: OverloadControl, count: int, now: float) -> list[CallId]:
    calls = [CallId(f"{now}-{number}") for number in range(count)]
    for call_id in calls:
        controlled.take(call_id, now)
    return calls


# ---- against a machine


def offer(load: float, *, seconds: float = 30.0, turns: int = 20, later_turns: int = 0, seed: int = 1) -> Run:
    server = ModelServer(capacity=CAPACITY, turns=turns, later_turns=later_turns)
    return server.run(control(), lambda _now: load * CAPACITY, seconds, seed)


@pytest.mark.parametrize("turns", [5, 20, 80])
@pytest.mark.parametrize("later", [False, True])
def test_twice_what_the_machine_carries_settles_at_what_it_carries(turns: int, later: bool) -> None:
    run = offer(2.0, turns=turns, later_turns=turns if later else 0)

    assert run.rate(5.0, 30.0) >= 0.9 * CAPACITY
    assert run.slowest(8.0, 25.0) <= 2.5 * MAX_DELAY
    assert run.slowest(0.0, 25.0) <= 4.0 * MAX_DELAY


def test_accepted_calls_do_not_swing_between_all_and_nothing() -> None:
    run = offer(2.0)

    for second in range(8, 29):
        assert 0.7 * CAPACITY <= run.rate(second, second + 1.0) <= 1.3 * CAPACITY


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_refused_below_what_the_machine_carries(seed: int) -> None:
    run = offer(0.8, seed=seed)

    assert run.refused == []


def test_five_times_as_many_calls_as_the_machine_carries_settle_as_well() -> None:
    run = offer(5.0)

    assert run.rate(10.0, 30.0) >= 0.9 * CAPACITY
    assert run.slowest(10.0, 25.0) <= 2.0 * MAX_DELAY


def test_every_call_is_taken_again_soon_after_the_overload() -> None:
    run = ModelServer(capacity=CAPACITY).run(
        control(), lambda now: 2.0 * CAPACITY if now < 15.0 else 0.5 * CAPACITY, 30.0
    )

    assert max(run.refused) < 16.0
    assert run.limits[-1][1] is None
    assert next(at for at, limit in run.limits if at > 15.0 and limit is None) < 18.0


def test_a_machine_that_other_work_slows_down_takes_as_many_calls_as_it_still_can() -> None:
    server = ModelServer(capacity=CAPACITY, other_work=lambda now: 0.06 if now >= 10.0 else 0.0)

    run = server.run(control(), lambda _now: 0.8 * CAPACITY, 40.0)

    assert [at for at in run.refused if at < 10.0] == []
    assert run.slowest(20.0, 35.0) <= 3.0 * MAX_DELAY


# ---- by what is measured


def test_all_calls_may_come_at_first() -> None:
    assert all(control().may_begin() for _ in range(1000))


@pytest.mark.parametrize("seconds", [1.0, 60.0])
def test_late_loop_lets_in_a_few_calls_at_a_time(seconds: float) -> None:
    controlled = control()
    Probes(controlled).run(seconds, lag=LATE)

    take(controlled, FEW - 1, 1.0)
    assert controlled.may_begin()
    take(controlled, 1, 2.0)

    assert not controlled.may_begin()


def test_loop_that_stood_still_once_refuses_nothing() -> None:
    controlled = control()
    probes = Probes(controlled)
    probes.run(1.0, lag=0.0)

    probes.run(PROBE_INTERVAL, lag=5.0)
    probes.run(1.0, lag=0.0)

    assert not is_limiting(controlled)


def test_one_old_call_among_few_refuses_nothing() -> None:
    controlled = control()
    probes = Probes(controlled)
    take(controlled, FEW - 1, 0.0)

    probes.run(9.0, lag=0.0)

    assert not is_limiting(controlled)
    assert controlled.delay == 0.0


def test_calls_that_are_in_hand_too_long_limit_their_number() -> None:
    controlled = control()
    probes = Probes(controlled)
    take(controlled, 100, 0.0)

    probes.run(MAX_DELAY / 2.0, lag=0.0)
    assert not is_limiting(controlled)
    probes.run(MAX_DELAY / 2.0, lag=0.0)

    assert controlled.limit is not None
    assert controlled.limit < 100.0
    assert not controlled.may_begin()


def test_age_of_the_middle_call_counts_and_not_that_of_the_oldest() -> None:
    controlled = control()
    probes = Probes(controlled)
    take(controlled, 3, 0.0)
    probes.run(9.0, lag=0.0)
    take(controlled, 10, probes.now)

    probes.run(PROBE_INTERVAL, lag=0.0)

    assert controlled.delay == pytest.approx(2.0 * PROBE_INTERVAL)


def test_call_that_is_released_makes_room() -> None:
    controlled = control()
    Probes(controlled).run(1.0, lag=LATE)
    one, *_ = take(controlled, FEW, 1.0)
    controlled.take(one, 2.0)
    assert not controlled.may_begin()

    controlled.release(one)
    controlled.release(one)

    assert controlled.in_hand == FEW - 1
    assert controlled.may_begin()


def test_lateness_has_to_last_before_a_call_is_refused() -> None:
    controlled = control()
    probes = Probes(controlled)
    probes.run(1.0, lag=0.0)

    probes.run(PATIENCE, lag=LATE)
    assert not is_limiting(controlled)
    probes.run(PATIENCE + PROBE_INTERVAL + LATE, lag=LATE)

    assert is_limiting(controlled)


def test_limit_goes_once_calls_are_fast_and_nobody_was_refused_for_a_while() -> None:
    controlled = control()
    probes = Probes(controlled)
    probes.run(1.0, lag=LATE)

    probes.run(CALM, lag=0.0)
    assert is_limiting(controlled)
    probes.run(3.0 * PROBE_INTERVAL, lag=0.0)

    assert not is_limiting(controlled)


def test_limit_grows_only_while_calls_meet_it() -> None:
    controlled = control()
    probes = Probes(controlled)
    take(controlled, 40, 0.0)
    probes.run(2.0, lag=0.0)
    for call_id in [CallId(f"0.0-{number}") for number in range(40)]:
        controlled.release(call_id)
    limit = controlled.limit
    assert limit is not None

    probes.run(PROBE_INTERVAL, lag=0.0)
    assert controlled.limit == limit
    take(controlled, 100, probes.now)
    assert not controlled.may_begin()
    probes.run(PROBE_INTERVAL, lag=0.0)

    assert controlled.limit > limit


@given(
    st.lists(
        st.tuples(st.floats(0.0, 30.0, allow_nan=False), st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 5.0)),
        max_size=60,
    )
)
@example([(0.0, 0, 0, 0.1), (1e-300, 0, 0, 0.1)])
def test_whatever_is_measured_a_few_calls_at_a_time_are_taken(
    story: list[tuple[float, int, int, float]],
) -> None:
    controlled, now, calls = control(), 0.0, list[CallId]()
    for number, (lag, came, went, passed) in enumerate(story):
        now += passed
        calls += [CallId(f"{number}-{one}") for one in range(came)]
        for call_id in calls[len(calls) - came :]:
            if controlled.may_begin():
                controlled.take(call_id, now)
        for call_id in calls[:went]:
            controlled.release(call_id)
        del calls[:went]
        controlled.probe(lag, now)

        assert controlled.delay >= 0.0
        assert controlled.limit is None or controlled.limit >= FEW

    for call_id in calls:
        controlled.release(call_id)
    assert controlled.in_hand == 0
    assert controlled.may_begin()
