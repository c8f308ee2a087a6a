"""What a running gateway has to hear of."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from gateway.store.changes import KEPT, Change, ChangeKind, Changes, note
from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.keys import ApiKeys
from gateway.store.schema import account_changes
from tests.unit.store.samples import NOON, connection, credential
from tests.unit.store.test_keys import _key

OWNER = connection().connection_id
DESK = credential(connection_id=OWNER)

Write = Callable[[Database], Awaitable[object]]


def _connection(**changed: object) -> Write:
    return lambda database: Connections(database).change(OWNER, lambda row: replace(row, **changed))  # type: ignore[arg-type] # fields of it


def _credential(**changed: object) -> Write:
    return lambda database: Credentials(database).change(DESK.credential_id, lambda row: replace(row, **changed))  # type: ignore[arg-type] # as above


WRITES: dict[str, tuple[Write, tuple[ChangeKind, str] | None]] = {
    "another password": (_connection(password_hash="x"), (ChangeKind.CONNECTION_LOGIN, OWNER)),
    "another user name": (_connection(user_name="bobby"), (ChangeKind.CONNECTION_LOGIN, OWNER)),
    "switched off": (_connection(is_active=False, password_hash="x"), (ChangeKind.CONNECTION_OFF, OWNER)),
    "connection removed": (lambda d: Connections(d).remove(OWNER, at=NOON), (ChangeKind.CONNECTION_OFF, OWNER)),
    "another name": (_connection(name="other"), None),
    "expiry moved": (
        _credential(expires_at=NOON + timedelta(hours=1)),
        (ChangeKind.CREDENTIAL_EXPIRY, DESK.credential_id),
    ),
    "credential removed": (
        lambda d: Credentials(d).remove(DESK.credential_id, at=NOON),
        (ChangeKind.CREDENTIAL_OFF, DESK.credential_id),
    ),
    "credential renamed": (_credential(name="other"), None),
    "key revoked": (lambda d: ApiKeys(d).revoke("k1", at=NOON), (ChangeKind.KEY_REVOKED, "k1")),
}


async def _followed(database: Database) -> Changes:
    await Connections(database).add(connection())
    await Credentials(database).add(DESK)
    await ApiKeys(database).add(_key())
    changes = Changes(database)
    await changes.start()
    return changes


def _said(found: tuple[Change, ...]) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.subject) for change in found]


@pytest.mark.parametrize(("write", "expected"), WRITES.values(), ids=WRITES.keys())
async def test_what_ends_registrations_is_reported_once(
    database: Database, write: Write, expected: tuple[ChangeKind, str] | None
) -> None:
    changes = await _followed(database)

    await write(database)

    assert _said(await changes.fetch()) == ([] if expected is None else [expected])
    assert await changes.fetch() == ()


async def test_change_that_is_rolled_back_is_not_reported(database: Database) -> None:
    changes = await _followed(database)

    with pytest.raises(RuntimeError):
        async with database.write() as sql:
            await note(sql, ChangeKind.KEY_REVOKED, "k1", at=NOON)
            raise RuntimeError

    assert await changes.fetch() == ()


async def test_what_was_before_the_start_is_not_reported(database: Database) -> None:
    await _followed(database)
    await ApiKeys(database).revoke("k1", at=NOON)

    late = Changes(database)
    await late.start()

    assert await late.fetch() == ()


async def test_changes_whose_numbers_are_committed_out_of_order_are_each_reported_once(database: Database) -> None:
    """PostgreSQL gives a number at the insert, and shows the row at the commit."""
    numbers = list(range(1, 61))
    random.Random(4).shuffle(numbers)
    await _insert(database, "key_revoked", sequence=numbers[0])
    changes, heard = await _followed(database), list[int]()

    for number in numbers[1:]:
        await _insert(database, "key_revoked", sequence=number)
        heard += [change.sequence for change in await changes.fetch()]

    assert heard == numbers[1:]


async def test_kind_that_only_a_newer_version_knows_is_passed_over(database: Database) -> None:
    changes = await _followed(database)

    await _insert(database, "something_new")
    await ApiKeys(database).revoke("k1", at=NOON)

    assert _said(await changes.fetch()) == [(ChangeKind.KEY_REVOKED, "k1")]


async def test_what_everybody_has_read_long_ago_is_forgotten(database: Database) -> None:
    changes = await _followed(database)
    await ApiKeys(database).revoke("k1", at=NOON)

    await changes.forget(NOON + KEPT)
    kept = await _count(database)
    await changes.forget(NOON + KEPT + timedelta(seconds=1))

    assert (kept, await _count(database)) == (1, 0)


async def _insert(database: Database, kind: str, **sequence: int) -> None:
    async with database.write() as sql:
        await sql.execute(insert(account_changes).values(kind=kind, subject="s", at=NOON, **sequence))


async def _count(database: Database) -> int:
    async with database.read() as sql:
        return (await sql.execute(select(func.count()).select_from(account_changes))).scalar_one()
