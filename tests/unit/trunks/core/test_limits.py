"""How many calls a trunk carries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trunks.core.limits import CallLimit, Limit, Over


def test_without_limits_every_call_is_taken_and_counted() -> None:
    limit = CallLimit(max_calls=0, max_calls_per_second=0.0)

    assert [limit.take(0.0) for _ in range(1000)] == [None] * 1000
    assert limit.calls == 1000


def test_a_call_beyond_the_places_is_refused_until_one_is_free() -> None:
    limit = CallLimit(max_calls=2, max_calls_per_second=0.0)
    limit.take(0.0)
    limit.take(0.0)

    refused = limit.take(0.0)
    limit.release()
    taken = limit.take(0.0)

    assert isinstance(refused, Over) and refused.limit is Limit.CALLS
    assert taken is None
    assert limit.calls == 2


def test_a_second_of_calls_may_come_at_once_and_no_more() -> None:
    limit = CallLimit(max_calls=0, max_calls_per_second=3.0)

    outcomes = [limit.take(10.0) for _ in range(4)]

    assert outcomes == [None, None, None, Over(Limit.RATE, 1)]
    assert limit.take(10.3) == Over(Limit.RATE, 1)
    assert limit.take(10.34) is None


@pytest.mark.parametrize(("rate", "wait"), [(0.1, 10), (0.5, 2), (1.0, 1), (100.0, 1)])
def test_the_caller_is_told_when_there_will_be_room(rate: float, wait: int) -> None:
    limit = CallLimit(max_calls=0, max_calls_per_second=rate)
    while (over := limit.take(0.0)) is None:
        pass

    assert over == Over(Limit.RATE, wait)
    assert limit.take(float(wait)) is None


def test_a_call_refused_for_want_of_places_costs_no_turn() -> None:
    limit = CallLimit(max_calls=1, max_calls_per_second=2.0)
    limit.take(0.0)
    for _ in range(10):
        limit.take(0.0)
    limit.release()

    assert limit.take(0.0) is None


@given(rate=st.floats(0.1, 50.0), gaps=st.lists(st.floats(0.0, 2.0), max_size=100))
def test_no_stretch_of_time_carries_more_than_rate_and_burst_allow(rate: float, gaps: list[float]) -> None:
    limit = CallLimit(max_calls=0, max_calls_per_second=rate)
    now, taken = 0.0, 0

    for gap in gaps:
        now += gap
        taken += limit.take(now) is None

    assert taken <= now * rate + max(1.0, rate) + 1e-6
