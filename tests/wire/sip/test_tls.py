"""SIP over TLS: who is trusted, what the messages say, and that certificates are renewed under living connections."""

import asyncio
import contextlib
import dataclasses
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from structlog.testing import capture_logs

from gateway.domain.errors import GatewayError
from gateway.observability.metrics import REGISTRY
from gateway.sip.call import Answered, Confirmed, Ended, Rejected
from gateway.sip.core.errors import TlsSetUpFailed, UnsupportedUri
from gateway.sip.core.message import Request, response_to
from gateway.sip.endpoint import Destination, ServerTransaction
from gateway.sip.tls_settings import KeyPair, SipTlsSettings
from gateway.sip.transport.tls_contexts import TlsContexts
from tests.unit.sip.core.messages import bare_request, request
from tests.wire.sip.agents import ANSWER, pair, running, settings
from tests.wire.sip.certificates import TestAuthority
from tests.wire.sip.name_server import name_server
from tests.wire.sip.wire import HOST, PATIENT, WAIT, Site, TcpPeer, site, soon, tcp_listener

LISTEN = dataclasses.replace(PATIENT, listen=(("tls", HOST, 0),))
VIA = "SIP/2.0/TLS 192.0.2.1"
NOW = 0.05
"""Seconds of a limit that a test waits for."""


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    return TestAuthority.made(tmp_path)


def trusting(authority: TestAuthority, pair: KeyPair, **changes: object) -> SipTlsSettings:
    made = SipTlsSettings(certificate=pair, ca=authority.file)
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]  # fields of many types


def contexts(authority: TestAuthority, pair: KeyPair, **changes: object) -> TlsContexts:
    return TlsContexts(trusting(authority, pair, **changes))


def own(authority: TestAuthority, **changes: object) -> TlsContexts:
    """Of a side whose certificate nobody looks at."""
    return contexts(authority, authority.signs("own", addresses=[HOST]), **changes)


def for_domain(callee: Site, domain: str) -> Destination:
    return dataclasses.replace(callee.at("tls"), domain=domain)


def answer(transaction: ServerTransaction, received: Request) -> None:
    transaction.respond(response_to(received, 200, to_tag=transaction.to_tag))


@contextlib.asynccontextmanager
async def tls_peer(to: Destination, authority: TestAuthority, pair: KeyPair | None = None) -> AsyncIterator[TcpPeer]:
    """A bare connection over TLS."""
    context = ssl.create_default_context(cafile=str(authority.file))
    context.check_hostname = False
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if pair is not None:
        context.load_cert_chain(pair.cert, pair.key)
    peer = TcpPeer(*await asyncio.open_connection(to.host, to.port, ssl=context))
    try:
        yield peer
    finally:
        peer.writer.transport.abort()


def shown(peer: TcpPeer) -> int:
    """The serial number of the certificate that it was shown."""
    found = peer.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(found).serial_number


def serial(pair: KeyPair) -> int:
    return x509.load_pem_x509_certificate(pair.cert.read_bytes()).serial_number


# Who is trusted


@pytest.mark.parametrize(
    "names", [{"dns": ["trunk.example"]}, {"uris": ["sip:trunk.example"]}, {"common_name": "trunk.example"}]
)
async def test_request_over_tls_is_answered_by_whom_the_certificate_names(
    names: dict[str, list[str]], authority: TestAuthority
) -> None:
    pair = authority.signs("trunk", **names)  # type: ignore[arg-type]  # one of several
    async with site(LISTEN, tls=own(authority)) as caller, site(LISTEN, tls=contexts(authority, pair)) as callee:
        sent = caller.send(bare_request("OPTIONS"), for_domain(callee, "trunk.example"))
        transaction, received = await soon(callee.requests)
        answer(transaction, received)

        assert await sent.final() == 200
        assert received.top_via.transport == "TLS"
        assert received.top_via.port == caller.at("tls").port


@pytest.mark.parametrize(
    "names",
    [
        {"dns": ["other.example"]},
        {"dns": ["*.example"]},
        {"uris": ["sip:other.example"], "dns": ["trunk.example"]},
        {"dns": ["other.example"], "common_name": "trunk.example"},
    ],
)
async def test_certificate_of_somebody_else_fails_the_request_with_one_line(
    names: dict[str, list[str]], authority: TestAuthority
) -> None:
    pair = authority.signs("trunk", **names)  # type: ignore[arg-type]  # one of several
    async with site(LISTEN, tls=own(authority)) as caller, site(LISTEN, tls=contexts(authority, pair)) as callee:
        with capture_logs() as lines:
            outcome = await caller.send(bare_request("OPTIONS"), for_domain(callee, "trunk.example")).final()

        assert outcome == "transport"
        assert callee.requests.empty()
        told = [line for line in lines if line["event"] == "sip_tls_failed"]
        assert [line["error_code"] for line in told] == ["tls_wrong_identity"]
        assert "not for trunk.example" in told[0]["error"]


