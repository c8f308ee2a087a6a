"""The fixtures of `tests/unit/store` on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from gateway.store.database import Database
from gateway.store.settings import StoreSettings
from tests.harness.postgres import Postgres, serving


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with serving() as server:
        asyncio.run(server.make_templates())
        yield server


@pytest.fixture
def mortal(postgres: Postgres) -> Iterator[Postgres]:
    """The server, for a test that kills it: it runs again afterwards, whatever became of the test."""
    yield postgres
    if not postgres.is_running:
        postgres.start()


@pytest_asyncio.fixture
async def fresh_store(postgres: Postgres) -> StoreSettings:
    return await postgres.emptied()


@pytest_asyncio.fixture
async def own_store(postgres: Postgres) -> StoreSettings:
    return await postgres.make()


@pytest_asyncio.fixture
async def blank_store(postgres: Postgres) -> StoreSettings:
    return await postgres.make("template0")


@pytest_asyncio.fixture
async def database(fresh_store: StoreSettings) -> AsyncIterator[Database]:
    opened = await Database.open(fresh_store)
    yield opened
    await opened.close()
