"""Detail records: one of each leg between a client and the gateway (rest-v2 D)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Float,
    Numeric,
    RowMapping,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from gateway.domain.facts import ClientLegAnswered, ClientLegOpened
from gateway.domain.ids import Direction
from gateway.store.database import Database
from gateway.store.paging import Page, Paged, fetch_page
from gateway.store.schema import detail_records, profile_connections
from gateway.store.storable import storable
from gateway.store.visits import Statement

_FORGET_AT_ONCE: Final = 5000
_SECOND: Final = timedelta(seconds=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC) - _SECOND
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
        cli, cld: as in `opened`, a number in E.164 if it has a plan.
        country_code, source_country_code: calling codes of `cld` and `cli`.
        connection_name, tags: those that the connection has now; tags joined by commas.
    """

    opened: ClientLegOpened
    channel_id: str
    cli: str
    cld: str
    country_code: int | None
    source_country_code: int | None
    connection_name: str | None
    tags: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLeg:
    """A leg that was not closed: what its charge is made of."""

    leg_id: str
    direction: Direction
    cld: str
    answered_at: datetime | None
    alive_at: datetime


@dataclass(frozen=True, slots=True)
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


_UPDATE: Final = update(detail_records).where(detail_records.c.leg_id == bindparam("of_leg"))
_FINISH: Final = _UPDATE.where(detail_records.c.finished_at.is_(None))


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
        connected = [{"of_leg": fact.leg_id, "answered_at": fact.at, "alive_at": fact.at} for fact in answered]
        # A statement names the same columns in all of its rows
        named, unnamed = [
            [_finished_row(one) for one in finished if (one.verto_call_id is not None) is is_named]
            for is_named in (True, False)
        ]
        statements: list[Statement] = [
            (insert(detail_records), [_new_row(leg) for leg in opened]),
            (_UPDATE, connected),
            (_FINISH, named),
            (_FINISH, unnamed),
        ]
        await self._database.write_records([(statement, rows) for statement, rows in statements if rows])

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
            async with self._database.write(is_record=True) as sql:
                gone = await sql.execute(delete(detail_records).where(detail_records.c.leg_id.in_(oldest)))
            forgotten += gone.rowcount
            if gone.rowcount < _FORGET_AT_ONCE:
                return forgotten

    # ---- reading

    async def spent(self, profile_id: str, *, since: datetime) -> Decimal:
        """What calls of the connections that have that outbound voice profile have cost, of those ended `since`."""
        of_profile = select(profile_connections.c.connection_id).where(profile_connections.c.profile_id == profile_id)
        query = select(func.sum(cast(detail_records.c.cost, Float))).where(
            detail_records.c.finished_at >= since,
            detail_records.c.direction == Direction.OUTBOUND.value,
            detail_records.c.connection_id.in_(of_profile),
        )
        async with self._database.read() as sql:
            total = (await sql.execute(query)).scalar_one_or_none()
        return Decimal(0) if total is None else round(Decimal(total), 6)  # six decimals are what a price may have

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
        self, *, where: Sequence[Condition] = (), newest_first: bool = True, size: int = 100
    ) -> AsyncIterator[tuple[DetailRecord, ...]]:
        """All records by their start, some at a time. In between no transaction is open, so that a slow reader holds
        up nobody; a record that is written meanwhile may be among them or not.

        Args:
            size: of a batch. Making values of rows is the loop's work: a hundred of them take some milliseconds.
        """
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
    first, behind = _extent(value) if isinstance(value, datetime) else (value, None)
    match condition.comparison:
        case Comparison.IS:
            return column == value if behind is None else (column >= first) & (column < behind)
        case Comparison.GTE:
            return column >= first
        case Comparison.LTE:
            return column <= value if behind is None else column < behind
        case Comparison.GT:
            return column > value if behind is None else column >= behind
        case Comparison.LT:
            return column < first


def _extent(at: datetime) -> tuple[datetime, datetime | None]:
    """What a time stands for: the second from it up to the next one, or just itself (None)."""
    is_whole = at.microsecond == 0 and at < _LAST
    return at, at + _SECOND if is_whole else None


def _order(name: str, *, is_descending: bool) -> ColumnElement[object]:
    column: ColumnElement[object] = detail_records.c[name]
    if name in _AMOUNTS:  # text, so that no cent is lost; as text, 10 would come before 9
        column = cast(column, Numeric(18, 6))
    return column.desc() if is_descending else column.asc()


def _new_row(leg: NewLeg) -> dict[str, object]:
    fact = leg.opened
    return {
        "leg_id": fact.leg_id,
        "call_id": fact.call_id,
        "channel_id": leg.channel_id,
        "session_id": storable(fact.session_id, 64),
        "verto_call_id": storable(fact.verto_call_id, 128),
        "username": storable(fact.username, 64),
        "connection_id": fact.connection_id,
        "connection_name": leg.connection_name,
        "direction": fact.direction.value,
        "cli": storable(leg.cli, 256),
        "cld": storable(leg.cld, 256),
        "caller_number": storable(fact.caller_number, 256),
        "caller_name": storable(fact.caller_name, 256),
        "dest_number": storable(fact.dest_number, 256),
        "started_at": fact.at,
        "alive_at": fact.at,
        "country_code": leg.country_code,
        "source_country_code": leg.source_country_code,
        "tags": storable(leg.tags, 1024),
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
    return DetailRecord(*row.values())  # in the order of `_COLUMNS`; by name it takes thrice as long
