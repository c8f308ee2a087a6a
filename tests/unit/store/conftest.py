"""A fresh database for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.store.database import Database
from gateway.store.settings import StoreSettings
from tests.fakes.database import fresh


def settings(folder: Path) -> StoreSettings:
    return StoreSettings(url=f"sqlite+aiosqlite:///{folder}/gateway.db")


@pytest.fixture
def fresh_store(tmp_path: Path) -> StoreSettings:
    return fresh(tmp_path)


@pytest.fixture
def own_store(tmp_path: Path) -> StoreSettings:
    """Like `fresh_store`, for a test that changes the tables: on PostgreSQL, no other test sees it."""
    return fresh(tmp_path)


@pytest.fixture
def blank_store(tmp_path: Path) -> StoreSettings:
    """A database without a table."""
    return settings(tmp_path)


@pytest_asyncio.fixture
async def database(fresh_store: StoreSettings) -> AsyncIterator[Database]:
    opened = await Database.open(fresh_store)
    yield opened
    await opened.close()
