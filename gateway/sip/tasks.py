"""What tasks and timers run under: an owner for tasks that outlive the call that started them, a context for timers."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Final

TIMERS: Final = Context()
"""For `call_at`: without it each timer has a copy of its own of what is bound to the task that armed it."""


class TaskOwner:
    """Starts tasks, keeps them alive, and ends them at `close`. A task that raises is reported by the loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(not task.done() for task in self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it as a task of the running loop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
