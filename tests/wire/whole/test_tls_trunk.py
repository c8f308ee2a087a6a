"""A whole gateway with a TLS listener: its certificate, and a call to a trunk over TLS."""

import asyncio
import ssl
from pathlib import Path

from gateway.sip.tls_settings import SipTlsSettings
from gateway.sip.transport.tls_contexts import TlsContexts
from tests.harness.gateway import running
from tests.wire.sip.agents import running as user_agent
from tests.wire.sip.agents import settings
from tests.wire.sip.certificates import TestAuthority
from tests.wire.sip.wire import TcpPeer
from tests.wire.whole.carrier import carrier
from tests.wire.whole.phone import phone

TLS = {"sip": {"listen": ["tls:127.0.0.1:0"]}}
OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


async def shown(context: ssl.SSLContext, address: str) -> bytes:
    """The certificate that a listener shows to one who checks it."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return certificate


async def test_sip_listener_shows_the_certificate_of_the_https_listener(tmp_path: Path) -> None:
    async with running(tmp_path, {**TLS, "lab": {"enabled": True}}) as gateway:
        context = ssl.create_default_context(cafile=gateway.gateway.ready.certificate_authority)

        assert await shown(context, gateway.sip("tls")) == await shown(context, gateway.wss.removeprefix("wss://"))


async def test_peer_over_tls_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path, {**TLS, "lab": {"enabled": True}}) as gateway:
        context = ssl.create_default_context(cafile=gateway.gateway.ready.certificate_authority)
        host, _, port = gateway.sip("tls").rpartition(":")
        peer = TcpPeer(*await asyncio.open_connection(host, int(port), ssl=context))

        peer.send(OPTIONS)

        assert (await peer.response()).status == 200
        await peer.close()


async def test_call_to_a_trunk_over_tls_is_heard_and_hung_up_by_the_trunk(tmp_path: Path) -> None:
    authority = TestAuthority.made(tmp_path)
    own = authority.signs("carrier", addresses=["127.0.0.1"])
    contexts = TlsContexts(SipTlsSettings(certificate=own))
    async with user_agent(settings("tls"), tls=lambda: contexts) as agent:
        uri = agent.uri().replace("bob@", "")
        trunk = {"name": "carrier", "uri": uri, "ca": str(authority.file), "accept_from": ["127.0.0.0/8"]}
        changes = {**TLS, "lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        async with (
            running(tmp_path / "gateway", changes) as gateway,
            carrier(agent, gateway) as far,
            phone(gateway, codecs=["PCMU"]) as alice,
        ):
            call = await alice.call("+4930123456")
            line = await far.answers()
            await alice.until_answered(call)
            with line.speaking(900):
                assert await alice.hears(call, 900, codec="PCMU")

            line.leg.call.hangup()

            assert await alice.until_over(call) == ("NORMAL_CLEARING", None)


async def test_trunk_whose_certificate_nobody_vouches_for_ends_the_call(tmp_path: Path) -> None:
    authority = TestAuthority.made(tmp_path)
    contexts = TlsContexts(SipTlsSettings(certificate=authority.signs("carrier", addresses=["127.0.0.1"])))
    async with user_agent(settings("tls"), tls=lambda: contexts) as agent:
        trunk = {"name": "carrier", "uri": agent.uri().replace("bob@", "")}
        changes = {**TLS, "lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        async with running(tmp_path / "gateway", changes) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
            call = await alice.call("+4930123456")

            cause, _ = await alice.until_over(call)

            assert cause == "NORMAL_TEMPORARY_FAILURE"
            assert agent.agent.calls == 0
