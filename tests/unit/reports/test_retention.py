"""How long reports are kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.reports import retention as module
from gateway.reports.archive import Archive
from gateway.reports.objects import Entry, ReportStoreDown
from gateway.reports.retention import Retention, doomed
from gateway.reports.settings import ReportSettings
from tests.fakes.objects import MemoryStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def entry(age: float, size: int = 10, key: str = "") -> Entry:
    return Entry(key or f"call/{age}", size, NOW - age * DAY)


def test_what_is_older_than_the_limit_goes_oldest_first() -> None:
    entries = [entry(1), entry(9), entry(2.0), entry(8)]

    assert doomed(entries, now=NOW, keep=2 * DAY, max_bytes=1000) == [(entry(9), "age"), (entry(8), "age")]


def test_a_full_store_loses_its_oldest_down_to_nine_tenths() -> None:
    entries = [entry(age, size=10) for age in range(11)]

    found = doomed(entries, now=NOW, keep=100 * DAY, max_bytes=100)

    assert found == [(entry(10), "size"), (entry(9), "size")]


def test_a_store_that_is_just_full_loses_nothing() -> None:
    assert doomed([entry(age) for age in range(10)], now=NOW, keep=100 * DAY, max_bytes=100) == []


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50)), max_size=30), st.integers(1, 500), st.floats(0.1, 20))
def test_what_stays_is_young_and_fits(drawn: list[tuple[float, int]], max_bytes: int, days: float) -> None:
    entries = [entry(age, size, f"call/{number}") for number, (age, size) in enumerate(drawn)]

    gone = {one for one, _ in doomed(entries, now=NOW, keep=days * DAY, max_bytes=max_bytes)}

    kept = [one for one in entries if one not in gone]
    assert sum(one.size for one in kept) <= max_bytes
    assert all(NOW - one.modified_at <= days * DAY for one in kept)


def made(store: MemoryStore, **settings: Any) -> tuple[Retention, Archive]:  # Any: settings by name
    archive = Archive(store)
    retention = Retention(ReportSettings(**settings), archive, clock=lambda: NOW)
    archive.on_stored = retention.stored
    return retention, archive


def fill(store: MemoryStore, *entries: Entry) -> None:
    for one in entries:
        store.objects[one.key] = (b"x" * one.size, one)


async def test_a_run_removes_what_is_old_at_once() -> None:
    store = MemoryStore()
    fill(store, entry(20, key="old/0"), entry(1, key="young/0"))
    retention, _ = made(store, keep_days=14.0)

    async with asyncio.TaskGroup() as group:
        group.create_task(retention.run())
        await store.until(lambda: "old/0" not in store.objects)
        retention.stop()

    assert set(store.objects) == {"young/0"}


async def test_a_store_that_overflows_between_two_looks_is_looked_at_again() -> None:
    store = MemoryStore()
    retention, archive = made(store, max_total_bytes=100, cleanup_interval=3600.0)

    async with asyncio.TaskGroup() as group:
        group.create_task(retention.run())
        fill(store, entry(2, 90, key="old/0"), entry(1, 20, key="young/0"))
        archive.on_stored(110)
        await store.until(lambda: "old/0" not in store.objects)
        retention.stop()

    assert set(store.objects) == {"young/0"}


async def test_a_store_that_is_down_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    store = MemoryStore()
    store.is_down = True
    fill(store, entry(20, key="old/0"))
    retention, _ = made(store)

    async with asyncio.TaskGroup() as group:
        group.create_task(retention.run())
        await store.until(lambda: store.refusals > 0)
        store.is_down = False
        await store.until(lambda: not store.objects)
        retention.stop()


async def test_a_clean_up_that_fails_half_way_says_so() -> None:
    store = MemoryStore()
    store.is_down = True

    with pytest.raises(ReportStoreDown):
        await made(store)[0].clean()
