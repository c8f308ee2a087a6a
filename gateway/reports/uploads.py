"""`POST /call_report` and `POST /call_recording`, on every listener and from any web page (verto-js 9.2, 9.3).

Who has no `call_report_id` of ours costs nothing: the body of a request is read only once its head is found good.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from aiohttp import ClientError, hdrs, web

from gateway.domain.errors import GatewayError
from gateway.observability.logging import get_logger
from gateway.observability.metrics import REPORT_STORED_BYTES, REPORT_UPLOADS
from gateway.reports import documents
from gateway.reports.archive import Archive, CallOfAnother
from gateway.reports.documents import BadUpload, Document, Origin
from gateway.reports.grants import Grant, Grants
from gateway.reports.index import Index, NoIndex
from gateway.reports.objects import ReportStoreDown
from gateway.reports.settings import ReportSettings

HEADERS: Final = "content-type, x-call-report-id, x-call-id, x-voice-sdk-id"

PREFLIGHT_LIFE: Final = 7200
"""Seconds that a browser may keep the answer to its preflight; Chromium takes no more."""

MAX_UPLOADS_OF_A_SESSION: Final = 6
"""At the same time: both directions of two recordings, and their reports."""

WAIT_FOR_A_PLACE: Final = 10.0
"""Seconds that an upload may wait for one of `max_uploads` places."""

MAX_HEADER: Final = 256
"""Characters of the ids in the headers."""

_CORS: Final[Mapping[str, str]] = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: "*"}

_log = get_logger()


class UploadRefused(GatewayError):
    """An upload that is not taken: the text is for the client, `result` the metric's label."""

    code: ClassVar[str] = "upload_refused"

    def __init__(self, status: int, text: str, result: str) -> None:
        super().__init__(text)
        self.status, self.text, self.result = status, text, result

    def response(self) -> web.Response:
        """For the client. The SDKs try again after 500 and more; Android knows some of the texts (verto-mobile 6.2)."""
        headers: dict[str, str] = dict(_CORS)
        if self.status in (429, 503):
            headers[hdrs.RETRY_AFTER] = "2"
        return web.Response(status=self.status, text=f"{self.text}\n", headers=headers)


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    max_size: int
    read: Callable[[bytes, Origin, datetime], Document]


