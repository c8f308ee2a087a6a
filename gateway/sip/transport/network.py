"""All sockets of one endpoint: listeners, connections, and the way to a destination."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import ListenFailed
from gateway.sip.core.framing import Broken
from gateway.sip.core.headers.remembered import remembered
from gateway.sip.settings import SipSettings
from gateway.sip.transport.connections import TcpConnections
from gateway.sip.transport.flow import Destination, Flow, Transport
from gateway.sip.transport.tls_contexts import TlsContexts
from gateway.sip.transport.udp import UdpListener

BACKLOG: Final = 128
"""TCP connections that the kernel keeps until we accept them."""

MAX_KNOWN_ROUTES: Final = 1024
"""Remote addresses whose local address is remembered."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket.

    Attributes:
        port: the real one where the setting had 0.
        advertised: address and port to be told to others; empty and None where these are its own.
    """

    transport: Transport
    host: str
    port: int
    udp: UdpListener | None
    advertised: tuple[str, int | None] = ("", None)

    def fits(self, destination: Destination) -> bool:
        """Whether it has the transport and address family that the destination needs."""
        return self.transport == destination.transport and (":" in self.host) == destination.is_ipv6

    @property
    def is_wildcard(self) -> bool:
        """Bound to all addresses of the host."""
        return _is_unspecified(self.host)


@remembered
def _is_unspecified(host: str) -> bool:
    return ipaddress.ip_address(host).is_unspecified


class Network:
    """Opens the listeners of the settings and finds the flow to a destination."""

    def __init__(
        self,
        settings: SipSettings,
        *,
        accept: Callable[[Destination], bool],
        is_banned: Callable[[str], bool],
        on_message: Callable[[bytes, Flow], None],
        on_broken: Callable[[Broken, Flow], None],
        on_closed: Callable[[Flow], None],
        tls: TlsContexts | None,
    ) -> None:
        self._settings, self._on_message, self._tls = settings, on_message, tls
        self._connections = TcpConnections(
            settings,
            accept=accept,
            is_banned=is_banned,
            on_message=on_message,
            on_broken=on_broken,
            on_closed=on_closed,
            tls=tls,
        )
        self._listeners: list[Listener] = []
        self._servers: list[asyncio.Server] = []
        self._routes: dict[str, str] = {}

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What is bound now."""
        return tuple(self._listeners)

    @property
    def connection_count(self) -> int:
        """TCP and TLS connections that hold a socket or are about to."""
        return len(self._connections)

    async def start(self) -> None:
        """Bind every listener.

        Raises:
            ListenFailed: one could not be bound; none is left open.
            TlsSetUpFailed: a certificate of ours cannot be used.
        """
        if self._tls is not None:
            await self._tls.start()
        for index, (transport, host, port) in enumerate(self._settings.listen):
            try:
                self._listeners.append(await self._bind(transport, host, port, self._settings.advertised(index)))
            except OSError as exc:
                await self.stop()
                raise ListenFailed(f"cannot listen on {transport}:{host}:{port}: {exc.strerror or exc}") from exc

    async def stop(self) -> None:
        """Close everything and wait until it is closed."""
        for server in self._servers:
            server.close()
        if self._tls is not None:
            await self._tls.stop()
        await self._connections.close()
        for server in self._servers:
            await server.wait_closed()
        for listener in self._listeners:
            if listener.udp is not None:
                listener.udp.close()
        self._servers.clear()
        self._listeners.clear()

    def flow_to(self, destination: Destination) -> Flow | None:
        """The way to that address: a UDP socket, an open connection, or a new one; None when there is none."""
        listener = self.listener_for(destination)
        if listener is None or not destination.is_sendable:
            return None
        if listener.udp is not None:
            return listener.udp.flow_to(destination)
        return self._connections.open(destination, None if listener.is_wildcard else listener.host)

    def hold(self, destination: Destination, on_lost: Callable[[], None]) -> None:
        """Keep connections to that address alive until `release` with the same arguments; tell of their ends."""
        self._connections.hold(destination, on_lost)

    def release(self, destination: Destination, on_lost: Callable[[], None]) -> None:
        """One `hold` less."""
        self._connections.release(destination, on_lost)

    def listener_for(self, destination: Destination) -> Listener | None:
        """The listener whose address goes into our Via and Contact towards that destination."""
        fitting = [listener for listener in self._listeners if listener.fits(destination)]
        if len(fitting) > 1:
            local = self._local_host(destination)
            fitting.sort(key=lambda listener: (listener.host != local, not listener.is_wildcard))
        return fitting[0] if fitting else None

    def local_address(self, destination: Destination) -> tuple[str, int] | None:
        """Host and port under which that destination can reach us; None when we have no such listener."""
        listener = self.listener_for(destination)
        if listener is None:
            return None
        host, port = listener.advertised
        if not host:
            host = self._local_host(destination) if listener.is_wildcard else listener.host
        return host, port or listener.port

    def _local_host(self, destination: Destination) -> str:
        """The address that the kernel would send from; nothing is sent to find out."""
        known = self._routes.get(destination.host)
        if known is not None:
            return known
        family = socket.AF_INET6 if destination.is_ipv6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((destination.host, destination.port))
                local = str(probe.getsockname()[0])
            except OSError:
                # No route: sending will fail as well, and says so.
                return "::1" if destination.is_ipv6 else "127.0.0.1"
        if len(self._routes) >= MAX_KNOWN_ROUTES:
            self._routes.clear()
        self._routes[destination.host] = local
        return local

    async def _bind(self, transport: Transport, host: str, port: int, advertised: tuple[str, int | None]) -> Listener:
        if transport == "udp":
            udp = UdpListener.bind(host, port, self._on_message)
            return Listener("udp", host, udp.local_port, udp, advertised)
        loop = asyncio.get_running_loop()
        accepted = self._connections.accepted if transport == "tcp" else self._connections.accepted_tls
        server = await loop.create_server(accepted, host, port, backlog=BACKLOG)
        self._servers.append(server)
        return Listener(transport, host, int(server.sockets[0].getsockname()[1]), None, advertised)
