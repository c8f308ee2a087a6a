"""One running gateway for all tests of a module, which disturb each other as little as an operator's users do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.harness.gateway import Running, running

FOLDER: Final = Path(__file__).parent
QUICK: Final = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}}
"""Scenarios of the lab at a tenth of their times; calls that a test left end with the gateway."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A gateway with alice and robert; the tests run in its loop: `pytest.mark.asyncio(loop_scope="module")`."""
    async with running(tmp_path_factory.mktemp("gateway"), QUICK) as started:
        yield started
