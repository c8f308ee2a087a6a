"""Ranges of dates by name."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.core.date_range import MAX_DAYS, NAMES, PATTERN, bounds

SUNDAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("name", "first", "behind"),
    [
        ("yesterday", "2026-02-28", "2026-03-01"),
        ("today", "2026-03-01", "2026-03-02"),
        ("tomorrow", "2026-03-02", "2026-03-03"),
        ("last_week", "2026-02-16", "2026-02-23"),
        ("this_week", "2026-02-23", "2026-03-02"),
        ("next_week", "2026-03-02", "2026-03-09"),
        ("last_month", "2026-02-01", "2026-03-01"),
        ("this_month", "2026-03-01", "2026-04-01"),
        ("next_month", "2026-04-01", "2026-05-01"),
        ("last_1_days", "2026-02-28", "2026-03-02"),
        ("last_7_days", "2026-02-22", "2026-03-02"),
    ],
)
def test_range_reaches_from_midnight_to_midnight_in_utc(name: str, first: str, behind: str) -> None:
    found = bounds(name, SUNDAY)

    assert re.fullmatch(PATTERN, name)
    assert found == (datetime.fromisoformat(f"{first}T00:00:00Z"), datetime.fromisoformat(f"{behind}T00:00:00Z"))


@pytest.mark.parametrize("today", [date(2026, 1, 31), date(2026, 12, 31), date(2024, 2, 29)])
def test_months_follow_one_another_over_the_turn_of_the_year(today: date) -> None:
    last, this, following = (bounds(f"{which}_month", today) for which in ("last", "this", "next"))

    assert last is not None
    assert this is not None
    assert following is not None
    assert (last[1], this[1]) == (this[0], following[0])
    assert this[0].date() <= today < this[1].date()


@pytest.mark.parametrize(
    "name",
    ["", "Today", "today ", "last_days", "last_0_days", "last_-1_days", f"last_{MAX_DAYS + 1}_days", "last_year"],
)
def test_any_other_name_is_no_range(name: str) -> None:
    assert bounds(name, SUNDAY) is None
    assert not re.fullmatch(PATTERN, name)


@given(st.sampled_from([*NAMES, "last_7_days"]), st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_today_is_in_exactly_the_ranges_that_say_so(name: str, today: date) -> None:
    found = bounds(name, today)

    assert found is not None
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    assert (found[0] <= now < found[1]) == (name in ("today", "this_week", "this_month", "last_7_days"))
    assert timedelta(days=1) <= found[1] - found[0] <= timedelta(days=31)
