"""UDP sockets (RFC 3261 section 18). No datagram, however strange, stops a listener."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from gateway.observability.logging import get_logger
from gateway.sip.transport.flow import Destination, Flow

MAX_DATAGRAM_BYTES: Final = 65_507
"""The most that fits into one UDP datagram over IPv4."""

RECEIVE_BUFFER_BYTES: Final = 1024 * 1024
"""Asked of the kernel, which may give less: room for a burst while the loop is busy."""

BATCH: Final = 32
"""Datagrams that are taken before anything else has its turn. asyncio by itself reads a single one each time that its
loop comes round: a loop that is busy with calls would leave their answers in the kernel's buffer for seconds."""

_log = get_logger()


class UdpListener(asyncio.DatagramProtocol):
    """One bound UDP socket.

    Args:
        on_datagram: gets each datagram with the flow back to its sender; what it raises is logged and forgotten.
        sock: does not block; the endpoint owns it.
    """

    def __init__(self, on_datagram: Callable[[bytes, Flow], None], sock: socket.socket) -> None:
        self._on_datagram, self._sock = on_datagram, sock
        self._transport: asyncio.DatagramTransport | None = None
        self._send_error: Exception | None = None
        self._is_congested = False
        self._closed = asyncio.Event()

    @classmethod
    async def bind(cls, host: str, port: int, on_datagram: Callable[[bytes, Flow], None]) -> "UdpListener":
        """Open a socket on that IP address; raises OSError."""
        is_ipv6 = ":" in host
        sock = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            if is_ipv6:
                # Else `::` takes IPv4 as well, and its peers look like ::ffff:192.0.2.1.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        loop = asyncio.get_running_loop()
        _, listener = await loop.create_datagram_endpoint(lambda: cls(on_datagram, sock), sock=sock)
        return listener

    @property
    def local_port(self) -> int:
        """The port that it is bound to."""
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    @property
    def is_open(self) -> bool:
        """False before it is bound and after it was closed."""
        return self._transport is not None and not self._transport.is_closing()

    async def close(self) -> None:
        """Close the socket and wait until it is closed; idempotent. What was not sent yet is lost."""
        if self._transport is not None:
            self._transport.abort()
            await self._closed.wait()

    def flow_to(self, remote: Destination) -> "UdpFlow":
        """The way to that address from this socket."""
        return UdpFlow(self, remote)

    def send(self, data: bytes, remote: Destination) -> bool:
        """Send one datagram. Never raises.

        An address that sendto would reject with anything but an OSError must not reach it: asyncio takes that for
        the end of the socket and closes it.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or self._is_congested:
            return False
        if not remote.is_sendable or len(data) > MAX_DATAGRAM_BYTES:
            return False
        self._send_error = None
        transport.sendto(data, (remote.host, remote.port))
        return self._send_error is None

    # asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Typed as the base class by asyncio; a datagram endpoint always hands over a DatagramTransport.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        self._take(data, addr)
        for _ in range(BATCH - 1):
            if not self.is_open:  # closed by what has just come
                return
            try:
                data, addr = self._sock.recvfrom(MAX_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.error_received(error)
            else:
                self._take(data, addr)

    def _take(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        remote = Destination("udp", addr[0], addr[1])
        try:
            self._on_datagram(data, UdpFlow(self, remote))
        except Exception:
            # The last line of defence: whatever one datagram breaks, the next one is served.
            _log.exception("sip_datagram_crashed", peer=str(remote))

    def error_received(self, exc: Exception) -> None:
        # Called from within sendto for an address without a route, and for ICMP errors of earlier datagrams.
        self._send_error = exc

    def pause_writing(self) -> None:
        # The kernel's buffer and asyncio's (64 KiB) are full: what is sent now is lost, as on a full link.
        self._is_congested = True

    def resume_writing(self) -> None:
        self._is_congested = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        if exc is not None:
            _log.error("sip_listener_lost", error=str(exc))


@dataclass(frozen=True, slots=True)
class UdpFlow:
    """A UDP socket together with a remote address."""

    listener: UdpListener
    remote: Destination

    @property
    def is_reliable(self) -> bool:
        return False

    @property
    def is_open(self) -> bool:
        return self.listener.is_open

    def send(self, data: bytes) -> bool:
        return self.listener.send(data, self.remote)

    def to_port(self, port: int) -> "UdpFlow":
        return UdpFlow(self.listener, Destination("udp", self.remote.host, port))

    def close(self) -> None:
        """No effect: the socket serves all peers."""
