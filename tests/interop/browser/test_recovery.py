"""Calls that outlive their socket, their page and their path, with what the far end misses. `make bench` does it often.

Marked as load: what is measured here is time, and nothing else may want the machine.
"""

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.interop.browser.recovering import Recovery, Subject, subject

pytestmark = [pytest.mark.interop, pytest.mark.load]

TRIES: Final = 3
ACTIVE_LIMIT: Final = 3.0
"""Seconds; one of them is the SDK's own wait before it connects again."""
SOCKET_GAP_LIMIT, RESTART_GAP_LIMIT = 0.2, 0.5
"""Seconds without voice at the far end, at the median: on a busy machine the browser itself pauses now and then."""
UNBROKEN_LIMIT: Final = 0.08
"""Seconds: what the browser's own rhythm and a busy machine make of 20 ms between two packets."""


@pytest.fixture
async def caller(tmp_path: Path) -> AsyncIterator[Subject]:
    async with subject(tmp_path) as opened:
        await opened.call()
        yield opened


async def tries(attempt: Callable[[], Awaitable[Recovery]]) -> Sequence[Recovery]:
    """The same a few times in one call."""
    return [await attempt() for _ in range(TRIES)]


def gap(recoveries: Sequence[Recovery]) -> float:
    """What the far end missed in most of them."""
    return statistics.median(one.gap for one in recoveries)


def most(recoveries: Sequence[Recovery]) -> float:
    """The longest time to an active call."""
    return max(one.active_after for one in recoveries if one.active_after is not None)


async def test_killed_socket_gives_the_call_back_soon_and_the_far_end_misses_next_to_nothing(caller: Subject) -> None:
    recoveries = await tries(caller.lose_socket)

    assert most(recoveries) < ACTIVE_LIMIT
    assert gap(recoveries) < SOCKET_GAP_LIMIT


async def test_client_that_keeps_its_media_misses_nothing_at_all(tmp_path: Path) -> None:
    async with subject(tmp_path, keeps_media=True) as caller:
        await caller.call()
        recoveries = await tries(caller.lose_socket)
        timeline = await caller.phone.timeline()

    assert most(recoveries) < ACTIVE_LIMIT
    assert gap(recoveries) < UNBROKEN_LIMIT
    assert [one.name for one in timeline].count("call.active") == 1


async def test_reloaded_page_gets_its_call_back(caller: Subject) -> None:
    recoveries = await tries(caller.reload)

    assert most(recoveries) < ACTIVE_LIMIT


async def test_ice_restart_is_hardly_heard_at_the_far_end(caller: Subject) -> None:
    recoveries = await tries(caller.restart_ice)

    assert gap(recoveries) < RESTART_GAP_LIMIT
