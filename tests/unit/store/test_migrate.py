"""Migrations: up, down, and the same as the tables in schema.py."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Table, insert, inspect, select, text
from sqlalchemy import Connection as SqlConnection
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store import migrate
from gateway.store.database import Database
from gateway.store.errors import WrongSchema
from gateway.store.migrations import HEAD
from gateway.store.schema import (
    METADATA,
    api_keys,
    calls,
    connections,
    numbers,
    push_devices,
    telephony_credentials,
)
from gateway.store.settings import StoreSettings
from tests.unit.store.samples import NOON, connection, number


@pytest_asyncio.fixture
async def database(own_store: StoreSettings) -> AsyncIterator[Database]:
    opened = await Database.open(own_store)
    yield opened
    await opened.close()


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


async def test_migrations_and_tables_agree(database: Database) -> None:
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


async def test_opening_again_changes_nothing_and_keeps_the_rows(database: Database, own_store: StoreSettings) -> None:
    again = await Database.open(own_store)

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


async def test_database_of_a_newer_version_is_refused_and_says_so(database: Database, own_store: StoreSettings) -> None:
    async with database.write() as sql:
        await sql.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(WrongSchema, match="schema 9999, made by a newer version"):
        await Database.open(own_store)


async def test_tables_of_another_program_are_refused(database: Database, own_store: StoreSettings) -> None:
    async with database.write() as sql:
        await sql.execute(text("DROP TABLE alembic_version"))

    with pytest.raises(WrongSchema, match="another program"):
        await Database.open(own_store)


async def test_gateways_that_start_at_once_on_one_database_migrate_it_once(blank_store: StoreSettings) -> None:
    opened = await asyncio.gather(*(Database.open(blank_store) for _ in range(3)))

    async with opened[0].read() as connection:
        assert await connection.run_sync(migrate.current_revision) == HEAD
    for database in opened:
        await database.close()


_ROWS_OF_0003: Mapping[Table, Mapping[str, object]] = {
    connections: {
        "connection_id": connection().connection_id,
        "name": "Büro",
        "user_name": "alice",
        "password_hash": "$argon2id$fixed",
        "is_active": True,
    },
    telephony_credentials: {
        "credential_id": "c215ade3-0d39-418e-94be-000000000001",
        "connection_id": connection().connection_id,
        "name": "desk",
        "sip_username": "gencred1",
        "password_hash": "$argon2id$fixed",
        "expires_at": NOON,
    },
    numbers: {
        "number_id": number(connection_id=None).number_id,
        "phone_number": "+12025550199",
        "connection_id": connection().connection_id,
    },
    api_keys: {"key_id": "k", "key_hash": "h", "last4": "last", "scope": ["lab", "read"]},
    push_devices: {
        "username": "alice",
        "token_hash": "h",
        "connection_id": connection().connection_id,
        "credential_id": "c215ade3-0d39-418e-94be-000000000001",
        "provider": "android",
        "token": "t",
        "environment": "production",
        "user_agent": "Android",
        "used_at": NOON,
    },
    calls: {
        "call_id": "7f1d0000-0000-4000-8000-000000000001",
        "direction": "outbound",
        "caller": "alice",
        "callee": "+12025550100",
        "connection_id": connection().connection_id,
        "started_at": NOON,
        "duration_s": 12.5,
        "transfers": [{"kind": "blind"}],
        "stages": {"ringing": 0.5},
        "media": {},
    },
}
"""A row in every table that schema 0003 has, with the columns that it had."""


async def _fill_0003(sql: AsyncConnection) -> None:
    """Make an empty database one that a gateway of schema 0003 has used."""
    await sql.run_sync(lambda connection: migrate.downgrade(connection, "base"))
    await sql.run_sync(lambda connection: migrate.upgrade(connection, "0003"))
    for table, row in _ROWS_OF_0003.items():
        times = {name: NOON for name in ("created_at", "updated_at") if name in table.columns}
        if table is numbers:
            del times["updated_at"]  # came with 0004
        await sql.execute(insert(table).values(**row, **times))


def _columns(connection: SqlConnection, table: Table) -> list[Column[Any]]:  # Any: of several types
    """Those of the table that the database has by now."""
    return [table.columns[column["name"]] for column in inspect(connection).get_columns(table.name)]


async def _rows(sql: AsyncConnection) -> dict[str, Mapping[str, Any]]:  # Any: columns of several types
    """The one row of each table of 0003, with the columns that 0003 has and whatever came later."""
    found: dict[str, Mapping[str, Any]] = {}  # Any: as above
    for table in _ROWS_OF_0003:
        columns = await sql.run_sync(_columns, table)
        found[table.name] = dict((await sql.execute(select(*columns))).mappings().one())
    return found


async def test_every_row_of_the_version_before_outlives_the_upgrade_and_the_way_back(
    database: Database, own_store: StoreSettings
) -> None:
    async with database.write() as sql:
        await _fill_0003(sql)
        before = await _rows(sql)

    upgraded = await Database.open(own_store)
    async with upgraded.write() as sql:
        after = await _rows(sql)
        await sql.run_sync(lambda connection: migrate.downgrade(connection, "0003"))
        back = await _rows(sql)
    await upgraded.close()

    kept = {name: {column: after[name][column] for column in row} for name, row in before.items()}
    added = {name: {column: after[name][column] for column in after[name].keys() - row} for name, row in before.items()}
    assert set(before) == {"connections", "telephony_credentials", "numbers", "api_keys", "push_devices", "calls"}
    assert kept == before == back
    assert added == {
        "connections": {"password_sealed": None, "is_local": True, "settings": {}},
        "telephony_credentials": {"password_sealed": None, "tag": None},
        "numbers": {
            "status": "active",
            "number_type": "local",
            "customer_reference": None,
            "settings": {},
            "updated_at": NOON,
        },
        "api_keys": {"name": None, "revoked_at": None},
        "push_devices": {},
        "calls": {"alive_at": None, "quality": {}},
    }


async def test_on_the_way_back_only_numbers_without_a_connection_are_lost(database: Database) -> None:
    async with database.write() as sql:
        await _fill_0003(sql)
        await sql.run_sync(migrate.upgrade)
        free = {"number_id": "1", "phone_number": "+12025550111", "created_at": NOON, "updated_at": NOON}
        await sql.execute(insert(numbers).values(**free))

        await sql.run_sync(lambda connection: migrate.downgrade(connection, "0003"))

        assert (await sql.execute(select(numbers.c.phone_number))).scalars().all() == ["+12025550199"]
