"""Call records: made when a call begins, completed as its facts come in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.causes import SYSTEM_SHUTDOWN
from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRinging, CallTransferred, Fact
from gateway.domain.ids import CallId, Direction, LegName
from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.schema import calls
from gateway.store.storable import storable
from gateway.store.visits import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """What is known of a call. Times are aware, in UTC; `None` is what did not happen, or not yet.

    Attributes:
        duration_s: seconds from the start to the end, of a call that the gateway died with as far as is known.
        alive_at: when it was last noted to live, None for a short one.
        ended_by: the leg that hung up; None when the gateway did.
        stages: seconds from the start to each stage that was reached.
        transfers: oldest first; `caller` and `callee` are those who sat there last.
        media: figures of the two legs at the end.
        quality: how good each leg was, by its letter; see `media.quality`.
    """

    call_id: CallId
    direction: Direction
    caller: str
    callee: str
    connection_id: str | None
    session_id: str | None
    verto_call_id: str | None
    sip_call_id: str | None
    trunk: str | None
    started_at: datetime
    ringing_at: datetime | None
    answered_at: datetime | None
    alive_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    billed_s: float | None
    cause: str | None
    cause_code: int | None
    sip_status: int | None
    ended_by: LegName | None
    codec_a: str | None
    codec_b: str | None
    transfers: list[dict[str, str]] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    media: dict[str, float] = field(default_factory=dict)
    quality: dict[str, dict[str, object]] = field(default_factory=dict)


_Row = dict[str, Any]  # Any: a column's value

_UNKNOWN: Final[_Row] = {column.name: None for column in calls.columns}
_UPDATE: Final = update(calls).where(calls.c.call_id == bindparam("of_call"))


class Calls:
    """The table of call records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, facts: Sequence[Fact]) -> None:
        """What facts say, in one transaction. Of a call that has no record they say nothing; holds never do.

        Raises:
            Duplicate: there is a record already of a call that begins.
        """
        begun: dict[CallId, _Row] = {}
        changed: dict[type[Fact], list[_Row]] = {}
        transferred: list[CallTransferred] = []
        for fact in facts:
            match fact:
                case CallInitiated():
                    begun[fact.call_id] = _new_row(fact)
                case CallTransferred() if (row := begun.get(fact.call_id)) is not None:
                    row |= _transferred(fact, row["transfers"])
                case CallTransferred():
                    transferred.append(fact)
                case CallRinging() | CallAnswered() | CallEnded():
                    if (row := begun.get(fact.call_id)) is not None:
                        row |= _changes(fact)
                    else:
                        changed.setdefault(type(fact), []).append({"of_call": fact.call_id, **_changes(fact)})
        statements: list[Statement] = [(insert(calls), list(begun.values()))] if begun else []
        statements += [(_UPDATE, rows) for rows in changed.values()]
        if not transferred:
            await self._database.write_records(statements)
            return
        async with self._database.write(is_record=True) as sql:
            for statement, rows in statements:
                await sql.execute(statement, rows)
            for fact in transferred:
                await _transfer(sql, fact)

    async def get(self, call_id: CallId) -> CallRecord:
        """That record.

        Raises:
            NotFound: there is none.
        """
        async with self._database.read() as sql:
            row = (await sql.execute(select(calls).where(calls.c.call_id == call_id))).mappings().first()
        if row is None:
            raise NotFound("call", call_id)
        return _record(row)

    async def recent(self, limit: int = 50, before: CallId | None = None) -> tuple[CallRecord, ...]:
        """Newest first. `before` is the last call of the page before; a call that is gone gives nothing."""
        order = tuple_(calls.c.started_at, calls.c.call_id)
        query = select(calls).order_by(calls.c.started_at.desc(), calls.c.call_id.desc()).limit(limit)
        if before is not None:
            mark = select(calls.c.started_at, calls.c.call_id).where(calls.c.call_id == before)
            query = query.where(order < mark.scalar_subquery())
        async with self._database.read() as sql:
            return tuple(_record(row) for row in (await sql.execute(query)).mappings())

    async def close_orphans(self) -> int:
        """Close the records of calls that were live when the gateway died, as of when they were last seen alive.

        Returns:
            how many.
        """
        seen = func.coalesce(calls.c.alive_at, calls.c.answered_at, calls.c.ringing_at, calls.c.started_at)
        query = select(calls.c.call_id, calls.c.started_at, calls.c.answered_at, seen.label("seen")).where(
            calls.c.ended_at.is_(None)
        )
        async with self._database.write(is_record=True) as sql:
            closed = [_closed(row) for row in (await sql.execute(query)).mappings()]
            if closed:
                await sql.execute(_UPDATE, closed)
        return len(closed)

    async def forget_all_but(self, count: int) -> int:
        """Delete the oldest records beyond the newest `count`; returns how many. Live calls stay."""
        limit = select(calls.c.started_at).order_by(calls.c.started_at.desc()).offset(count).limit(1)
        oldest = delete(calls).where(calls.c.started_at <= limit.scalar_subquery(), calls.c.ended_at.is_not(None))
        async with self._database.write(is_record=True) as sql:
            result = await sql.execute(oldest)
        return result.rowcount


