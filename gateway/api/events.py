"""`GET /v2/gateway/events`: a snapshot, then changes, as server-sent events.

Read it with `fetch`: an `EventSource` cannot send the key. Events are `snapshot` ({calls, sessions}), `call` (one
call as it is now, also its end) and `sessions` (all of them). A client that reads too slowly gets a new snapshot.
"""

import asyncio
from typing import Final

from aiohttp import web

from gateway.api.guard import GRANTED
from gateway.api.live import LiveFeed, Watcher
from gateway.observability.logging import get_logger

HEARTBEAT: Final = 15.0
"""Seconds between two comments on a quiet stream, so that both sides notice a dead one."""

WRITE_TIMEOUT: Final = 20.0
"""Seconds that a client may leave its socket full; then the stream ends."""

_COMMENT: Final = b": still here\n\n"
_HEADERS: Final = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}


async def stream_events(request: web.Request, feed: LiveFeed, *, heartbeat: float = HEARTBEAT) -> web.StreamResponse:
    """Serve one stream until the client or the program goes.

    Raises:
        TooManyRequests: too many streams are open.
    """
    grant = request.get(GRANTED)
    watcher = feed.watch("" if grant is None else grant.key_id)
    response = web.StreamResponse(headers=_HEADERS)
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            await _pump(watcher, response, heartbeat)
    except (ConnectionError, TimeoutError) as error:
        get_logger().debug("event_stream_lost", peer=request.remote, detail=type(error).__name__)
    finally:
        watcher.close()
    return response


async def _pump(watcher: Watcher, response: web.StreamResponse, heartbeat: float) -> None:
    while (events := await watcher.next(heartbeat)) is not None:
        payload = b"".join(event.encode() for event in events) or _COMMENT
        async with asyncio.timeout(WRITE_TIMEOUT):
            await response.write(payload)
