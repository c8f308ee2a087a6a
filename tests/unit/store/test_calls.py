"""Call records."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.facts import CallAnswered, CallHeld, CallRinging, CallTransferred, Fact, TransferKind
from gateway.domain.ids import CallId, Direction, LegName
from gateway.store.calls import Calls
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.heartbeat import Heartbeat
from tests.unit.store.samples import NOON, ended, initiated

CALL = initiated().call_id


def _after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


async def test_record_of_a_call_holds_every_stage_of_it(database: Database) -> None:
    calls = Calls(database)

    await calls.write([initiated()])
    await calls.write([CallRinging(call_id=CALL, at=NOON + _after(0.5))])
    await calls.write([CallAnswered(call_id=CALL, at=NOON + _after(2.5), codec_a="opus", codec_b="PCMU")])
    await calls.write([ended(at=NOON + _after(12.5))])

    record = await calls.get(CALL)
    assert (record.direction, record.caller, record.callee) == (Direction.OUTBOUND, "alice", "+12025550100")
    assert (record.started_at, record.ringing_at, record.answered_at, record.ended_at) == (
        NOON,
        NOON + _after(0.5),
        NOON + _after(2.5),
        NOON + _after(12.5),
    )
    assert (record.duration_s, record.billed_s, record.codec_a, record.codec_b) == (12.5, 10.0, "opus", "PCMU")
    assert (record.cause, record.cause_code, record.sip_status) == ("NORMAL_CLEARING", 16, 486)
    assert (record.ended_by, record.trunk, record.sip_call_id) == (LegName.B, "carrier", "x@host")
    assert record.stages == {"ringing": 0.5, "answered": 2.5}
    assert record.media == {"a_packets_received": 600.0}
    assert record.quality == {"a": {"inbound": {"packets": 600, "mos": 4.2}, "warnings": ["no_sound"]}}


async def test_record_exists_from_the_beginning_of_a_call(database: Database) -> None:
    await Calls(database).write([initiated()])

    record = await Calls(database).get(CALL)

    assert record.ended_at is None
    assert record.stages == {}
    assert (record.session_id, record.verto_call_id) == ("6a1f", "b1c2")


async def test_record_of_a_transferred_call_names_everybody(database: Database) -> None:
    calls = Calls(database)
    await calls.write([initiated()])
    for leg, kind, successor in (
        (LegName.A, TransferKind.BLIND, "carol"),
        (LegName.B, TransferKind.ATTENDED, "dave"),
    ):
        former = "alice" if leg is LegName.A else "+12025550100"
        await calls.write(
            [CallTransferred(call_id=CALL, at=NOON, kind=kind, leg=leg, former=former, successor=successor)]
        )

    record = await calls.get(CALL)

    assert (record.caller, record.callee) == ("carol", "dave")
    assert [(one["kind"], one["leg"], one["former"], one["successor"]) for one in record.transfers] == [
        ("blind", "a", "alice", "carol"),
        ("attended", "b", "+12025550100", "dave"),
    ]


async def test_call_cannot_begin_twice(database: Database) -> None:
    await Calls(database).write([initiated()])

    with pytest.raises(Duplicate):
        await Calls(database).write([initiated()])


async def test_facts_that_are_written_together_make_the_record_that_they_make_one_by_one(database: Database) -> None:
    calls = Calls(database)

    def facts(number: int) -> list[Fact]:
        call_id = initiated(number).call_id
        transfer = CallTransferred(
            call_id=call_id, at=NOON, kind=TransferKind.BLIND, leg=LegName.A, former="alice", successor="carol"
        )
        return [
            initiated(number),
            CallRinging(call_id=call_id, at=NOON + _after(0.5)),
            CallAnswered(call_id=call_id, at=NOON + _after(2.5), codec_a="opus", codec_b="PCMU"),
            CallHeld(call_id=call_id, at=NOON + _after(3.5), leg=LegName.A, is_held=True),
            transfer,
            replace(transfer, former="carol", successor="dave"),
            ended(number, at=NOON + _after(12.5)),
        ]

    for fact in facts(1):
        await calls.write([fact])
    await calls.write(facts(2))
    await calls.write([*facts(3)[:4], *facts(4)[:1]])
    await calls.write([*facts(4)[1:], *facts(3)[4:]])

    alone, *together = [await calls.get(initiated(number).call_id) for number in (1, 2, 3, 4)]
    assert alone.caller == "dave"
    assert len(alone.transfers) == 2
    assert together == [replace(alone, call_id=record.call_id) for record in together]


async def test_call_that_has_a_record_already_keeps_all_of_its_company_from_being_written(database: Database) -> None:
    await Calls(database).write([initiated(1)])

    with pytest.raises(Duplicate):
        await Calls(database).write([initiated(2), initiated(1)])

    assert [record.call_id for record in await Calls(database).recent(10)] == [initiated(1).call_id]


async def test_news_of_an_unknown_call_says_nothing(database: Database) -> None:
    transfer = CallTransferred(
        call_id=CALL, at=NOON, kind=TransferKind.BLIND, leg=LegName.A, former="alice", successor="carol"
    )

    await Calls(database).write([CallRinging(call_id=CALL, at=NOON), transfer, ended()])

    with pytest.raises(NotFound):
        await Calls(database).get(CALL)


async def test_recent_calls_come_newest_first_and_page_without_gap_or_repeat(database: Database) -> None:
    calls = Calls(database)
    for i in range(1, 8):
        # Three calls begin in one instant: the page break falls between them.
        await calls.write([initiated(i, at=NOON + _after(i // 3))])

    pages: list[tuple[str, ...]] = []
    before: CallId | None = None
    while page := await calls.recent(2, before):
        pages.append(tuple(record.call_id[-1] for record in page))
        before = page[-1].call_id

    assert pages == [("7", "6"), ("5", "4"), ("3", "2"), ("1",)]


async def test_page_after_a_call_that_is_gone_is_empty(database: Database) -> None:
    await Calls(database).write([initiated()])

    assert await Calls(database).recent(10, CallId("gone")) == ()


async def test_calls_left_open_by_a_crash_end_when_they_were_last_seen_alive(database: Database) -> None:
    calls, heartbeat = Calls(database), Heartbeat(database, interval=5.0, clock=lambda: NOON + _after(60))
    for number in (1, 2, 3):
        await calls.write([initiated(number)])
    await calls.write([CallAnswered(call_id=initiated(1).call_id, at=NOON + _after(5), codec_a="opus", codec_b="")])
    await calls.write([ended(2, at=NOON)])
    heartbeat.take(initiated(1))
    heartbeat.take(initiated(2))  # its end has been written, and not been told yet
    await heartbeat.beat()

    closed = await calls.close_orphans()

    talked, complete, fresh = [await calls.get(initiated(number).call_id) for number in (1, 2, 3)]
    assert closed == 2
    assert (talked.ended_at, talked.cause, talked.cause_code) == (NOON + _after(60), "SYSTEM_SHUTDOWN", 501)
    assert (talked.duration_s, talked.billed_s) == (60.0, 55.0)
    assert (complete.ended_at, complete.cause) == (NOON, "NORMAL_CLEARING")
    assert (fresh.ended_at, fresh.duration_s, fresh.billed_s) == (NOON, 0.0, 0.0)
    assert await calls.close_orphans() == 0


async def test_oldest_records_are_forgotten_but_never_a_live_call(database: Database) -> None:
    calls = Calls(database)
    for i in range(1, 6):
        await calls.write([initiated(i, at=NOON + _after(i))])
        if i != 1:
            await calls.write([ended(i)])

    forgotten = await calls.forget_all_but(2)

    assert forgotten == 2
    assert [record.call_id[-1] for record in await calls.recent(10)] == ["5", "4", "1"]
    assert await calls.forget_all_but(2) == 0


async def test_caller_of_any_text_is_kept_without_breaking_the_database(database: Database) -> None:
    hostile = "a\x00b\ud800" + "x" * 300

    await Calls(database).write([initiated(caller=hostile)])

    kept = (await Calls(database).get(CALL)).caller
    assert kept.startswith("a�b?xxx")
    assert len(kept) == 256
