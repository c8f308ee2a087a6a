"""UDP sockets (RFC 3261 section 18). No datagram, however strange, stops a listener."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.observability.logging import get_logger
from gateway.sip.transport.flow import Destination, Flow

MAX_DATAGRAM_BYTES: Final = 65_507
"""The most that fits into one UDP datagram over IPv4."""

RECEIVE_BUFFER_BYTES: Final = 1024 * 1024
"""Asked of the kernel, which may give less: room for a burst while the loop is busy."""

BATCH: Final = 32
"""Datagrams that are taken before anything else has its turn. One at a time would leave the answers to a busy
gateway's calls in the kernel's buffer for seconds."""

_log = get_logger()


class UdpListener:
    """One bound UDP socket, read by ourselves.

    asyncio's datagram transport reads one datagram a turn, and each into 256 KiB of new memory that it then cuts to
    size: what is kept of it (a message in a transaction or a trace) leaves holes that nothing fits into, and memory
    grows for as long as somebody sends.

    Args:
        on_datagram: gets each datagram with the flow back to its sender; what it raises is logged and forgotten.
        sock: bound, does not block; closed with the listener.
    """

    def __init__(self, on_datagram: Callable[[bytes, Flow], None], sock: socket.socket) -> None:
        self._on_datagram, self._sock = on_datagram, sock
        self._buffer = memoryview(bytearray(MAX_DATAGRAM_BYTES))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._read)
        self._is_open = True

    @classmethod
    def bind(cls, host: str, port: int, on_datagram: Callable[[bytes, Flow], None]) -> "UdpListener":
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
        return cls(on_datagram, sock)

    @property
    def local_port(self) -> int:
        """The port that it is bound to."""
        return int(self._sock.getsockname()[1])

    @property
    def is_open(self) -> bool:
        """False after it was closed."""
        return self._is_open

    def close(self) -> None:
        """Close the socket; idempotent."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def flow_to(self, remote: Destination) -> "UdpFlow":
        """The way to that address from this socket."""
        return UdpFlow(self, remote)

    def send(self, data: bytes, remote: Destination) -> bool:
        """Send one datagram. Never raises.

        What does not fit into the kernel's buffer is lost as on a full link, and like there it may be repeated; only
        what can never leave is refused.
        """
        if not self._is_open or not remote.is_sendable or len(data) > MAX_DATAGRAM_BYTES:
            return False
        try:
            self._sock.sendto(data, (remote.host, remote.port))
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True

    def _read(self) -> None:
        for _ in range(BATCH):
            if not self._is_open:  # closed by what has just come
                return
            try:
                length, addr = self._sock.recvfrom_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:  # ICMP for something that we sent: the next read is fine again
                continue
            self._take(bytes(self._buffer[:length]), addr)

    def _take(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        remote = Destination("udp", addr[0], addr[1])
        try:
            self._on_datagram(data, UdpFlow(self, remote))
        except Exception:
            # The last line of defence: whatever one datagram breaks, the next one is served.
            _log.exception("sip_datagram_crashed", peer=str(remote))


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
