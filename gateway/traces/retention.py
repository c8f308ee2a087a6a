"""Deletes traces that are too old or too many, a piece at a time, so that no transaction is long."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.observability.logging import get_logger
from gateway.store.errors import StoreError
from gateway.store.traces import AT_ONCE, Traces
from gateway.traces.settings import TraceSettings

_log = get_logger()


class TraceRetention:
    """One task: looks at the start, and every `cleanup_interval`."""

    def __init__(self, settings: TraceSettings, traces: Traces, *, clock: Callable[[], datetime]) -> None:
        self._settings, self._traces, self._clock = settings, traces, clock
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Look again and again, until `stop`. A failing database is asked again the next time."""
        while not self._stopped.is_set():
            try:
                await self.clean()
            except StoreError as error:
                _log.error("traces_not_forgotten", error_code=error.code, detail=str(error))
            try:
                async with asyncio.timeout(self._settings.cleanup_interval):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stopped.set()

    async def clean(self) -> int:
        """Delete all that is to go; returns how many rows.

        Raises:
            StoreError: the database failed, maybe half-way.
        """
        before, total = self._clock() - timedelta(seconds=self._settings.keep), 0
        while not self._stopped.is_set():
            gone = await self._traces.forget(before=before, keep=self._settings.keep_messages)
            total += gone
            if gone < AT_ONCE:
                break
        return total
