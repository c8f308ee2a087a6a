"""A fresh database for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from gateway.store.database import Database
from gateway.store.settings import StoreSettings


def settings(folder: Path) -> StoreSettings:
    return StoreSettings(url=f"sqlite+aiosqlite:///{folder}/gateway.db")


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(settings(tmp_path))
    yield opened
    await opened.close()
