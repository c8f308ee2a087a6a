"""What happens to every request before and after its handler: who asks, is it a WebSocket, what if it fails."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.observability.logging import get_logger

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON_PREFIXES: Final = ("/v2/", "/_lab/")
"""Below these, errors have the shape of the REST API (rest-v2 0.5)."""

_TITLES: Final[Mapping[int, tuple[str, str]]] = {
    # status: the error code and title of the REST API
    404: ("10005", "Resource not found"),
    405: ("10015", "Method not allowed"),
    413: ("10015", "Request body too large"),
    500: ("10007", "Unexpected error"),
}
_OTHER: Final = ("10015", "Bad Request")

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' https: wss: http://localhost:* ws://localhost:* http://127.0.0.1:* "
        "ws://127.0.0.1:*; img-src 'self' data:; media-src 'self' blob: data: mediastream:; "
        "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_log = get_logger()


async def add_security_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: a handler's own header of the same name wins. aiohttp would name its and Python's version."""
    response.headers["Server"] = "rtc-gateway"
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


def forwarded() -> Middleware:
    """Take the client's address from the proxy: the last entry is the one that the proxy itself wrote."""

    @web.middleware
    async def take_forwarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        last = request.headers.getall("X-Forwarded-For", [""])[-1].rpartition(",")[2].strip()
        try:
            remote = str(ipaddress.ip_address(last))
        except ValueError:
            return await handler(request)
        return await handler(request.clone(remote=remote))

    return take_forwarded


def upgrades_to(websocket: Handler) -> Middleware:
    """Give a WebSocket upgrade on any path to that handler: the SDKs keep whatever path their host option has."""

    @web.middleware
    async def upgrade(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_upgrade = request.method == "GET" and "websocket" in request.headers.get("Upgrade", "").lower()
        return await (websocket(request) if is_upgrade else handler(request))

    return upgrade


@web.middleware
async def shape_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One log line for a defect of ours; JSON errors where the REST API is."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json" or not _is_json(request):
            raise
        kept = {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")}
        return error_response(error.status, _detail(request, error.status), headers=kept)
    except Exception:
        _log.exception("request_failed", method=request.method, path=request.path)
        if _is_json(request):
            return error_response(500, "An unexpected error occurred.")
        return web.Response(status=500, text="unexpected error\n")


def error_response(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> web.Response:
    """An error as the REST API shapes it."""
    code, title = _TITLES.get(status, _OTHER)
    body = {"errors": [{"code": code, "title": title, "detail": detail}]}
    return web.json_response(body, status=status, headers=headers)


def _is_json(request: web.Request) -> bool:
    return request.path.startswith(JSON_PREFIXES) or request.path in ("/v2", "/_lab")


def _detail(request: web.Request, status: int) -> str:
    if status == 404:
        return "The requested resource or URL could not be found."
    if status == 405:
        return f"The resource does not take {request.method}."
    return "The request cannot be processed."
