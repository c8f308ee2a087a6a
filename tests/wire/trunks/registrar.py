"""A registrar that does what a test says, and a user agent with the lines of its trunks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.ids import Sdp
from gateway.sip.call import IncomingCall, Target
from gateway.sip.core.message import Request, parse
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.trunks.line import TrunkStatus
from gateway.trunks.lines import TrunkLines
from tests.wire.sip.agents import OFFER, PATIENCE, Agent, Ear, Inbound, Outbound, Peer, running, settings

CHALLENGE: Final = ("WWW-Authenticate", 'Digest realm="carrier", nonce="n1", algorithm=SHA-256, qop="auth"')


class Registrar(Peer):
    """Takes bindings back without a word from the test, so that no test waits for the end."""

    def __init__(self) -> None:
        super().__init__()
        self.taken_back: list[str] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = parse(data)
        if isinstance(message, Request) and message.headers.get("Expires") == "0":
            self._from = addr
            self.taken_back.append(message.headers.get("Contact") or "")
            self.answers(message, 200)
        else:
            super().datagram_received(data, addr)

    async def request_of_any_kind(self) -> Request:
        """The next request."""
        async with asyncio.timeout(PATIENCE):
            return await self.requests.get()

    def grants(self, request: Request, seconds: int, *more: tuple[str, str]) -> None:
        """200 to a REGISTER."""
        contact = f"{request.headers.get('Contact')};expires={seconds}"
        self.answers(request, 200, contact=contact, more=more)

    def trunk(self, name: str = "carrier", **more: Any) -> TrunkSettings:  # Any: settings of every type
        """Settings of a trunk at this address, which may always call us unless `accept_from` says otherwise."""
        host, port = self.address
        values = {"name": name, "uri": f"sip:{host}:{port}", "username": "acme", "password": "s3cret", **more}
        return TrunkSettings(**values)


@dataclass(slots=True)
class Site:
    """A user agent whose calls go through the lines of its trunks."""

    agent: Agent
    lines: TrunkLines

    def status(self, name: str = "carrier") -> TrunkStatus:
        return next(status for status in self.lines.status() if status.name == name)

    async def until(self, what: str, value: object, name: str = "carrier") -> None:
        """Wait until that attribute of the status is so. The lines tell nobody: look after each turn of the loop."""
        async with asyncio.timeout(PATIENCE):
            while getattr(self.status(name), what) != value:
                turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                asyncio.get_running_loop().call_later(0.005, turn.set_result, None)
                await turn

    def dials(self, trunk: TrunkSettings, *, user: str = "bob", sdp: Sdp = OFFER) -> Outbound:
        ear = Ear()
        scheme, _, rest = trunk.uri.partition(":")
        target = Target(
            uri=f"{scheme}:{user}@{rest}",
            from_uri="sip:alice@127.0.0.1",
            username=trunk.username,
            password=trunk.password,
            trunk=trunk.name,
        )
        return Outbound(self.lines.invite(target, sdp, ear), ear)


@asynccontextmanager
async def site(
    *trunks: TrunkSettings, random: float = 0.0, t1: float = 0.1, config: SipSettings | None = None
) -> AsyncIterator[Site]:
    """Calls that the lines let in come to `agent`."""
    async with running(config or settings(t1=t1), trunks=trunks) as agent:

        def take(call: IncomingCall) -> None:
            ear = Ear()
            call.listen(ear)
            agent.came.put_nowait(Inbound(call, ear))

        lines = TrunkLines(
            trunks,
            endpoint=agent.endpoint,
            user_agent="test",
            invite=agent.agent.invite,
            on_incoming=take,
            random=lambda: random,
        )
        agent.agent.on_invite = lines.incoming
        agent.agent.find_registrar = lines.find_registrar
        async with lines:
            yield Site(agent, lines)
