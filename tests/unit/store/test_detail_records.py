"""Detail records: written as legs come and go, found by what they say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from gateway.domain.facts import ClientLegAnswered
from gateway.domain.ids import Direction
from gateway.store import detail_records as module
from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.detail_records import Comparison, Condition, DetailRecord, DetailRecords
from gateway.store.errors import Duplicate
from gateway.store.heartbeat import Heartbeat
from gateway.store.paging import Page
from gateway.store.profiles import Profiles
from tests.unit.store.samples import NOON, connection, finished, leg_id, new_leg, opened, profile


def _after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _numbers(records: Sequence[DetailRecord]) -> list[int]:
    return [int(record.leg_id[-12:]) for record in records]


async def _fill(records: DetailRecords, count: int, **changes: object) -> None:
    """Leg n begins n seconds after noon and lasts a minute."""
    legs = [new_leg(number, at=_after(number), **changes) for number in range(1, count + 1)]
    ends = [finished(number, at=_after(number + 60), cost=f"{number}") for number in range(1, count + 1)]
    await records.write(legs, (), ends)


async def _found(records: DetailRecords, *where: Condition) -> list[int]:
    return _numbers((await records.page(Page(), where=where)).rows)


async def test_leg_that_lives_has_no_record_yet(database: Database) -> None:
    records = DetailRecords(database)
    await records.write([new_leg(1), new_leg(2)])
    await records.write(finished=[finished(2)])

    found = await records.page(Page())

    assert (_numbers(found.rows), found.total) == ([2], 1)
    assert [leg.leg_id for leg in await records.open_legs()] == [leg_id(1)]


async def test_record_of_a_finished_leg_is_never_changed_again(database: Database) -> None:
    records, heartbeat = DetailRecords(database), Heartbeat(database, interval=1.0, clock=lambda: _after(999))
    await records.write([new_leg()], [ClientLegAnswered(leg_id=leg_id(), at=_after(5))], [finished(at=_after(55))])
    heartbeat.take_leg(opened())

    await records.write(finished=[finished(at=_after(900), call_s=895)])
    await heartbeat.beat()

    (record,) = (await records.page(Page())).rows
    assert (record.answered_at, record.finished_at, record.call_s) == (_after(5), _after(55), 50)


async def test_all_of_a_batch_is_written_or_nothing(database: Database) -> None:
    records = DetailRecords(database)
    await records.write([new_leg(1)])

    with pytest.raises(Duplicate):
        await records.write([new_leg(2), new_leg(1)])

    assert [leg.leg_id for leg in await records.open_legs()] == [leg_id(1)]


async def test_newest_records_come_first_page_by_page_with_their_total(database: Database) -> None:
    records = DetailRecords(database)
    await _fill(records, 5)

    pages = [await records.page(Page(number=number, size=2)) for number in (1, 2, 3, 4)]

    assert [_numbers(page.rows) for page in pages] == [[5, 4], [3, 2], [1], []]
    assert {page.total for page in pages} == {5}


async def test_amounts_are_sorted_by_value_and_not_as_text(database: Database) -> None:
    records = DetailRecords(database)
    await _fill(records, 11)

    cheapest = await records.page(Page(size=3), sort=(("cost", False),))
    dearest = await records.page(Page(size=3), sort=(("cost", True),))

    assert (_numbers(cheapest.rows), _numbers(dearest.rows)) == ([1, 2, 3], [11, 10, 9])


async def test_records_are_narrowed_down_by_several_columns_at_once(database: Database) -> None:
    records = DetailRecords(database)
    await _fill(records, 3)
    await records.write([new_leg(4, username="robert")], (), [finished(4)])

    alice = await _found(
        records,
        Condition("username", Comparison.IS, "alice1"),
        Condition("call_s", Comparison.IS, 50),
        Condition("verto_call_id", Comparison.IS, "b1c2-2"),
    )

    assert alice == [2]
    assert await _found(records, Condition("username", Comparison.IS, "robert")) == [4]
    assert await _found(records, Condition("username", Comparison.IS, "' OR 1=1 --")) == []


@pytest.mark.parametrize(
    ("comparison", "second", "expected"),
    [
        (Comparison.IS, 2, [2]),
        (Comparison.GTE, 2, [3, 2]),
        (Comparison.GT, 2, [3]),
        (Comparison.LTE, 2, [2, 1]),
        (Comparison.LT, 2, [1]),
    ],
)
async def test_time_without_a_fraction_means_the_whole_second_that_a_record_shows(
    database: Database, comparison: Comparison, second: int, expected: list[int]
) -> None:
    records = DetailRecords(database)
    await _fill(records, 3)  # each at .123456
    shown = _after(second).replace(microsecond=0)

    assert await _found(records, Condition("started_at", comparison, shown)) == expected


async def test_time_with_a_fraction_means_that_instant(database: Database) -> None:
    records = DetailRecords(database)
    await _fill(records, 3)

    assert await _found(records, Condition("started_at", Comparison.GT, _after(2))) == [3]
    assert await _found(records, Condition("started_at", Comparison.IS, _after(2))) == [2]
    assert await _found(records, Condition("started_at", Comparison.LTE, _after(2))) == [2, 1]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_batches_hold_every_record_once_also_of_legs_that_began_together(
    database: Database, newest_first: bool
) -> None:
    records = DetailRecords(database)
    await records.write([new_leg(n, at=_after(n // 3)) for n in range(1, 9)], (), [finished(n) for n in range(1, 9)])

    read = [_numbers(batch) async for batch in records.batches(newest_first=newest_first, size=4)]

    numbers = [1, 2, 3, 4, 5, 6, 7, 8]
    assert [number for batch in read for number in batch] == (numbers[::-1] if newest_first else numbers)
    assert [len(batch) for batch in read] == [4, 4]


async def test_oldest_records_are_forgotten_some_at_a_time_but_no_live_leg(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FORGET_AT_ONCE", 2)
    records = DetailRecords(database)
    await _fill(records, 7)
    await records.write([new_leg(99, at=NOON)])

    forgotten = await records.forget_all_but(2)

    assert forgotten == 5
    assert _numbers((await records.page(Page())).rows) == [7, 6]
    assert len(await records.open_legs()) == 1
    assert await records.forget_all_but(2) == 0


async def test_text_of_clients_is_cut_to_the_column_and_freed_of_what_no_database_takes(database: Database) -> None:
    records = DetailRecords(database)

    await records.write([new_leg(cld="a\x00\ud800" + "x" * 400, verto_call_id="v" * 300)], (), [finished()])

    (record,) = (await records.page(Page())).rows
    assert record.cld.startswith("a\ufffd?xx")
    assert len(record.cld) == 256


async def test_profile_has_spent_what_its_connections_calls_out_have_cost_since(database: Database) -> None:
    records, connections = DetailRecords(database), Connections(database)
    await Profiles(database).add(made := profile())
    mine = replace(connection(1), outbound_voice_profile_id=made.profile_id)
    for one in (mine, connection(2)):
        await connections.add(one)
    out, other = Direction.OUTBOUND, connection(2).connection_id
    legs = [
        new_leg(1, connection_id=mine.connection_id, direction=out),  # ended before
        new_leg(2, connection_id=mine.connection_id, direction=out),
        new_leg(3, connection_id=mine.connection_id, direction=Direction.INBOUND),
        new_leg(4, connection_id=other, direction=out),
        new_leg(5, connection_id=mine.connection_id, direction=out),
        new_leg(6, connection_id=mine.connection_id, direction=out),  # lives
    ]
    ends = [finished(number, at=_after(number), cost=f"0.{number:06}") for number in range(1, 6)]
    await records.write(legs, (), ends)

    assert await records.spent(made.profile_id, since=_after(2)) == Decimal("0.000007")
    assert await records.spent("2", since=_after(2)) == 0
