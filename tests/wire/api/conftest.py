"""The API on a fresh store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.store.database import Database
from gateway.store.settings import StoreSettings
from tests.fakes.database import fresh
from tests.harness.rest import Api, serving


@pytest.fixture
def fresh_store(tmp_path: Path) -> StoreSettings:
    return fresh(tmp_path)


@pytest_asyncio.fixture
async def api(fresh_store: StoreSettings) -> AsyncIterator[Api]:
    database = await Database.open(fresh_store)
    async with serving(database) as served:
        yield served
    await database.close()