async def test_expired_certificate_is_refused(authority: TestAuthority) -> None:
    pair = authority.signs("trunk", dns=["trunk.example"], is_expired=True)
    async with site(LISTEN, tls=own(authority)) as caller, site(LISTEN, tls=contexts(authority, pair)) as callee:
        with capture_logs() as lines:
            outcome = await caller.send(bare_request("OPTIONS"), for_domain(callee, "trunk.example")).final()

        assert outcome == "transport"
        assert [line["error"] for line in lines if line["event"] == "sip_tls_failed"] == [
            "certificate not trusted: certificate has expired"
        ]


async def test_certificate_of_an_authority_that_we_do_not_trust_is_refused(
    authority: TestAuthority, tmp_path: Path
) -> None:
    stranger = TestAuthority.made(tmp_path, "stranger")
    pair = stranger.signs("trunk", dns=["trunk.example"])
    async with site(LISTEN, tls=own(authority)) as caller, site(LISTEN, tls=contexts(authority, pair)) as callee:
        assert await caller.send(bare_request("OPTIONS"), for_domain(callee, "trunk.example")).final() == "transport"


async def test_trunk_with_an_authority_of_its_own_is_trusted_for_its_domain_only(
    authority: TestAuthority, tmp_path: Path
) -> None:
    carrier = TestAuthority.made(tmp_path, "carrier")
    pair = carrier.signs("trunk", dns=["trunk.example", "other.example"])
    mine = authority.signs("own", addresses=[HOST])
    tls = TlsContexts(trusting(authority, mine), authorities={"Trunk.example": carrier.file})
    async with site(LISTEN, tls=tls) as caller, site(LISTEN, tls=contexts(authority, pair)) as callee:
        callee.endpoint.on_request = answer

        assert await caller.send(bare_request("OPTIONS"), for_domain(callee, "trunk.example")).final() == 200
        other = for_domain(callee, "other.example")
        assert await caller.send(bare_request("OPTIONS", number=2), other).final() == "transport"


async def test_connection_is_used_again_for_its_own_domain_only(authority: TestAuthority) -> None:
    pair = authority.signs("trunk", dns=["a.example", "b.example"])
    async with site(LISTEN, tls=own(authority)) as caller, site(LISTEN, tls=contexts(authority, pair)) as callee:
        callee.endpoint.on_request = answer

        for number, domain in enumerate(("a.example", "a.example", "b.example")):
            assert await caller.send(bare_request("OPTIONS", number=number), for_domain(callee, domain)).final() == 200

        assert caller.endpoint.connection_count == 2


async def test_far_end_without_tls_is_a_transport_failure(authority: TestAuthority) -> None:
    async with site(LISTEN, tls=own(authority)) as caller, tcp_listener() as (address, taken):
        sent = caller.send(bare_request("OPTIONS"), dataclasses.replace(address, transport="tls"))
        (await soon(taken)).send(b"SIP/2.0 400 What\r\n\r\n")

        assert await sent.final() == "transport"


async def test_mutual_tls_takes_the_client_that_its_authority_has_signed(authority: TestAuthority) -> None:
    trunk = authority.signs("trunk", addresses=[HOST])
    client = authority.signs("client", dns=["gateway.example"])
    asking = contexts(authority, trunk, client_ca=authority.file)
    knowing = own(authority, client_certificate=client)
    async with site(LISTEN, tls=knowing) as caller, site(LISTEN, tls=asking) as callee:
        callee.endpoint.on_request = answer

        assert await caller.send(bare_request("OPTIONS"), callee.at("tls")).final() == 200


async def test_mutual_tls_refuses_a_client_without_certificate(authority: TestAuthority) -> None:
    trunk = authority.signs("trunk", addresses=[HOST])
    asking = contexts(authority, trunk, client_ca=authority.file)
    async with site(LISTEN, tls=own(authority)) as caller, site(LISTEN, tls=asking) as callee:
        before = REGISTRY.get_sample_value("gateway_sip_messages_refused_total", {"reason": "tls"}) or 0

        assert await caller.send(bare_request("OPTIONS"), callee.at("tls")).final() == "transport"

        await callee.endpoint.connections_are(0)
        assert callee.requests.empty()
        assert REGISTRY.get_sample_value("gateway_sip_messages_refused_total", {"reason": "tls"}) == before + 1


# Calls


def agents(authority: TestAuthority) -> TlsContexts:
    return contexts(authority, authority.signs("agent", addresses=[HOST]))


