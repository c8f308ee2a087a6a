"""`/v2/gateway/calls/{call_id}/quality`: how good the media of a call is, and was in each of its last seconds."""

import math

from aiohttp import hdrs, web

from gateway.api.calls import find_call
from gateway.api.errors import BadRequest
from gateway.api.live import LiveFeed
from gateway.api.views import Views
from gateway.b2bua.call_index import CallQuality
from gateway.domain.ids import CallId


async def show_quality(request: web.Request, views: Views, feed: LiveFeed) -> web.Response:
    """Of a live call as it stands, with samples younger than `after` seconds of it; of an ended one as it was.

    Raises:
        ResourceNotFound: there is no call of that id.
        BadRequest: `after` is no number.
    """
    call_id, after = CallId(request.match_info["call_id"]), _after(request)
    live = views.calls.quality(call_id, after)
    found = live or CallQuality((await find_call(call_id, views, feed)).quality)
    data = {
        "record_type": "gateway_call_quality",
        "call_id": call_id,
        "is_live": live is not None,
        "legs": found.legs,
        "samples": found.samples,
    }
    return web.json_response({"data": data}, headers={hdrs.CACHE_CONTROL: "no-store"})


def _after(request: web.Request) -> float:
    try:
        after = float(request.query.get("after", "-1"))
    except ValueError:
        after = math.nan
    if not math.isfinite(after):
        raise BadRequest("after is a number of seconds", parameter="after")
    return after
