"""The REST API on PostgreSQL: the same tests."""

from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.store.database import Database
from tests.harness.rest import Api, serving
from tests.wire.api.test_rest import *  # noqa: F403 -- every test of it


@pytest_asyncio.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with serving(database) as served:
        yield served
