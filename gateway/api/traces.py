"""`/v2/gateway/calls/{call_id}/trace`: what happened in a call, as JSON, text, SVG and pcap."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from aiohttp import hdrs, web

from gateway.api.calls import find_call
from gateway.api.errors import BadRequest, ResourceNotFound
from gateway.api.live import LiveFeed
from gateway.api.resources.times import to_microseconds
from gateway.api.views import Views
from gateway.domain.ids import CallId
from gateway.store.traces import StoredEntry
from gateway.traces.core.ladder import Numbered, Row, lay_out
from gateway.traces.core.ladder_svg import draw_svg
from gateway.traces.core.ladder_text import body_text, draw_text
from gateway.traces.core.pcap import write_pcap

_LARGEST: Final = 2**63 - 1

_NO_STORE: Final = {hdrs.CACHE_CONTROL: "no-store"}
"""A trace holds what people talked by: numbers and addresses."""


class KeptTraces(Protocol):
    """`store.traces.Traces`."""

    async def of_call(self, call_id: CallId, *, after: int = 0) -> Sequence[StoredEntry]: ...


# Drawing may take a tenth of a second, of a call that said all it may: not on the loop's thread.


def trace_routes(views: Views, feed: LiveFeed, traces: KeptTraces) -> list[web.RouteDef]:
    """For `app.add_routes`."""

    async def found(request: web.Request) -> tuple[CallId, list[Numbered]]:
        call_id = CallId(request.match_info["call_id"])
        stored = await traces.of_call(call_id)
        if not stored:
            await find_call(call_id, views, feed)
        return call_id, [Numbered(each.sequence, each.entry) for each in stored]

    async def show(request: web.Request) -> web.Response:
        after = _after(request)
        call_id, entries = await found(request)
        is_live = views.calls.find(call_id) is not None
        view = await asyncio.to_thread(_view, entries, after)
        return web.json_response({"data": {"call_id": call_id, "is_live": is_live, **view}}, headers=_NO_STORE)

    async def text(request: web.Request) -> web.Response:
        call_id, entries = await found(request)
        drawn = await asyncio.to_thread(lambda: draw_text(call_id, lay_out(entries)))
        return web.Response(text=drawn, headers=_NO_STORE)

    async def svg(request: web.Request) -> web.Response:
        call_id, entries = await found(request)
        drawn = await asyncio.to_thread(lambda: draw_svg(call_id, lay_out(entries)))
        return web.Response(text=drawn, content_type="image/svg+xml", headers=_NO_STORE)

    async def pcap(request: web.Request) -> web.Response:
        call_id, entries = await found(request)
        headers = {**_NO_STORE, hdrs.CONTENT_DISPOSITION: f'attachment; filename="{_file_name(call_id)}.pcap"'}
        body = await asyncio.to_thread(lambda: write_pcap(row.numbered.entry for row in lay_out(entries).rows))
        return web.Response(body=body, content_type="application/vnd.tcpdump.pcap", headers=headers)

    path = "/v2/gateway/calls/{call_id}/trace"
    return [
        web.get(path, show),
        web.get(f"{path}.txt", text),
        web.get(f"{path}.svg", svg),
        web.get(f"{path}.pcap", pcap),
    ]


def _after(request: web.Request) -> int:
    text = request.query.get("after", "0")
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > _LARGEST:
        raise BadRequest("after is the number of an entry", parameter="after")
    return int(text)


def _file_name(call_id: CallId) -> str:
    if not all(character.isalnum() or character == "-" for character in call_id):
        raise ResourceNotFound(f"no call {call_id}")  # all of ours are UUIDs
    return call_id


def _view(entries: Sequence[Numbered], after: int) -> dict[str, object]:
    ladder = lay_out(entries)
    return {
        "began_at": None if ladder.began_at is None else to_microseconds(ladder.began_at),
        "lifelines": [{"name": line.name, "detail": line.detail} for line in ladder.lifelines],
        "entries": [_entry(row) for row in ladder.rows if row.numbered.sequence > after],
    }


def _entry(row: Row) -> dict[str, object]:
    entry = row.numbered.entry
    return {
        "sequence": row.numbered.sequence,
        "at": to_microseconds(entry.at),
        "offset_s": round(row.offset, 6),
        "kind": entry.kind.value,
        "way": entry.way.value or None,
        "from": None if row.is_note else row.start,
        "to": None if row.is_note else row.end,
        "transport": entry.transport or None,
        "local": entry.local or None,
        "remote": entry.remote or None,
        "party": entry.party or None,
        "title": entry.title,
        "is_repeat": row.is_repeat,
        "text": body_text(entry) if entry.body else None,
    }
