"""A sender that nobody has signalled, and what it may send."""

import contextlib
import socket
from typing import Final

from OpenSSL import SSL

from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.core.source_lock import Address

EVIL: Final = b"\x66" * 160
"""A payload that must reach nobody."""


class Stranger:
    """A socket on another loopback address that nobody has signalled."""

    def __init__(self, address: str = "127.0.0.2") -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((address, 0))

    @property
    def address(self) -> Address:
        name: Address = self._socket.getsockname()
        return name

    def send(self, data: bytes, target: Address) -> None:
        self._socket.sendto(data, target)

    def spray(self, target: Address, *, payload_type: int = 0, count: int = 50) -> None:
        """Well-formed RTP with a negotiated payload type."""
        for index in range(count):
            self.send(serialize(RtpPacket(payload_type, index, index * 160, 0x666, False, EVIL)), target)

    def heard(self) -> list[bytes]:
        """What was sent to it since the last call."""
        datagrams: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                datagrams.append(self._socket.recvfrom(2048)[0])
        return datagrams

    def heard_nothing(self) -> bool:
        """Whether nobody has sent it anything."""
        return not self.heard()

    def close(self) -> None:
        self._socket.close()


def client_hello() -> bytes:
    """As OpenSSL writes it."""
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_tlsext_use_srtp(b"SRTP_AES128_CM_SHA1_80")
    connection = SSL.Connection(context)
    connection.set_connect_state()
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(4096)
