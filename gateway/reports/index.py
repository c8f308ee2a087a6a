"""Keeps the table of call reports in step with the store that holds them.

A report is indexed as it is uploaded. What is in the store and not in the table (an older version's reports, an upload
while the database was down, a folder that was copied here) is indexed by the next look through the store; what is in
the table and not in the store any more is forgotten then.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway.observability.logging import get_logger
from gateway.reports.archive import REPORTS, Archive
from gateway.reports.documents import BadUpload, Document, Json, Origin, read_object
from gateway.reports.objects import Entry, NoSuchObject
from gateway.store.call_reports import CallReports, IndexedReport
from gateway.store.errors import StoreError

SETTLED: Final = timedelta(minutes=5)
"""After so long an upload is in the store or has failed: no younger row is forgotten for want of an object."""

_log = get_logger()


class Index(Protocol):
    """What uploads and the look through the store need of it."""

    async def stored(self, origin: Origin, document: Document, key: str, stored_at: datetime) -> None:
        """A document has been stored."""

    async def reconcile(self, entries: Sequence[Entry], *, listed_at: datetime, is_over: Callable[[], bool]) -> None:
        """This is all that there is."""


class NoIndex:
    """Keeps none: for a store of reports without a database."""

    async def stored(self, origin: Origin, document: Document, key: str, stored_at: datetime) -> None:
        """See `Index`."""

    async def reconcile(self, entries: Sequence[Entry], *, listed_at: datetime, is_over: Callable[[], bool]) -> None:
        """See `Index`."""


class ReportIndex:
    """`Index` in the database. A database that is down costs no report: the next look through the store mends it."""

    def __init__(self, table: CallReports, archive: Archive) -> None:
        self._table, self._archive = table, archive

    async def stored(self, origin: Origin, document: Document, key: str, stored_at: datetime) -> None:
        """See `Index`. Recordings and debug frames are not reports."""
        if document.folder != REPORTS:
            return
        report = IndexedReport(
            verto_call_id=origin.call_id,
            connection_id=origin.connection_id,
            username=origin.username,
            session_id=origin.session_id,
            voice_sdk_id=origin.voice_sdk_id,
            user_agent=origin.user_agent,
            segment=_number(document.stem),
            object_name=key,
            size=len(document.content),
            stored_at=stored_at,
        )
        try:
            await self._table.add(report)
        except StoreError as error:
            _log.warning("report_not_indexed", error_code=error.code, verto_call_id=origin.call_id)

    async def reconcile(self, entries: Sequence[Entry], *, listed_at: datetime, is_over: Callable[[], bool]) -> None:
        """See `Index`.

        Args:
            is_over: whether to leave the rest to the next time.

        Raises:
            ReportStoreDown: the store failed in the middle.
        """
        reports = {entry.key: entry for entry in entries if entry.key.split("/")[1:2] == [REPORTS]}
        try:
            known = await self._table.names()
            await self._table.forget(sorted(await self._table.names(before=listed_at - SETTLED) - reports.keys()))
            count = 0
            for key in sorted(reports.keys() - known):
                if is_over():
                    return
                count += await self._index(reports[key])
        except StoreError as error:
            _log.warning("report_not_indexed", error_code=error.code)
        else:
            if count:
                _log.info("reports_indexed", count=count)

    async def _index(self, entry: Entry) -> bool:
        call_id, _, name = entry.key.partition("/")
        try:
            document = await asyncio.to_thread(read_object, await self._archive.read(call_id, name))
        except (BadUpload, NoSuchObject):
            return False  # not ours, or cleaned away meanwhile
        await self._table.add(_of_document(document, entry, call_id))
        return True


def _of_document(document: Json, entry: Entry, call_id: str) -> IndexedReport:
    """A report of which nothing is known but what it says itself."""

    def text(name: str) -> str | None:
        value = document.get(name)
        return value if isinstance(value, str) else None

    connection_id = text("connection_id")
    return IndexedReport(
        verto_call_id=call_id,
        connection_id=connection_id if connection_id is not None and len(connection_id) <= 19 else None,
        username=text("username"),
        session_id=text("voice_sdk_session_id"),
        voice_sdk_id=text("voice_sdk_id"),
        user_agent=text("user_agent"),
        segment=_number(entry.key.rpartition("/")[2].removesuffix(".json").partition("-")[0]),
        object_name=entry.key,
        size=entry.size,
        stored_at=_time(text("stored_at")) or entry.modified_at,
    )


def _number(stem: str) -> int | None:
    return int(stem) if stem.isascii() and stem.isdigit() and len(stem) <= 9 else None


def _time(text: str | None) -> datetime | None:
    try:
        at = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else at
