"""The engine: durability, locks, file modes, and a loop that never waits for the disk."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.store.calls import Calls
from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.errors import StoreUnavailable
from gateway.store.numbers import Numbers
from gateway.store.settings import StoreSettings
from tests.unit.store.conftest import settings
from tests.unit.store.samples import connection, initiated


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_database_file_and_its_logs_are_for_the_owner_only(tmp_path: Path) -> None:
    database = await Database.open(settings(tmp_path / "new"))
    await Connections(database).add(connection())

    modes = {path.name: _mode(path) for path in (tmp_path / "new").iterdir()}

    assert modes == {"gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.db-shm": 0o600}
    assert _mode(tmp_path / "new") == 0o700
    await database.close()


async def test_opening_a_second_time_does_not_take_away_the_locks_of_the_first(
    database: Database, tmp_path: Path
) -> None:
    """Without its locks, the next program to leave would take itself for the last and delete the log in use."""
    await Connections(database).add(connection(1))
    await Database.look(settings(tmp_path))

    program = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM calls'); c.close()"
    path = str(tmp_path / "gateway.db")
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, path], check=True)

    assert (tmp_path / "gateway.db-wal").exists()
    await Connections(database).add(connection(2))
    assert len(await Connections(database).all()) == 2


async def test_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").touch(mode=0o644)

    database = await Database.open(settings(tmp_path))

    assert _mode(tmp_path / "gateway.db") == 0o600
    await database.close()


async def test_every_connection_has_wal_foreign_keys_and_busy_timeout(database: Database) -> None:
    async with database.read() as first, database.read() as second:
        for borrowed in (first, second):
            found = [
                (await borrowed.exec_driver_sql(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            ]

            assert found == ["wal", 1, 5000, 1]


async def test_row_that_was_added_survives_the_death_of_the_process(tmp_path: Path) -> None:
    script = """
import asyncio, os, sys
from pathlib import Path
from gateway.store.connections import Connections
from gateway.store.database import Database
from tests.unit.store.conftest import settings
from tests.unit.store.samples import connection
async def main() -> None:
    database = await Database.open(settings(Path(sys.argv[1])))
    await Connections(database).add(connection())
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    died = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(tmp_path)], check=False, cwd=Path.cwd()
    )

    database = await Database.open(settings(tmp_path))

    assert died.returncode == -9
    assert await Connections(database).get(connection().connection_id) == connection()
    await database.close()


async def test_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.write() as sql:
            await sql.exec_driver_sql("DELETE FROM alembic_version")
            raise RuntimeError

    async with database.read() as sql:
        assert (await sql.exec_driver_sql("SELECT count(*) FROM alembic_version")).scalar() == 1


async def test_what_is_written_through_a_reader_is_rolled_back(database: Database) -> None:
    async with database.read() as sql:
        await sql.exec_driver_sql("DELETE FROM alembic_version")

    async with database.read() as sql:
        assert (await sql.exec_driver_sql("SELECT count(*) FROM alembic_version")).scalar() == 1


