"""The fake store does what the real ones do."""

from collections.abc import AsyncIterator

import pytest

from gateway.reports.objects import ObjectStore
from tests.fakes.objects import MemoryStore
from tests.unit.reports.contract import ObjectStoreContract


class TestMemoryStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[ObjectStore]:
        yield MemoryStore()
