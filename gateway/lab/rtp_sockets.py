"""UDP sockets of one lab call: a pair of ports, read without blocking."""

import socket
from typing import Final

from gateway.domain.errors import GatewayError

MAX_DATAGRAM: Final = 2048
READS_AT_ONCE: Final = 32
"""Datagrams taken before the loop gets its turn again."""
_PORT_TRIES: Final = 64

Address = tuple[str, int]


class NoLabPort(GatewayError):
    """No free pair of UDP ports, RTP on an even one and RTCP on the next (RFC 3550 section 11)."""

    code = "no_lab_port"
    sip_status = 503


def read(sock: socket.socket) -> tuple[bytes, Address] | None:
    """One datagram, or None when there is none left (or only the error of one that we sent)."""
    try:
        data, source = sock.recvfrom(MAX_DATAGRAM)
    except OSError:
        return None
    return data, (source[0], source[1])


def bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Two sockets on neighbouring ports, the even one first.

    Raises:
        NoLabPort: none found in 64 tries.
    """
    for _ in range(_PORT_TRIES):
        first = _bind(host, 0)
        if first is None:
            continue
        port = first.getsockname()[1]
        second = _bind(host, port + 1) if port % 2 == 0 else None
        if second is not None:
            return first, second
        first.close()
    raise NoLabPort(f"no free pair of UDP ports on {host} in {_PORT_TRIES} tries")


def _bind(host: str, port: int) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        return None
    return sock
