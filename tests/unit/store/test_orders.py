"""Orders of numbers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.numbers import Numbers
from gateway.store.orders import Orders
from gateway.store.paging import Page
from tests.unit.store.samples import NOON, connection, number, order


async def test_order_comes_back_with_the_numbers_that_it_brought(database: Database) -> None:
    await Orders(database).add(order(), [number(191, connection_id=None), number(192, connection_id=None)])

    assert await Orders(database).get(order().order_id) == order()
    assert len(await Numbers(database).all()) == 2
    with pytest.raises(NotFound, match="no number order 42"):
        await Orders(database).get("42")


async def test_order_of_a_taken_number_brings_nothing(database: Database) -> None:
    await Numbers(database).add(number(192, connection_id=None))
    again = replace(number(192, connection_id=None), number_id="1")

    with pytest.raises(Duplicate) as refused:
        await Orders(database).add(order(), [number(191, connection_id=None), again])
    with pytest.raises(NotFound, match="no connection 42"):
        await Orders(database).add(order(connection_id="42"), [number(191, connection_id="42")])

    assert refused.value.field == "phone_number"
    assert (await Orders(database).page(Page())).total == 0
    assert [row.phone_number for row in await Numbers(database).all()] == ["+12025550192"]


async def test_page_of_orders_is_newest_first_and_fits_every_filter(database: Database) -> None:
    orders = Orders(database)
    for i, count in ((1, 1), (2, 2), (3, 2)):
        await orders.add(order(i, phone_numbers=count), [])
    await orders.change(order(3).order_id, lambda old: replace(old, status="success"))

    async def found(**wanted: object) -> str:
        page = await orders.page(Page(), **wanted)  # type: ignore[arg-type] # filters by name
        assert page.total == len(page.rows)
        return "".join(row.order_id[-1] for row in page.rows)

    assert await found() == "321"
    assert await found(status="pending") == "21"
    assert await found(customer_reference="reference 2") == "2"
    assert await found(count=2) == "32"
    assert await found(count=10**15) == ""
    assert await found(after=order(1).created_at) == "32"
    assert await found(before=order(3).created_at, after=order(1).created_at) == "2"


async def test_changed_order_is_returned_and_kept(database: Database) -> None:
    await Orders(database).add(order(), [])

    changed = await Orders(database).change(order().order_id, lambda old: replace(old, customer_reference=None))

    assert changed == await Orders(database).get(order().order_id) == replace(order(), customer_reference=None)
    with pytest.raises(NotFound):
        await Orders(database).change("42", lambda old: old)


async def test_orders_of_before_are_fulfilled_with_their_numbers_later_ones_wait(database: Database) -> None:
    await Connections(database).add(connection())
    orders, later = Orders(database), NOON + timedelta(hours=1)
    for i in (1, 2):
        at = order(i).created_at
        bought = replace(number(190 + i, connection_id=None), status="purchase-pending", created_at=at)
        await orders.add(order(i), [bought])

    done = await orders.fulfil(order(1).created_at, at=later)
    again = await orders.fulfil(order(1).created_at, at=later)

    assert (done, again) == (1, 0)
    assert [(row.order_id[-1], row.status) for row in (await orders.page(Page())).rows] == [
        ("2", "pending"),
        ("1", "success"),
    ]
    assert {row.phone_number[-1]: row.status for row in await Numbers(database).all()} == {
        "1": "active",
        "2": "purchase-pending",
    }
