"""Looks for garbage often and in small portions, so that the event loop never stands still for long.

Calls and sockets are full of references in circles (a leg knows its call, the call its legs), which only Python's
cycle collector finds. Left to itself it looks through the whole heap, with everything that was ever imported, when
enough has piled up: a quarter of a second and more, in which no packet is relayed and no login answered.
"""

import asyncio
import gc
import time
from typing import Final

from gateway.observability.metrics import GARBAGE_PAUSE_SECONDS

INTERVAL: Final = 2.0
"""Seconds between two looks, at least."""

BUSY: Final = 8.0
"""Seconds between two looks that find something, at most: garbage must not pile up because looking takes long."""

LONGEST: Final = 256.0
"""Seconds between two looks that find next to nothing, at most."""

FEW: Final = 5000
"""Objects; a look that frees fewer was too early, and the next one waits `PATIENCE` times as long."""

PATIENCE: Final = 8

SHARE: Final = 0.01
"""The part of the time that may go into looking: a large heap is looked through less often."""

NEVER: Final = 1_000_000_000
"""Collections of the middle generation until Python would look through the oldest one by itself."""

THRESHOLDS: Final = (5_000, 3, NEVER)
"""Objects until what is young is looked through, and such looks until the middle generation is.

A call that is set up makes some thousand objects: Python's own 700 looks at the same living calls again and again. The
middle generation is up to 20,000 objects then, some 10 ms; with ten looks of 10,000 before it, it was 100,000, and the
slowest hundredth of 300 calls a second waited for it."""


class HeapCare:
    """One per process, on its event loop. Objects that live at `start` are never looked at again."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._interval = INTERVAL
        self._thresholds = gc.get_threshold()

    def start(self) -> None:
        """Set aside what has been loaded until now, which is there to stay, and arm the first look.

        Not looked through before: that takes a fifth of a second, just when the first clients come, and finds some two
        thousand small objects.
        """
        gc.freeze()
        gc.set_threshold(*THRESHOLDS)
        self._arm(INTERVAL)

    def stop(self) -> None:
        """Leave it to Python again; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.set_threshold(*self._thresholds)
            gc.unfreeze()

    def _arm(self, delay: float) -> None:
        self._timer = self._loop.call_later(delay, self._look)

    def _look(self) -> None:
        began = time.perf_counter()
        freed = gc.collect()
        pause = time.perf_counter() - began
        GARBAGE_PAUSE_SECONDS.observe(pause)
        wanted = max(INTERVAL, pause / SHARE)
        self._interval = min(wanted, BUSY) if freed >= FEW else min(max(PATIENCE * self._interval, wanted), LONGEST)
        self._arm(self._interval)
