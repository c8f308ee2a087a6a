"""Orders of numbers, and the numbers that they brought (rest-v2 A.4)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, update

from gateway.store.columns import values_of
from gateway.store.database import Database
from gateway.store.errors import MissingParent, NotFound
from gateway.store.numbers import Number
from gateway.store.paging import Page, Paged, fetch_page
from gateway.store.schema import number_orders, numbers

PENDING = "pending"
SUCCESS = "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order.

    Attributes:
        order_id: a UUID.
        status: `pending` or `success`.
        phone_numbers: of each ordered number its own `id` and what it is, as JSON documents.
        settings: the rest of its model.
    """

    order_id: str
    status: str
    connection_id: str | None
    customer_reference: str | None
    phone_numbers: Sequence[Mapping[str, Any]]  # Any: JSON
    settings: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


class Orders:
    """The table of orders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, order: Order, bought: Sequence[Number]) -> None:
        """Keep an order together with its numbers: all or nothing.

        Raises:
            Duplicate: one of the numbers is somebody's already.
            NotFound: the connection does not exist.
        """
        try:
            async with self._database.write() as sql:
                await sql.execute(insert(number_orders).values(**values_of(number_orders, order)))
                for number in bought:
                    await sql.execute(insert(numbers).values(**values_of(numbers, number)))
        except MissingParent as error:
            raise NotFound("connection", order.connection_id or "") from error

    async def get(self, order_id: str) -> Order:
        """That order.

        Raises:
            NotFound: there is none.
        """
        async with self._database.read() as sql:
            query = select(number_orders).where(number_orders.c.order_id == order_id)
            row = (await sql.execute(query)).mappings().first()
        if row is None:
            raise NotFound("number order", order_id)
        return _order(row)

    async def page(
        self,
        page: Page,
        *,
        status: str | None = None,
        customer_reference: str | None = None,
        count: int | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> Paged[Order]:
        """The orders that fit, newest first.

        Args:
            count: numbers of the order.
            after, before: bounds of its time, both excluded.
        """
        table = number_orders.c
        where: list[ColumnElement[bool]] = []
        if status is not None:
            where.append(table.status == status)
        if customer_reference is not None:
            where.append(table.customer_reference == customer_reference)
        if after is not None:
            where.append(table.created_at > after)
        if before is not None:
            where.append(table.created_at < before)
        if count is not None:
            where.append(func.json_array_length(table.phone_numbers) == count)
        return await fetch_page(
            self._database,
            select(number_orders),
            where=where,
            order=[table.created_at.desc()],
            unique=table.order_id,
            page=page,
            make=_order,
        )

    async def change(self, order_id: str, change: Callable[[Order], Order]) -> Order:
        """Read it, change it and write it back, with nobody in between; returns the new one.

        Raises:
            NotFound: there is none.
        """
        is_it = number_orders.c.order_id == order_id
        async with self._database.write() as sql:
            row = (await sql.execute(select(number_orders).where(is_it).with_for_update())).mappings().first()
            if row is None:
                raise NotFound("number order", order_id)
            changed = change(_order(row))
            await sql.execute(update(number_orders).where(is_it).values(**values_of(number_orders, changed)))
        return changed

    async def fulfil(self, made_before: datetime, *, at: datetime) -> int:
        """Complete the orders that are older than that, and their numbers; returns how many there were."""
        due = (number_orders.c.status == PENDING, number_orders.c.created_at <= made_before)
        async with self._database.read() as sql:
            waiting = (await sql.execute(select(number_orders.c.order_id).where(*due))).scalars().all()
        if not waiting:
            return 0
        bought = (numbers.c.status == "purchase-pending", numbers.c.created_at <= made_before)
        async with self._database.write() as sql:
            done = await sql.execute(update(number_orders).where(*due).values(status=SUCCESS, updated_at=at))
            await sql.execute(update(numbers).where(*bought).values(status="active", updated_at=at))
        return done.rowcount


def _order(row: RowMapping) -> Order:
    return Order(**row)
