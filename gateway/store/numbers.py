"""Numbers in E.164 form and the connection that each belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, delete, insert, select, update

from gateway.store.database import Database
from gateway.store.errors import MissingParent, NotFound
from gateway.store.schema import numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number: calls to it ring the client of `connection_id`; that client calls out with it.

    Attributes:
        connection_id: None for one that the account has and no connection uses.
        status: `active`, or `purchase-pending` while its order runs.
        settings: the rest of its model (rest-v2 A.4) as a JSON document; `accounts` knows what is in it.
    """

    number_id: str
    phone_number: str
    connection_id: str | None
    status: str = "active"
    number_type: str = "local"
    customer_reference: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


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
        values = {name: getattr(number, name) for name in numbers.c.keys()}  # noqa: SIM118 - not a dict
        try:
            async with self._database.write() as sql:
                await sql.execute(insert(numbers).values(**values))
        except MissingParent as error:
            raise NotFound("connection", number.connection_id or "") from error

    async def add_or_assign(self, number: Number) -> Number:
        """Keep a new one, or give one that no connection has to that connection; returns the row.

        Raises:
            NotFound: its connection does not exist.
            Duplicate: another connection has its `phone_number`.
        """
        free = numbers.c.connection_id.is_(None)
        assign = update(numbers).where(numbers.c.phone_number == number.phone_number, free)
        try:
            async with self._database.write() as sql:
                given = assign.values(connection_id=number.connection_id, updated_at=number.updated_at)
                is_assigned = (await sql.execute(given)).rowcount == 1
        except MissingParent as error:
            raise NotFound("connection", number.connection_id or "") from error
        if not is_assigned:
            await self.add(number)
        found = await self.find(number.phone_number)
        assert found is not None
        return found

    async def find(self, phone_number: str) -> Number | None:
        """That number, `+` and digits."""
        query = select(numbers).where(numbers.c.phone_number == phone_number)
        async with self._database.read() as sql:
            row = (await sql.execute(query)).mappings().first()
        return None if row is None else _number(row)

    async def first_of(self, connection_id: str) -> Number | None:
        """The number that a connection got first: its caller id."""
        found = await self.all(connection_id=connection_id, limit=1)
        return found[0] if found else None

    async def all(self, *, connection_id: str | None = None, limit: int = 1000) -> tuple[Number, ...]:
        """Oldest first, at most `limit`; of one connection, or of all."""
        query = select(numbers).order_by(numbers.c.created_at, numbers.c.number_id).limit(limit)
        if connection_id is not None:
            query = query.where(numbers.c.connection_id == connection_id)
        async with self._database.read() as sql:
            return tuple(_number(row) for row in (await sql.execute(query)).mappings())

    async def remove(self, phone_number: str) -> None:
        """Give it up.

        Raises:
            NotFound: there is no such number.
        """
        async with self._database.write() as sql:
            result = await sql.execute(delete(numbers).where(numbers.c.phone_number == phone_number))
        if result.rowcount == 0:
            raise NotFound("number", phone_number)


def _number(row: RowMapping) -> Number:
    return Number(**row)
