"""Detail records: one of each leg between a client and the gateway (rest-v2 D)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Numeric,
    RowMapping,
    bindparam,
    cast,
    delete,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.domain.facts import ClientLegAnswered, ClientLegOpened
from gateway.domain.ids import Direction
from gateway.store.database import Database
from gateway.store.paging import Page, Paged, fetch_page
from gateway.store.schema import connections, detail_records
from gateway.store.storable import storable

MAX_TAGS: Final = 1024
_FORGET_AT_ONCE: Final = 5000
_SECOND: Final = timedelta(seconds=1)
_TIMES: Final = frozenset({"started_at", "finished_at"})
_AMOUNTS: Final = frozenset({"rate", "cost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedLeg:
    """What completes the record of a leg.

    Attributes:
        rate, cost: decimals as text.
    """

    leg_id: str
    finished_at: datetime
    call_s: int
    billed_s: int
    rate: str
    cost: str
    currency: str
    verto_call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLeg:
    """A leg that begins.

    Attributes:
        channel_id: of its media, a UUID.
        country_code, source_country_code: calling codes of `cld` and `cli`.
    """

    opened: ClientLegOpened
    channel_id: str
    country_code: int | None
    source_country_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLeg:
    """A leg that was not closed: what its charge is made of."""

    leg_id: str
    direction: Direction
    cld: str
    answered_at: datetime | None
    alive_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailRecord:
    """The record of a leg that is over; see `schema.detail_records`. Times are aware, in UTC."""

    leg_id: str
    call_id: str
    channel_id: str
    session_id: str | None
    verto_call_id: str | None
    call_control_id: str
    username: str
    connection_id: str | None
    connection_name: str | None
    direction: str
    cli: str
    cld: str
    caller_number: str
    caller_name: str
    dest_number: str
    started_at: datetime
    answered_at: datetime | None
    finished_at: datetime
    call_s: int
    billed_s: int
    rate: str
    cost: str
    currency: str
    country_code: int | None
    source_country_code: int | None
    tags: str


class Comparison(Enum):
    """How a column is compared with a value."""

    IS = "is"
    GTE = "gte"
    LTE = "lte"
    GT = "gt"
    LT = "lt"


@dataclass(frozen=True, slots=True)
class Condition:
    """A row has to meet it.

    Attributes:
        column: an attribute of `DetailRecord`.
        value: a time means the whole second that it names, unless it names a fraction: records show seconds.
    """

    column: str
    comparison: Comparison
    value: str | int | datetime


class DetailRecords:
    """The table of detail records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- writing

    async def write(
        self,
        opened: Sequence[NewLeg] = (),
        answered: Sequence[ClientLegAnswered] = (),
        finished: Sequence[FinishedLeg] = (),
    ) -> None:
        """Begin, continue and complete records, all or none.

        Raises:
            Duplicate: there is a record of such a leg.
        """
        leg = detail_records.c.leg_id == bindparam("of_leg")
        async with self._database.write() as sql:
            if opened:
                await sql.execute(insert(detail_records), await _new_rows(sql, opened))
            if answered:
                rows = [{"of_leg": fact.leg_id, "answered_at": fact.at, "alive_at": fact.at} for fact in answered]
                await sql.execute(update(detail_records).where(leg), rows)
            if finished:
                query = update(detail_records).where(leg, detail_records.c.finished_at.is_(None))
                for named in (True, False):
                    rows = [_finished_row(one) for one in finished if (one.verto_call_id is not None) is named]
                    if rows:
                        await sql.execute(query, rows)

    async def open_legs(self) -> tuple[OpenLeg, ...]:
        """Legs without an end: at the start, those that were live when the gateway died."""
        columns = [detail_records.c[field.name] for field in fields(OpenLeg)]
        query = select(*columns).where(detail_records.c.finished_at.is_(None))
        async with self._database.read() as sql:
            rows = (await sql.execute(query)).mappings().all()
        return tuple(OpenLeg(**{**row, "direction": Direction(row["direction"])}) for row in rows)

    async def forget_all_but(self, count: int) -> int:
        """Delete the oldest records beyond the newest `count`, some at a time; returns how many. Live legs stay."""
        over, at = detail_records.c.finished_at.is_not(None), detail_records.c.started_at
        async with self._database.read() as sql:
            newest = select(at).where(over).order_by(at.desc(), detail_records.c.leg_id.desc())
            limit = (await sql.execute(newest.offset(count).limit(1))).scalar_one_or_none()
        if limit is None:
            return 0
        oldest = select(detail_records.c.leg_id).where(over, at <= limit).order_by(at).limit(_FORGET_AT_ONCE)
        forgotten = 0
        while True:
            async with self._database.write() as sql:
                gone = await sql.execute(delete(detail_records).where(detail_records.c.leg_id.in_(oldest)))
            forgotten += gone.rowcount
            if gone.rowcount < _FORGET_AT_ONCE:
                return forgotten

    # ---- reading

    async def page(
        self, page: Page, *, where: Sequence[Condition] = (), sort: Sequence[tuple[str, bool]] = (("started_at", True),)
    ) -> Paged[DetailRecord]:
        """Records of legs that are over.

        Args:
            sort: columns, most important first, and whether each is descending.
        """
        return await fetch_page(
            self._database,
            select(*_COLUMNS),
            where=_where(where),
            order=[_order(column, is_descending=is_descending) for column, is_descending in sort],
            unique=detail_records.c.leg_id.desc() if sort and sort[0][1] else detail_records.c.leg_id.asc(),
            page=page,
            make=_record,
        )

    async def batches(
        self, *, where: Sequence[Condition] = (), newest_first: bool = True, size: int = 1000
    ) -> AsyncIterator[tuple[DetailRecord, ...]]:
        """All records by their start, some at a time. In between no transaction is open, so that a slow reader holds
        up nobody; a record that is written meanwhile may be among them or not."""
        place = tuple_(detail_records.c.started_at, detail_records.c.leg_id)
        order = [_order(name, is_descending=newest_first) for name in ("started_at", "leg_id")]
        query = select(*_COLUMNS).where(*_where(where)).order_by(*order).limit(size)
        beyond: ColumnElement[bool] | None = None
        while True:
            async with self._database.read() as sql:
                rows = (await sql.execute(query if beyond is None else query.where(beyond))).mappings().all()
            found = tuple(_record(row) for row in rows)
            if found:
                yield found
            if len(found) < size:
                return
            last = tuple_(
                bindparam("at", found[-1].started_at, detail_records.c.started_at.type),
                bindparam("leg", found[-1].leg_id),
            )
            beyond = place < last if newest_first else place > last


