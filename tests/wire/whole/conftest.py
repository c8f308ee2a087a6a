"""One gateway a test; scenarios of the lab at a tenth of their times."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.media.settings import MediaSettings
from tests.harness.gateway import Running, running

BOTH_ENGINES = pytest.mark.parametrize("engine", ["native", "aiortc"])
"""For calls that show an engine at work within the whole; what engines do by themselves is in `tests/wire/media`."""


@pytest.fixture
def engine() -> str:
    """What moves the packets of `gateway`, where `BOTH_ENGINES` says nothing."""
    return MediaSettings().engine


@pytest.fixture
async def gateway(tmp_path: Path, engine: str) -> AsyncIterator[Running]:
    settings = {
        "media": {"engine": engine},
        "lab": {"time_scale": 0.1},
        "calls": {"stop_grace": 0.0},
        "verto": {"max_message_size": 1024 * 1024},  # `bad_frames` has one that is above it
    }
    async with running(tmp_path, settings) as started:
        yield started
