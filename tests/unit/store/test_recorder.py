"""Facts become records without anybody waiting."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.domain.facts import CallAnswered, CallHeld, CallRinging, Fact
from gateway.domain.ids import LegName
from gateway.store import recorder as recorder_module
from gateway.store.calls import Calls
from gateway.store.database import Database
from gateway.store.errors import StoreUnavailable
from gateway.store.recorder import CallRecorder
from tests.unit.store.conftest import settings
from tests.unit.store.samples import NOON, ended, initiated

CALL = initiated().call_id


async def test_facts_are_written_in_order_and_stop_waits_for_the_last(database: Database) -> None:
    written: list[Fact] = []
    recorder = CallRecorder(Calls(database), keep_calls=100, on_written=written.append)
    facts: list[Fact] = [
        initiated(),
        CallRinging(call_id=CALL, at=NOON),
        CallAnswered(call_id=CALL, at=NOON, codec_a="opus", codec_b="opus"),
        CallHeld(call_id=CALL, at=NOON, leg=LegName.A, is_held=True),
        ended(),
    ]

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        for fact in facts:
            recorder.record(fact)
        recorder.stop()

    record = await Calls(database).get(CALL)
    assert written == facts
    assert (record.codec_a, record.cause) == ("opus", "NORMAL_CLEARING")


class Counting(Calls):
    """Counts transactions. Refuses one call, and is told to fail although it writes."""

    def __init__(self, database: Database, *, refused: Sequence[str] = (), failures: int = 0) -> None:
        super().__init__(database)
        self.writes: list[int] = []
        self._refused, self._failures = refused, failures

    async def write(self, facts: Sequence[Fact]) -> None:
        self.writes.append(len(facts))
        if any(fact.call_id in self._refused for fact in facts):
            raise StoreUnavailable("the database refused the row")
        await super().write(facts)
        if self._failures:
            self._failures -= 1
            raise StoreUnavailable("the database did not answer in time")


async def test_facts_that_come_together_are_written_together(database: Database) -> None:
    calls = Counting(database)
    recorder = CallRecorder(calls, keep_calls=100)

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        await asyncio.to_thread(lambda: None)  # it has begun to wait
        for i in range(1, 31):
            recorder.record(initiated(i))
            recorder.record(ended(i))
        recorder.stop()

    assert calls.writes == [60]
    assert all(record.ended_at is not None for record in await calls.recent(100))


async def test_facts_are_written_before_long_though_nobody_stops(database: Database) -> None:
    written = asyncio.Event()
    recorder = CallRecorder(Calls(database), keep_calls=100, on_written=lambda _fact: written.set())

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        recorder.record(initiated())
        await written.wait()
        record = await Calls(database).get(CALL)
        recorder.stop()

    assert record.caller == "alice"


async def test_fact_that_the_database_refuses_costs_no_other(database: Database) -> None:
    recorder = CallRecorder(Counting(database, refused=[initiated(2).call_id]), keep_calls=100)

    with capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            for i in (1, 2, 3):
                recorder.record(initiated(i))
            recorder.stop()

    assert {record.call_id[-1] for record in await Calls(database).recent(10)} == {"1", "3"}
    assert [(line["event"], line["call_id"]) for line in lines] == [("call_record_not_written", initiated(2).call_id)]


async def test_fact_that_was_written_though_the_database_failed_is_no_failure(database: Database) -> None:
    recorder = CallRecorder(Counting(database, failures=1), keep_calls=100)

    with capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            group.create_task(recorder.run())
            recorder.record(initiated(1))
            recorder.record(ended(1))
            recorder.stop()

    assert [record.cause for record in await Calls(database).recent(10)] == ["NORMAL_CLEARING"]
    assert lines == []


async def test_full_queue_drops_facts_instead_of_blocking_the_call(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "QUEUE_LIMIT", 2)
    recorder = CallRecorder(Calls(database), keep_calls=100)

    for i in range(1, 5):
        recorder.record(initiated(i))
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        recorder.stop()

    assert len(await Calls(database).recent(10)) == 2


async def test_old_records_are_forgotten_as_calls_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_FORGET_EVERY", 4)
    recorder = CallRecorder(Calls(database), keep_calls=1)

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        for i in range(1, 5):
            recorder.record(initiated(i, at=NOON.replace(second=i)))
            recorder.record(ended(i))
        recorder.stop()

    assert [record.call_id[-1] for record in await Calls(database).recent(10)] == ["4"]


async def test_database_that_went_away_costs_records_and_nothing_else(tmp_path: Path) -> None:
    gone = await Database.open(settings(tmp_path))
    await gone.close()
    (tmp_path / "gateway.db").write_text("garbage" * 1000)
    recorder = CallRecorder(Calls(gone), keep_calls=100)

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        recorder.record(initiated())
        recorder.stop()
    await gone.close()
