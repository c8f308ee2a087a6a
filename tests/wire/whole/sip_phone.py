"""A SIP phone of our own: a user agent that registers with digest, and the sound of its calls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Confirmed, Replaces, Target
from gateway.sip.core.digest import DigestChallenge, DigestClient, choose_challenge
from gateway.sip.core.message import Headers, Request, Response
from gateway.sip.core.reliability import Reliability
from gateway.sip.endpoint import Destination
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Transport
from gateway.sip.transport.tls_contexts import TlsContexts
from tests.harness.gateway import PASSWORD, Running
from tests.wire.media.trunk import Trunk
from tests.wire.sip.agents import PATIENCE, Agent, Ear, Inbound, Outbound, running
from tests.wire.whole.carrier import Line

DOMAIN = "sip.telnyx.com"


@dataclass
class SipPhone:
    """One phone at one gateway; not registered before `register`.

    Attributes:
        target: host and port of the gateway's listener.
        contact: what it registers with, where that is not its real address.
    """

    agent: Agent
    target: str
    media: AsyncExitStack
    user: str
    password: str = PASSWORD
    transport: Transport = "udp"
    contact: str = ""
    call_id: str = "reg-1"
    sequence: int = 0
    client: DigestClient | None = None
    responses: list[Response] = field(default_factory=list)
    make_trunk: Callable[[], Trunk] = lambda: Trunk(codecs=("PCMU",))
    """What the media of its next call is."""

    @property
    def address(self) -> str:
        """Its own URI."""
        return self.contact or self.agent.uri(self.user)

    @property
    def server(self) -> Destination:
        host, _, port = self.target.rpartition(":")
        return Destination(self.transport, host, int(port), domain=host if self.transport == "tls" else "")

    async def request(self, request: Request) -> Response:
        """Send it as it is; the final response."""
        final: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def take(response: Response) -> None:
            if not response.is_provisional and not final.done():
                final.set_result(response)

        self.agent.endpoint.send_request(
            request, self.server, on_response=take, on_failure=lambda why: final.set_exception(ConnectionError(why))
        )
        async with asyncio.timeout(PATIENCE):
            response = await final
        self.responses.append(response)
        return response

    def register_request(
        self, contacts: Sequence[str], expires: int | None, headers: Sequence[tuple[str, str]] = ()
    ) -> Request:
        """A REGISTER; with credentials once there was a challenge."""
        self.sequence += 1
        uri = f"sip:{DOMAIN}"
        fields = [
            ("From", f"<sip:{self.user}@{DOMAIN}>;tag=phone{self.sequence}"),
            ("To", f"<sip:{self.user}@{DOMAIN}>"),
            ("Call-ID", f"{self.call_id}-{id(self)}"),
            ("CSeq", f"{self.sequence} REGISTER"),
            *(("Contact", contact) for contact in contacts),
            *([] if expires is None else [("Expires", str(expires))]),
            ("User-Agent", "test phone"),
            *headers,
        ]
        if self.client is not None:
            cnonce = f"cnonce{self.sequence}"
            fields.append(("Authorization", self.client.credentials(method="REGISTER", uri=uri, cnonce=cnonce)))
        return Request("REGISTER", uri, Headers(fields))

    async def register(
        self,
        *contacts: str,
        expires: int | None = 300,
        headers: Sequence[tuple[str, str]] = (),
        algorithm: str | None = None,
    ) -> Response:
        """Register, answering a challenge once; by default its own address. The last response."""
        contacts = contacts or (f"<{self.address}>",)
        response = await self.request(self.register_request(contacts, expires, headers))
        if response.status == 401:
            values = response.headers.get_all("WWW-Authenticate")
            wanted = [value for value in values if algorithm is None or f"algorithm={algorithm}" in value]
            self.answer(choose_challenge(wanted))
            response = await self.request(self.register_request(contacts, expires, headers))
        return response

    def answer(self, challenge: DigestChallenge | None) -> None:
        """Have the next requests answer that challenge."""
        assert challenge is not None
        self.client = DigestClient(challenge, username=self.user, password=self.password)

    async def unregister(self) -> Response:
        return await self.register("*", expires=0)

    async def _trunk(self) -> Trunk:
        trunk = await self.make_trunk().open()
        self.media.push_async_callback(trunk.close)
        return trunk

    async def calls(
        self,
        destination: str,
        *,
        replaces: Replaces | None = None,
        from_uri: str = "",
        reliability: Reliability = "off",
    ) -> Line:
        """Call; the line is answered once `until_answered` returns."""
        media, ear = await self._trunk(), Ear()
        target = Target(
            uri=f"sip:{destination}@{self.target};transport={self.transport}",
            from_uri=from_uri or f"sip:{self.user}@{DOMAIN}",
            username=self.user,
            password=self.password,
            replaces=replaces,
            reliable_provisional=reliability,
        )
        return Line(Outbound(self.agent.agent.invite(target, media.describe(), ear), ear), media)

    async def until_answered(self, line: Line) -> None:
        """The gateway's 200, and its description taken."""
        answered = await line.until(Answered)
        assert isinstance(answered, Answered) and answered.sdp is not None
        line.media.use(Sdp(answered.sdp))

    async def rings(self) -> Line:
        """The next call of the gateway, which rings."""
        media, inbound = await self._trunk(), await self.agent.gets_call()
        assert inbound.call.offer is not None
        media.use(inbound.call.offer)
        inbound.call.ring()
        return Line(inbound, media)

    async def picks_up(self, line: Line) -> None:
        """Answer a call that rings."""
        assert isinstance(line.leg, Inbound)
        line.leg.call.answer(line.media.describe())
        await line.until(Confirmed)

    def declines(self, line: Line, status: int, reason: str) -> None:
        """Refuse a call that rings."""
        assert isinstance(line.leg, Inbound)
        line.leg.call.reject(status, reason)

    async def answers(self) -> Line:
        """Take the next call of the gateway."""
        line = await self.rings()
        await self.picks_up(line)
        return line


@asynccontextmanager
async def sip_phone(
    gateway: Running,
    user: str = "alice",
    *,
    transport: Transport = "udp",
    password: str = PASSWORD,
    target: str = "",
    tls: Callable[[], TlsContexts] | None = None,
) -> AsyncIterator[SipPhone]:
    """A phone that is not registered yet; it trusts whoever calls it."""
    config = SipSettings(listen=((transport, "127.0.0.1", 0),), user_agent="test phone")
    async with running(config, tls=tls) as agent, AsyncExitStack() as media:
        yield SipPhone(agent, target or gateway.sip(transport), media, user, password=password, transport=transport)