async def _transfer(sql: AsyncConnection, fact: CallTransferred) -> None:
    query = select(calls.c.transfers).where(calls.c.call_id == fact.call_id)
    transfers = (await sql.execute(query)).scalar_one_or_none()
    if transfers is not None:
        await sql.execute(_UPDATE, {"of_call": fact.call_id, **_transferred(fact, transfers)})


def _new_row(fact: CallInitiated) -> _Row:
    """With every column: all rows of one INSERT have the same. Text that clients chose is made fit for the column."""
    return {
        **_UNKNOWN,
        "call_id": fact.call_id,
        "direction": fact.direction.value,
        "caller": storable(fact.caller, 256),
        "callee": storable(fact.callee, 256),
        "connection_id": fact.connection_id,
        "session_id": storable(fact.session_id, 64),
        "verto_call_id": storable(fact.verto_call_id, 128),
        "started_at": fact.at,
        "transfers": [],
        "stages": {},
        "media": {},
        "quality": {},
    }


def _changes(fact: CallRinging | CallAnswered | CallEnded) -> _Row:
    match fact:
        case CallRinging():
            return {"ringing_at": fact.at}
        case CallAnswered():
            codecs = {"codec_a": storable(fact.codec_a, 32), "codec_b": storable(fact.codec_b, 32)}
            return {"answered_at": fact.at, **codecs}
        case CallEnded():
            return {
                "direction": fact.direction.value,
                "ended_at": fact.at,
                "duration_s": fact.duration_s,
                "billed_s": fact.billed_s,
                "cause": fact.cause.name,
                "cause_code": fact.cause.code,
                "sip_status": fact.sip_status,
                "ended_by": None if fact.ended_by is None else fact.ended_by.value,
                "trunk": storable(fact.trunk, 128),
                "sip_call_id": storable(fact.sip_call_id, 256),
                "stages": fact.stages,
                "media": fact.media,
                "quality": fact.quality,
            }


def _transferred(fact: CallTransferred, transfers: list[dict[str, str]]) -> _Row:
    """Somebody else sits on one side of the call."""
    side = "caller" if fact.leg is LegName.A else "callee"
    return {side: storable(fact.successor, 256), "transfers": [*transfers, transfer_json(fact)]}


def _closed(row: RowMapping) -> dict[str, object]:
    answered_at: datetime | None = row["answered_at"]
    seen: datetime = row["seen"]
    return {
        "of_call": row["call_id"],
        "ended_at": seen,
        "duration_s": (seen - row["started_at"]).total_seconds(),
        "billed_s": 0.0 if answered_at is None else (seen - answered_at).total_seconds(),
        "cause": SYSTEM_SHUTDOWN.name,
        "cause_code": SYSTEM_SHUTDOWN.code,
    }


def transfer_json(fact: CallTransferred) -> dict[str, str]:
    """A transfer as records and the API show it."""
    return {
        "at": fact.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "kind": fact.kind.value,
        "leg": fact.leg.value,
        "former": storable(fact.former, 256),
        "successor": storable(fact.successor, 256),
    }


def _record(row: RowMapping) -> CallRecord:
    values = dict(row)
    values["direction"] = Direction(values["direction"])
    values["ended_by"] = None if values["ended_by"] is None else LegName(values["ended_by"])
    return CallRecord(**values)
