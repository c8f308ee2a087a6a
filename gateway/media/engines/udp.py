"""A UDP socket of a leg, read by ourselves.

asyncio's datagram transport costs several times as much per packet as `add_reader` with `recvfrom`, and media is
nothing but packets.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from gateway.media.core.source_lock import Address
from gateway.observability.logging import get_logger

MAX_DATAGRAM: Final = 1472
"""What an Ethernet frame holds; longer datagrams are not media, and libsrtp's wrapper takes at most 1500."""

_MAX_BURST: Final = 32
"""Datagrams taken in one go: under a flood the rest of the loop gets its turn."""


class UdpSocket:
    """Reads datagrams as they come, sends them at once or drops them; the kernel's buffers are the only queue."""

    def __init__(self, bound: socket.socket, on_datagram: Callable[[bytes, Address], None]) -> None:
        """Takes over a bound, non-blocking socket for reading and writing; whoever bound it closes it."""
        self._socket = bound
        self._on_datagram = on_datagram
        self._loop = asyncio.get_running_loop()
        self._has_failed = False
        self._is_reading = True
        self._loop.add_reader(bound, self._read)

    @property
    def port(self) -> int:
        """The local port."""
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, destination: Address) -> bool:
        """Send one datagram; False when the kernel refused it, which for media is a lost packet and no more."""
        try:
            self._socket.sendto(data, destination)
        except OSError:
            return False
        return True

    def detach(self) -> None:
        """Stop reading; the socket can be closed then. Idempotent."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket)

    def _read(self) -> None:
        for _ in range(_MAX_BURST):
            if not self._is_reading:  # what the last datagram led to
                return
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM + 1)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error for something that we sent: the next read is fine again
                continue
            if 0 < len(data) <= MAX_DATAGRAM:
                self._deliver(data, source[:2])

    def _deliver(self, data: bytes, source: Address) -> None:
        try:
            self._on_datagram(data, source)
        except Exception:
            # A defect in the handling of one packet must cost that packet, not the socket. Once per socket: whoever
            # found such a packet can send a million of them.
            if not self._has_failed:
                self._has_failed = True
                get_logger().exception("media_packet_crashed", peer=f"{source[0]}:{source[1]}")
