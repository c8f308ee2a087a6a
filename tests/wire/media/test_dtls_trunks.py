"""An RTP leg whose keys come from DTLS on its own sockets, beside a browser (RFC 5763, RFC 5764 without ICE)."""

import asyncio

import pytest

from gateway.domain.media_encryption import MediaEncryption
from gateway.media.core.sdp import Setup
from gateway.media.core.sdp_parser import parse
from gateway.media.engine import EncryptionRefused, LegOptions, MediaFailed, Profile
from gateway.media.engines.dtls import Certificate, DtlsAssociation

from .call import A, B, calling, connect_inbound, connect_outbound
from .conftest import AddBrowser, MakeEngine, PeerStack
from .secured_trunk import DtlsTrunk, SdesTrunk
from .stranger import Stranger, client_hello
from .test_sdes import crossing

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP
DTLS = LegOptions(encryption=MediaEncryption.DTLS)
OPTIONAL = LegOptions(encryption=MediaEncryption.OPTIONAL)

BOTH_ROLES = pytest.mark.parametrize("setup", [Setup.ACTIVE, Setup.PASSIVE], ids=lambda setup: f"trunk {setup.value}")


async def dtls(peers: PeerStack, **options: object) -> DtlsTrunk:
    trunk = await DtlsTrunk(codecs=("PCMU",), **options).open()  # type: ignore[arg-type] # as the class itself
    peers.push_async_callback(trunk.close)
    return trunk


async def shaken(trunk: DtlsTrunk) -> None:
    async with asyncio.timeout(30):
        await trunk.connected.wait()


@BOTH_ROLES
@pytest.mark.parametrize("has_mux", [True, False], ids=["with rtcp-mux", "without"])
async def test_call_to_a_trunk_is_heard_both_ways_and_reported(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, setup: Setup, has_mux: bool
) -> None:
    engine, browser = await make_engine(), add_browser(codecs=("PCMU",))
    trunk = await dtls(peers, setup=setup, has_mux=has_mux)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=DTLS) as call:
        await connect_outbound(call, browser, trunk)
        await shaken(trunk)

        await crossing(browser, trunk, 1)

    assert (await trunk.report())[1] in (200, 201)


@pytest.mark.parametrize("setup", [Setup.ACTPASS, Setup.ACTIVE, Setup.PASSIVE], ids=lambda setup: setup.value)
@pytest.mark.parametrize("protocol", ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "RTP/AVP"])
async def test_call_of_a_trunk_is_answered_in_the_other_role(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, setup: Setup, protocol: str
) -> None:
    engine, browser = await make_engine(), add_browser(codecs=("PCMU",))
    trunk = await dtls(peers, setup=setup, protocol=protocol)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=OPTIONAL) as call:
        await connect_inbound(call, trunk, browser)
        await shaken(trunk)

        await crossing(browser, trunk, 1)

        answer = parse(await call.session.answer(A)).audio
        assert answer.setup is (Setup.PASSIVE if setup is Setup.ACTIVE else Setup.ACTIVE)
        assert answer.protocol == protocol


async def test_hello_that_overtakes_the_answer_is_kept(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await dtls(peers, setup=Setup.ACTIVE)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=DTLS) as call:
        await call.session.take_offer(A, await browser.offer())
        trunk.use(await call.session.offer(B))  # it says hello at once
        browser_sees = await call.session.answer(A)
        await browser.accept(browser_sees)
        await browser.connected.wait()
        assert not trunk.connected.is_set()

        await call.session.accept(B, trunk.describe())
        await shaken(trunk)

        await crossing(browser, trunk, 1)


