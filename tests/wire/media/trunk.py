"""The far end of a plain RTP leg: two sockets, and SDP as a trunk writes it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self, cast

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket, parse, serialize
from gateway.media.core.source_lock import Address

from .browser import CODEC_LINES, LOOPBACK, read


class _Socket(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.inbox: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue(5000)
        self.closed = asyncio.Event()
        self.on_datagram: Callable[[bytes, Address], None] = lambda data, source: self.inbox.put_nowait((data, source))
        self.is_meant: Callable[[Address], bool] = lambda _source: True

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own class does not say that it is one (3.11)
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.is_meant(addr):
            self.on_datagram(data, addr)


@dataclass
class Trunk:
    """A SIP trunk's media. `open` it first."""

    codecs: Sequence[str] = ("PCMU", "PCMA")
    has_events: bool = True
    direction: str = "sendrecv"
    address: str = LOOPBACK
    """Written into SDP; the sockets are on loopback whatever it says."""
    ssrc: int = 0x55667788

    async def open(self) -> Self:
        loop = asyncio.get_running_loop()
        _, self._rtp = await loop.create_datagram_endpoint(_Socket, local_addr=(LOOPBACK, 0))
        _, self._rtcp = await loop.create_datagram_endpoint(_Socket, local_addr=(LOOPBACK, 0))
        self.remote: Address | None = None
        self._version = 0
        self._rtp.is_meant = self._rtcp.is_meant = self._is_of_the_gateway
        return self

    def _is_of_the_gateway(self, source: Address) -> bool:
        """Another call's late goodbyes come to whoever has its ports now."""
        return self.remote is None or source[1] - self.remote[1] in (0, 1)

    @property
    def port(self) -> int:
        return int(self._rtp.transport.get_extra_info("sockname")[1])

    @property
    def rtcp_port(self) -> int:
        return int(self._rtcp.transport.get_extra_info("sockname")[1])

    @property
    def received(self) -> asyncio.Queue[tuple[bytes, Address]]:
        return self._rtp.inbox

    @property
    def reports(self) -> asyncio.Queue[tuple[bytes, Address]]:
        return self._rtcp.inbox

    async def packet(self) -> RtpPacket:
        """The next RTP packet."""
        return parse((await self.received.get())[0])

    def describe(self, *extra: str) -> Sdp:
        """An offer or an answer; `extra` are lines at its end."""
        lines = [CODEC_LINES[name] for name in self.codecs] + (
            [(101, "telephone-event/8000")] if self.has_events else []
        )
        self._version += 1
        text = [
            "v=0",
            f"o=trunk 1000 {self._version} IN IP4 {self.address}",
            "s=-",
            f"c=IN IP4 {self.address}",
            "t=0 0",
            f"m=audio {self.port} RTP/AVP {' '.join(str(number) for number, _ in lines)}",
            f"a=rtcp:{self.rtcp_port}",
            *(f"a=rtpmap:{number} {encoding}" for number, encoding in lines),
            f"a={self.direction}",
            *extra,
        ]
        return Sdp("\r\n".join(text) + "\r\n")

    def use(self, sdp: Sdp) -> None:
        """Send to where the gateway's description says."""
        media = next(line for line in read(sdp).lines if line.startswith("m=audio"))
        self.remote = (LOOPBACK, int(media.split()[1]))

    def send(self, packet: RtpPacket) -> None:
        self.send_raw(serialize(packet))

    def send_raw(self, data: bytes) -> None:
        assert self.remote is not None
        self._rtp.transport.sendto(data, self.remote)

    def send_rtcp(self, data: bytes) -> None:
        assert self.remote is not None
        self._rtcp.transport.sendto(data, (self.remote[0], self.remote[1] + 1))

    async def close(self) -> None:
        for each in (self._rtp, self._rtcp):
            each.transport.close()
            await each.closed.wait()
