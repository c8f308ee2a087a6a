"""Numbers in E.164 form and the connection that each belongs to."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, RowMapping, Select, String, bindparam, cast, delete, func, insert, select, update

from gateway.store.columns import values_of
from gateway.store.database import Database
from gateway.store.errors import MissingParent, NotFound
from gateway.store.paging import Page, Paged, contains, fetch_page, matches
from gateway.store.schema import connections, numbers

NumberSort = Literal["purchased_at", "phone_number", "connection_name", "usage_payment_method"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number: calls to it ring the client of `connection_id`; that client calls out with it.

    Attributes:
        connection_id: None for one that the account has and no connection uses.
        connection_name: of that connection.
        status: `active`, or `purchase-pending` while its order runs.
        settings: the rest of its model (rest-v2 A.4) as a JSON document; `accounts` knows what is in it.
    """

    number_id: str
    phone_number: str
    connection_id: str | None
    connection_name: str | None = None
    status: str = "active"
    number_type: str = "local"
    customer_reference: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFilter:
    """What is looked for; None is anything.

    Attributes:
        digits: a part of the number.
        name_*: of the connection's name.
        is_tagged: False for those without any tag.
    """

    digits: str | None = None
    connection_id: str | None = None
    status: str | None = None
    tag: str | None = None
    customer_reference: str | None = None
    number_type: str | None = None
    name_equals: str | None = None
    name_contains: str | None = None
    name_starts: str | None = None
    name_ends: str | None = None
    is_tagged: bool | None = None


