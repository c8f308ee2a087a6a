"""Tasks of one media session, owned: nothing runs on after `close`."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from gateway.observability.logging import get_logger

_CANCEL_AGAIN: Final = 1.0
"""Seconds that a cancelled task has to end before it is cancelled once more."""


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:  # Any: whatever they would have returned
    """Cancel all and wait until they have ended.

    A cancellation gets lost where `asyncio.wait_for` has its result in the same turn: before Python 3.12 it returns
    that and the task goes on (cpython issue 86296). aiortc and aioice wait so. Whoever goes on is cancelled again.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN)


class OwnedTasks:
    """Starts coroutines and awaits them all when closed.

    Not an `asyncio.TaskGroup`: a session is no `async with` block, it begins and ends with calls of its methods.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Run it; a failure is logged, as it is a defect of ours."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    async def close(self) -> None:
        """Cancel all and wait until they have ended."""
        await end(task for task in self._tasks if task is not asyncio.current_task())

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            get_logger().error("media_task_crashed", exc_info=error)
