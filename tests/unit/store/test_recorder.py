"""Facts become records without anybody waiting."""

import asyncio
from pathlib import Path

import pytest

from gateway.domain.facts import CallAnswered, CallHeld, CallRinging, Fact
from gateway.domain.ids import LegName
from gateway.store import recorder as recorder_module
from gateway.store.calls import Calls
from gateway.store.database import Database
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
        await recorder.stop()

    record = await Calls(database).get(CALL)
    assert written == facts
    assert (record.codec_a, record.cause) == ("opus", "NORMAL_CLEARING")


async def test_fact_that_cannot_be_written_does_not_stop_the_next(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = CallRecorder(Calls(database), keep_calls=100)

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        recorder.record(ended(2))  # never began
        recorder.record(initiated(1))
        await recorder.stop()

    assert (await Calls(database).get(CALL)).caller == "alice"


async def test_full_queue_drops_facts_instead_of_blocking_the_call(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "QUEUE_LIMIT", 2)
    recorder = CallRecorder(Calls(database), keep_calls=100)

    for i in range(1, 5):
        recorder.record(initiated(i))
    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        await recorder.stop()

    assert len(await Calls(database).recent(10)) == 2


async def test_old_records_are_forgotten_as_calls_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_FORGET_EVERY", 4)
    recorder = CallRecorder(Calls(database), keep_calls=1)

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        for i in range(1, 5):
            recorder.record(initiated(i, at=NOON.replace(second=i)))
            recorder.record(ended(i))
        await recorder.stop()

    assert [record.call_id[-1] for record in await Calls(database).recent(10)] == ["4"]


async def test_database_that_went_away_costs_records_and_nothing_else(tmp_path: Path) -> None:
    gone = await Database.open(settings(tmp_path))
    await gone.close()
    (tmp_path / "gateway.db").write_text("garbage" * 1000)
    recorder = CallRecorder(Calls(gone), keep_calls=100)

    async with asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        recorder.record(initiated())
        await recorder.stop()
    await gone.close()
