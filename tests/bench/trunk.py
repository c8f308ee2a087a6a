"""The far end of a benchmark: a SIP trunk that answers at once, and its RTP as packets with their times."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket, parse, serialize
from gateway.sip.call import IncomingCall
from gateway.sip.endpoint import Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent
from tests.bench.network import LOOPBACK_NETWORK


class TrunkCall(asyncio.DatagramProtocol):
    """One call's RTP. `on_packet` gets each packet and the time (`perf_counter`) at which it came."""

    def __init__(self) -> None:
        self.received = 0
        self.sent = 0
        self.on_packet: Callable[[RtpPacket, float], None] = lambda _packet, _at: None
        self.remote: tuple[str, int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own class does not say so (3.11)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        at = time.perf_counter()
        self.received += 1
        self.on_packet(parse(data), at)

    @property
    def port(self) -> int:
        """Of the RTP socket."""
        return int(self._transport.get_extra_info("sockname")[1])

    def send(self, packet: RtpPacket) -> None:
        """Send one packet now."""
        self.sent += 1
        self._transport.sendto(serialize(packet), self.remote)

    def close(self) -> None:
        """Close the socket."""
        self._transport.close()


class BenchTrunk:
    """Answers every INVITE at once with PCMU."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[TrunkCall] = asyncio.Queue()
        self._settings = SipSettings(listen=(("udp", "127.0.0.1", 0),), user_agent="bench-trunk")
        self._endpoint = Endpoint(self._settings)
        trunk = TrunkSettings(name="gateway", uri="sip:127.0.0.1", accept_from=(LOOPBACK_NETWORK,))
        self.agent = UserAgent(self._endpoint, self._settings, [trunk])
        self.agent.on_invite = self._take
        self._open: list[TrunkCall] = []
        self._group: asyncio.TaskGroup | None = None

    @property
    def address(self) -> str:
        """Host and port of its SIP listener."""
        listener = self._endpoint.listeners[0]
        return f"{listener.host}:{listener.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["BenchTrunk"]:
        """Open it; hang up and close at the end."""
        async with asyncio.TaskGroup() as self._group:
            await self.agent.start()
            try:
                yield self
            finally:
                await self.agent.stop(grace=1.0)
                for call in self._open:
                    call.close()

    def _take(self, call: IncomingCall) -> None:
        call.listen(lambda _event: None)
        assert self._group is not None
        self._group.create_task(self._answer(call))

    async def _answer(self, call: IncomingCall) -> None:
        loop = asyncio.get_running_loop()
        _, media = await loop.create_datagram_endpoint(TrunkCall, local_addr=("127.0.0.1", 0))
        self._open.append(media)
        assert call.offer is not None
        lines = call.offer.split("\r\n")
        port = next(int(line.split()[1]) for line in lines if line.startswith("m=audio"))
        media.remote = ("127.0.0.1", port)
        call.answer(
            Sdp(
                "v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {media.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
            )
        )
        await self.calls.put(media)
