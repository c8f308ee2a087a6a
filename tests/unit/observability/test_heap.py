"""Garbage is found in small portions, and what was there at the start is not looked at."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from gateway.observability import heap
from gateway.observability.heap import HeapCare


class Circle:
    """Refers to itself: only the cycle collector frees it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
async def care(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HeapCare]:
    monkeypatch.setattr(heap, "INTERVAL", 0.01)
    care = HeapCare()
    yield care
    care.stop()


async def test_what_refers_to_itself_is_gone_a_moment_later(care: HeapCare) -> None:
    care.start()
    is_gone = asyncio.Event()

    weakref.finalize(Circle(), is_gone.set)

    async with asyncio.timeout(20):
        await is_gone.wait()


async def test_the_oldest_generation_is_never_collected_behind_our_back(care: HeapCare) -> None:
    care.start()

    assert gc.get_threshold()[2] == heap.NEVER


async def test_what_was_loaded_at_the_start_is_set_aside_until_the_stop(care: HeapCare) -> None:
    before = gc.get_freeze_count()

    care.start()

    assert gc.get_freeze_count() > before
    care.stop()
    assert gc.get_freeze_count() == 0


async def test_python_collects_by_itself_again_after_the_stop(care: HeapCare) -> None:
    thresholds = gc.get_threshold()
    care.start()

    care.stop()
    care.stop()

    assert gc.get_threshold() == thresholds


@pytest.mark.parametrize(
    ("freed", "pause", "intervals"),
    [
        (heap.FEW - 1, 0.0, [16.0, 128.0, 256.0, 256.0]),
        (heap.FEW, 0.0, [2.0, 2.0]),
        (heap.FEW, 0.05, [5.0, 5.0]),
        (heap.FEW, 10.0, [8.0, 8.0]),
        (heap.FEW - 1, 0.5, [50.0, 256.0]),
    ],
    ids=["nothing", "some", "a share of the time", "never too rarely", "little and slowly"],
)
async def test_next_look_comes_by_what_this_one_has_found_and_cost(
    monkeypatch: pytest.MonkeyPatch, freed: int, pause: float, intervals: list[float]
) -> None:
    clock = 0.0

    def collect() -> int:
        nonlocal clock
        clock += pause
        return freed

    monkeypatch.setattr("gateway.observability.heap.time.perf_counter", lambda: clock)
    monkeypatch.setattr("gateway.observability.heap.gc.collect", collect)
    care = HeapCare()

    found = []
    for _ in intervals:
        care._look()
        found.append(care._interval)

    assert found == pytest.approx(intervals)
    care.stop()
