"""How a measurement ends before its time: TERM stops what it has started, as Ctrl-C does."""

import asyncio
import signal
import sys
from collections.abc import Awaitable
from typing import Final, TypeVar

_T = TypeVar("_T")

TERMINATED: Final = 128 + signal.SIGTERM
"""What a shell says of a program that TERM has ended."""


def run(measuring: Awaitable[_T]) -> _T:
    """`asyncio.run`, with its processes and namespaces gone before this one ends.

    Raises:
        SystemExit: by TERM, with TERMINATED.
        KeyboardInterrupt: by Ctrl-C.
    """
    is_terminated = False

    async def until_terminated() -> _T:
        task = asyncio.current_task()
        assert task is not None

        def end() -> None:
            nonlocal is_terminated
            is_terminated = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
        return await measuring

    try:
        return asyncio.run(until_terminated())
    except asyncio.CancelledError:
        if not is_terminated:
            raise
        sys.exit(TERMINATED)
