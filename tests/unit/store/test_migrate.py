"""Migrations: up, down, and the same as the tables in schema.py."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import inspect

from gateway.store import migrate
from gateway.store.database import Database
from gateway.store.errors import WrongSchema
from gateway.store.migrations import HEAD
from gateway.store.schema import METADATA
from tests.unit.store.conftest import settings


def _differences(connection: SqlConnection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": METADATA})
    return list(compare_metadata(context, METADATA))


def _names(connection: SqlConnection) -> set[str]:
    """Tables, indexes and constraints by name, which autogenerate does not all compare on SQLite."""
    inspector = inspect(connection)
    found: set[str] = set(inspector.get_table_names()) - {"alembic_version"}
    for table in sorted(found):
        found |= {str(index["name"]) for index in inspector.get_indexes(table)}
        found |= {str(unique["name"]) for unique in inspector.get_unique_constraints(table)}
        found |= {str(key["name"]) for key in inspector.get_foreign_keys(table)}
        found.add(str(inspector.get_pk_constraint(table)["name"]))
    return found


def _nullable(connection: SqlConnection) -> dict[str, bool]:
    return {
        f"{table}.{column['name']}": column["nullable"]
        for table in inspect(connection).get_table_names()
        if table != "alembic_version"
        for column in inspect(connection).get_columns(table)
    }


async def test_migrations_and_tables_agree(database: Database, tmp_path: Path) -> None:
    async with database.read() as connection:
        differences = await connection.run_sync(_differences)
        migrated = await connection.run_sync(_names), await connection.run_sync(_nullable)

    async with database.write() as connection:
        await connection.run_sync(lambda sql: migrate.downgrade(sql, "base"))
        await connection.run_sync(METADATA.create_all)
        made = await connection.run_sync(_names), await connection.run_sync(_nullable)
    assert differences == []
    assert migrated == made


async def test_head_in_the_code_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migrate.config()).get_current_head() == HEAD


async def test_database_goes_down_to_nothing_and_up_again(database: Database) -> None:
    async with database.write() as connection:
        await connection.run_sync(lambda sql: migrate.downgrade(sql, "base"))
        empty = await connection.run_sync(_names)
        await connection.run_sync(migrate.upgrade)
        full = await connection.run_sync(_names)

    assert empty == set()
    assert {"connections", "telephony_credentials", "numbers", "api_keys", "calls"} <= full


async def test_opening_again_changes_nothing_and_keeps_the_rows(database: Database, tmp_path: Path) -> None:
    again = await Database.open(settings(tmp_path))

    async with again.read() as connection:
        assert await connection.run_sync(migrate.current_revision) == HEAD
    await again.close()


async def test_failed_migration_leaves_the_database_as_it_was(database: Database) -> None:
    with pytest.raises(WrongSchema):
        async with database.write() as connection:
            await connection.run_sync(lambda sql: migrate.downgrade(sql, "nonsense"))

    async with database.read() as connection:
        assert await connection.run_sync(migrate.current_revision) == HEAD
        assert "calls" in await connection.run_sync(_names)


async def test_database_of_a_newer_version_is_refused_and_says_so(tmp_path: Path) -> None:
    opened = await Database.open(settings(tmp_path))
    await opened.close()
    with sqlite3.connect(tmp_path / "gateway.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()

    with pytest.raises(WrongSchema, match="schema 9999, made by a newer version"):
        await Database.open(settings(tmp_path))


async def test_tables_of_another_program_are_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gateway.db") as raw:
        raw.execute("CREATE TABLE connections (x INTEGER)")
    raw.close()

    with pytest.raises(WrongSchema, match="another program"):
        await Database.open(settings(tmp_path))


async def test_two_gateways_that_start_at_once_on_one_file_migrate_it_once(tmp_path: Path) -> None:
    opened = await asyncio.gather(*(Database.open(settings(tmp_path)) for _ in range(2)))

    async with opened[0].read() as connection:
        assert await connection.run_sync(migrate.current_revision) == HEAD
    for database in opened:
        await database.close()
