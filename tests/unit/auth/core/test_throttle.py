"""How often somebody may be wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.core.throttle import Throttle, network_of


def test_failures_up_to_the_limit_are_listened_to() -> None:
    throttle = Throttle(3, 60.0)

    shut_out = [throttle.fail("a", 0.0) for _ in range(3)]

    assert shut_out == [False, False, True]
    assert throttle.wait("a", 0.0) == pytest.approx(20.0)
    assert throttle.wait("b", 0.0) == 0.0


def test_one_more_try_is_free_after_its_share_of_the_window() -> None:
    throttle = Throttle(3, 60.0)
    for _ in range(3):
        throttle.fail("a", 0.0)

    assert throttle.wait("a", 19.9) > 0
    assert throttle.wait("a", 20.0) == 0.0
    throttle.fail("a", 20.0)
    assert throttle.wait("a", 20.0) == pytest.approx(20.0)


def test_hammering_does_not_lengthen_the_wait_without_bound() -> None:
    throttle = Throttle(3, 60.0)

    for _ in range(1000):
        throttle.fail("a", 0.0)

    assert throttle.wait("a", 0.0) == pytest.approx(20.0)


def test_being_shut_out_is_reported_once_a_period() -> None:
    throttle = Throttle(2, 60.0)

    seconds = (0.0, 1.0, 2.0, 32.0, 60.0, 61.0, 62.0, 121.0)

    reported = [second for second in seconds if throttle.fail("a", second)]

    assert reported == [1.0, 61.0, 121.0]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_no_more_than_the_limit_and_what_drains_meanwhile_gets_through(pauses: list[float]) -> None:
    throttle, now, passed = Throttle(3, 60.0), 0.0, 0

    for pause in pauses:
        now += pause
        if throttle.wait("a", now) == 0:
            throttle.fail("a", now)
            passed += 1

    assert passed <= 3 + now / 20.0 + 1e-6


def test_right_answer_forgives() -> None:
    throttle = Throttle(2, 60.0)
    throttle.fail("a", 0.0)

    throttle.forgive("a")

    assert throttle.fail("a", 0.0) is False
    assert len(throttle) == 1


def test_quiet_ones_are_forgotten() -> None:
    throttle = Throttle(2, 60.0)
    throttle.fail("a", 0.0)

    assert throttle.wait("a", 1000.0) == 0.0
    assert len(throttle) == 0


def test_limit_of_zero_allows_anything() -> None:
    throttle = Throttle(0, 60.0)

    assert [throttle.fail("a", 0.0) for _ in range(10)] == [False] * 10
    assert len(throttle) == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 1000)), max_size=200))
def test_table_stays_within_its_bound_whoever_fails(failures: list[tuple[int, float]]) -> None:
    throttle = Throttle(3, 60.0, max_entries=7)

    for key, at in sorted(failures, key=lambda one: one[1]):
        throttle.fail(str(key), at)

    assert len(throttle) <= 7


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_customer_counts_as_one_address(peer: str, network: str) -> None:
    assert network_of(peer) == network
