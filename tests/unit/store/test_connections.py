"""Connections, and what goes with them when they go."""

import asyncio
from dataclasses import replace

import pytest

from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.numbers import Numbers
from tests.unit.store.samples import NOON, connection, credential, number


async def test_connection_comes_back_as_it_was_kept(database: Database) -> None:
    connections = Connections(database)

    await connections.add(connection())

    assert await connections.get(connection().connection_id) == connection()
    assert await connections.find_by_user_name("alice1") == connection()
    assert (await connections.get(connection().connection_id)).created_at.utcoffset() is not None


async def test_user_name_of_another_case_is_another_user(database: Database) -> None:
    await Connections(database).add(connection(user_name="alice"))

    assert await Connections(database).find_by_user_name("Alice") is None


async def test_second_connection_with_a_taken_user_name_is_refused_and_names_the_field(database: Database) -> None:
    await Connections(database).add(connection(1, user_name="alice"))

    with pytest.raises(Duplicate) as refused:
        await Connections(database).add(connection(2, user_name="alice"))

    assert refused.value.field == "user_name"
    assert len(await Connections(database).all()) == 1


async def test_second_connection_with_a_taken_id_is_refused_and_names_the_field(database: Database) -> None:
    await Connections(database).add(connection(1))

    with pytest.raises(Duplicate) as refused:
        await Connections(database).add(replace(connection(1), user_name="bob"))

    assert refused.value.field == "connection_id"


async def test_of_many_who_want_one_user_name_at_once_exactly_one_gets_it(database: Database) -> None:
    connections = Connections(database)

    results = await asyncio.gather(
        *(connections.add(connection(i, user_name="alice")) for i in range(12)), return_exceptions=True
    )

    assert results.count(None) == 1
    assert sum(isinstance(result, Duplicate) for result in results) == 11


async def test_connections_are_listed_oldest_first_up_to_the_limit(database: Database) -> None:
    for i in (3, 1, 2):
        await Connections(database).add(connection(i))

    assert [row.user_name for row in await Connections(database).all(limit=2)] == ["alice1", "alice2"]


async def test_new_hash_and_state_replace_the_old_and_move_the_time_of_change(database: Database) -> None:
    connections = Connections(database)
    await connections.add(connection())
    later = NOON.replace(hour=13)

    await connections.rehash(connection().connection_id, "$argon2id$new", before=connection().password_hash, at=later)
    await connections.change(connection().connection_id, lambda row: replace(row, is_active=False, updated_at=later))

    changed = await connections.get(connection().connection_id)
    assert (changed.password_hash, changed.is_active, changed.updated_at) == ("$argon2id$new", False, later)
    assert changed.created_at == connection().created_at


async def test_removed_connection_takes_its_credentials_along_and_leaves_its_numbers(database: Database) -> None:
    for i in (1, 2):
        await Connections(database).add(connection(i))
        await Credentials(database).add(credential(i, connection_id=connection(i).connection_id))
        await Numbers(database).add(number(190 + i, connection_id=connection(i).connection_id))

    await Connections(database).remove(connection(1).connection_id, at=NOON)

    assert [row.name for row in await Credentials(database).all()] == ["desk 2"]
    assert [(row.phone_number, row.connection_id) for row in await Numbers(database).all()] == [
        ("+12025550191", None),
        ("+12025550192", connection(2).connection_id),
    ]


async def test_a_connection_that_is_not_there_is_not_found(database: Database) -> None:
    connections = Connections(database)

    assert await connections.find_by_user_name("nobody") is None
    for attempt in (
        connections.get("1"),
        connections.remove("1", at=NOON),
        connections.change("1", lambda row: row),
        connections.rehash("1", "x", before="y", at=NOON),
    ):
        with pytest.raises(NotFound, match="no connection 1"):
            await attempt


async def test_password_hash_is_not_in_the_representation_of_a_row(database: Database) -> None:
    assert "argon2id" not in repr(connection())
    assert "argon2id" not in repr(credential(connection_id="1"))
