"""A real SIP phone over TLS, in both directions."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Ended, IncomingCall, Provisional, Rejected, SipCallEvent, Target
from gateway.sip.endpoint import Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.tls_settings import SipTlsSettings
from gateway.sip.transport.tls_contexts import TlsContexts
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent
from tests.interop.baresip_runner import HOST, Phone, baresip
from tests.wire.sip.certificates import TestAuthority

pytestmark = pytest.mark.interop

PATIENCE: Final = 30.0
TRUNK: Final = TrunkSettings(name="phone", uri=f"sip:{HOST}", accept_from=(ip_network("127.0.0.0/8"),))


class Side:
    """Our user agent with a TLS listener, and a socket that takes RTP and throws it away."""

    def __init__(self, agent: UserAgent, endpoint: Endpoint, rtp: socket.socket) -> None:
        self.agent, self._rtp = agent, rtp
        self.uri = f"sip:gw@{HOST}:{endpoint.listeners[0].port};transport=tls"
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.events: asyncio.Queue[SipCallEvent] = asyncio.Queue()

    @property
    def sdp(self) -> Sdp:
        lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0"]
        return Sdp("\r\n".join([*lines, f"m=audio {self._rtp.getsockname()[1]} RTP/AVP 0", ""]))

    async def hears(self) -> SipCallEvent:
        """The next event that says more than that it rings."""
        async with asyncio.timeout(PATIENCE):
            while isinstance(event := await self.events.get(), Provisional):
                continue
            return event


@asynccontextmanager
async def side(authority: TestAuthority) -> AsyncIterator[Side]:
    settings = SipSettings(listen=(("tls", HOST, 0),))
    own = authority.signs("gateway", addresses=[HOST])
    endpoint = Endpoint(settings, tls=TlsContexts(SipTlsSettings(certificate=own, ca=authority.file)))
    agent = UserAgent(endpoint, settings, (TRUNK,))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind((HOST, 0))
        agent.on_invite = lambda call: made.calls.put_nowait(call)
        await agent.start()
        made = Side(agent, endpoint, rtp)
        try:
            yield made
        finally:
            await agent.stop(grace=2.0)


def phone_of(authority: TestAuthority, folder: Path, **names: list[str]) -> Phone:
    pair = authority.signs("phone", **names)  # type: ignore[arg-type]  # one of several
    both = folder / "both.pem"
    both.write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())
    return Phone(transport="tls", certificate=both, authorities=authority.file)


async def test_phone_calls_us_over_tls_and_is_hung_up(tmp_path: Path) -> None:
    authority = TestAuthority.made(tmp_path)
    phone_is = phone_of(authority, tmp_path, addresses=[HOST])
    async with side(authority) as us, baresip(tmp_path / "phone", phone_is) as phone:
        await phone.dial(us.uri)
        async with asyncio.timeout(PATIENCE):
            call = await us.calls.get()
        call.listen(us.events.put_nowait)
        call.answer(us.sdp)
        await phone.event("CALL_ESTABLISHED")

        call.hangup()

        await phone.event("CALL_CLOSED")


async def test_we_call_a_phone_over_tls_and_it_hangs_up(tmp_path: Path) -> None:
    authority = TestAuthority.made(tmp_path)
    phone_is = phone_of(authority, tmp_path, addresses=[HOST])
    async with side(authority) as us, baresip(tmp_path / "phone", phone_is) as phone:
        us.agent.invite(Target(uri=phone.uri, from_uri=f"sip:gw@{HOST}"), us.sdp, us.events.put_nowait)
        assert isinstance(await us.hears(), Answered)
        await phone.event("CALL_ESTABLISHED")

        await phone.hang_up()

        assert isinstance(await us.hears(), Ended)


async def test_we_do_not_call_a_phone_whose_certificate_names_somebody_else(tmp_path: Path) -> None:
    authority = TestAuthority.made(tmp_path)
    phone_is = phone_of(authority, tmp_path, dns=["other.example"])
    async with side(authority) as us, baresip(tmp_path / "phone", phone_is) as phone:
        us.agent.invite(Target(uri=phone.uri, from_uri=f"sip:gw@{HOST}"), us.sdp, us.events.put_nowait)

        rejected = await us.hears()

        assert isinstance(rejected, Rejected)
        assert rejected.status == 503
