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


@pytest_asyncio.fixture
async def fresh_store(postgres: Postgres) -> StoreSettings:
    return await postgres.emptied()


@pytest_asyncio.fixture
async def database(fresh_store: StoreSettings) -> AsyncIterator[Database]:
    opened = await Database.open(fresh_store)
    yield opened
    await opened.close()
