"""Telephony credentials."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.store.changes import ChangeKind, Changes
from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.paging import Page
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


async def test_changed_credential_is_returned_and_what_ends_registrations_noted(database: Database) -> None:
    for i in (1, 2):
        await Connections(database).add(connection(i))
    row, credentials, watched = credential(connection_id=OWNER), Credentials(database), Changes(database)
    await credentials.add(row)
    await watched.start()
    later, other = row.expires_at + timedelta(days=1), connection(2).connection_id

    named = await credentials.change(row.credential_id, lambda old: replace(old, name="new", tag="t"))
    moved = await credentials.change(row.credential_id, lambda old: replace(old, expires_at=later, connection_id=other))

    assert named == replace(row, name="new", tag="t")
    assert moved == await credentials.get(row.credential_id) == replace(named, expires_at=later, connection_id=other)
    assert [change.kind for change in await watched.fetch()] == [
        ChangeKind.CREDENTIAL_EXPIRY,
        ChangeKind.CREDENTIAL_OFF,
    ]


async def test_change_to_a_connection_that_does_not_exist_changes_nothing(database: Database) -> None:
    await Connections(database).add(connection())
    row, watched = credential(connection_id=OWNER), Changes(database)
    await Credentials(database).add(row)
    await watched.start()

    with pytest.raises(NotFound, match="no connection 42"):
        await Credentials(database).change(row.credential_id, lambda old: replace(old, connection_id="42"))
    with pytest.raises(NotFound, match="no credential 42"):
        await Credentials(database).change("42", lambda old: old)

    assert await Credentials(database).get(row.credential_id) == row
    assert await watched.fetch() == ()


async def test_page_of_credentials_fits_every_filter_and_is_in_order(database: Database) -> None:
    for i in (1, 2):
        await Connections(database).add(connection(i))
    rows = [
        replace(credential(1, connection_id=OWNER), tag="red"),
        replace(credential(2, connection_id=OWNER), tag="blue", expires_at=NOON),
        credential(3, connection_id=connection(2).connection_id),
    ]
    credentials = Credentials(database)
    for row in rows:
        await credentials.add(row)

    async def found(**wanted: object) -> str:
        page = await credentials.page(Page(), at=NOON, **wanted)  # type: ignore[arg-type] # filters by name
        assert page.total == len(page.rows)
        return "".join(row.name[-1] for row in page.rows)

    assert await found() == "123"
    assert await found(is_newest_first=True) == "321"
    assert await found(tag="red") == "1"
    assert await found(name="desk 2") == "2"
    assert await found(connection_id=OWNER) == "12"
    assert await found(sip_username=rows[2].sip_username) == "3"
    assert await found(is_expired=True) == "2"
    assert await found(is_expired=False, connection_id=OWNER) == "1"
