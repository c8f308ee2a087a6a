"""An event loop without a clock: when nothing is left to do, the next timer is due at once."""

import asyncio
import selectors
from typing import Final

EPSILON: Final = 1e-3
"""Virtual seconds in which everything that is ready, and what that makes ready, has been done."""

_BIT: Final = 1e-7
"""Less than lies between two timers that are not meant to be one."""


class _Selector(selectors.DefaultSelector):
    """Polls, and counts the time that it was asked to wait."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events:
            assert timeout is not None, "the loop would wait for ever: a task waits for nobody"
            self.skipped += max(timeout, 0.0)
        return events


class AutojumpLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 0 and moves by jumps alone. Nothing outside may be waited for: no sockets, no threads."""

    def __init__(self) -> None:
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.skipped

    def advance(self, seconds: float = EPSILON) -> None:
        """Let that much time pass, with every timer in it going off at its time, and what follows from the last."""
        for after in (seconds, _BIT):
            due = self.create_future()
            self.call_at(self.time() + after, due.set_result, None)
            self.run_until_complete(due)
