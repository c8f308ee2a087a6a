"""The reports as a whole: who may upload, where it goes, what becomes of it."""

import asyncio
import secrets
from collections.abc import Callable
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
from gateway.reports.grants import Grants
from gateway.reports.objects import ObjectStore
from gateway.reports.settings import ReportSettings
from gateway.reports.uploads import Uploads


def open_store(settings: ReportSettings) -> ObjectStore:
    """The store that the settings name. Nothing is made or asked yet."""
    return DirectoryStore(Path(settings.store), timeout=settings.store_timeout)


class Reports:
    """`async with Reports(settings) as reports:` it takes reports. With `enabled = false` it takes none."""

    def __init__(
        self,
        settings: ReportSettings,
        *,
        clock: Callable[[], datetime] = utc_now,
        new_report_id: Callable[[], str] = lambda: secrets.token_urlsafe(32),
    ) -> None:
        self._settings = settings
        self.archive = Archive(open_store(settings))
        self._grants = Grants(
            window=settings.upload_window, quota=settings.max_session_bytes, new_report_id=new_report_id
        )
        self._uploads = Uploads(settings, self._grants, self.archive, clock=clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.archive.close()

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

    def session_over(self, session_id: SessionId) -> None:
        """The session has ended; its uploads may still come for a while."""
        self._grants.close(session_id, now=asyncio.get_running_loop().time())
