"""The lab trunk on loopback, and a user agent that plays the gateway."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

from gateway.domain.ids import Sdp
from gateway.lab.hearing import Sound, measure
from gateway.lab.rtp_peer import RtpPeer
from gateway.lab.settings import LabSettings
from gateway.lab.trunk import LabTrunk
from gateway.sip.call import (
    Answered,
    IncomingCall,
    OutgoingCall,
    Provisional,
    Rejected,
    Replaces,
    SipCallEvent,
    Target,
)
from gateway.sip.endpoint import Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Transport
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent

HOST = "127.0.0.1"


class ListeningPeer(RtpPeer):
    """Tells when it has heard or rejected a number of packets."""

    def __init__(self) -> None:
        super().__init__(HOST, is_g711_only=False)
        self._arrived = asyncio.Event()

    def _on_readable(self, sock: socket.socket) -> None:
        super()._on_readable(sock)
        self._arrived.set()

    @property
    def packets_heard(self) -> int:
        return self.hearing.stats.packets_received if self.hearing is not None else 0

    async def has_heard(self, count: int) -> None:
        """That many packets since the beginning."""
        await self._until(lambda: self.packets_heard >= count)

    async def hears_more(self, count: int) -> None:
        """That many packets from now on."""
        await self.has_heard(self.packets_heard + count)

    async def has_rejected(self, count: int) -> None:
        await self._until(lambda: self.counts.rejected >= count)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not is_so():
                self._arrived.clear()
                await self._arrived.wait()

    def sound(self) -> Sound:
        """Of the last second."""
        assert self.hearing is not None
        return measure(self.hearing.samples())


class Caller:
    """A call of the gateway's side to the lab: its events with their times, its audio."""

    def __init__(self, media: ListeningPeer | None = None) -> None:
        self.media = media or ListeningPeer()
        self.leg: OutgoingCall | None = None
        self._begin = asyncio.get_running_loop().time()
        self._events: asyncio.Queue[tuple[float, SipCallEvent]] = asyncio.Queue(maxsize=100)

    def on_event(self, event: SipCallEvent) -> None:
        if isinstance(event, Provisional | Answered) and event.sdp is not None:
            self.media.accept(event.sdp)
        self._events.put_nowait((asyncio.get_running_loop().time() - self._begin, event))

    async def event(self) -> tuple[float, SipCallEvent]:
        """The next event and the seconds since the INVITE at which it came."""
        async with asyncio.timeout(30):
            return await self._events.get()

    async def until(self, kind: type[Answered] | type[Rejected]) -> list[tuple[float, SipCallEvent]]:
        """The events up to the first of that kind."""
        events = [await self.event()]
        while not isinstance(events[-1][1], kind):
            events.append(await self.event())
        return events

    def hangup(self) -> None:
        assert self.leg is not None
        self.leg.hangup()


class Site:
    """The lab trunk and the gateway's side of it."""

    def __init__(self, *, time_scale: float, transport: Transport) -> None:
        self._transport = transport
        self.lab = LabTrunk(LabSettings(time_scale=time_scale), gateway_uri=self._gateway_uri)
        settings = SipSettings(listen=((transport, HOST, 0),))
        self._endpoint = Endpoint(settings)
        trunk = TrunkSettings(name="lab", uri=f"sip:{HOST}", accept_from=(ip_network(f"{HOST}/32"),))
        self.gateway = UserAgent(self._endpoint, settings, (trunk,))
        self.gateway.on_invite = self._on_invite
        self.callers: list[Caller] = []
        self.received: asyncio.Queue[IncomingCall] = asyncio.Queue(maxsize=100)

    def _gateway_uri(self) -> str:
        return f"sip:{HOST}:{self._endpoint.listeners[0].port};transport={self._transport}"

    async def start(self) -> None:
        await self.lab.start()
        await self.gateway.start()

    async def stop(self) -> None:
        for caller in self.callers:
            caller.media.close()
        await self.lab.stop()
        await self.gateway.stop(grace=2.0)

    def call(self, number: str, *, replaces: Replaces | None = None, media: ListeningPeer | None = None) -> Caller:
        """Call a number of the lab."""
        caller = Caller(media)
        self.callers.append(caller)
        address = self.lab.address
        target = Target(
            uri=f"sip:{number}@{address.host}:{address.port};transport={self._transport}",
            from_uri=f"sip:+12025550190@{HOST}",
            replaces=replaces,
        )
        caller.leg = self.gateway.invite(target, caller.media.offer(), caller.on_event)
        return caller

    def _on_invite(self, call: IncomingCall) -> None:
        call.listen(lambda _event: None)
        self.received.put_nowait(call)

    async def next_call(self) -> IncomingCall:
        """A call of the lab."""
        async with asyncio.timeout(30):
            return await self.received.get()


@asynccontextmanager
async def site(*, time_scale: float = 0.1, transport: Transport = "udp") -> AsyncIterator[Site]:
    """Both sides, started; stopped and released on the way out."""
    running = Site(time_scale=time_scale, transport=transport)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def sdp_offer_of(call: IncomingCall) -> Sdp:
    assert call.offer is not None
    return call.offer
