"""User agents on loopback sockets, and a peer that does exactly what a test says."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final, Self, TypeVar

from gateway.domain.ids import Sdp
from gateway.sip.call import (
    Answered,
    Confirmed,
    IncomingCall,
    OutgoingCall,
    Provisional,
    Rejected,
    SipCallEvent,
    Target,
)
from gateway.sip.core.message import Headers, Request, Response, parse, response_to, serialize
from gateway.sip.core.reliability import Reliability
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Flow, Transport
from gateway.sip.transport.tls_contexts import TlsContexts
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent

OFFER: Final = Sdp("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=offer\r\n")
ANSWER: Final = Sdp("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=answer\r\n")
OTHER: Final = Sdp("v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=other\r\n")

PATIENCE: Final = 30.0
"""Seconds that a test waits for an event; only a failure takes that long."""

LOOPBACK: Final = TrunkSettings(name="loop", uri="sip:127.0.0.1", accept_from=(ip_network("127.0.0.0/8"),))

EventT = TypeVar("EventT", bound=SipCallEvent)


def settings(transport: Transport = "udp", *, t1: float = 0.1) -> SipSettings:
    """One listener on a free port; by default patient enough for a loaded machine (64*T1 are 6.4 s)."""
    return SipSettings(listen=((transport, "127.0.0.1", 0),), t1=t1, t2=4 * t1, t4=2 * t1, user_agent="test")


class Ear:
    """Takes the events of one call in order.

    A 1xx that comes once more is passed over: an INVITE that was repeated, because the machine stood still for T1,
    brings the last one again.
    """

    def __init__(self) -> None:
        self.events: asyncio.Queue[SipCallEvent] = asyncio.Queue()
        self._latest: SipCallEvent | None = None

    def __call__(self, event: SipCallEvent) -> None:
        if not isinstance(event, Provisional) or event != self._latest:
            self.events.put_nowait(event)
        self._latest = event

    async def hears(self, kind: type[EventT]) -> EventT:
        """The next event, which must be of that kind."""
        async with asyncio.timeout(PATIENCE):
            event = await self.events.get()
        assert isinstance(event, kind), event
        return event


class Outcome:
    """Takes the result of one `reinvite`."""

    def __init__(self) -> None:
        self._results: asyncio.Queue[Answered | Rejected] = asyncio.Queue()

    def __call__(self, result: Answered | Rejected) -> None:
        self._results.put_nowait(result)

    async def get(self) -> Answered | Rejected:
        async with asyncio.timeout(PATIENCE):
            return await self._results.get()


@dataclass(slots=True)
class Outbound:
    """A call that an agent made, and what it hears of it."""

    call: OutgoingCall
    ear: Ear


@dataclass(slots=True)
class Inbound:
    """A call that came to an agent, and what it hears of it."""

    call: IncomingCall
    ear: Ear


class LossyEndpoint(Endpoint):
    """Loses the first `acks_to_lose` ACKs of a 2xx; counts those that it was asked to send."""

    acks_to_lose = 0
    acks = 0

    def send_stateless(self, request: Request, destination: Destination, flow: Flow | None = None) -> None:
        self.acks += 1
        if self.acks > self.acks_to_lose:
            super().send_stateless(request, destination, flow)


@dataclass(slots=True)
class Agent:
    """A running user agent."""

    agent: UserAgent
    endpoint: LossyEndpoint
    settings: SipSettings
    came: asyncio.Queue[Inbound] = field(default_factory=asyncio.Queue)

    def uri(self, user: str = "bob") -> str:
        listener = self.endpoint.listeners[0]
        return f"sip:{user}@{listener.host}:{listener.port};transport={listener.transport}"

    def dials(
        self,
        uri: str,
        *,
        sdp: Sdp = OFFER,
        user: str | None = None,
        password: str | None = None,
        reliability: Reliability = "off",
        follows: bool = False,
    ) -> Outbound:
        ear = Ear()
        target = Target(
            uri=uri,
            from_uri="sip:alice@127.0.0.1",
            from_name="Alice",
            username=user,
            password=password,
            reliable_provisional=reliability,
            follow_redirects=follows,
        )
        return Outbound(self.agent.invite(target, sdp, ear), ear)

    async def gets_call(self) -> Inbound:
        async with asyncio.timeout(PATIENCE):
            return await self.came.get()

    async def lets_timers_run_out(self) -> None:
        """Wait for the end of the longest timers of RFC 3261; after them no transaction may be left."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        loop.call_later(64 * self.settings.t1 + 2 * self.settings.t4, over.set_result, None)
        await over

    async def becomes_idle(self) -> None:
        """Wait until no call, no dialog and no resolution is left."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE):
            while any(self._left):
                later: asyncio.Future[None] = loop.create_future()
                loop.call_later(0.01, later.set_result, None)
                await later

    def assert_idle(self) -> None:
        """No call, no dialog, no resolution."""
        assert self._left == (0, 0, 0)

    @property
    def _left(self) -> tuple[int, int, int]:
        """Calls, dialogs, resolutions."""
        return self.agent.calls, self.agent.dialogs, self.agent.tasks


@asynccontextmanager
async def running(
    config: SipSettings | None = None,
    *,
    trunks: tuple[TrunkSettings, ...] = (LOOPBACK,),
    random: Callable[[], float] = lambda: 0.0,
    tls: Callable[[], TlsContexts] | None = None,
) -> AsyncIterator[Agent]:
    """A user agent that takes calls into a queue, until the block ends."""
    config = config or settings()
    endpoint = LossyEndpoint(config, tls=None if tls is None else tls())
    agent = Agent(UserAgent(endpoint, config, trunks, random=random), endpoint, config)

    def on_invite(call: IncomingCall) -> None:
        ear = Ear()
        call.listen(ear)
        agent.came.put_nowait(Inbound(call, ear))

    agent.agent.on_invite = on_invite
    await agent.agent.start()
    try:
        yield agent
    finally:
        await agent.agent.stop(grace=1.0)
        agent.assert_idle()
        assert agent.agent.transactions == 0


@asynccontextmanager
async def pair(
    config: SipSettings | None = None, *, tls: Callable[[], TlsContexts] | None = None
) -> AsyncIterator[tuple[Agent, Agent]]:
    """A caller and a callee."""
    async with running(config, tls=tls) as caller, running(config, tls=tls) as callee:
        yield caller, callee


async def connected(caller: Agent, callee: Agent) -> tuple[Outbound, Inbound]:
    """A call between them, answered and confirmed."""
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.answer(ANSWER)
    await out.ear.hears(Answered)
    await into.ear.hears(Confirmed)
    return out, into


class Peer(asyncio.DatagramProtocol):
    """A UDP socket that parses what comes and sends what it is told; no transaction, no automatism.

    Repeats (the same method or status with the same branch) are counted in `repeats`, not queued, so that a slow
    machine changes nothing.
    """

    def __init__(self) -> None:
        self.requests: asyncio.Queue[Request] = asyncio.Queue()
        self.responses: asyncio.Queue[Response] = asyncio.Queue()
        self.repeats: Counter[str] = Counter()
        self._repeated: asyncio.Queue[str] = asyncio.Queue()
        self.address: tuple[str, int] = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None
        self._from: tuple[str, int] = ("", 0)
        self._seen: set[tuple[str, str | None]] = set()
        self._sequence = 0

    @classmethod
    @asynccontextmanager
    async def listening(cls) -> AsyncIterator[Self]:
        """The peer on a free port, until the block ends."""
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        peer._transport, peer.address = transport, transport.get_extra_info("sockname")
        try:
            yield peer
        finally:
            transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._from = addr
        message = parse(data)
        what = message.method if isinstance(message, Request) else str(message.status)
        key = (what, message.top_via.branch)
        if key in self._seen:
            self.repeats[what] += 1
            self._repeated.put_nowait(what)
        elif isinstance(message, Request):
            self.requests.put_nowait(message)
        elif message.status != 100:
            self.responses.put_nowait(message)
        self._seen.add(key)

    @property
    def uri(self) -> str:
        return f"sip:peer@{self.address[0]}:{self.address[1]}"

    async def expects(self, method: str) -> Request:
        """The next request, which must be of that method."""
        async with asyncio.timeout(PATIENCE):
            request = await self.requests.get()
        assert request.method == method, serialize(request).decode()
        return request

    async def hears_repeat(self, what: str) -> None:
        """Wait until that method or status has come once more."""
        async with asyncio.timeout(PATIENCE):
            while await self._repeated.get() != what:
                pass

    async def expects_response(self, status: int) -> Response:
        """The next response but 100, which must be of that status."""
        async with asyncio.timeout(PATIENCE):
            response = await self.responses.get()
        assert response.status == status, serialize(response).decode()
        return response

    def answers(
        self,
        request: Request,
        status: int,
        *,
        tag: str = "peer",
        sdp: Sdp | None = None,
        contact: str | None = None,
        more: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Respond to the sender of the last datagram."""
        headers = (("Contact", contact or f"<{self.uri}>"), *more)
        body, media_type = ("", None) if sdp is None else (sdp, "application/sdp")
        self.sends(
            response_to(request, status, to_tag=tag, headers=headers, body=body.encode(), content_type=media_type)
        )

    def sends(self, message: Request | Response, to: Agent | None = None) -> None:
        """Send it to that agent, or to the sender of the last datagram."""
        if to is not None:
            listener = to.endpoint.listeners[0]
            self._from = (listener.host, listener.port)
        assert self._transport is not None
        self._transport.sendto(serialize(message), self._from)

    def request(
        self,
        method: str,
        *,
        cseq: int = 1,
        from_: str = '"Peer" <sip:+12025550199@127.0.0.1>;tag=peer',
        to: str = "<sip:bob@127.0.0.1>",
        call_id: str = "peer-call",
        sdp: Sdp | None = None,
        branch: str | None = None,
        more: tuple[tuple[str, str], ...] = (),
    ) -> Request:
        """A request of ours, with a new branch unless one is given."""
        self._sequence += 1
        host, port = self.address
        branch = branch or f"z9hG4bKpeer{self._sequence}"
        headers = Headers(
            (
                ("Via", f"SIP/2.0/UDP {host}:{port};branch={branch};rport"),
                ("Max-Forwards", "70"),
                ("From", from_),
                ("To", to),
                ("Call-ID", call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", f"<{self.uri}>"),
                *more,
            )
        )
        if sdp is not None:
            headers.add("Content-Type", "application/sdp")
        return Request(method, "sip:bob@127.0.0.1", headers, (sdp or "").encode())

    def request_as_callee(self, invite: Request, method: str, *, cseq: int = 1, sdp: Sdp | None = None) -> Request:
        """A request in the dialog that our answers to that INVITE (tag `peer`) have made."""
        from_, to = f"{invite.headers.get('To')};tag=peer", invite.headers.get("From") or ""
        return self.request(method, cseq=cseq, from_=from_, to=to, call_id=invite.call_id, sdp=sdp)

    async def calls(self, agent: Agent, sdp: Sdp | None = OFFER) -> tuple[Request, Inbound]:
        """An INVITE from us, and the call that it becomes there."""
        invite = self.request("INVITE", sdp=sdp)
        self.sends(invite, agent)
        return invite, await agent.gets_call()