@pytest.mark.parametrize("scheme", ["sip", "sips"])
async def test_call_over_tls_is_made_and_hung_up_by_the_called_side(scheme: str, authority: TestAuthority) -> None:
    async with pair(settings("tls"), tls=lambda: agents(authority)) as (caller, callee):
        uri = callee.uri() if scheme == "sip" else callee.uri().replace("sip:", "sips:").partition(";")[0]
        out = caller.dials(uri)
        into = await callee.gets_call()
        into.call.answer(ANSWER)
        contact = (await out.ear.hears(Answered)).headers["Contact"]
        await into.ear.hears(Confirmed)

        into.call.hangup()

        assert (await out.ear.hears(Ended)).reason == "bye"
        assert contact.startswith(f"<{scheme}:")
        assert ("transport=tls" in contact) is (scheme == "sip")


async def test_call_to_a_trunk_with_a_wrong_certificate_is_503(authority: TestAuthority) -> None:
    wrong = authority.signs("trunk", dns=["other.example"])
    async with (
        pair(settings("tls"), tls=lambda: own(authority)) as (caller, _),
        site(LISTEN, tls=contexts(authority, wrong)) as trunk,
    ):
        out = caller.dials(f"sip:bob@{HOST}:{trunk.at('tls').port};transport=tls")

        assert (await out.ear.hears(Rejected)).status == 503


async def test_sips_goes_over_tls_or_not_at_all() -> None:
    async with site(PATIENT) as gateway:
        for uri in (f"sips:{HOST}", f"sips:{HOST};transport=tcp", f"sips:{HOST};transport=udp"):
            with pytest.raises(UnsupportedUri):
                await gateway.endpoint.resolve(uri)


# Hostile far ends


async def test_handshake_that_is_never_begun_is_cut_off(authority: TestAuthority) -> None:
    async with site(LISTEN, tls=own(authority, handshake_timeout=NOW)) as gateway:
        reader, writer = await asyncio.open_connection(HOST, gateway.at("tls").port)
        async with asyncio.timeout(WAIT):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""

        await gateway.endpoint.connections_are(0)
        writer.close()


