"""One gateway a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.mobile.site import SETTINGS, Site
from tests.harness.gateway import running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running(tmp_path_factory.mktemp("gateway"), SETTINGS, users=()) as gateway:
        yield Site(gateway)
