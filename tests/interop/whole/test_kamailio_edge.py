"""Phones behind a Kamailio: it forwards their registrations with Path, and their calls with Record-Route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.sip.call import Ended
from gateway.sip.transport.flow import Transport
from tests.harness.gateway import Running, running
from tests.interop.kamailio_edge import PORT, edge
from tests.interop.sipp_runner import loopback_address
from tests.wire.whole.phone import Phone, phone
from tests.wire.whole.sip_phone import SipPhone, sip_phone

pytestmark = pytest.mark.interop


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    value: Transport = request.param
    return value


@asynccontextmanager
async def site(folder: Path, transport: Transport) -> AsyncIterator[tuple[Running, SipPhone, Phone]]:
    """A gateway that trusts a Kamailio, a phone behind that, and a client."""
    proxy = loopback_address()
    settings = {
        "lab": {"enabled": False},
        "calls": {"stop_grace": 0.0},
        "registrar": {"enabled": True},
        "trunks": [{"name": "edge", "uri": f"sip:{proxy}:{PORT}", "accept_from": [f"{proxy}/32"]}],
    }
    async with (
        running(folder / "gateway", settings) as gateway,
        edge(folder, proxy, gateway.sip(transport)) as target,
        sip_phone(gateway, transport=transport, target=target) as desk,
        phone(gateway, "robert", codecs=["PCMU"]) as robert,
    ):
        yield gateway, desk, robert


async def test_a_phone_behind_kamailio_registers_and_is_called(tmp_path: Path, transport: Transport) -> None:
    async with site(tmp_path, transport) as (_, desk, robert):
        response = await desk.register(headers=[("Supported", "path")])
        assert response.status == 200
        assert "received=" in (response.headers.get("Path") or "")

        call = await robert.call("alice")
        line = await desk.answers()
        await robert.until_answered(call)

        with line.speaking(440):
            assert await robert.hears(call, 440, codec="PCMU")
        await robert.hang_up(call)
        await line.until(Ended)


async def test_a_phone_behind_kamailio_calls_with_its_password(tmp_path: Path, transport: Transport) -> None:
    async with site(tmp_path, transport) as (_, desk, robert):
        line = await desk.calls("robert")
        call = await robert.until_rung()
        await robert.answer(call)
        await desk.until_answered(line)

        with line.speaking(440):
            assert await robert.hears(call, 440, codec="PCMU")
        line.leg.call.hangup()
        await robert.until_over(call)
