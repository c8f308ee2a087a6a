"""Calls of the last hour."""

from datetime import UTC, datetime, timedelta

from gateway.accounts.core.frequency import HourlyCounts

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_calls_count_for_exactly_an_hour_and_for_their_key_only() -> None:
    counts = HourlyCounts()
    counts.add("1", NOON)
    counts.add("1", NOON + timedelta(minutes=30))
    counts.add("2", NOON)

    assert counts.count("1", NOON + timedelta(minutes=59, seconds=59)) == 2
    assert counts.count("1", NOON + timedelta(minutes=60)) == 1
    assert counts.count("3", NOON) == 0


def test_nothing_is_kept_of_a_key_whose_calls_are_all_older() -> None:
    counts = HourlyCounts()
    counts.add("1", NOON)

    assert counts.count("1", NOON + timedelta(hours=1)) == 0
    assert len(counts) == 0
