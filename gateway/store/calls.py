"""Call records: made when a call begins, completed as its facts come in."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, tuple_, update

from gateway.domain.causes import SYSTEM_SHUTDOWN
from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRinging, CallTransferred
from gateway.domain.ids import CallId, Direction, LegName
from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.schema import calls
from gateway.store.storable import storable


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


class Calls:
    """The table of call records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def initiated(self, fact: CallInitiated) -> None:
        """Begin a record. Text that clients chose is cut to the column and freed of what no database takes.

        Raises:
            Duplicate: there is a record of that call.
        """
        row: dict[str, object] = {
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
        }
        async with self._database.write(is_record=True) as sql:
            await sql.execute(insert(calls).values(**row))

    async def ringing(self, fact: CallRinging) -> None:
        """The called side rings.

        Raises:
            NotFound: no record of that call, here and below.
        """
        await self._update(fact.call_id, ringing_at=fact.at)

    async def answered(self, fact: CallAnswered) -> None:
        """The called side answered."""
        codecs = {"codec_a": storable(fact.codec_a, 32), "codec_b": storable(fact.codec_b, 32)}
        await self._update(fact.call_id, answered_at=fact.at, **codecs)

    async def transferred(self, fact: CallTransferred) -> None:
        """Somebody else sits on one side of the call."""
        successor = storable(fact.successor, 256)
        side = "caller" if fact.leg is LegName.A else "callee"
        query = select(calls.c.transfers).where(calls.c.call_id == fact.call_id)
        async with self._database.write(is_record=True) as sql:
            transfers = (await sql.execute(query)).scalar_one_or_none()
            if transfers is None:
                raise NotFound("call", fact.call_id)
            values = {side: successor, "transfers": [*transfers, transfer_json(fact)]}
            await sql.execute(update(calls).where(calls.c.call_id == fact.call_id).values(**values))

    async def ended(self, fact: CallEnded) -> None:
        """Complete the record."""
        await self._update(
            fact.call_id,
            direction=fact.direction.value,
            ended_at=fact.at,
            duration_s=fact.duration_s,
            billed_s=fact.billed_s,
            cause=fact.cause.name,
            cause_code=fact.cause.code,
            sip_status=fact.sip_status,
            ended_by=None if fact.ended_by is None else fact.ended_by.value,
            trunk=storable(fact.trunk, 128),
            sip_call_id=storable(fact.sip_call_id, 256),
            stages=fact.stages,
            media=fact.media,
        )

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
                await sql.execute(update(calls).where(calls.c.call_id == bindparam("of_call")), closed)
        return len(closed)

    async def forget_all_but(self, count: int) -> int:
        """Delete the oldest records beyond the newest `count`; returns how many. Live calls stay."""
        limit = select(calls.c.started_at).order_by(calls.c.started_at.desc()).offset(count).limit(1)
        oldest = delete(calls).where(calls.c.started_at <= limit.scalar_subquery(), calls.c.ended_at.is_not(None))
        async with self._database.write(is_record=True) as sql:
            result = await sql.execute(oldest)
        return result.rowcount

    async def _update(self, call_id: CallId, **values: Any) -> None:  # Any: a column's value
        async with self._database.write(is_record=True) as sql:
            result = await sql.execute(update(calls).where(calls.c.call_id == call_id).values(**values))
        if result.rowcount == 0:
            raise NotFound("call", call_id)


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
