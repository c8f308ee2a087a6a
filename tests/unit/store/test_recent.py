"""Rows that were read a moment ago are not read again, unless something was written or the moment is over."""

import pytest

from gateway.store.database import Database
from gateway.store.recent import MOST, Recent


class Table:
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def read(self, key: str) -> str:
        self.asked.append(key)
        if key == "missing":
            raise LookupError(key)
        return f"{key} {len(self.asked)}"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(database: Database, table: Table, clock: Clock) -> Recent[str, str]:
    return Recent(database, table.read, seconds=0.5, clock=clock)


async def test_row_is_read_once_in_a_moment(recent: Recent[str, str], table: Table, clock: Clock) -> None:
    first = await recent.get("a")
    clock.now += 0.49

    assert await recent.get("a") == first
    assert table.asked == ["a"]


async def test_row_is_read_again_when_its_moment_is_over(recent: Recent[str, str], table: Table, clock: Clock) -> None:
    await recent.get("a")
    clock.now += 0.5

    await recent.get("a")

    assert table.asked == ["a", "a"]


@pytest.mark.parametrize(("is_record", "reads"), [(False, 2), (True, 1)])
async def test_row_is_read_again_after_a_write_that_may_concern_it(
    recent: Recent[str, str], table: Table, database: Database, is_record: bool, reads: int
) -> None:
    await recent.get("a")
    async with database.write(is_record=is_record):
        pass

    await recent.get("a")

    assert len(table.asked) == reads


async def test_write_that_fails_changes_nothing(recent: Recent[str, str], table: Table, database: Database) -> None:
    await recent.get("a")
    with pytest.raises(LookupError):
        async with database.write():
            raise LookupError

    await recent.get("a")

    assert table.asked == ["a"]


async def test_what_was_written_while_a_row_was_read_is_not_missed(database: Database) -> None:
    async def read(_key: str) -> str:
        async with database.write():
            pass
        return "of before"

    recent: Recent[str, str] = Recent(database, read)
    await recent.get("a")
    version = database.version

    await recent.get("a")

    assert database.version == version + 1


async def test_what_cannot_be_read_is_asked_for_again(recent: Recent[str, str], table: Table) -> None:
    for _ in range(2):
        with pytest.raises(LookupError):
            await recent.get("missing")

    assert len(table.asked) == 2


async def test_row_that_was_read_by_another_key_is_as_old_as_that(
    recent: Recent[str, str], table: Table, clock: Clock
) -> None:
    moment = recent.moment()
    clock.now += 0.3
    recent.know("a", "known", as_of=moment)

    assert await recent.get("a") == "known"
    clock.now += 0.2
    assert await recent.get("a") == "a 1"
    assert table.asked == ["a"]


async def test_only_so_many_rows_are_remembered(recent: Recent[str, str], table: Table) -> None:
    for number in range(MOST + 1):
        await recent.get(str(number))

    await recent.get("0")

    assert table.asked.count("0") == 2
