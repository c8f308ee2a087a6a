"""Live calls are noted to be alive."""

import asyncio
from datetime import timedelta

from sqlalchemy import event
from structlog.testing import capture_logs

from gateway.domain.facts import ClientLegClosed
from gateway.domain.ids import VertoCallId
from gateway.store.calls import Calls
from gateway.store.database import Database
from gateway.store.detail_records import DetailRecords
from gateway.store.heartbeat import Heartbeat
from tests.unit.store.samples import NOON, ended, initiated, leg_id, new_leg, opened

LATER = NOON + timedelta(seconds=30)


def _heartbeat(database: Database, interval: float = 5.0) -> Heartbeat:
    return Heartbeat(database, interval=interval, clock=lambda: LATER)


async def test_whatever_lives_is_noted_with_its_call_and_its_legs(database: Database) -> None:
    calls, records, heartbeat = Calls(database), DetailRecords(database), _heartbeat(database)
    await calls.write([initiated(1)])
    await records.write([new_leg(1), new_leg(2)])
    heartbeat.take(initiated(1))
    heartbeat.take_leg(opened(1))
    heartbeat.take_leg(opened(2))
    heartbeat.take_leg(ClientLegClosed(leg_id=leg_id(2), at=NOON, verto_call_id=VertoCallId("v")))

    await heartbeat.beat()

    assert (await calls.get(initiated(1).call_id)).alive_at == LATER
    assert {leg.leg_id: leg.alive_at for leg in await records.open_legs()} == {leg_id(1): LATER, leg_id(2): NOON}


async def test_nothing_is_written_while_nobody_talks(database: Database) -> None:
    heartbeat = _heartbeat(database)
    begun: list[object] = []
    event.listen(database._engine.sync_engine, "begin", begun.append)
    heartbeat.take(initiated(1))
    heartbeat.take(ended(1))

    await heartbeat.beat()

    assert begun == []


async def test_it_beats_by_itself_until_it_is_stopped(database: Database) -> None:
    calls, heartbeat, beaten = Calls(database), _heartbeat(database, 0.01), asyncio.Event()
    await calls.write([initiated(1)])
    heartbeat.take(initiated(1))
    event.listen(database._engine.sync_engine, "commit", lambda _connection: beaten.set())

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(heartbeat.run())
        await beaten.wait()
        heartbeat.stop()

    assert (await calls.get(initiated(1).call_id)).alive_at == LATER


async def test_database_that_is_gone_is_told_of_once_and_beating_goes_on(
    database: Database,
) -> None:
    heartbeat, failed, count = _heartbeat(database, 0.01), asyncio.Event(), 0

    def began(_connection: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            failed.set()
        raise OSError("no disk")

    event.listen(database._engine.sync_engine, "begin", began)
    heartbeat.take(initiated(1))

    with capture_logs() as lines:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(heartbeat.run())
            await failed.wait()
            heartbeat.stop()

    assert [line["event"] for line in lines] == ["heartbeat_not_written"]
