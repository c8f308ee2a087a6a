"""The fixtures of `tests/unit/store` on PostgreSQL."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from gateway.store.database import Database
from gateway.store.settings import StoreSettings
from tests.harness.postgres import Postgres, serving


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with serving() as server:
        yield server


@pytest.fixture
def fresh_store(postgres: Postgres) -> StoreSettings:
    return postgres.fresh()


@pytest_asyncio.fixture
async def database(fresh_store: StoreSettings) -> AsyncIterator[Database]:
    opened = await Database.open(fresh_store)
    yield opened
    await opened.close()
