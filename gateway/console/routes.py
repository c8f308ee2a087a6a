"""The routes of the console: the phone's page at `/`, the others and all files below `/console/`.

A page is checked for each time; its files live at an address that holds their version and are kept for ever. The
same files are at `/console/latest/...` for other people's pages, of whatever origin: the SDK is
`/console/latest/vendor/telnyx-webrtc.mjs`.
"""

import asyncio
from typing import Final

from aiohttp import hdrs, web

from gateway.console.assets import INDEX, Asset, Assets, gzipped

LATEST: Final = "latest"

PAGES: Final = ("accounts", "records", "api", "trace")
"""Pages beside the phone's: `/console/NAME` is the file `NAME.html`. They work without the SDK."""

_FOR_EVER: Final = "public, max-age=31536000, immutable"
_CHECK: Final = "no-cache"

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; media-src 'self' blob: mediastream:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_NOT_BUILT: Final = (
    "The console is not built: run `make setup` in the tree of the gateway, then start it again.\n"
    "Everything else of the gateway works without it.\n"
)


def routes(assets: Assets) -> list[web.RouteDef]:
    """For `app.add_routes`. The WebSocket upgrade on `/` must be taken before these."""

    async def page(request: web.Request) -> web.Response:
        if not assets.is_built:
            return web.Response(text=_NOT_BUILT, status=503, headers=SECURITY_HEADERS)
        return await _reply(request, assets.files[INDEX], _CHECK)

    def beside(name: str) -> web.RouteDef:
        async def show(request: web.Request) -> web.Response:
            return await _reply(request, assets.files[f"{name}.html"], _CHECK)

        return web.get(f"/console/{name}", show)

    async def file(request: web.Request) -> web.Response:
        version, name = request.match_info["version"], request.match_info["name"]
        asset = assets.files.get(name)
        if asset is None or version not in (assets.version, LATEST):
            return web.Response(text="no such file\n", status=404, headers=SECURITY_HEADERS)
        reply = await _reply(request, asset, _CHECK if version == LATEST else _FOR_EVER)
        if version == LATEST:
            reply.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = "*"  # a browser imports no module without it
        return reply

    async def home(_request: web.Request) -> web.Response:
        return web.Response(status=308, headers={hdrs.LOCATION: "/"})

    async def favicon(request: web.Request) -> web.Response:
        asset = assets.files.get("icon.svg")
        return web.Response(status=404) if asset is None else await _reply(request, asset, _CHECK)

    return [
        web.get("/", page),
        web.get("/console", home),
        web.get("/console/", home),
        *(beside(name) for name in PAGES if f"{name}.html" in assets.files),
        web.get("/console/{version}/{name:.+}", file),
        web.get("/favicon.ico", favicon),
    ]


async def _reply(request: web.Request, asset: Asset, cache: str) -> web.Response:
    is_gzip = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
    # A strong tag names one representation (RFC 9110 section 8.8.1), so the compressed one has its own.
    tag = f'"{asset.etag}-gz"' if is_gzip else f'"{asset.etag}"'
    headers = {**SECURITY_HEADERS, hdrs.ETAG: tag, hdrs.CACHE_CONTROL: cache, hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if tag in _tags(request):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = asset.content_type
    if is_gzip:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = await asyncio.to_thread(gzipped, asset.content) if is_gzip else asset.content
    return web.Response(body=body, headers=headers)


def _tags(request: web.Request) -> set[str]:
    """The tags of If-None-Match, compared weakly (RFC 9110 section 13.1.2)."""
    field = request.headers.get(hdrs.IF_NONE_MATCH, "")
    return {tag.strip().removeprefix("W/") for tag in field.split(",")}
