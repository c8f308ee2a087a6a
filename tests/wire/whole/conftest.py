"""One gateway a test; scenarios of the lab at a tenth of their times."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.gateway import Running, running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}}) as started:
        yield started
