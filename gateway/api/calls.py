"""`/v2/gateway/calls`: live calls and ended ones, and how to end one."""

from typing import Final

from aiohttp import web

from gateway.api.call_view import ENDED, CallView, of_record
from gateway.api.errors import BadRequest, CallHasEnded, InvalidEnum, OutOfRange, ResourceNotFound
from gateway.api.live import LiveFeed
from gateway.api.views import LiveCalls, Views
from gateway.domain.ids import CallId
from gateway.store.errors import NotFound

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 250
_STATES: Final = ("live", "ended")


async def list_calls(request: web.Request, views: Views, feed: LiveFeed) -> web.Response:
    """Live calls and ended ones, newest first; `state`, `limit` and `before` (a call id) narrow it down.

    Raises:
        ApiError: a parameter is wrong.
    """
    state, limit = _state(request), _limit(request)
    before = request.query.get("before")
    if before is not None and state == "live":
        raise BadRequest("live calls have one page; `before` goes with ended ones", parameter="before")
    found = [] if state == "ended" or before is not None else feed.live_calls()
    is_complete = True
    if state != "live":
        ended = await _ended(views, feed, limit + 1, None if before is None else CallId(before))
        found, is_complete = found + ended[:limit], len(ended) <= limit
    next_before = None if is_complete or not found else found[-1].call_id
    meta = {"limit": limit, "next_before": next_before}
    return web.json_response({"data": [view.to_json() for view in found], "meta": meta})


async def show_call(request: web.Request, views: Views, feed: LiveFeed) -> web.Response:
    """One call, live or ended.

    Raises:
        ResourceNotFound: there is none of that id.
    """
    view = await find_call(CallId(request.match_info["call_id"]), views, feed)
    return web.json_response({"data": view.to_json()})


async def hang_up(request: web.Request, views: Views, feed: LiveFeed) -> web.Response:
    """End a live call on both sides with NORMAL_CLEARING.

    Raises:
        ResourceNotFound: there is none of that id.
        CallHasEnded: it is over already.
    """
    call_id = CallId(request.match_info["call_id"])
    if not _hang_up(views.calls, call_id):
        await find_call(call_id, views, feed)
        raise CallHasEnded("that call is over", pointer="/call_id")
    return web.json_response({"data": {"result": "ok"}})


def _hang_up(calls: LiveCalls, call_id: CallId) -> bool:
    snapshot = calls.find(call_id)
    return snapshot is not None and snapshot.state != ENDED and calls.hangup(call_id)


async def find_call(call_id: CallId, views: Views, feed: LiveFeed) -> CallView:
    """A call, live or ended.

    Raises:
        ResourceNotFound: there is none of that id.
    """
    for view in (*feed.live_calls(), *feed.recently_ended()):
        if view.call_id == call_id:
            return view
    try:
        return of_record(await views.records.get(call_id))
    except NotFound as error:
        raise ResourceNotFound(f"no call {call_id}") from error


async def _ended(views: Views, feed: LiveFeed, count: int, before: CallId | None) -> list[CallView]:
    """The newest ended calls by their start. Live ones are in the store as well and are passed over."""
    found: list[CallView] = []
    recent = [] if before is not None else feed.recently_ended()
    known = {view.call_id for view in recent}
    while len(found) < count:
        page = await views.records.recent(MAX_LIMIT, before)
        found += [of_record(record) for record in page if record.ended_at is not None and record.call_id not in known]
        if len(page) < MAX_LIMIT:
            break
        before = page[-1].call_id
    return sorted((*recent, *found), key=lambda view: (view.started_at, view.call_id), reverse=True)[:count]


def _state(request: web.Request) -> str | None:
    state = request.query.get("state")
    if state is not None and state not in _STATES:
        raise InvalidEnum(f"state is {' or '.join(_STATES)}", parameter="state")
    return state


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit()):
        raise BadRequest("limit is a whole number", parameter="limit")
    if not 1 <= (limit := int(text[:9])) <= MAX_LIMIT:
        raise OutOfRange(f"limit is 1 to {MAX_LIMIT}", parameter="limit")
    return limit
