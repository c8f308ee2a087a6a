"""The API on a fresh store."""

from collections.abc import AsyncIterator
from dataclasses import replace
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
    database = await Database.open(replace(fresh_store, busy_timeout=30.0))  # a busy machine is no defect of ours
    async with serving(database) as served:
        yield served
    await database.close()
