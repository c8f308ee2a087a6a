"""Numbers."""

from dataclasses import replace

import pytest

from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.numbers import NumberFilter, Numbers, NumberSort
from gateway.store.paging import Page
from tests.unit.store.samples import NOON, connection, number

OWNER = connection().connection_id


async def test_number_comes_back_with_its_connection(database: Database) -> None:
    await Connections(database).add(connection())

    await Numbers(database).add(number(connection_id=OWNER))

    named = replace(number(connection_id=OWNER), connection_name=connection().name)
    assert await Numbers(database).find("+12025550199") == named
    assert await Numbers(database).find("+12025550198") is None
    assert await Numbers(database).find_owner("+12025550199") == OWNER
    assert await Numbers(database).find_owner("+12025550198") is None


async def test_number_that_another_connection_has_is_refused(database: Database) -> None:
    await Connections(database).add(connection(1))
    await Connections(database).add(connection(2))
    taken, other = number(connection_id=OWNER), connection(2).connection_id
    await Numbers(database).add(taken)

    with pytest.raises(Duplicate) as refused:
        await Numbers(database).add(replace(taken, number_id="1700000000000000000", connection_id=other))

    assert refused.value.field == "phone_number"


async def test_number_of_an_unknown_connection_is_refused(database: Database) -> None:
    with pytest.raises(NotFound, match="no connection 42"):
        await Numbers(database).add(number(connection_id="42"))


async def test_caller_id_of_a_connection_is_the_number_it_got_first(database: Database) -> None:
    await Connections(database).add(connection())
    for last in (195, 191, 193):
        await Numbers(database).add(number(last, connection_id=OWNER))

    first = await Numbers(database).first_of(OWNER)

    assert first is not None
    assert first.phone_number == "+12025550191"
    assert await Numbers(database).first_of("42") is None
    assert len(await Numbers(database).all(connection_id=OWNER)) == 3


async def test_given_up_number_is_free_again(database: Database) -> None:
    await Connections(database).add(connection())
    await Numbers(database).add(number(connection_id=OWNER))

    await Numbers(database).remove("+12025550199")

    await Numbers(database).add(number(connection_id=OWNER))
    with pytest.raises(NotFound):
        await Numbers(database).remove("+12025550111")


async def test_number_by_its_id_is_found_or_not_found(database: Database) -> None:
    row = number(connection_id=None)
    await Numbers(database).add(row)

    assert await Numbers(database).get(row.number_id) == row
    with pytest.raises(NotFound, match="no phone number 42"):
        await Numbers(database).get("42")


async def test_number_that_no_connection_has_is_given_to_the_one_that_asks(database: Database) -> None:
    await Connections(database).add(connection(1))
    await Connections(database).add(connection(2))
    free = number(connection_id=None)
    await Numbers(database).add(free)

    given = await Numbers(database).add_or_assign(replace(free, number_id="1", connection_id=OWNER))
    with pytest.raises(Duplicate):
        await Numbers(database).add_or_assign(replace(free, connection_id=connection(2).connection_id))
    with pytest.raises(NotFound, match="no connection 42"):
        await Numbers(database).add_or_assign(number(198, connection_id="42"))

    assert (given.number_id, given.connection_name) == (free.number_id, "lab 1")
    assert [row.connection_id for row in await Numbers(database).all()] == [OWNER]


async def test_changed_number_is_returned_as_it_is_kept_now(database: Database) -> None:
    await Connections(database).add(connection())
    row = number(connection_id=None)
    await Numbers(database).add(row)

    changed = await Numbers(database).change(row.number_id, lambda old: replace(old, connection_id=OWNER))

    assert changed == replace(row, connection_id=OWNER, connection_name="lab 1")
    assert await Numbers(database).get(row.number_id) == changed
    with pytest.raises(NotFound, match="no connection 42"):
        await Numbers(database).change(row.number_id, lambda old: replace(old, connection_id="42"))
    with pytest.raises(NotFound, match="no phone number 42"):
        await Numbers(database).change("42", lambda old: old)


async def test_taken_numbers_are_those_that_the_account_has(database: Database) -> None:
    await Numbers(database).add(number(191, connection_id=None))

    assert await Numbers(database).taken(["+12025550191", "+12025550192"]) == {"+12025550191"}
    assert await Numbers(database).taken([]) == frozenset()


@pytest.fixture
async def stock(database: Database) -> Numbers:
    """191 is of `lab Ä1`, 192 of `lab 2`, 193 of nobody."""
    await Connections(database).add(replace(connection(1), name="lab Ä1"))
    await Connections(database).add(connection(2))
    numbers = Numbers(database)
    first = number(191, connection_id=OWNER)
    await numbers.add(replace(first, customer_reference="x", settings={"tags": ["Grün", 'a"b', "100%"]}))
    await numbers.add(
        replace(number(192, connection_id=connection(2).connection_id), number_type="toll-free", settings={"tags": []})
    )
    await numbers.add(replace(number(193, connection_id=None), status="purchase-pending"))
    return numbers


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (NumberFilter(), "123"),
        (NumberFilter(digits="0192"), "2"),
        (NumberFilter(digits="%"), ""),
        (NumberFilter(connection_id=OWNER), "1"),
        (NumberFilter(status="active"), "12"),
        (NumberFilter(customer_reference="x"), "1"),
        (NumberFilter(number_type="toll-free"), "2"),
        (NumberFilter(name_equals="lab 2"), "2"),
        (NumberFilter(name_equals="LAB 2"), ""),
        (NumberFilter(name_contains="AB ä"), "1"),
        (NumberFilter(name_starts="LAB"), "12"),
        (NumberFilter(name_starts="ab"), ""),
        (NumberFilter(name_ends="Ä1"), "1"),
        (NumberFilter(name_ends="_"), ""),
        (NumberFilter(tag="Grün"), "1"),
        (NumberFilter(tag='a"b'), "1"),
        (NumberFilter(tag="100%"), "1"),
        (NumberFilter(tag="Gr"), ""),
        (NumberFilter(is_tagged=True), "1"),
        (NumberFilter(is_tagged=False), "23"),
        (NumberFilter(status="active", digits="192"), "2"),
    ],
    ids=str,
)
async def test_filter_finds_the_numbers_that_fit_all_of_it(stock: Numbers, wanted: NumberFilter, found: str) -> None:
    page = await stock.page(Page(), wanted)

    assert "".join(row.phone_number[-1] for row in page.rows) == found
    assert page.total == len(found)


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("phone_number", "123"),
        ("purchased_at", "123"),
        ("usage_payment_method", "123"),
        ("connection_name", "321"),
    ],
)
async def test_numbers_are_sorted_up_and_down_those_without_a_name_first(
    stock: Numbers, sort: NumberSort, order: str
) -> None:
    up = await stock.page(Page(), NumberFilter(), [(sort, False)])
    down = await stock.page(Page(), NumberFilter(), [(sort, True)])

    assert "".join(row.phone_number[-1] for row in up.rows) == order
    assert "".join(row.phone_number[-1] for row in down.rows) == order[::-1]


async def test_number_given_up_by_its_connection_is_free_from_then_on(stock: Numbers, database: Database) -> None:
    await Connections(database).remove(OWNER, at=NOON)

    assert (await stock.page(Page(), NumberFilter(name_contains="Ä"))).total == 0
    assert (await stock.page(Page(), NumberFilter())).total == 3
