"""The routes of the gateway's own views, /v2/gateway/..."""

from aiohttp import web

from gateway.api.bans import lift_ban, list_bans
from gateway.api.calls import hang_up, list_calls, show_call
from gateway.api.events import stream_events
from gateway.api.live import LiveFeed
from gateway.api.quality import show_quality
from gateway.api.views import Views, session_json


def routes(views: Views, feed: LiveFeed) -> list[web.RouteDef]:
    """For `app.add_routes`, together with the middleware `middleware.telnyx_errors`."""

    async def info(_request: web.Request) -> web.Response:
        return web.json_response({"data": views.info().to_json()})

    async def sessions(_request: web.Request) -> web.Response:
        return web.json_response({"data": [session_json(session) for session in views.sessions.sessions()]})

    async def calls(request: web.Request) -> web.Response:
        return await list_calls(request, views, feed)

    async def call(request: web.Request) -> web.Response:
        return await show_call(request, views, feed)

    async def quality(request: web.Request) -> web.Response:
        return await show_quality(request, views, feed)

    async def hangup(request: web.Request) -> web.Response:
        return await hang_up(request, views, feed)

    async def bans(_request: web.Request) -> web.Response:
        return list_bans(views.bans)

    async def unban(request: web.Request) -> web.Response:
        return lift_ban(request, views.bans)

    async def events(request: web.Request) -> web.StreamResponse:
        return await stream_events(request, feed)

    return [
        web.get("/v2/gateway/info", info),
        web.get("/v2/gateway/sessions", sessions),
        web.get("/v2/gateway/calls", calls),
        web.get("/v2/gateway/calls/{call_id}", call),
        web.get("/v2/gateway/calls/{call_id}/quality", quality),
        web.post("/v2/gateway/calls/{call_id}/actions/hangup", hangup),
        web.get("/v2/gateway/bans", bans),
        web.delete("/v2/gateway/bans/{address}", unban),
        web.get("/v2/gateway/events", events),
    ]
