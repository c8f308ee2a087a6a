"""Numbers."""

from dataclasses import replace

import pytest

from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.numbers import Numbers
from tests.unit.store.samples import connection, number

OWNER = connection().connection_id


async def test_number_comes_back_with_its_connection(database: Database) -> None:
    await Connections(database).add(connection())

    await Numbers(database).add(number(connection_id=OWNER))

    named = replace(number(connection_id=OWNER), connection_name=connection().name)
    assert await Numbers(database).find("+12025550199") == named
    assert await Numbers(database).find("+12025550198") is None


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
