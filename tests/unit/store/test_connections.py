"""Connections, and what goes with them when they go."""

import asyncio
from dataclasses import replace

import pytest

from gateway.store.changes import ChangeKind, Changes
from gateway.store.connections import Connection, Connections, ConnectionSort
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.errors import Duplicate, MissingParent, NotFound
from gateway.store.numbers import Numbers
from gateway.store.paging import Page
from gateway.store.profiles import Profiles
from tests.unit.store.samples import NOON, connection, credential, number, profile


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


async def test_settings_and_profile_of_a_connection_come_back_as_they_were_kept(database: Database) -> None:
    await Profiles(database).add(profile())
    row = replace(
        connection(),
        is_local=False,
        password_sealed="sealed",
        outbound_voice_profile_id=profile().profile_id,
        settings={"tags": ["Grün", "\u0001", '"'], "inbound": {"codecs": ["OPUS"], "channel_limit": None}},
    )

    await Connections(database).add(row)

    assert await Connections(database).get(row.connection_id) == row


async def test_profile_that_does_not_exist_is_refused_and_nothing_is_kept(database: Database) -> None:
    connections = Connections(database)
    await connections.add(connection(2))

    with pytest.raises(MissingParent):
        await connections.add(replace(connection(1), outbound_voice_profile_id="42"))
    with pytest.raises(MissingParent):
        await connections.change(
            connection(2).connection_id, lambda row: replace(row, name="new", outbound_voice_profile_id="42")
        )

    assert await connections.all() == (connection(2),)


async def test_taken_name_is_refused_where_it_has_to_be_unique(database: Database) -> None:
    connections = Connections(database)
    await connections.add(connection(1))
    same = replace(connection(2), name=connection(1).name)

    with pytest.raises(Duplicate) as refused:
        await connections.add(same, has_unique_name=True)
    await connections.add(same)
    await connections.add(connection(3))
    with pytest.raises(Duplicate):
        await connections.change(connection(3).connection_id, lambda row: replace(row, name=same.name))

    assert refused.value.field == "connection_name"


async def test_change_that_raises_leaves_the_connection_as_it_was(database: Database) -> None:
    connections = Connections(database)
    await connections.add(connection())

    def refuse(_row: Connection) -> Connection:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await connections.change(connection().connection_id, refuse)

    assert await connections.get(connection().connection_id) == connection()


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"name": "new"}, []),
        ({"password_hash": "new"}, [ChangeKind.CONNECTION_LOGIN]),
        ({"user_name": "bob"}, [ChangeKind.CONNECTION_LOGIN]),
        ({"is_active": False}, [ChangeKind.CONNECTION_OFF]),
        ({"is_active": False, "user_name": "bob"}, [ChangeKind.CONNECTION_OFF]),
    ],
)
async def test_change_that_ends_registrations_is_noted_with_it(
    database: Database, changes: dict[str, str], kinds: list[ChangeKind]
) -> None:
    await Connections(database).add(connection())
    watched = Changes(database)
    await watched.start()

    await Connections(database).change(connection().connection_id, lambda row: replace(row, **changes))  # type: ignore[arg-type] # fields by name

    assert [(change.kind, change.subject) for change in await watched.fetch()] == [
        (kind, connection().connection_id) for kind in kinds
    ]


async def test_page_of_connections_is_filtered_by_name_and_profile(database: Database) -> None:
    connections = Connections(database)
    await Profiles(database).add(profile())
    await connections.add(replace(connection(1), name="Straße 50%", outbound_voice_profile_id=profile().profile_id))
    await connections.add(replace(connection(2), name="500"))

    async def names(**wanted: str) -> list[str]:
        return [row.name for row in (await connections.page(Page(), **wanted)).rows]  # type: ignore[arg-type] # by name

    assert await names(name_contains="STRA") == ["Straße 50%"]
    assert await names(name_contains="50%") == ["Straße 50%"]
    assert await names(name_contains="50") == ["Straße 50%", "500"]
    assert await names(profile_id=profile().profile_id) == ["Straße 50%"]
    assert await names(profile_id="42") == []


@pytest.mark.parametrize("field", ["created_at", "connection_name", "active"])
async def test_page_of_connections_is_sorted_up_and_down(database: Database, field: ConnectionSort) -> None:
    connections = Connections(database)
    for i in (1, 2):
        await connections.add(replace(connection(i), is_active=i == 2))

    up = await connections.page(Page(), sort=[(field, False)])
    down = await connections.page(Page(), sort=[(field, True)])

    assert [row.user_name for row in up.rows] == ["alice1", "alice2"]
    assert [row.user_name for row in down.rows] == ["alice2", "alice1"]