_COLUMNS: Final = tuple(detail_records.c[field.name] for field in fields(DetailRecord))


def _where(conditions: Sequence[Condition]) -> list[ColumnElement[bool]]:
    return [detail_records.c.finished_at.is_not(None), *(_condition(one) for one in conditions)]


def _condition(condition: Condition) -> ColumnElement[bool]:
    column: Column[object] = detail_records.c[condition.column]
    value: object = condition.value
    if isinstance(value, datetime) and value.microsecond == 0:
        match condition.comparison:
            case Comparison.IS:
                return (column >= value) & (column < value + _SECOND)
            case Comparison.LTE:
                return column < value + _SECOND
            case Comparison.GT:
                return column >= value + _SECOND
            case _:
                pass
    match condition.comparison:
        case Comparison.IS:
            return column == value
        case Comparison.GTE:
            return column >= value
        case Comparison.LTE:
            return column <= value
        case Comparison.GT:
            return column > value
        case Comparison.LT:
            return column < value


def _order(name: str, *, is_descending: bool) -> ColumnElement[object]:
    column: ColumnElement[object] = detail_records.c[name]
    if name in _AMOUNTS:  # text, so that no cent is lost; as text, 10 would come before 9
        column = cast(column, Numeric(18, 6))
    return column.desc() if is_descending else column.asc()


async def _new_rows(sql: AsyncConnection, legs: Sequence[NewLeg]) -> list[dict[str, object]]:
    ids = {leg.opened.connection_id for leg in legs} - {None}
    query = select(connections.c.connection_id, connections.c.name, connections.c.settings)
    found = (await sql.execute(query.where(connections.c.connection_id.in_(ids)))).all()
    named = {row.connection_id: (row.name, _tags(row.settings)) for row in found}
    return [_new_row(leg, *named.get(leg.opened.connection_id, (None, ""))) for leg in legs]


def _tags(settings: Mapping[str, object]) -> str:
    tags = settings.get("tags")
    return storable(",".join(map(str, tags)), MAX_TAGS) if isinstance(tags, list) else ""


def _new_row(leg: NewLeg, connection_name: str | None, tags: str) -> dict[str, object]:
    fact = leg.opened
    texts = ("cli", "cld", "caller_number", "caller_name", "dest_number")
    return {
        "leg_id": fact.leg_id,
        "call_id": fact.call_id,
        "channel_id": leg.channel_id,
        "session_id": storable(fact.session_id, 64),
        "verto_call_id": storable(fact.verto_call_id, 128),
        "username": storable(fact.username, 64),
        "connection_id": fact.connection_id,
        "connection_name": connection_name,
        "direction": fact.direction.value,
        **{name: storable(getattr(fact, name), 256) for name in texts},
        "started_at": fact.at,
        "alive_at": fact.at,
        "country_code": leg.country_code,
        "source_country_code": leg.source_country_code,
        "tags": tags,
    }


def _finished_row(leg: FinishedLeg) -> dict[str, object]:
    row: dict[str, object] = {field.name: getattr(leg, field.name) for field in fields(FinishedLeg)}
    row["of_leg"] = row.pop("leg_id")
    row["alive_at"] = leg.finished_at
    if leg.verto_call_id is None:
        del row["verto_call_id"]
    else:
        row["verto_call_id"] = storable(leg.verto_call_id, 128)
    return row


def _record(row: RowMapping) -> DetailRecord:
    return DetailRecord(**row)
