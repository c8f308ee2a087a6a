"""The trunk's end of a call: a pair of sockets, and its description."""

import socket
from typing import Final

from gateway.domain.ids import Sdp
from tests.bench.media.cases import Codec
from tests.bench.media.network import ADDRESS

BUFFER: Final = 1 << 20
"""Bytes that the kernel may keep for a socket of ours: what is lost is lost in the server, not here."""


def value_of(sdp: str, name: str) -> str:
    """The first `a=name:` of a description.

    Raises:
        ValueError: it has none.
    """
    found = next((line for line in sdp.splitlines() if line.startswith(f"a={name}:")), None)
    if found is None:
        raise ValueError(f"no a={name} in a description")
    return found.partition(":")[2].strip()


def audio_port(sdp: str) -> int:
    """The port of the audio line."""
    return next(int(line.split()[1]) for line in sdp.splitlines() if line.startswith("m=audio"))


class SipEnd:
    """RTP on an even port and RTCP on the next, which nobody reads: the server's reports find a socket."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.socket, self._rtcp = _pair()

    def description(self) -> Sdp:
        """An answer, or an offer."""
        codec = self._codec
        return Sdp(
            f"v=0\r\no=bench 1 1 IN IP4 {ADDRESS}\r\ns=-\r\nc=IN IP4 {ADDRESS}\r\nt=0 0\r\n"
            f"m=audio {self.socket.getsockname()[1]} RTP/AVP {codec.payload_type}\r\n"
            f"a=rtpmap:{codec.payload_type} {codec.rtpmap}\r\na=ptime:20\r\na=sendrecv\r\n"
        )

    def connect(self, sdp: str) -> None:
        """The server is where its description says."""
        self.socket.connect((ADDRESS, audio_port(sdp)))

    def close(self) -> None:
        """Close both sockets."""
        self.socket.close()
        self._rtcp.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    while True:
        first, second = udp_socket(0), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port = int(first.getsockname()[1])
        if port % 2 == 0:
            try:
                second.bind((ADDRESS, port + 1))
            except OSError:  # taken: another pair
                pass
            else:
                return first, second
        first.close()
        second.close()


def udp_socket(port: int) -> socket.socket:
    """Bound, and with room for what comes while the generator does something else."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    # Beyond the limit of the system, root may; others get the limit.
    force = getattr(socket, "SO_RCVBUFFORCE", 33)
    try:
        made.setsockopt(socket.SOL_SOCKET, force, BUFFER)
    except PermissionError:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.bind((ADDRESS, port))
    return made