async def test_loop_turns_while_a_write_waits_for_another_programs_lock(database: Database, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    turned = asyncio.Event()
    late: list[float] = []

    def tick(due: float, left: int) -> None:
        late.append(loop.time() - due)
        if left == 0:
            turned.set()
        else:
            loop.call_at(due + 0.002, tick, due + 0.002, left - 1)

    async with asyncio.TaskGroup() as group:
        write = group.create_task(Connections(database).add(connection()))
        tick(loop.time(), 50)
        await turned.wait()
        was_waiting = not write.done()
        other.execute("COMMIT")
    other.close()

    assert was_waiting
    assert max(late) < 4.0  # a blocked loop would be late by the busy timeout of 5 s
    assert await Connections(database).get(connection().connection_id) == connection()


async def test_loop_turns_while_many_rows_are_written(fresh_store: StoreSettings) -> None:
    database = await Database.open(replace(fresh_store, busy_timeout=30.0))  # sixty wait for one another
    loop = asyncio.get_running_loop()
    calls, late = Calls(database), list[float]()
    handle: asyncio.TimerHandle | None = None

    def tick(due: float) -> None:
        nonlocal handle
        late.append(loop.time() - due)
        handle = loop.call_at(loop.time() + 0.001, tick, loop.time() + 0.001)

    tick(loop.time())
    await asyncio.gather(*(calls.write([initiated(i)]) for i in range(60)))
    assert handle is not None
    handle.cancel()

    assert len(await calls.recent(500)) == 60
    assert len(late) > 5  # the loop turned between the first write and the last
    await database.close()


async def test_lock_that_is_not_given_back_in_time_ends_in_a_clear_error(tmp_path: Path) -> None:
    quick = StoreSettings(url=f"sqlite+aiosqlite:///{tmp_path}/gateway.db", busy_timeout=0.01)
    database = await Database.open(quick)
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked"):
        await Connections(database).add(connection())

    assert await Connections(database).all() == ()  # readers go on
    other.execute("COMMIT")
    other.close()
    await Connections(database).add(connection())
    await database.close()


async def test_write_that_waits_too_long_for_those_before_it_ends_in_a_clear_error(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    database = await Database.open(StoreSettings(url=url, busy_timeout=0.05))

    async with database.write():
        with pytest.raises(StoreUnavailable, match="other writes took too long"):
            await Connections(database).add(connection(1))
    await Connections(database).add(connection(2))

    assert await Connections(database).all() == (connection(2),)
    await database.close()


async def test_writers_that_wait_leave_the_connections_to_the_readers(database: Database) -> None:
    connections = Connections(database)
    async with asyncio.TaskGroup() as group, database.write():
        waiting = [group.create_task(connections.add(connection(i))) for i in range(40)]

        for _ in range(20):  # all of them have begun long before the last
            assert await connections.all() == ()

        assert not any(task.done() for task in waiting)

    assert len(await connections.all()) == 40


async def test_more_users_than_connections_wait_and_then_give_up(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/gateway.db"
    database = await Database.open(StoreSettings(url=url, busy_timeout=0.01, pool_size=1))

    async with asyncio.timeout(30):
        with pytest.raises(StoreUnavailable, match="no free database connection"):
            await _borrow(database, 20)

    await database.close()


async def _borrow(database: Database, count: int) -> None:
    if count:
        async with database.read():
            await _borrow(database, count - 1)


async def test_cancelled_write_gives_its_lock_back(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ticked = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        write = group.create_task(Connections(database).add(connection(1)))
        asyncio.get_running_loop().call_later(0.02, ticked.set)
        await ticked.wait()
        write.cancel()
        other.execute("COMMIT")
    other.close()

    await Connections(database).add(connection(2))

    assert "alice2" in [row.user_name for row in await Connections(database).all()]


async def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_text("this is not a database, it is a letter" * 100)

    with pytest.raises(StoreUnavailable, match="not a database"):
        await Database.open(settings(tmp_path))


async def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailable, match=r"file/gateway\.db"):
        await Database.open(settings(tmp_path / "file"))


async def test_server_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(StoreUnavailable):
        await Database.open(StoreSettings(url="postgresql+asyncpg://nobody@127.0.0.1:1/none"))


async def test_closed_database_says_so_instead_of_breaking(tmp_path: Path) -> None:
    database = await Database.open(settings(tmp_path))
    await database.close()
    await database.close()

    with pytest.raises(StoreUnavailable):
        await Calls(database).write([initiated()])
    with pytest.raises(StoreUnavailable):
        await Numbers(database).find("+12025550199")


async def test_records_wait_for_the_writers_before_them_and_no_reader_for_either(tmp_path: Path) -> None:
    database = await Database.open(settings(tmp_path))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group, database.write():
        waiting = group.create_task(Calls(database).write([initiated()]))
        assert await Numbers(database).find("+12025550199") is None
        assert not waiting.done()

    assert (await Calls(database).get(initiated().call_id)).caller == "alice"
    await database.close()
