"""The reports as a whole: who may upload, where it goes, what becomes of it."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId
from gateway.observability.clock import utc_now
from gateway.reports.archive import Archive
from gateway.reports.directory import DirectoryStore
from gateway.reports.frames import DebugFrames
from gateway.reports.grants import Grants
from gateway.reports.index import ReportIndex
from gateway.reports.objects import ObjectStore
from gateway.reports.retention import Retention
from gateway.reports.settings import ReportSettings
from gateway.reports.uploads import Uploads
from gateway.store.call_reports import CallReports


def open_store(settings: ReportSettings) -> ObjectStore:
    """The store that the settings name. Nothing is made or asked yet."""
    if settings.is_s3:
        from gateway.reports.s3 import S3Store  # 16 MB of a library that only those load who need it

        return S3Store(settings)
    return DirectoryStore(Path(settings.store), timeout=settings.store_timeout)


class Reports:
    """`async with Reports(settings) as reports:` it takes reports. With `enabled = false` it takes none."""

    def __init__(
        self,
        settings: ReportSettings,
        *,
        table: CallReports | None = None,
        clock: Callable[[], datetime] = utc_now,
        new_report_id: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        """
        Args:
            table: where call reports are indexed; without it there is no list of them.
        """
        self._settings = settings
        self.archive = Archive(open_store(settings))
        self._grants = Grants(
            window=settings.upload_window, quota=settings.max_session_bytes, new_report_id=new_report_id
        )
        index = None if table is None else ReportIndex(table, self.archive)
        self._uploads = Uploads(settings, self._grants, self.archive, clock=clock, index=index)
        self._frames = DebugFrames(settings, self._grants, self.archive, clock=clock)
        self._retention = Retention(settings, self.archive, clock=clock, index=index)
        self.archive.on_stored = self._retention.stored
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self.archive.close)
        if self._settings.enabled:
            group = await self._stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(self._frames.run(), name="report-frames")
            group.create_task(self._retention.run(), name="report-retention")
            self._stack.callback(self._retention.stop)
            self._stack.callback(self._frames.stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Debug frames that wait are written first, for as long as the store may take."""
        await self._stack.__aexit__(kind, error, trace)

    def routes(self) -> list[web.RouteDef]:
        """For `app.add_routes`; none when there are no reports."""
        return self._uploads.routes() if self._settings.enabled else []

    # ---- for the Verto side

    def issue(self, session_id: SessionId, identity: Identity) -> str | None:
        """The `call_report_id` of a session that logged in; None for a visitor, and without reports (V-129)."""
        if not self._settings.enabled:
            return None
        grant = self._grants.issue(session_id, identity, now=asyncio.get_running_loop().time())
        return None if grant is None else grant.report_id

    def debug_frame(self, session_id: SessionId, *, kind: str, report_id: str, call_id: str | None, text: str) -> None:
        """A debug frame has come and been answered."""
        self._frames.take(session_id, kind=kind, report_id=report_id, call_id=call_id, text=text)

    def socket_over(self, session_id: SessionId) -> None:
        """A socket of the session has gone: its debug frames until now are a segment, as in Telnyx' own store."""
        self._frames.socket_over(session_id)

    def session_over(self, session_id: SessionId) -> None:
        """The session has ended; its uploads may still come for a while."""
        self._grants.close(session_id, now=asyncio.get_running_loop().time())
