"""The health of a trunk by its answers."""

import pytest

from gateway.trunks.core.health import Health, HealthCheck


def after(*outcomes: int | None) -> HealthCheck:
    check = HealthCheck(interval=10.0, now=0.0)
    for outcome in outcomes:
        check.take(outcome, 0.0, random=0.5)
    return check


def test_nothing_is_known_at_first_and_the_first_probe_is_due_at_once() -> None:
    check = HealthCheck(interval=10.0, now=7.0)

    assert (check.health, check.deadline) == (Health.UNKNOWN, 7.0)


@pytest.mark.parametrize("status", [200, 404, 405, 481, 500, 603])
def test_whatever_answers_is_alive(status: int) -> None:
    assert after(status).health is Health.UP


@pytest.mark.parametrize("outcome", [None, 408, 503])
def test_three_silences_in_a_row_are_needed_to_be_down(outcome: int | None) -> None:
    assert after(200, outcome, outcome).health is Health.UP
    assert after(200, outcome, 200, outcome, outcome).health is Health.UP
    assert after(200, outcome, outcome, outcome).health is Health.DOWN
    assert after(outcome, outcome).health is Health.UNKNOWN
    assert after(outcome, outcome, outcome).health is Health.DOWN


def test_two_answers_in_a_row_are_needed_to_be_up_again() -> None:
    assert after(None, None, None, 200).health is Health.DOWN
    assert after(None, None, None, 200, None, 200).health is Health.DOWN
    assert after(None, None, None, 200, 200).health is Health.UP


def test_a_change_is_told_once() -> None:
    check = HealthCheck(interval=10.0, now=0.0)

    told = [check.take(outcome, 0.0, random=0.0) for outcome in (200, 200, None, None, None, None, 200, 200)]

    assert told == [True, False, False, False, True, False, False, True]


@pytest.mark.parametrize(("random", "pause"), [(0.0, 9.0), (0.5, 10.0), (1.0, 11.0)])
def test_probes_are_spread_around_their_interval(random: float, pause: float) -> None:
    check = HealthCheck(interval=10.0, now=0.0)

    check.take(200, 100.0, random=random)

    assert check.deadline == pytest.approx(100.0 + pause)
