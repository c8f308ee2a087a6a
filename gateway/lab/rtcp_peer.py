"""RTCP of one lab call: reports every five seconds or so, a BYE at the end; the far end's reports are read."""

import asyncio
import random
import socket
from collections.abc import Callable
from typing import Final

from gateway.lab.rtp_sockets import READS_AT_ONCE, Address, read
from gateway.lab.rtp_stream import OutgoingStream
from gateway.media.core.rtcp import RtcpParseError, RtcpSession, SenderInfo
from gateway.media.core.rtp import ReceptionStats
from gateway.observability.clock import utc_now

_CNAME: Final = "lab"


class RtcpPeer:
    """Speaks for one outgoing stream and what is received beside it. The socket belongs to the caller."""

    def __init__(
        self,
        sock: socket.socket,
        stream: OutgoingStream,
        reception: ReceptionStats,
        far_end: Callable[[], Address | None],
    ) -> None:
        """Begin to listen; `far_end` tells its RTP address, None when it is not known."""
        self._loop = asyncio.get_running_loop()
        self._socket, self._stream, self._reception, self._far_end = sock, stream, reception, far_end
        self._sent_before = 0
        self.packets_received = 0
        self._session = RtcpSession(
            ssrc=stream.ssrc,
            cname=_CNAME,
            now=self._loop.time(),
            wall_clock=utc_now().timestamp(),
            randomness=random.random,
        )
        self._timer = self._loop.call_at(self._session.next_deadline(), self._on_timer)
        self._loop.add_reader(sock, self._on_readable)

    @property
    def round_trip(self) -> float | None:
        """Seconds to the far end and back, None before its first report about us."""
        return self._session.round_trip

    def close(self) -> None:
        """Say BYE, stop."""
        self._timer.cancel()
        self._loop.remove_reader(self._socket)
        now = self._loop.time()
        self._send(self._session.bye(now, self._reception, self._sender_info(now)))

    def _on_timer(self) -> None:
        now = self._loop.time()
        report = self._session.handle_timeout(now, self._reception, self._sender_info(now))
        if report is not None:
            self._send(report)
        self._timer = self._loop.call_at(self._session.next_deadline(), self._on_timer)

    def _sender_info(self, now: float) -> SenderInfo | None:
        stream = self._stream
        if stream.packets == self._sent_before:
            return None
        self._sent_before = stream.packets
        return SenderInfo(
            rtp_timestamp=stream.timestamp_at(now), packet_count=stream.packets, octet_count=stream.octets
        )

    def _send(self, data: bytes) -> None:
        far_end = self._far_end()
        if far_end is None:
            return
        try:
            self._socket.sendto(data, (far_end[0], far_end[1] + 1))
        except (OSError, OverflowError):  # full, nobody there, or RTP on the last port
            return

    def _on_readable(self) -> None:
        for _ in range(READS_AT_ONCE):
            received = read(self._socket)
            if received is None:
                return
            data, source = received
            far_end = self._far_end()
            if far_end is None or source[0] != far_end[0]:
                continue
            try:
                self._session.receive(data, self._loop.time())
            except RtcpParseError:
                continue
            self.packets_received += 1
