"""Telephony credentials."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from tests.unit.store.samples import NOON, connection, credential

OWNER = connection().connection_id


async def test_credential_comes_back_as_it_was_kept(database: Database) -> None:
    await Connections(database).add(connection())
    row = credential(connection_id=OWNER)

    await Credentials(database).add(row)

    assert await Credentials(database).get(row.credential_id) == row
    assert await Credentials(database).find_by_sip_username(row.sip_username) == row
    assert await Credentials(database).find_by_sip_username("gencredother") is None


async def test_credential_of_an_unknown_connection_is_refused(database: Database) -> None:
    with pytest.raises(NotFound, match="no connection 42"):
        await Credentials(database).add(credential(connection_id="42"))


async def test_taken_sip_username_is_refused_and_names_the_field(database: Database) -> None:
    await Connections(database).add(connection())
    await Credentials(database).add(credential(1, connection_id=OWNER))
    taken = credential(1, connection_id=OWNER).sip_username

    with pytest.raises(Duplicate) as refused:
        await Credentials(database).add(replace(credential(2, connection_id=OWNER), sip_username=taken))

    assert refused.value.field == "sip_username"


async def test_credentials_are_listed_for_one_connection_or_for_all(database: Database) -> None:
    for i in (1, 2):
        await Connections(database).add(connection(i))
        await Credentials(database).add(credential(i, connection_id=connection(i).connection_id))

    assert len(await Credentials(database).all()) == 2
    assert [row.name for row in await Credentials(database).all(connection_id=OWNER)] == ["desk 1"]


async def test_removed_credential_is_gone_and_cannot_be_removed_again(database: Database) -> None:
    await Connections(database).add(connection())
    row = credential(connection_id=OWNER)
    await Credentials(database).add(row)

    await Credentials(database).remove(row.credential_id, at=NOON)

    with pytest.raises(NotFound):
        await Credentials(database).get(row.credential_id)
    with pytest.raises(NotFound):
        await Credentials(database).remove(row.credential_id, at=NOON)
    with pytest.raises(NotFound):
        await Credentials(database).rehash(row.credential_id, "x", before=row.password_hash, at=NOON)


async def test_new_hash_replaces_the_old(database: Database) -> None:
    await Connections(database).add(connection())
    row = credential(connection_id=OWNER)
    await Credentials(database).add(row)

    await Credentials(database).rehash(row.credential_id, "$argon2id$new", before=row.password_hash, at=NOON)

    assert (await Credentials(database).get(row.credential_id)).password_hash == "$argon2id$new"


def test_credential_expires_exactly_at_its_time() -> None:
    row = credential(connection_id=OWNER)

    assert not row.is_expired(row.expires_at - timedelta(microseconds=1))
    assert row.is_expired(row.expires_at)
