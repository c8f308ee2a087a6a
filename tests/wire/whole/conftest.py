"""One gateway a test; scenarios of the lab at a tenth of their times."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness.gateway import Running, running


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    settings = {
        "lab": {"time_scale": 0.1},
        "calls": {"stop_grace": 0.0},
        "verto": {"max_message_size": 1024 * 1024},  # `bad_frames` has one that is above it
    }
    async with running(tmp_path, settings) as started:
        yield started
