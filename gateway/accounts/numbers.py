"""Sells the lab's numbers and keeps who uses which."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from gateway.accounts.core.inventory import OfferedNumber, Wanted, find, offered
from gateway.accounts.core.merging import merged
from gateway.accounts.core.number import NumberSettings
from gateway.accounts.errors import NumberNotForSale, UnknownReference, checked
from gateway.accounts.ids import decimal_id
from gateway.observability.clock import utc_now
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.numbers import Number, NumberFilter, Numbers, NumberSort
from gateway.store.orders import PENDING, Order, Orders
from gateway.store.paging import Page, Paged

DELIVERY: Final = timedelta(seconds=1)
"""How long an order stays pending: long enough for a client to see both states (rest-v2 A.4)."""


class PhoneNumbers:
    """Every method is done when the store has it; all may raise `StoreError`."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.rows, self._orders = Numbers(database), Orders(database)
        self._clock = clock

    async def for_sale(self, wanted: Wanted, limit: int) -> tuple[OfferedNumber, ...]:
        """Numbers of the inventory that fit and that nobody has."""
        found = list(offered(wanted))
        taken = await self.rows.taken([one.phone_number for one in found])
        return tuple(islice((one for one in found if one.phone_number not in taken), limit))

    async def order(
        self,
        wanted: Sequence[Mapping[str, object]],
        *,
        connection_id: str | None,
        customer_reference: str | None,
        settings: Mapping[str, object],
    ) -> Order:
        """Buy numbers: all of them, or none.

        Args:
            wanted: each with its `phone_number` and what else the client said about it.

        Raises:
            NumberNotForSale: one is not in the inventory, or taken; it says which.
            UnknownReference: no such connection.
        """
        at = self._clock()
        lines: list[Mapping[str, object]] = []
        bought: list[Number] = []
        for position, line in enumerate(wanted):
            offer = find(str(line["phone_number"]))
            if offer is None or any(offer.phone_number == one.phone_number for one in bought):
                raise NumberNotForSale(str(line["phone_number"]), position)
            bought.append(_number(offer, connection_id, customer_reference, at))
            lines.append({**line, "id": str(uuid.uuid4()), "country": offer.area.country, "kind": offer.area.kind})
        order = Order(
            order_id=str(uuid.uuid4()),
            status=PENDING,
            connection_id=connection_id,
            customer_reference=customer_reference,
            phone_numbers=lines,
            settings=settings,
            created_at=at,
            updated_at=at,
        )
        try:
            await self._orders.add(order, bought)
        except NotFound as error:
            raise UnknownReference("connection_id", error.kind, error.key) from error
        except Duplicate as error:
            taken = await self.rows.taken([one.phone_number for one in bought])
            position = next(i for i, one in enumerate(bought) if one.phone_number in taken)
            raise NumberNotForSale(bought[position].phone_number, position) from error
        return order

    async def get_order(self, order_id: str) -> Order:
        """That order, as it stands now.

        Raises:
            NotFound: there is none.
        """
        await self._deliver()
        return await self._orders.get(order_id)

    async def orders(
        self,
        page: Page,
        *,
        status: str | None,
        customer_reference: str | None,
        count: int | None,
        after: datetime | None,
        before: datetime | None,
    ) -> Paged[Order]:
        """See `store.orders.Orders.page`."""
        await self._deliver()
        return await self._orders.page(
            page, status=status, customer_reference=customer_reference, count=count, after=after, before=before
        )

    async def change_order(
        self, order_id: str, *, customer_reference: str | None, given: Mapping[str, object]
    ) -> Order:
        """Change what is not None, and of the rest what is given.

        Raises:
            NotFound: there is none.
        """
        await self._deliver()

        def changed(order: Order) -> Order:
            return replace(
                order,
                customer_reference=order.customer_reference if customer_reference is None else customer_reference,
                settings=merged(order.settings, given),
                updated_at=self._clock(),
            )

        return await self._orders.change(order_id, changed)

    async def get(self, number_id: str) -> Number:
        """That number.

        Raises:
            NotFound: there is none.
        """
        await self._deliver()
        return await self.rows.get(number_id)

    async def page(self, page: Page, wanted: NumberFilter, sort: Sequence[tuple[NumberSort, bool]]) -> Paged[Number]:
        """See `store.numbers.Numbers.page`."""
        await self._deliver()
        return await self.rows.page(page, wanted, sort)

    async def change(
        self,
        number_id: str,
        *,
        has_connection: bool,
        connection_id: str | None,
        has_reference: bool,
        customer_reference: str | None,
        given: Mapping[str, object],
    ) -> Number:
        """Change its connection and reference where they are given (None clears them), and of the rest what is given.

        Raises:
            NotFound: there is none.
            UnknownReference: no such connection.
            InvalidDocument: what was given does not fit.
        """

        def changed(number: Number) -> Number:
            settings = checked(NumberSettings, merged(number.settings, given))
            return replace(
                number,
                connection_id=connection_id if has_connection else number.connection_id,
                customer_reference=customer_reference if has_reference else number.customer_reference,
                settings=settings.model_dump(mode="json"),
                updated_at=self._clock(),
            )

        try:
            return await self.rows.change(number_id, changed)
        except NotFound as error:
            if error.kind == "connection":
                raise UnknownReference("connection_id", error.kind, error.key) from error
            raise

    async def remove(self, number_id: str) -> Number:
        """Give it back; returns what it was.

        Raises:
            NotFound: there is none.
        """
        number = await self.rows.get(number_id)
        await self.rows.remove(number.phone_number)
        return number

    async def _deliver(self) -> None:
        """Complete the orders whose time has come: whoever looks sees them done."""
        at = self._clock()
        await self._orders.fulfil(at - DELIVERY, at=at)


def _number(offer: OfferedNumber, connection_id: str | None, reference: str | None, at: datetime) -> Number:
    return Number(
        number_id=decimal_id(),
        phone_number=offer.phone_number,
        connection_id=connection_id,
        status="purchase-pending",
        number_type=offer.area.kind,
        customer_reference=reference,
        settings=NumberSettings().model_dump(mode="json"),
        created_at=at,
        updated_at=at,
    )
