"""`/v2/gateway/calls/{call_id}/reports`: what the client of a call told about it."""

from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

from aiohttp import web

from gateway.api.calls import find_call
from gateway.api.errors import ResourceNotFound, Unavailable
from gateway.api.live import LiveFeed
from gateway.api.resources.times import to_milliseconds
from gateway.api.views import Views
from gateway.domain.ids import CallId
from gateway.reports.documents import Json, normal_call_id
from gateway.reports.objects import Entry, NoSuchObject, ReportStoreDown

_T = TypeVar("_T")

JOINED: Final = "call_report"
"""The name of all segments of a call's report as one document."""


class ReportArchive(Protocol):
    """`reports.archive.Archive`."""

    async def entries(self, call_id: str) -> list[Entry]: ...

    async def read(self, call_id: str, name: str) -> bytes: ...

    async def report(self, call_id: str) -> Json | None: ...


def report_routes(views: Views, feed: LiveFeed, archive: ReportArchive) -> list[web.RouteDef]:
    """For `app.add_routes`. A call is named by our `call_id` or by the client's own."""

    async def list_reports(request: web.Request) -> web.Response:
        folder, is_call = await _folder(request, views, feed)
        entries = await _answered(archive.entries(folder)) if folder is not None else []
        if not entries and not is_call:
            raise ResourceNotFound(f"no call {request.match_info['call_id']}, and no reports of one")
        return web.json_response({"data": [_view(entry) for entry in entries]})

    async def show_report(request: web.Request) -> web.Response:
        folder, _ = await _folder(request, views, feed)
        name = request.match_info["name"]
        missing = ResourceNotFound(f"no report {name} of that call")
        if folder is None:
            raise missing
        if name == JOINED:
            report = await _answered(archive.report(folder))
            if report is None:
                raise missing
            return web.json_response({"data": report})
        if name not in {entry.key for entry in await _answered(archive.entries(folder))}:
            raise missing  # a name is one of the list, and never a path of somebody's making
        try:
            content = await _answered(archive.read(folder, name))
        except NoSuchObject as error:
            raise missing from error
        return web.Response(body=content, content_type="application/json", charset="utf-8")

    return [
        web.get("/v2/gateway/calls/{call_id}/reports", list_reports),
        web.get("/v2/gateway/calls/{call_id}/reports/{name:.+}", show_report),
    ]


async def _folder(request: web.Request, views: Views, feed: LiveFeed) -> tuple[str | None, bool]:
    """Where the reports of the named call lie, None when it has no client; and whether it is a call of ours."""
    named = request.match_info["call_id"]
    try:
        call = await find_call(CallId(named), views, feed)
    except ResourceNotFound:
        return normal_call_id(named), False
    return None if call.verto_call_id is None else normal_call_id(call.verto_call_id), True


async def _answered(work: Awaitable[_T]) -> _T:
    try:
        return await work
    except ReportStoreDown as error:
        raise Unavailable("the store of reports did not answer; try again") from error


def _view(entry: Entry) -> dict[str, object]:
    """`kind` is the first part of the name: `call_report`, `call_recording`, `rtc_stats_reports`."""
    return {
        "record_type": "gateway_call_report",
        "name": entry.key,
        "kind": entry.key.partition("/")[0],
        "size": entry.size,
        "stored_at": to_milliseconds(entry.modified_at),
    }