class Numbers:
    """The table of numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, number: Number) -> None:
        """Keep a new one.

        Raises:
            NotFound: its connection does not exist.
            Duplicate: its `phone_number` or `number_id` is taken.
        """
        try:
            async with self._database.write() as sql:
                await sql.execute(insert(numbers).values(**values_of(numbers, number)))
        except MissingParent as error:
            raise NotFound("connection", number.connection_id or "") from error

    async def add_or_assign(self, number: Number) -> Number:
        """Keep a new one, or give one that no connection has to that connection; returns the row.

        Raises:
            NotFound: its connection does not exist.
            Duplicate: another connection has its `phone_number`.
        """
        is_it = numbers.c.phone_number == number.phone_number
        assign = update(numbers).where(is_it, numbers.c.connection_id.is_(None))
        try:
            async with self._database.write() as sql:
                given = assign.values(connection_id=number.connection_id, updated_at=number.updated_at)
                if (await sql.execute(given)).rowcount == 0:
                    await sql.execute(insert(numbers).values(**values_of(numbers, number)))
                written = (await sql.execute(_query().where(is_it))).mappings().one()
        except MissingParent as error:
            raise NotFound("connection", number.connection_id or "") from error
        return _number(written)

    async def get(self, number_id: str) -> Number:
        """That number, by its id.

        Raises:
            NotFound: there is none.
        """
        row = await self._database.row(_query().where(numbers.c.number_id == number_id))
        if row is None:
            raise NotFound("phone number", number_id)
        return _number(row)

    async def find(self, phone_number: str) -> Number | None:
        """That number, `+` and digits."""
        row = await self._database.row(_BY_PHONE_NUMBER, wanted=phone_number)
        return None if row is None else _number(row)

    async def find_owner(self, phone_number: str) -> str | None:
        """Id of the connection that has that number, `+` and digits; None also where nobody has it."""
        row = await self._database.row(_OWNER, wanted=phone_number)
        return None if row is None else row["connection_id"]

    async def taken(self, among: Sequence[str]) -> frozenset[str]:
        """Which of these numbers the account has."""
        query = select(numbers.c.phone_number).where(numbers.c.phone_number.in_(among))
        async with self._database.read() as sql:
            return frozenset((await sql.execute(query)).scalars())

    async def first_of(self, connection_id: str) -> Number | None:
        """The number that a connection got first: its caller id."""
        found = await self.all(connection_id=connection_id, limit=1)
        return found[0] if found else None

    async def all(self, *, connection_id: str | None = None, limit: int = 1000) -> tuple[Number, ...]:
        """Oldest first, at most `limit`; of one connection, or of all."""
        query = _query().order_by(numbers.c.created_at, numbers.c.number_id).limit(limit)
        if connection_id is not None:
            query = query.where(numbers.c.connection_id == connection_id)
        return tuple(_number(row) for row in await self._database.rows(query))

    async def page(
        self, page: Page, wanted: NumberFilter, sort: Sequence[tuple[NumberSort, bool]] = ()
    ) -> Paged[Number]:
        """The numbers that fit; `sort` has fields, each with whether it descends."""
        return await fetch_page(
            self._database,
            _query(),
            where=_conditions(wanted),
            order=[_ordered(name, is_descending) for name, is_descending in sort],
            unique=numbers.c.number_id,
            page=page,
            make=_number,
        )

    async def change(self, number_id: str, change: Callable[[Number], Number]) -> Number:
        """Read it, change it and write it back, with nobody in between; returns the new one.

        Raises:
            NotFound: there is none, or its new connection does not exist.
        """
        is_it = numbers.c.number_id == number_id
        try:
            async with self._database.write() as sql:
                await sql.execute(select(numbers.c.number_id).where(is_it).with_for_update())
                row = (await sql.execute(_query().where(is_it))).mappings().first()
                if row is None:
                    raise NotFound("phone number", number_id)
                changed = change(_number(row))
                await sql.execute(update(numbers).where(is_it).values(**values_of(numbers, changed)))
                written = (await sql.execute(_query().where(is_it))).mappings().one()
        except MissingParent as error:
            raise NotFound("connection", changed.connection_id or "") from error
        return _number(written)

    async def remove(self, phone_number: str) -> None:
        """Give it up.

        Raises:
            NotFound: there is no such number.
        """
        async with self._database.write() as sql:
            result = await sql.execute(delete(numbers).where(numbers.c.phone_number == phone_number))
        if result.rowcount == 0:
            raise NotFound("number", phone_number)


_SORTS: Final[Mapping[NumberSort, ColumnElement[Any]]] = {  # Any: columns of several types
    "purchased_at": numbers.c.created_at,
    "phone_number": numbers.c.phone_number,
    "connection_name": connections.c.name,
    "usage_payment_method": numbers.c.phone_number,  # all have the same
}


def _ordered(name: NumberSort, is_descending: bool) -> ColumnElement[Any]:  # Any: as above
    """Numbers without a connection have no name to sort by; the databases disagree where they go."""
    column = _SORTS[name]
    if name != "connection_name":
        return column.desc() if is_descending else column
    return column.desc().nulls_last() if is_descending else column.asc().nulls_first()


def _query() -> Select[Any]:  # Any: SQLAlchemy cannot type a whole table's columns
    joined = numbers.outerjoin(connections, connections.c.connection_id == numbers.c.connection_id)
    return select(numbers, connections.c.name.label("connection_name")).select_from(joined)


_BY_PHONE_NUMBER: Final = _query().where(numbers.c.phone_number == bindparam("wanted"))
_OWNER: Final = select(numbers.c.connection_id).where(numbers.c.phone_number == bindparam("wanted"))


def _conditions(wanted: NumberFilter) -> list[ColumnElement[bool]]:
    exact = (
        (numbers.c.connection_id, wanted.connection_id),
        (numbers.c.status, wanted.status),
        (numbers.c.customer_reference, wanted.customer_reference),
        (numbers.c.number_type, wanted.number_type),
        (connections.c.name, wanted.name_equals),
    )
    where: list[ColumnElement[bool]] = [column == value for column, value in exact if value is not None]
    if wanted.digits is not None:
        where.append(contains(numbers.c.phone_number, wanted.digits))
    if wanted.name_contains is not None:
        where.append(contains(connections.c.name, wanted.name_contains))
    if wanted.name_starts is not None:
        where.append(matches(connections.c.name, wanted.name_starts, "{}%"))
    if wanted.name_ends is not None:
        where.append(matches(connections.c.name, wanted.name_ends, "%{}"))
    tags = cast(numbers.c.settings["tags"], String)
    if wanted.tag is not None:
        where.append(contains(tags, json.dumps(wanted.tag, ensure_ascii=False)))
    if wanted.is_tagged is not None:
        has_tags = contains(tags, '"')
        where.append(has_tags if wanted.is_tagged else func.coalesce(~has_tags, True))
    return where


def _number(row: RowMapping) -> Number:
    return Number(**row)
