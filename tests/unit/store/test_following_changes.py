"""What a running gateway has to hear of."""

from datetime import timedelta

from gateway.store.changes import KEPT, ChangeKind, Changes, note
from gateway.store.database import Database
from tests.unit.store.samples import NOON


async def noted(database: Database, *subjects: str) -> None:
    async with database.write() as sql:
        for subject in subjects:
            await note(sql, ChangeKind.CREDENTIAL_OFF, subject, at=NOON)


async def test_changes_are_told_once_in_their_order_and_not_those_of_before(database: Database) -> None:
    changes = Changes(database)
    await noted(database, "before")
    await changes.start()
    await noted(database, "a", "b")

    first, second = await changes.fetch(), await changes.fetch()
    await noted(database, "c")
    third = await changes.fetch()

    assert [change.subject for change in first] == ["a", "b"]
    assert second == ()
    assert [(change.kind, change.subject) for change in third] == [(ChangeKind.CREDENTIAL_OFF, "c")]


async def test_more_changes_than_are_read_again_are_each_told_once(database: Database) -> None:
    changes = Changes(database)
    await changes.start()
    names = [f"{i}" for i in range(250)]

    await noted(database, *names[:130])
    told = [change.subject for change in await changes.fetch()]
    await noted(database, *names[130:])
    told += [change.subject for change in await changes.fetch()]

    assert told == names


async def test_change_that_is_rolled_back_is_not_told(database: Database) -> None:
    changes = Changes(database)
    await changes.start()

    async with database.read() as sql:
        await note(sql, ChangeKind.CONNECTION_OFF, "never", at=NOON)

    assert await changes.fetch() == ()


async def test_old_changes_are_forgotten_and_their_numbers_not_given_again(database: Database) -> None:
    changes = Changes(database)
    await changes.start()
    await noted(database, "old")
    before = await changes.fetch()

    await changes.forget(NOON + KEPT + timedelta(seconds=1))
    await noted(database, "new")
    after = await changes.fetch()

    assert [change.subject for change in after] == ["new"]
    assert after[0].sequence > before[0].sequence