async def test_hello_from_elsewhere_is_not_heard(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await dtls(peers, setup=Setup.ACTIVE)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=DTLS) as call:
        await call.session.take_offer(A, await browser.offer())
        offer = await call.session.offer(B)
        port = parse(offer).audio.port
        for _ in range(20):
            stranger.send(client_hello(), ("127.0.0.1", port))
        await call.session.accept(B, trunk.describe())
        stranger.send(client_hello(), ("127.0.0.1", port))
        trunk.use(offer)
        await browser.accept(await call.session.answer(A))
        await call.ready()
        await browser.connected.wait()
        await shaken(trunk)

        await crossing(browser, trunk, 1)

        assert stranger.heard_nothing()


async def test_stranger_who_says_hello_first_from_the_trunks_host_costs_the_call_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await dtls(peers, setup=Setup.ACTIVE)
    neighbour = Stranger("127.0.0.1")
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=DTLS) as call:
        await call.session.take_offer(A, await browser.offer())
        offer = await call.session.offer(B)
        await call.session.accept(B, trunk.describe())
        await browser.accept(await call.session.answer(A))
        await browser.connected.wait()
        for _ in range(3):
            neighbour.send(client_hello(), ("127.0.0.1", parse(offer).audio.port))

        trunk.use(offer)
        await shaken(trunk)

        await crossing(browser, trunk, 1)
    neighbour.close()


@BOTH_ROLES
async def test_certificate_of_somebody_else_gives_no_keys(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, setup: Setup
) -> None:
    engine, browser = await make_engine(dtls_timeout=1.0), add_browser(codecs=("PCMU",))
    trunk = await dtls(peers, setup=setup, told=Certificate())
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=DTLS) as call:
        await call.session.take_offer(A, await browser.offer())
        offer = await call.session.offer(B)
        await call.session.accept(B, trunk.describe())
        trunk.use(offer)

        assert await call.failure() == MediaFailed(B, "dtls_failed")


async def test_trunk_that_never_shakes_hands_is_given_up_by_name(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(dtls_timeout=0.2), add_browser(), await dtls(peers, setup=Setup.PASSIVE)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=DTLS) as call:
        await call.session.take_offer(A, await browser.offer())
        await call.session.offer(B)
        await call.session.accept(B, trunk.describe())

        assert await call.failure() == MediaFailed(B, "dtls_failed")


async def test_trunk_that_closes_its_association_has_lost_its_media(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await dtls(peers)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=DTLS) as call:
        await connect_inbound(call, trunk, browser)
        await shaken(trunk)
        assert isinstance(trunk.association, DtlsAssociation)

        trunk.association.close()

        assert await call.failure() == MediaFailed(A, "dtls_closed")


async def test_reinvite_of_the_same_trunk_keeps_its_association(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await dtls(peers)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=DTLS) as call:
        await connect_inbound(call, trunk, browser)
        await shaken(trunk)
        await crossing(browser, trunk, 1)
        before = trunk.association

        await call.session.take_offer(A, trunk.describe())
        trunk.use(await call.session.answer(A))
        trunk.use(await call.session.offer(A))
        trunk.setup = Setup.PASSIVE
        await call.session.accept(A, trunk.describe())

        assert trunk.association is before
        await crossing(browser, trunk, 4)


async def test_reinvite_with_another_certificate_shakes_hands_anew(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await dtls(peers)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=DTLS) as call:
        await connect_inbound(call, trunk, browser)
        await shaken(trunk)
        await crossing(browser, trunk, 1)
        trunk.certificate, trunk.association = Certificate(), None
        trunk.connected.clear()

        await call.session.take_offer(A, trunk.describe())
        trunk.use(await call.session.answer(A))
        await call.ready(A)
        await shaken(trunk)

        await crossing(browser, trunk, 1000)


async def test_keys_in_descriptions_are_refused_where_dtls_is_wanted(make_engine: MakeEngine, peers: PeerStack) -> None:
    engine, trunk = await make_engine(), await SdesTrunk(codecs=("PCMU",)).open()
    peers.push_async_callback(trunk.close)
    async with calling(engine, RTP, WEBRTC, options_a=DTLS) as call:
        with pytest.raises(EncryptionRefused):
            await call.session.take_offer(A, trunk.describe())
