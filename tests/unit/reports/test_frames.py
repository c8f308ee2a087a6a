"""Debug frames: gathered in memory, written in segments."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId
from gateway.reports import frames as module
from gateway.reports.archive import Archive
from gateway.reports.documents import Origin, call_report, debug_frames
from gateway.reports.frames import DATA, START, STOP, DebugFrames
from gateway.reports.grants import Grants
from gateway.reports.settings import ReportSettings
from tests.fakes.objects import MemoryStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
S = SessionId("s")


class Site:
    """A sink over a store in memory, with one session."""

    def __init__(self, **settings: Any) -> None:  # Any: settings by name
        made = ReportSettings(**settings)
        numbers = itertools.count()
        self.grants = Grants(window=60.0, quota=made.max_session_bytes, new_report_id=lambda: f"r{next(numbers)}")
        self.log_in(S)
        self.store = MemoryStore()
        self.archive = Archive(self.store)
        self.frames = DebugFrames(made, self.grants, self.archive, clock=lambda: NOW)

    def log_in(self, session_id: SessionId, connection_id: str = "1") -> None:
        self.grants.issue(session_id, Identity(connection_id=connection_id, credential_id=None, username="u"), now=0.0)

    def take(
        self, kind: str = DATA, *, report_id: str = "d", call_id: str | None = "c", n: object = 0, session_id: str = S
    ) -> None:
        text = json.dumps({"type": kind, "n": n})
        self.frames.take(SessionId(session_id), kind=kind, report_id=report_id, call_id=call_id, text=text)

    def segments(self) -> dict[str, list[object]]:
        """The `n` of the frames of each stored segment."""
        return {
            key: [frame["n"] for frame in json.loads(content)["frames"]]
            for key, (content, _) in sorted(self.store.objects.items())
        }


@asynccontextmanager
async def site(**settings: Any) -> AsyncIterator[Site]:  # Any: settings by name
    made = Site(**settings)
    async with asyncio.TaskGroup() as group:
        group.create_task(made.frames.run())
        try:
            yield made
        finally:
            made.frames.stop()


async def test_frames_are_stored_as_one_segment_when_the_report_stops_twice() -> None:
    async with site() as it:
        it.take(START, n="start")
        it.take(n=1)
        it.take(STOP, n="stop")
        it.take(STOP, n="again")
        await it.store.until(lambda: bool(it.store.objects))

    assert it.segments() == {"c/rtc_stats_reports/0.json": ["start", 1, "stop"]}
    assert it.frames.buffered_bytes == 0


async def test_a_report_that_is_started_again_is_another_segment() -> None:
    async with site() as it:
        for run in range(2):
            it.take(START, n=run)
            it.take(STOP, n=run)

    assert it.segments() == {"c/rtc_stats_reports/0.json": [0, 0], "c/rtc_stats_reports/1.json": [1, 1]}


async def test_a_large_segment_is_written_before_the_report_stops() -> None:
    async with site(segment_bytes=1000) as it:
        for number in range(20):
            it.take(n=number)
        await it.store.until(lambda: bool(it.store.objects))
        first = it.segments()["c/rtc_stats_reports/0.json"]

    assert first == list(range(len(first))) and 1 < len(first) < 20
    assert [n for part in it.segments().values() for n in part] == list(range(20))


async def test_an_old_segment_is_written_before_the_report_stops() -> None:
    async with site(segment_interval=0.05) as it:
        it.take(n=1)
        await it.store.until(lambda: bool(it.store.objects))

    assert it.segments() == {"c/rtc_stats_reports/0.json": [1]}


async def test_what_a_socket_left_is_written_when_it_goes_and_others_go_on() -> None:
    async with site() as it:
        it.log_in(SessionId("t"))
        it.take(n=1)
        it.take(n=2, session_id="t", call_id="other")
        it.frames.socket_over(S)
        await it.store.until(lambda: bool(it.store.objects))
        before = it.segments()

    assert before == {"c/rtc_stats_reports/0.json": [1]}
    assert it.segments()["other/rtc_stats_reports/0.json"] == [2]


async def test_reports_of_several_calls_are_kept_apart() -> None:
    async with site() as it:
        for number in range(3):
            it.take(n=number, report_id=f"d{number}", call_id=f"C{number}")

    assert it.segments() == {f"c{number}/rtc_stats_reports/0.json": [number] for number in range(3)}


async def test_a_call_that_is_named_late_gets_the_frames_before() -> None:
    async with site() as it:
        it.take(START, call_id=None, n="start")
        it.take(call_id="c", n=1)

    assert it.segments() == {"c/rtc_stats_reports/0.json": ["start", 1]}


async def test_a_report_whose_call_is_never_named_is_stored_under_its_own_id() -> None:
    async with site() as it:
        it.take(call_id=None, report_id="D1", n=1)

    assert it.segments() == {"d1/rtc_stats_reports/0.json": [1]}


async def test_a_report_without_a_usable_name_is_not_stored() -> None:
    async with site() as it:
        it.take(call_id="../x", report_id="", n=1)

    assert it.segments() == {}


@pytest.mark.parametrize("kind", ["debug_report_other", STOP])
async def test_frames_that_begin_no_report_are_not_kept(kind: str) -> None:
    async with site() as it:
        it.take(kind)

    assert it.segments() == {}


async def test_sessions_without_reports_leave_nothing() -> None:
    async with site() as it:
        it.take(session_id="nobody")

    assert it.segments() == {}


async def test_memory_is_bounded_and_what_does_not_fit_is_counted() -> None:
    with capture_logs() as lines:
        async with site(max_buffered_bytes=10_000, max_session_bytes=10**9, segment_bytes=10**6) as it:
            it.store.is_down = True
            for number in range(1000):
                it.take(n=number)
                assert it.frames.buffered_bytes <= 10_000
            it.store.is_down = False

    kept = [n for part in it.segments().values() for n in part]
    assert kept == list(range(len(kept))) and 50 < len(kept) < 100
    dropped = sum(line["count"] for line in lines if line["event"] == "debug_frames_dropped")
    assert dropped + len(kept) == 1000


async def test_the_largest_report_is_written_first_when_memory_runs_short() -> None:
    async with site(max_buffered_bytes=10_000, segment_bytes=10**6) as it:
        it.take(report_id="small", call_id="small")
        for number in range(50):
            it.take(n=number, report_id="large", call_id="large")
        await it.store.until(lambda: bool(it.store.objects))
        before = set(it.segments())

    assert before == {"large/rtc_stats_reports/0.json"}


async def test_the_quota_of_the_session_holds_for_its_frames() -> None:
    async with site(max_session_bytes=1000) as it:
        for number in range(50):
            it.take(n=number)

    (kept,) = it.segments().values()
    assert len(kept) < 10


async def test_the_reports_of_a_session_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REPORTS_OF_A_SESSION", 3)
    async with site() as it:
        for number in range(5):
            it.take(report_id=f"d{number}", call_id=f"c{number}")

    assert len(it.segments()) == 3


async def test_a_store_that_comes_back_gets_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    async with site() as it:
        it.store.is_down = True
        it.take(START, n=1)
        it.take(STOP, n=2)
        await it.store.until(lambda: it.store.refusals > 1)
        it.store.is_down = False
        await it.store.until(lambda: bool(it.store.objects))

    assert it.segments() == {"c/rtc_stats_reports/0.json": [1, 2]}


async def test_a_store_that_stays_down_does_not_hold_up_the_end() -> None:
    with capture_logs() as lines:
        async with site(store_timeout=0.05) as it:
            it.store.is_down = True
            it.take(n=1)

    assert [line["count"] for line in lines if line["event"] == "debug_frames_lost"] == [1]


async def test_frames_for_the_call_of_another_connection_are_refused() -> None:
    async with site() as it:
        other = Origin(call_id="c", report_id="x", session_id="x", connection_id="2", username="m")
        await it.archive.add(other, call_report(b"{}", other, NOW))
        it.take(n=1)

    assert set(it.store.objects) == {"c/call_report/final.json"}


async def test_a_defect_costs_one_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(frames: list[str], origin: Origin, *args: Any, **kwargs: Any) -> Any:  # Any: handed on
        if origin.call_id == "bad":
            raise ZeroDivisionError
        return debug_frames(frames, origin, *args, **kwargs)

    monkeypatch.setattr(module, "debug_frames", broken)
    with capture_logs() as lines:
        async with site() as it:
            it.take(report_id="1", call_id="bad")
            it.take(report_id="2", call_id="good")

    assert set(it.segments()) == {"good/rtc_stats_reports/0.json"}
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["debug_frames_lost"]