async def test_plain_text_at_a_tls_listener_is_cut_off_and_counted(authority: TestAuthority) -> None:
    async with site(LISTEN, tls=own(authority)) as gateway:
        before = REGISTRY.get_sample_value("gateway_sip_messages_refused_total", {"reason": "tls"}) or 0
        reader, writer = await asyncio.open_connection(HOST, gateway.at("tls").port)
        writer.write(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")
        async with asyncio.timeout(WAIT):
            with contextlib.suppress(ConnectionError):
                await reader.read()

        await gateway.endpoint.connections_are(0)
        assert REGISTRY.get_sample_value("gateway_sip_messages_refused_total", {"reason": "tls"}) == before + 1
        writer.close()


async def test_strangers_that_only_connect_leave_room_for_those_who_may_call(authority: TestAuthority) -> None:
    async with site(LISTEN, tls=own(authority), max_connections=8) as gateway, contextlib.AsyncExitStack() as stack:
        gateway.endpoint.accept = lambda _source: False
        held = [await asyncio.open_connection(HOST, gateway.at("tls").port) for _ in range(6)]
        for _, writer in held:
            stack.callback(writer.close)
        for reader, _ in held[2:]:
            async with asyncio.timeout(WAIT):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        assert gateway.endpoint.connection_count == 2

        gateway.endpoint.accept = lambda _source: True
        trunk = await stack.enter_async_context(tls_peer(gateway.at("tls"), authority))
        trunk.send(request(via=VIA))
        await soon(gateway.requests)


async def test_stop_ends_handshakes_that_are_under_way(authority: TestAuthority) -> None:
    async with site(LISTEN, tls=own(authority)) as gateway:
        _, writer = await asyncio.open_connection(HOST, gateway.at("tls").port)
        await gateway.endpoint.connections_are(1)

        await gateway.endpoint.stop()

        assert gateway.endpoint.connection_count == 0
        writer.close()


# Renewal


class Renewed(TlsContexts):
    """Tells when it has looked at its files."""

    def __init__(self, settings: SipTlsSettings) -> None:
        super().__init__(settings)
        self.looks: asyncio.Queue[None] = asyncio.Queue()

    async def _look(self) -> None:
        await super()._look()
        self.looks.put_nowait(None)


async def test_new_certificate_is_shown_to_new_connections_while_an_old_one_goes_on(authority: TestAuthority) -> None:
    before = authority.signs("server", addresses=[HOST])
    old = serial(before)
    tls = Renewed(trusting(authority, before, reload_interval=0.02))
    async with site(LISTEN, tls=tls) as gateway, tls_peer(gateway.at("tls"), authority) as first:
        gateway.endpoint.on_request = answer
        first.send(request(branch="z9hG4bK1", via=VIA))
        assert (await first.response()).status == 200

        new = serial(authority.signs("server", addresses=[HOST]))
        await soon(tls.looks)
        await soon(tls.looks)

        async with tls_peer(gateway.at("tls"), authority) as second:
            second.send(request(branch="z9hG4bK2", number=2, via=VIA))
            assert (await second.response()).status == 200
            assert (shown(first), shown(second)) == (old, new)
        first.send(request(branch="z9hG4bK3", number=3, via=VIA))
        assert (await first.response()).status == 200


async def test_broken_certificate_changes_nothing_and_is_told_once(authority: TestAuthority) -> None:
    made = authority.signs("server", addresses=[HOST])
    old = serial(made)
    tls = Renewed(trusting(authority, made, reload_interval=0.02))
    async with site(LISTEN, tls=tls) as gateway:
        with capture_logs() as lines:
            made.cert.write_text("half a certi")
            for _ in range(5):
                await soon(tls.looks)

        async with tls_peer(gateway.at("tls"), authority) as peer:
            assert shown(peer) == old
        told = [line for line in lines if line["event"] == "sip_certificates_not_reloaded"]
        assert [line["error_code"] for line in told] == ["tls_set_up_failed"]


@pytest.mark.parametrize("missing", ["certificate", "ca", "client_ca"])
async def test_gateway_does_not_start_with_a_file_that_it_cannot_use(
    missing: str, authority: TestAuthority, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.pem"
    value = KeyPair(cert=nothing, key=nothing) if missing == "certificate" else nothing
    tls = contexts(authority, authority.signs("server", addresses=[HOST]), **{missing: value})

    with pytest.raises(TlsSetUpFailed, match=r"nothing\.pem"):
        async with site(LISTEN, tls=tls):
            raise AssertionError("started")


async def test_key_with_a_pass_phrase_is_refused_without_a_question(authority: TestAuthority) -> None:
    made = authority.signs("server", addresses=[HOST])
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(made.key.read_bytes(), password=None)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )

    with pytest.raises(GatewayError, match="encrypted"):
        async with site(LISTEN, tls=contexts(authority, made)):
            raise AssertionError("started")


async def test_tls_listener_needs_a_certificate() -> None:
    with pytest.raises(TlsSetUpFailed, match="no certificate"):
        async with site(LISTEN, tls=TlsContexts(SipTlsSettings())):
            raise AssertionError("started")


async def test_tls_over_ipv6_needs_a_certificate_for_the_address(authority: TestAuthority) -> None:
    listen = (("tls", "::1", 0),)
    good, wrong = authority.signs("good", addresses=["::1"]), authority.signs("wrong", addresses=["::2"])
    async with (
        site(LISTEN, tls=own(authority), listen=listen) as caller,
        site(LISTEN, tls=contexts(authority, good), listen=listen) as callee,
        site(LISTEN, tls=contexts(authority, wrong), listen=listen) as other,
    ):
        callee.endpoint.on_request = answer
        destination = await caller.endpoint.resolve(f"sips:x@[::1]:{callee.at('tls').port}")
        assert await caller.send(bare_request("OPTIONS"), destination).final() == 200
        assert "@[::1]:" in caller.endpoint.contact_uri("x", destination)

        destination = await caller.endpoint.resolve(f"sips:x@[::1]:{other.at('tls').port}")
        assert await caller.send(bare_request("OPTIONS", number=2), destination).final() == "transport"


async def test_half_a_message_over_tls_is_cut_off_after_the_message_timeout(authority: TestAuthority) -> None:
    async with (
        site(LISTEN, tls=own(authority), message_timeout=NOW) as gateway,
        tls_peer(gateway.at("tls"), authority) as peer,
    ):
        peer.send(b"OPTIONS sip:a@b SIP/2.0\r\n")

        assert await peer.rest() == b""
        await gateway.endpoint.connections_are(0)


async def test_requests_in_a_call_go_to_a_bare_address_over_the_connection_that_was_checked(
    authority: TestAuthority,
) -> None:
    # The certificate is good for the trunk's name only, the trunk's Contact is an address.
    trunk = authority.signs("trunk", dns=["trunk.example"])
    async with running(settings("tls"), tls=lambda: contexts(authority, trunk)) as callee:
        port = callee.endpoint.listeners[0].port
        zone = {
            ("_sips._tcp.trunk.example", "SRV"): [f"0 0 {port} host.example."],
            ("host.example", "A"): [HOST],
        }
        async with name_server(zone) as names:
            config = dataclasses.replace(settings("tls"), nameservers=(names.address,))
            async with running(config, tls=lambda: own(authority)) as caller:
                out = caller.dials("sip:bob@trunk.example;transport=tls")
                into = await callee.gets_call()
                into.call.answer(ANSWER)
                contact = (await out.ear.hears(Answered)).headers["Contact"]
                assert f"@{HOST}:{port}" in contact
                await into.ear.hears(Confirmed)

                out.call.hangup()

                await into.ear.hears(Ended)
                assert caller.endpoint.connection_count == 1
