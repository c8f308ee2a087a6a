"""The compiled engine keeps the contract of all engines."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.media.engine import MediaEngine
from gateway.media.engines.native_engine import NativeEngine
from gateway.media.settings import MediaSettings
from tests.harness.ports import OWN_PORTS

from .contract import MediaEngineContract

ORDINARY, FIRST = os.SCHED_OTHER, os.SCHED_FIFO


class TestNativeEngine(MediaEngineContract):
    def make_engine(self) -> MediaEngine:
        return NativeEngine(MediaSettings(rtp_ports=OWN_PORTS, workers=2))


def may_go_first() -> bool:
    """Whether the system lets a thread of this process be one of real time."""
    try:
        os.sched_setscheduler(0, FIRST, os.sched_param(1))
    except PermissionError:
        return False
    return True


def scheduled(besides: set[str]) -> list[int]:
    """How the packets' threads of this process are, without some; one may be missing while other threads end."""
    found = []
    for task in set(os.listdir("/proc/self/task")) - besides:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if Path(f"/proc/self/task/{task}/comm").read_text().startswith("media-"):
                found.append(os.sched_getscheduler(int(task)) & ~os.SCHED_RESET_ON_FORK)
    return found


@pytest.mark.parametrize("realtime", [True, False])
async def test_threads_go_before_others_where_they_shall_and_may(realtime: bool) -> None:
    with ThreadPoolExecutor(1) as other:
        is_allowed = other.submit(may_go_first).result()
    engine = NativeEngine(MediaSettings(rtp_ports=OWN_PORTS, workers=2, realtime=realtime))
    before = set(os.listdir("/proc/self/task"))
    await engine.start()
    wanted, end = [FIRST if realtime and is_allowed else ORDINARY] * 2, time.monotonic() + 30
    while (found := scheduled(before)) != wanted and time.monotonic() < end:  # a thread has its name before its rank
        pass
    await engine.stop()

    assert found == wanted
