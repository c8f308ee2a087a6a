"""One aiohttp application, served on every `[http].listen` URL: WebSocket on any path, REST, lab, console, uploads."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from gateway.http.address import ListenAddress, ListenRefused
from gateway.http.certificates import (
    CertificateError,
    ServerCertificate,
    from_files,
    from_own_authority,
    server_context,
)
from gateway.http.middleware import Handler, add_security_headers, forwarded, shape_errors, upgrades_to
from gateway.http.names import certificate_names
from gateway.http.settings import CertificateFiles, HttpSettings
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger

RENEWAL_INTERVAL: Final = 12 * 3600.0
"""Seconds between two looks at the certificate, in a gateway that runs for months."""

BACKLOG: Final = 512

MAX_REQUEST_LINE: Final = 32 * 1024
"""Octets of a request line: every filter of a list with the longest value, percent-encoded."""

_log = get_logger()


class HttpServer:
    """Builds the application, binds the listeners, keeps the certificate fresh."""

    def __init__(
        self,
        settings: HttpSettings,
        *,
        routes: Iterable[web.AbstractRouteDef],
        websocket: Handler,
        console: Handler | None = None,
        middlewares: Iterable[Middleware] = (),
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Args:
            routes: everything but `/`, from as many route tables as there are.
            websocket: takes every WebSocket upgrade, whatever its path.
            console: takes a plain `GET /`, unless a route does.
            middlewares: run inside ours, the first one outermost; a WebSocket does not pass them.
        """
        self._settings, self._clock = settings, clock
        self._routes, self._websocket, self._console = list(routes), websocket, console
        self._middlewares = list(middlewares)
        self._runner: web.AppRunner | None = None
        self._servers: list[asyncio.Server] = []
        self._context: ssl.SSLContext | None = None
        self._certificate: ServerCertificate | None = None
        self._renewal: asyncio.TimerHandle | None = None

    @property
    def authority(self) -> Path | None:
        """The certificate authority that clients must trust, once started; None with the operator's certificate."""
        return None if self._certificate is None else self._certificate.authority

    async def start(self) -> list[str]:
        """Bind every listener; returns their URLs in order, with the ports really bound.

        Raises:
            ListenRefused: an address cannot be bound.
            CertificateError: there is no usable certificate.
        """
        addresses = [ListenAddress.parse(url) for url in self._settings.listen]
        if any(address.is_tls for address in addresses):
            self._context = server_context()
            self.renew()
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            keepalive_timeout=self._settings.request_timeout,
            shutdown_timeout=self._settings.stop_timeout,
            max_line_size=MAX_REQUEST_LINE,
            logger=_server_logger(),
        )
        await self._runner.setup()
        try:
            return [await self._listen(address) for address in addresses]
        except BaseException:
            await self.stop()
            raise

    def renew(self) -> None:
        """Load the certificate, made or renewed if need be; connections that exist keep theirs.

        Happens by itself at the start and twice a day. A certificate that cannot be renewed while we run stays in use.
        """
        if self._context is None:
            return
        try:
            certificate = self._load()
            certificate.load_into(self._context)
        except CertificateError as error:
            if self._certificate is None:
                raise
            _log.error("certificate_not_renewed", error_code=error.code, detail=str(error))
        else:
            if self._certificate is not None and certificate.not_after != self._certificate.not_after:
                _log.info("certificate_renewed", not_after=certificate.not_after.isoformat())
            self._certificate = certificate
        if self._renewal is not None:
            self._renewal.cancel()
        loop = asyncio.get_running_loop()
        self._renewal = loop.call_at(loop.time() + RENEWAL_INTERVAL, self.renew)

    async def stop(self) -> None:
        """Close the listeners, let requests finish for `stop_timeout`, close the connections; idempotent."""
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
        for server in self._servers:
            server.close()
        self._servers.clear()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    # ---- inside

    def _application(self) -> web.Application:
        middlewares = [upgrades_to(self._websocket), shape_errors, *self._middlewares]
        if self._settings.behind_proxy:
            middlewares.insert(0, forwarded())
        application = web.Application(middlewares=middlewares, client_max_size=self._settings.max_body_size)
        application.on_response_prepare.append(add_security_headers)
        application.add_routes(self._routes)
        if self._console is not None:
            application.router.add_get("/", self._console)
        return application

    async def _listen(self, address: ListenAddress) -> str:
        loop = asyncio.get_running_loop()
        port = address.port
        for listener in _bind_all(address, await _resolve(address)):
            port = listener.getsockname()[1]
            context = self._context if address.is_tls else None
            server = await loop.create_server(
                self._protocol,
                sock=listener,
                ssl=context,
                backlog=BACKLOG,
                ssl_handshake_timeout=None if context is None else self._settings.handshake_timeout,
            )
            self._servers.append(server)
        url = address.url(port)
        _log.info("listener_started", url=url)
        return url

    def _protocol(self) -> asyncio.BaseProtocol:
        assert self._runner is not None
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= self._settings.max_connections:
            _log.warning("connection_refused", count=len(server.connections))
            return _Refusing()
        return server()

    def _load(self) -> ServerCertificate:
        if isinstance(self._settings.certificate, CertificateFiles):
            return from_files(self._settings.certificate, now=self._clock())
        return from_own_authority(self._settings.data_dir, certificate_names(self._settings), now=self._clock())


class _MalformedRequests(logging.Filter):
    """What is no HTTP is the peer's fault: a line without a traceback, and the 400 that aiohttp sends."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            return True
        peer = record.args[0] if isinstance(record.args, tuple) and record.args else "unknown"
        _log.warning("request_malformed", peer=peer, status=error.code)
        return False


def _server_logger() -> logging.Logger:
    logger = logging.getLogger("aiohttp.server")
    if not any(isinstance(known, _MalformedRequests) for known in logger.filters):
        logger.addFilter(_MalformedRequests())
    return logger


class _Refusing(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _resolve(address: ListenAddress) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses behind the host, without repeats."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenRefused(f"{address.url(address.port)}: {error.strerror or error}") from error
    return list(dict.fromkeys((family, str(sockaddr[0])) for family, _, _, _, sockaddr in found))


def _bind_all(address: ListenAddress, found: list[tuple[socket.AddressFamily, str]]) -> list[socket.socket]:
    """A socket for every address of the host that this machine has; all on one port, also when it was 0."""
    listeners: list[socket.socket] = []
    port, failure = address.port, "no such address"
    for family, host in found:
        try:
            listeners.append(_bind(family, host, port))
        except OSError as error:
            failure = error.strerror or str(error)
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # `localhost` names ::1 on machines without IPv6 too
            for listener in listeners:
                listener.close()
            raise ListenRefused(f"{address.url(port)}: cannot listen: {failure}") from error
        port = listeners[-1].getsockname()[1]
    if not listeners:
        raise ListenRefused(f"{address.url(port)}: cannot listen: {failure}")
    return listeners


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