class Uploads:
    """The HTTP side of the reports."""

    def __init__(
        self,
        settings: ReportSettings,
        grants: Grants,
        archive: Archive,
        *,
        clock: Callable[[], datetime],
        index: Index | None = None,
    ) -> None:
        self._settings, self._grants, self._archive, self._clock = settings, grants, archive, clock
        self._index = index or NoIndex()
        self._places = asyncio.Semaphore(settings.max_uploads)
        self._by_session: dict[str, int] = {}

    @property
    def under_way(self) -> int:
        """Uploads that are taken or wait for a place."""
        return sum(self._by_session.values())

    def routes(self) -> list[web.RouteDef]:
        """For `app.add_routes`."""
        report = _Kind("report", self._settings.max_report_size, documents.call_report)
        recording = _Kind("recording", self._settings.max_recording_size, documents.call_recording)

        async def take_report(request: web.Request) -> web.Response:
            return await self._take(request, report)

        async def take_recording(request: web.Request) -> web.Response:
            return await self._take(request, recording)

        return [
            web.post("/call_report", take_report),
            web.options("/call_report", preflight),
            web.post("/call_recording", take_recording),
            web.options("/call_recording", preflight),
        ]

    async def _take(self, request: web.Request, kind: _Kind) -> web.Response:
        try:
            await self._store(request, kind)
        except UploadRefused as refused:
            REPORT_UPLOADS.labels(kind=kind.name, result=refused.result).inc()
            if refused.result == "unauthorized":  # who is not known to us cannot fill the log
                _log.debug("upload_not_authorized", peer=request.remote, detail=refused.text)
            else:
                _log.warning("upload_refused", peer=request.remote, status=refused.status, error_code=refused.result)
            return refused.response()
        REPORT_UPLOADS.labels(kind=kind.name, result="ok").inc()
        return web.Response(text="stored\n", headers=_CORS)

    async def _store(self, request: web.Request, kind: _Kind) -> None:
        grant = self._grant(request)
        origin = _origin(request, grant)
        _check_head(request, kind)
        running = self._by_session.get(grant.session_id, 0)
        if running >= MAX_UPLOADS_OF_A_SESSION:
            raise UploadRefused(503, "too many uploads of this session at once", "busy")
        self._by_session[grant.session_id] = running + 1
        try:
            await self._place()
            try:
                await self._read_and_store(request, kind, grant, origin)
            finally:
                self._places.release()
        finally:
            self._by_session[grant.session_id] -= 1
            if not self._by_session[grant.session_id]:
                del self._by_session[grant.session_id]

    def _grant(self, request: web.Request) -> Grant:
        report_id = request.headers.get("x-call-report-id", "")
        if not report_id:
            raise UploadRefused(401, "missing call_report_id", "unauthorized")
        now = asyncio.get_running_loop().time()
        if len(report_id) > MAX_HEADER or (grant := self._grants.find(report_id, now=now)) is None:
            raise UploadRefused(401, "invalid call_report_id", "unauthorized")
        return grant

    async def _place(self) -> None:
        try:
            async with asyncio.timeout(WAIT_FOR_A_PLACE):
                await self._places.acquire()
        except TimeoutError:
            raise UploadRefused(503, "too many uploads at once", "busy") from None

    async def _read_and_store(self, request: web.Request, kind: _Kind, grant: Grant, origin: Origin) -> None:
        body = await self._body(request, kind)
        if not grant.take(len(body)):
            raise UploadRefused(429, "this session has uploaded too much", "quota")
        stored_at = self._clock()
        try:
            document = await asyncio.to_thread(kind.read, body, origin, stored_at)
            key = await self._archive.add(origin, document)
        except BadUpload as error:
            raise UploadRefused(400, str(error), "bad_request") from error
        except CallOfAnother as error:
            # In the words that end it: no SDK tries again after a 401 of this kind.
            raise UploadRefused(401, "invalid call_report_id", "not_yours") from error
        except ReportStoreDown as error:
            raise UploadRefused(503, "the reports cannot be stored at the moment", "unavailable") from error
        await self._index.stored(origin, document, key, stored_at)
        REPORT_STORED_BYTES.labels(kind=kind.name).inc(len(document.content))
        _log.debug("report_stored", session_id=grant.session_id, verto_call_id=origin.call_id, key=key)

    async def _body(self, request: web.Request, kind: _Kind) -> bytes:
        """The body, never more than the limit of it. aiohttp's own limit is that of other requests."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.upload_timeout):
                async for part in request.content.iter_any():
                    if len(body) + len(part) > kind.max_size:
                        raise _too_large(kind)
                    body += part
        except TimeoutError:
            raise UploadRefused(408, "the body did not come in time", "timeout") from None
        except (ClientError, ConnectionError, web.RequestPayloadError) as error:
            raise UploadRefused(400, "the body broke off", "aborted") from error
        return bytes(body)


async def preflight(request: web.Request) -> web.Response:
    """The page that uploads is of another origin, any one; no credentials are asked for (V-123)."""
    headers = {
        **_CORS,
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: "POST",
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: HEADERS,
        hdrs.ACCESS_CONTROL_MAX_AGE: str(PREFLIGHT_LIFE),
    }
    if request.headers.get("Access-Control-Request-Private-Network") == "true":
        # A public page and a gateway in a private network: https://wicg.github.io/private-network-access/
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=headers)


def _origin(request: web.Request, grant: Grant) -> Origin:
    text = request.headers.get("x-call-id", "")
    if not text:
        raise UploadRefused(400, "missing call_id", "bad_request")
    call_id = documents.normal_call_id(text)
    if call_id is None:
        raise UploadRefused(400, "invalid call_id", "bad_request")
    voice_sdk_id = request.headers.get("x-voice-sdk-id", "")[:MAX_HEADER]
    return Origin(
        call_id=call_id,
        report_id=grant.report_id,
        session_id=grant.session_id,
        connection_id=grant.connection_id,
        username=grant.username,
        user_agent=request.headers.get(hdrs.USER_AGENT, "")[:MAX_HEADER],
        voice_sdk_id=voice_sdk_id or None,
    )


def _check_head(request: web.Request, kind: _Kind) -> None:
    """What can be said before the body has been read."""
    if (request.content_length or 0) > kind.max_size:
        raise _too_large(kind)
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UploadRefused(415, "the body must not be compressed", "bad_request")


def _too_large(kind: _Kind) -> UploadRefused:
    return UploadRefused(413, f"more than {kind.max_size} bytes", "too_large")
