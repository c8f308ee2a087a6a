"""This gateway, with either of its engines."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from tests.bench.calls import NUMBER, client
from tests.bench.media.cases import Case
from tests.bench.media.generator import PlacedCall
from tests.bench.media.network import ADDRESS
from tests.bench.media.server import Server
from tests.bench.media.sip_trunk import SipTrunk
from tests.bench.media.web_end import WebEnd, browser_certificate
from tests.bench.process import GatewayProcess, gateway_process
from tests.harness.verto_client import VertoClient

SETTINGS: Final[Mapping[str, str]] = {
    "MEDIA__ADDRESS": ADDRESS,
    "SIP__LISTEN": f'["udp:{ADDRESS}:0"]',
    "CALLS__MAX_CALLS_PER_SESSION": "10000",
    "VERTO__MAX_LIVE_CALLS": "10000",
    "CALLS__MAX_CALLS": "10000",
    "CALLS__MAX_OUTBOUND_CALLS": "10000",
    # All of them come by one session
    "VERTO__MESSAGE_RATE": "10000",
    "VERTO__MESSAGE_BURST": "10000",
    # The first call waits in silence until the last one is set up
    "MEDIA__CONSENT_TIMEOUT": "600",
    "MEDIA__RTP_TIMEOUT": "600",
}


class GatewayServer:
    """Browsers come by Verto; the trunk is ours."""

    def __init__(self, gateway: GatewayProcess, verto: VertoClient, trunk: SipTrunk, case: Case) -> None:
        self.process_id = gateway.process.pid
        self._verto, self._trunk, self._case = verto, trunk, case
        self._certificate = browser_certificate()

    async def prepare(self, calls: int) -> None:
        """The one user is logged in."""

    async def place(self) -> PlacedCall:
        """Invite, answer, ICE, DTLS."""
        web = WebEnd(self._case.web, self._certificate)
        call_id = await self._verto.invite(NUMBER, web.offer())
        answer = await self._verto.wait_for("telnyx_rtc.answer", call_id=call_id)
        await web.connect(answer["params"]["sdp"])
        return PlacedCall(web, self._trunk.answered.get_nowait())


@asynccontextmanager
async def gateway_server(engine: str, case: Case, launcher: tuple[str, ...]) -> AsyncIterator[Server]:
    """A fresh one."""
    # It would warn of each call that waits in silence for the last one
    settings = {**SETTINGS, "MEDIA__ENGINE": engine, "LOG__LEVEL": "error"}
    async with (
        SipTrunk(case.sip).running() as trunk,
        gateway_process(
            trunk.address, prefer="passthrough", codecs=(case.sip.name,), more=settings, launcher=launcher
        ) as gateway,
        client(gateway) as verto,
    ):
        yield GatewayServer(gateway, verto, trunk, case)
