"""Facts of clients' legs become priced detail records without anybody waiting."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from gateway.accounts import detail_recorder as module
from gateway.accounts.core.rating import Tariff
from gateway.accounts.detail_recorder import DetailRecorder
from gateway.accounts.lookups import Lookups
from gateway.domain.facts import ClientLegAnswered, ClientLegClosed, ClientLegFact
from gateway.domain.ids import Direction, VertoCallId
from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.detail_records import DetailRecord, DetailRecords, FinishedLeg, NewLeg
from gateway.store.errors import StoreUnavailable
from gateway.store.heartbeat import Heartbeat
from gateway.store.paging import Page
from tests.unit.store.samples import NOON, connection, leg_id, new_leg, opened

TARIFF = Tariff(default=Decimal("0.002"), by_prefix={"1202": Decimal("0.01")})


def answered(number: int = 1, *, after: float = 5.0) -> ClientLegAnswered:
    return ClientLegAnswered(leg_id=leg_id(number), at=NOON + timedelta(seconds=after))


def closed(number: int = 1, *, after: float = 95.0, verto_call_id: str = "b1c2") -> ClientLegClosed:
    at = NOON + timedelta(seconds=after)
    return ClientLegClosed(leg_id=leg_id(number), at=at, verto_call_id=VertoCallId(verto_call_id))


@asynccontextmanager
async def running(recorder: DetailRecorder) -> AsyncIterator[None]:
    """Everything that is recorded in the block is written when it ends."""
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(recorder.run())
        try:
            yield
        finally:
            recorder.stop()


def recording(database: Database, records: DetailRecords | None = None, *, keep: int = 100) -> DetailRecorder:
    return DetailRecorder(records or DetailRecords(database), Lookups(database), TARIFF, keep=keep)


async def written(database: Database, facts: Sequence[ClientLegFact]) -> tuple[DetailRecord, ...]:
    records, recorder = DetailRecords(database), recording(database)
    async with running(recorder):
        for fact in facts:
            recorder.record(fact)
    return (await records.page(Page(size=50), sort=(("started_at", False), ("leg_id", False)))).rows


async def test_leg_of_a_caller_is_billed_by_its_destination_in_whole_minutes(database: Database) -> None:
    (record,) = await written(database, [opened(), answered(), closed()])

    assert (record.call_s, record.billed_s) == (90, 120)
    assert (record.rate, record.cost, record.currency) == ("0.01", "0.02", "USD")
    assert (record.country_code, record.source_country_code) == (1, 1)
    assert (record.started_at, record.answered_at, record.finished_at) == (NOON, answered().at, closed().at)


async def test_number_is_read_as_the_connection_has_it_and_billed_by_its_country(database: Database) -> None:
    row = replace(connection(1), settings={"tags": ["lab", "desk"], "outbound": {"localization": "GB"}})
    await Connections(database).add(row)

    (record,) = await written(database, [opened(cld="02079460000"), answered(), closed()])

    assert (record.cld, record.country_code, record.dest_number) == ("+442079460000", 44, "+1 202 555 0100")
    assert (record.connection_name, record.tags) == ("lab 1", "lab,desk")


async def test_leg_of_a_connection_that_is_gone_has_a_record_all_the_same(database: Database) -> None:
    (record,) = await written(database, [opened(connection_id="1500000000000000999"), closed()])

    assert (record.connection_id, record.connection_name, record.tags) == ("1500000000000000999", None, "")


async def test_leg_of_a_called_client_has_the_default_price_whatever_its_number(database: Database) -> None:
    inbound = opened(direction=Direction.INBOUND)

    (record,) = await written(database, [inbound, answered(), closed()])

    assert (record.rate, record.cost) == ("0.002", "0.004")


async def test_leg_that_was_never_connected_has_a_record_of_no_seconds_and_no_cost(database: Database) -> None:
    (record,) = await written(database, [opened(cld="robert"), closed()])

    assert (record.call_s, record.billed_s, record.rate, record.cost) == (0, 0, "0.002", "0")
    assert (record.answered_at, record.country_code) == (None, None)


async def test_record_has_the_call_id_by_which_the_client_knew_the_call_in_the_end(database: Database) -> None:
    (record,) = await written(database, [opened(), answered(), closed(verto_call_id="another")])

    assert record.verto_call_id == "another"


async def test_each_leg_of_many_calls_has_its_own_record(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 7)
    facts: list[ClientLegFact] = []
    for number in range(1, 31):
        facts += [opened(number), answered(number), closed(number, after=5 + number)]

    rows = await written(database, facts)

    assert [row.call_s for row in rows] == list(range(1, 31))
    assert len({row.channel_id for row in rows}) == 30


class Failing(DetailRecords):
    """Fails as often as it is told to; with `writes_all_the_same` the database did what it did not confirm."""

    def __init__(self, database: Database, *, times: int, writes_all_the_same: bool = False) -> None:
        super().__init__(database)
        self.times, self.writes_all_the_same = times, writes_all_the_same
        self.is_up = asyncio.Event()

    async def write(
        self,
        opened: Sequence[NewLeg] = (),
        answered: Sequence[ClientLegAnswered] = (),
        finished: Sequence[FinishedLeg] = (),
    ) -> None:
        self.times -= 1
        if self.times < 0 or self.writes_all_the_same:
            await super().write(opened, answered, finished)
        if self.times >= 0:
            raise StoreUnavailable("locked")
        self.is_up.set()


@pytest.mark.parametrize("writes_all_the_same", [False, True])
async def test_database_that_is_down_for_a_while_costs_no_record(
    database: Database, monkeypatch: pytest.MonkeyPatch, writes_all_the_same: bool
) -> None:
    monkeypatch.setattr(module, "RETRY_AFTER", 0.01)
    records = Failing(database, times=3, writes_all_the_same=writes_all_the_same)
    recorder = recording(database, records)

    with capture_logs() as lines:
        async with running(recorder):
            for fact in (opened(1), answered(1), closed(1), opened(2)):
                recorder.record(fact)
            await records.is_up.wait()
            recorder.record(closed(2))

    rows = (await DetailRecords(database).page(Page())).rows
    assert {row.leg_id: row.call_s for row in rows} == {leg_id(1): 90, leg_id(2): 0}
    assert [line["event"] for line in lines] == ["detail_records_late", "detail_records_caught_up"]


async def test_full_queue_drops_facts_instead_of_blocking_the_call(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUEUE_LIMIT", 2)
    records = DetailRecords(database)

    with capture_logs() as lines:
        rows = await written(database, [opened(1), opened(2), opened(3), closed(1), closed(2)])

    assert rows == ()
    assert len(await records.open_legs()) == 2
    assert [line["event"] for line in lines] == ["detail_records_dropped", "detail_records_caught_up"]
    assert lines[1]["dropped"] == 3


async def test_what_cannot_be_written_at_the_stop_is_said_to_be_lost(database: Database) -> None:
    recorder = recording(database, Failing(database, times=99))

    with capture_logs() as lines:
        async with running(recorder):
            recorder.record(opened(1))

    assert [line["event"] for line in lines] == ["detail_records_dropped"]


async def test_old_records_are_forgotten_as_legs_close(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FORGET_EVERY", 3)
    records = DetailRecords(database)
    recorder = recording(database, keep=1)

    async with running(recorder):
        for number in (1, 2, 3):
            recorder.record(replace(opened(number), at=NOON + timedelta(seconds=number)))
            recorder.record(closed(number))

    assert [row.leg_id for row in (await records.page(Page())).rows] == [leg_id(3)]


async def test_legs_of_a_process_that_died_are_closed_as_of_when_they_were_last_seen_alive(database: Database) -> None:
    records = DetailRecords(database)
    recorder = recording(database, records)
    seen = NOON + timedelta(seconds=75)
    heartbeat = Heartbeat(database, interval=5.0, clock=lambda: seen)
    await records.write([new_leg(1), new_leg(2), new_leg(3)], [answered(1), answered(2)])
    heartbeat.take_leg(opened(1))
    await heartbeat.beat()

    count = await recorder.close_orphans()

    rows = {row.leg_id[-1]: row for row in (await records.page(Page())).rows}
    assert count == 3
    assert [(rows[n].finished_at, rows[n].call_s, rows[n].cost) for n in "123"] == [
        (seen, 70, "0.02"),
        (answered().at, 0, "0.01"),  # it was connected, and died before the first beat
        (NOON, 0, "0"),
    ]
    assert await recorder.close_orphans() == 0
