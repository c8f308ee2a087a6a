"""Tasks of one media session, owned: nothing runs on after `close`."""

import asyncio
from collections.abc import Coroutine

from gateway.observability.logging import get_logger


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
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            get_logger().error("media_task_crashed", exc_info=error)
