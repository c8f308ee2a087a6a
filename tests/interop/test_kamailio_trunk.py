"""A real Kamailio as our trunk: registration, calls to the registered contact, calls out through its challenge."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.observability.metrics import REGISTRY
from gateway.sip.call import Answered, Confirmed, Ended, Rejected
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Transport
from gateway.sip.trunk_settings import TrunkSettings
from tests.interop.kamailio_runner import ACCOUNTS, DOMAIN, TRUNK_PORT, Kamailio, kamailio
from tests.wire.sip.agents import ANSWER, running
from tests.wire.trunks.registrar import Site, site

LOOPBACK = (ip_network("127.0.0.0/8"),)


def trunk(proxy: Kamailio, transport: Transport = "udp", **more: object) -> TrunkSettings:
    values = {
        "name": "carrier",
        "uri": proxy.uri(transport=transport),
        "username": "gateway",
        "password": ACCOUNTS["gateway"],
        "register": True,
        "domain": DOMAIN,
        "health_interval": 60.0,
        **more,
    }
    return TrunkSettings(**values)  # type: ignore[arg-type]  # a table of settings


def settings(host: str, transport: Transport = "udp", port: int = 0) -> SipSettings:
    return SipSettings(listen=((transport, host, port),), t1=0.5, user_agent="test")


async def until_registered(gateway: Site) -> None:
    await gateway.until("is_registered", value=True)
    await gateway.until("health", "up")


@pytest.mark.parametrize("is_sha256", [False, True], ids=["md5", "sha-256"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_to_the_registered_user_reaches_us_until_we_stop(
    tmp_path: Path, transport: Transport, is_sha256: bool
) -> None:
    async with kamailio(tmp_path, is_sha256=is_sha256) as proxy:
        carrier = running(settings(proxy.trunk, port=TRUNK_PORT))
        async with carrier as far:
            async with site(trunk(proxy, transport), config=settings("127.0.0.1", transport)) as gateway:
                await until_registered(gateway)

                out = far.dials(proxy.uri("gateway"))
                into = await gateway.agent.gets_call()
                into.call.answer(ANSWER)
                await out.ear.hears(Answered)
                await into.ear.hears(Confirmed)
                out.call.hangup()
                await into.ear.hears(Ended)

                assert into.call.trunk == "carrier"
                await gateway.until("calls", 0)

            assert (await far.dials(proxy.uri("gateway")).ear.hears(Rejected)).status == 404


@pytest.mark.parametrize("is_sha256", [False, True], ids=["md5", "sha-256"])
async def test_a_call_out_passes_the_challenge_of_the_trunk_and_its_record_route(
    tmp_path: Path, is_sha256: bool
) -> None:
    async with kamailio(tmp_path, is_sha256=is_sha256) as proxy, running(settings(proxy.trunk, port=TRUNK_PORT)) as far:
        carrier = trunk(proxy, register=False)
        async with site(carrier) as gateway:
            out = gateway.dials(carrier, user="+12025550100")
            into = await far.gets_call()
            into.call.answer(ANSWER)
            await out.ear.hears(Answered)
            await into.ear.hears(Confirmed)
            out.call.hangup()
            await into.ear.hears(Ended)

            assert into.call.request_user == "+12025550100"
            await gateway.until("calls", 0)


async def test_a_wrong_password_is_denied_and_costs_two_requests(tmp_path: Path) -> None:
    async with kamailio(tmp_path) as proxy, site(trunk(proxy, password="wrong")) as gateway:
        before = _registers()

        await gateway.until("registration", "denied")

        assert _registers() - before == 2
        assert not gateway.status().is_registered


def _registers() -> float:
    labels = {"method": "REGISTER", "way": "out"}
    return REGISTRY.get_sample_value("gateway_sip_requests_total", labels) or 0.0
