"""Strangers at the port: bans, rates, silence. Who may call us is never shut out."""

import ipaddress

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from gateway.observability.metrics import REGISTRY
from gateway.sip.core.banning import Offence
from gateway.sip.endpoint import Destination
from gateway.sip.security_settings import SipSecuritySettings
from tests.unit.sip.core.messages import bare_request, request, response
from tests.wire.sip.wire import HOST, PATIENT, Site, site, soon, tcp_peer, udp_peer

BROKEN = b"INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\nCSeq: nonsense\r\n\r\n"
STRICT = SipSecuritySettings(ban_after=3, stranger_rate=0.0)
STRANGER = Destination("udp", HOST, 40000)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def nobody_may_call(gateway: Site) -> None:
    gateway.endpoint.accept = lambda _source: False


def bans_told(lines: list[EventDict]) -> list[EventDict]:
    return [line for line in lines if line["event"] == "sip_address_banned"]


async def test_scanner_is_banned_by_its_name_hears_nothing_and_is_told_of_once() -> None:
    dropped = metric("gateway_sip_messages_refused_total", reason="banned")
    with capture_logs() as lines:
        async with site(PATIENT, security=STRICT) as gateway, udp_peer() as peer:
            nobody_may_call(gateway)
            scan = request("INVITE", more=(("User-Agent", "Friendly-Scanner"),))
            for _ in range(10):
                peer.send(scan, gateway.at("udp"))
            await gateway.endpoint.has_heard(10)
            async with tcp_peer(gateway.at("tcp")) as refused:
                assert await refused.rest() == b""

            assert [(ban.network, ban.offence) for ban in gateway.endpoint.bans()] == [(HOST, Offence.SCANNER)]
            assert peer.datagrams.empty()

    assert [(line["peer"], line["reason"], line["duration_s"]) for line in bans_told(lines)] == [
        (HOST, "scanner", 3600.0)
    ]
    assert metric("gateway_sip_messages_refused_total", reason="banned") >= dropped + 9


async def test_stranger_whose_messages_cannot_be_read_is_banned_after_the_limit() -> None:
    async with site(PATIENT, security=STRICT) as gateway, udp_peer() as peer:
        nobody_may_call(gateway)
        for _ in range(2):
            peer.send(BROKEN, gateway.at("udp"))
        await gateway.endpoint.has_heard(2)
        assert gateway.endpoint.bans() == ()

        peer.send(BROKEN, gateway.at("udp"))
        await gateway.endpoint.has_heard(3)

        assert [ban.offence for ban in gateway.endpoint.bans()] == [Offence.MALFORMED]


async def test_who_may_call_is_not_banned_for_broken_messages() -> None:
    async with site(PATIENT, security=STRICT) as gateway, udp_peer() as peer:
        for _ in range(10):
            peer.send(BROKEN, gateway.at("udp"))
            assert (await soon(peer.datagrams)).startswith(b"SIP/2.0 400 ")

        assert gateway.endpoint.bans() == ()


async def test_stranger_beyond_its_rate_is_dropped_unread_and_then_banned() -> None:
    security = SipSecuritySettings(stranger_rate=1.0, ban_after=4)
    dropped = metric("gateway_sip_messages_refused_total", reason="rate")
    async with site(PATIENT, security=security) as gateway, udp_peer() as peer:
        nobody_may_call(gateway)
        for _ in range(5 + 4):
            peer.send(request("INVITE"), gateway.at("udp"))

        assert [(await peer.response()).status for _ in range(5)] == [403] * 5
        await gateway.endpoint.has_heard(9)
        assert [ban.offence for ban in gateway.endpoint.bans()] == [Offence.FLOOD]
        assert metric("gateway_sip_messages_refused_total", reason="rate") == dropped + 4


async def test_keep_alives_of_a_stranger_are_no_flood() -> None:
    security = SipSecuritySettings(stranger_rate=1.0, ban_after=1)
    async with site(PATIENT, security=security) as gateway, udp_peer() as peer:
        nobody_may_call(gateway)
        for _ in range(100):
            peer.send(b"\r\n\r\n", gateway.at("udp"))

        await gateway.endpoint.has_heard(100)
        assert gateway.endpoint.bans() == ()


async def test_network_that_is_allowed_is_neither_limited_nor_banned_nor_taken_for_a_scanner() -> None:
    security = SipSecuritySettings(stranger_rate=1.0, ban_after=1, allow=(ipaddress.ip_network("127.0.0.0/8"),))
    async with site(PATIENT, security=security) as gateway, udp_peer() as peer:
        nobody_may_call(gateway)
        for _ in range(20):
            peer.send(request("INVITE", more=(("User-Agent", "sipcli/v1.8"),)), gateway.at("udp"))

        assert [(await peer.response()).status for _ in range(20)] == [403] * 20
        assert gateway.endpoint.bans() == ()


async def test_answers_of_a_far_end_that_we_call_are_heard_though_somebody_had_its_address_banned() -> None:
    async with site(PATIENT, security=STRICT) as gateway, udp_peer() as carrier:
        nobody_may_call(gateway)
        gateway.endpoint.offend(STRANGER, Offence.SCANNER)
        assert len(gateway.endpoint.bans()) == 1

        sent = gateway.send(bare_request("OPTIONS"), carrier.address)
        asked = await carrier.request()
        for _ in range(5):
            carrier.send(BROKEN, gateway.at("udp"))
        carrier.send(response(200, asked), gateway.at("udp"))

        assert await sent.final() == 200
        assert gateway.endpoint.bans() == ()


async def test_connection_of_an_address_is_closed_once_it_is_banned() -> None:
    async with site(PATIENT, security=STRICT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        nobody_may_call(gateway)
        peer.send(request("INVITE", via="SIP/2.0/TCP 192.0.2.9"))
        assert (await peer.response()).status == 403

        gateway.endpoint.offend(STRANGER, Offence.SCANNER)
        peer.send(request("INVITE", via="SIP/2.0/TCP 192.0.2.9"))

        assert await peer.rest() == b""


async def test_address_is_heard_again_when_its_ban_is_lifted() -> None:
    async with site(PATIENT, security=STRICT) as gateway, udp_peer() as peer:
        nobody_may_call(gateway)
        gateway.endpoint.offend(STRANGER, Offence.SCANNER)

        assert gateway.endpoint.lift_ban(HOST)

        assert not gateway.endpoint.lift_ban(HOST)
        peer.send(request("INVITE"), gateway.at("udp"))
        assert (await peer.response()).status == 403


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER", "MESSAGE"])
async def test_stranger_hears_nothing_at_all_where_silence_is_set(method: str) -> None:
    security = SipSecuritySettings(strangers="silence")
    async with site(PATIENT, security=security) as gateway, udp_peer() as stranger, udp_peer() as trunk:
        gateway.endpoint.accept = lambda source: source.port == trunk.address.port
        stranger.send(request(method), gateway.at("udp"))
        trunk.send(request("INVITE", to="nonsense"), gateway.at("udp"))

        assert (await soon(trunk.datagrams)).startswith(b"SIP/2.0 400 ")
        assert stranger.datagrams.empty()
