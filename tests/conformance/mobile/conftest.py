"""One gateway a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.mobile.site import SETTINGS, Site
from tests.harness.gateway import merged, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running(tmp_path_factory.mktemp("gateway"), SETTINGS, users=()) as gateway:
        yield Site(gateway)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unhurried(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The same with early media that lasts long enough, on a busy machine too, to be described before the answer."""
    slow = merged(SETTINGS, {"lab": {"time_scale": 0.3}})
    async with running(tmp_path_factory.mktemp("unhurried"), slow, users=()) as gateway:
        yield Site(gateway)
