"""How long reports are kept: `keep_days`, and no more than `max_total_bytes` of them."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import REPORT_STORE_BYTES, REPORTS_REMOVED
from gateway.reports.archive import Archive
from gateway.reports.index import Index, NoIndex
from gateway.reports.objects import Entry, ReportStoreDown
from gateway.reports.settings import ReportSettings

FILL_LEVEL: Final = 0.9
"""Of `max_total_bytes`, after the oldest have been removed: so that the next report does not start it again."""

RETRY_AFTER: Final = 60.0
"""Seconds after which a store is looked at again that failed."""

_log = get_logger()


def doomed(entries: Iterable[Entry], *, now: datetime, keep: timedelta, max_bytes: int) -> list[tuple[Entry, str]]:
    """What is to be removed, oldest first, and why: `age` or `size`."""
    found = sorted(entries, key=lambda entry: (entry.modified_at, entry.key))
    result = [(entry, "age") for entry in found if now - entry.modified_at > keep]
    rest = found[len(result) :]
    size = sum(entry.size for entry in rest)
    target = int(max_bytes * FILL_LEVEL) if size > max_bytes else size
    for entry in rest:
        if size <= target:
            break
        result.append((entry, "size"))
        size -= entry.size
    return result


class Retention:
    """Looks through the store at the start, every `cleanup_interval`, and when it has become too full."""

    def __init__(
        self, settings: ReportSettings, archive: Archive, *, clock: Callable[[], datetime], index: Index | None = None
    ) -> None:
        self._settings, self._archive, self._clock = settings, archive, clock
        self._index = index or NoIndex()
        self._keep = timedelta(days=settings.keep_days)
        self._total = 0
        self._nudged = asyncio.Event()
        self._is_stopping = False

    def stored(self, size: int) -> None:
        """So much has been stored."""
        self._total += size
        REPORT_STORE_BYTES.set(self._total)
        if self._total > self._settings.max_total_bytes:
            self._nudged.set()

    async def run(self) -> None:
        """Look again and again, until `stop`."""
        loop = asyncio.get_running_loop()
        while not self._is_stopping:
            self._nudged.clear()
            try:
                await self.clean()
            except ReportStoreDown:
                pause = min(RETRY_AFTER, self._settings.cleanup_interval)  # the archive has said it
            else:
                pause = self._settings.cleanup_interval
            try:
                async with asyncio.timeout_at(loop.time() + pause):
                    await self._nudged.wait()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._is_stopping = True
        self._nudged.set()

    async def clean(self) -> None:
        """Remove what is too old or too much, and bring the index up to date.

        Raises:
            ReportStoreDown: not to the end.
        """
        listed_at = self._clock()
        entries = await self._archive.everything()
        gone = await self._remove_doomed(entries)
        if not self._is_stopping:
            left = [entry for entry in entries if entry.key not in gone]
            await self._index.reconcile(left, listed_at=listed_at, is_over=lambda: self._is_stopping)

    async def _remove_doomed(self, entries: Sequence[Entry]) -> set[str]:
        """Keys of what is gone."""
        self._total = sum(entry.size for entry in entries)
        limit = self._settings.max_total_bytes
        gone: set[str] = set()
        try:
            for entry, reason in doomed(entries, now=self._clock(), keep=self._keep, max_bytes=limit):
                if self._is_stopping:
                    break
                await self._archive.remove(entry)
                self._total -= entry.size
                REPORTS_REMOVED.labels(reason=reason).inc()
                gone.add(entry.key)
        finally:
            REPORT_STORE_BYTES.set(self._total)
            if gone:
                _log.info("reports_removed", count=len(gone))
        return gone
