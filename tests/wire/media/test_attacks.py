"""Media from strangers: RTP Bleed and injection, bad SRTP, STUN and DTLS from elsewhere. Nothing of it may matter."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.core.source_lock import Address
from gateway.media.engine import Profile

from . import sound
from .browser import Browser, read
from .call import A, B, Call, calling, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine, count_rejected, counted, rejected
from .stranger import EVIL, Stranger, client_hello
from .trunk import Trunk

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP


@pytest.fixture
def neighbour() -> Iterator[Stranger]:
    """The trunk's host, another port."""
    neighbour = Stranger("127.0.0.1")
    yield neighbour
    neighbour.close()


async def assert_undisturbed(call: Call, browser: Browser, trunk: Trunk, *, first: int = 1) -> None:
    """Both hear each other, and never the stranger."""
    marks = bytes([0x30 + first % 16]) * 160, bytes([0x50 + first % 16]) * 160
    browser.send(sound.lone(0, first, browser.ssrc, marks[0]))
    for index in range(3):
        trunk.send(sound.lone(0, first + index, trunk.ssrc, marks[1]))
    async with asyncio.timeout(30):
        while (payload := (await trunk.packet()).payload) != marks[0]:
            assert payload != EVIL
        while (payload := (await browser.received.get()).payload) != marks[1]:
            assert payload != EVIL
    assert call.events.empty()


def trunk_port(trunk: Trunk) -> Address:
    """Where the gateway listens for that trunk."""
    assert trunk.remote is not None
    return trunk.remote


def browser_port(browser: Browser) -> Address:
    """Where the gateway listens for that browser."""
    assert browser.remote is not None
    words = browser.remote.first("candidate").split()
    return words[4], int(words[5])


async def test_spray_on_a_trunk_leg_before_and_after_its_first_packet(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

        stranger.spray(trunk_port(trunk))
        await assert_undisturbed(call, browser, trunk)
        stranger.spray(trunk_port(trunk))
        await assert_undisturbed(call, browser, trunk, first=2000)

        assert call.session.stats()[B].packets_rejected == 100
        assert stranger.heard_nothing()


async def test_other_port_of_the_trunk_is_a_stranger_once_the_trunk_has_spoken(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, neighbour: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        await assert_undisturbed(call, browser, trunk)

        neighbour.spray(trunk_port(trunk))

        await assert_undisturbed(call, browser, trunk, first=2000)
        assert call.session.stats()[B].packets_rejected == 50
        assert neighbour.heard_nothing()


async def test_trunk_that_sends_from_another_port_than_it_signalled_is_learned(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk, moved = await make_engine(), add_browser(), await add_trunk(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        moved.remote = trunk.remote
        moved.send(RtpPacket(0, 1, 160, trunk.ssrc, False, b"\x11" * 160))
        while (await browser.received.get()).payload != b"\x11" * 160:
            pass

        await assert_undisturbed(call, browser, moved, first=100)

        assert trunk.received.empty()


async def test_packets_that_are_not_of_the_call_lock_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, neighbour: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

        neighbour.spray(trunk_port(trunk), payload_type=8, count=5)  # not negotiated
        for garbage in (b"\x80", b"\x80\x00" + bytes(5), b"\x00" * 40, b"SIP/2.0 200 OK"):
            neighbour.send(garbage, trunk_port(trunk))

        await assert_undisturbed(call, browser, trunk)
        assert call.session.stats()[B].packets_rejected == 9
        assert neighbour.heard_nothing()


async def test_trunk_behind_a_nat_is_learned_from_where_it_sends(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk(address="192.168.77.5")
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        trunk.send(RtpPacket(0, 1, 160, trunk.ssrc, False, b"\x11" * 160))
        while (await browser.received.get()).payload != b"\x11" * 160:
            pass

        stranger.spray(trunk_port(trunk))

        await assert_undisturbed(call, browser, trunk, first=100)
        assert stranger.heard_nothing()


async def talks_and_moves(call: Call, browser: Browser, trunk: Trunk, moved: Trunk) -> None:
    """The far end has spoken from one place, and describes another."""
    await connect_outbound(call, browser, trunk)
    await assert_undisturbed(call, browser, trunk)
    await call.session.take_offer(B, moved.describe())
    moved.use(await call.session.answer(B))


async def test_new_description_unlocks_the_source(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk, moved = await make_engine(), add_browser(), await add_trunk(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await talks_and_moves(call, browser, trunk, moved)

        await assert_undisturbed(call, browser, moved, first=2000)


async def test_packet_that_was_on_its_way_from_the_place_that_was_left_does_not_bring_media_back_there(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk, moved = await make_engine(), add_browser(), await add_trunk(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await talks_and_moves(call, browser, trunk, moved)

        trunk.send(sound.lone(0, 4, trunk.ssrc, b"\x22" * 160))
        while (await browser.received.get()).payload != b"\x22" * 160:
            pass

        await assert_undisturbed(call, browser, moved, first=2000)


async def test_reports_from_strangers_are_not_taken(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        host, port = trunk_port(trunk)

        stranger.send(bytes([0x80, 203, 0, 1]) + trunk.ssrc.to_bytes(4, "big"), (host, port + 1))

        await assert_undisturbed(call, browser, trunk)
        assert call.session.stats()[B].packets_rejected == 1


async def test_spray_on_a_browser_leg(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        offer = await browser.offer()
        await call.session.take_offer(A, offer)
        answer = await call.session.answer(A)
        browser.remote = read(answer)
        before = rejected("source")
        stranger.spray(browser_port(browser))  # before there is a path
        trunk.use(await call.session.offer(B))
        await call.session.accept(B, trunk.describe())
        await browser.accept(answer)
        await call.ready()
        await browser.connected.wait()

        stranger.spray(browser_port(browser))

        await assert_undisturbed(call, browser, trunk)
        assert await count_rejected(call.session, "source", before + 50) >= before + 50
        assert stranger.heard_nothing()


async def test_bad_srtp_from_the_browsers_own_address_is_counted_and_no_more(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        chance = random.Random(7)

        for index in range(1000):
            packet = serialize(RtpPacket(0, index, index * 160, chance.randrange(4) + browser.ssrc, False, EVIL))
            browser.send_raw(packet + chance.randbytes(10))
            if index % 50 == 49:
                await counted(call.session, A, received=0, rejected=index + 1)  # a socket holds only so much

        await assert_undisturbed(call, browser, trunk, first=3)
        assert call.session.stats()[A].packets_rejected == 1000
        assert call.session.stats()[A].packets_received == 1


async def test_replayed_packets_are_not_taken_twice(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        assert browser._dtls is not None
        protected = browser._dtls._tx_srtp.protect(serialize(RtpPacket(0, 1, 160, browser.ssrc, False, b"\x12" * 160)))

        for _ in range(10):
            browser.send_raw(protected)

        await assert_undisturbed(call, browser, trunk, first=2)
        assert call.session.stats()[A].packets_received == 2
        assert call.session.stats()[A].packets_rejected == 9


async def test_stun_from_strangers_gets_no_answer(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        chance = random.Random(8)

        header = b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
        truncated = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12) + b"\x00\x24\x00\x01\x00\x00\x00\x00"
        success = b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
        for message in (header, truncated, success, b"\x00", b"\x01\x02\x03"):
            stranger.send(message, browser_port(browser))
        for _ in range(200):
            stranger.send(bytes([chance.randrange(4)]) + chance.randbytes(chance.randrange(120)), browser_port(browser))

        await assert_undisturbed(call, browser, trunk)
        assert stranger.heard_nothing()


@pytest.mark.parametrize("is_before", [True, False])
async def test_client_hello_of_a_stranger_is_not_heard(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger, is_before: bool
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await call.session.take_offer(A, await browser.offer())
        answer = await call.session.answer(A)
        browser.remote = read(answer)
        before = rejected("source")
        if is_before:
            stranger.send(client_hello(), browser_port(browser))
        trunk.use(await call.session.offer(B))
        await call.session.accept(B, trunk.describe())
        await browser.accept(answer)
        await call.ready()
        await browser.connected.wait()
        if not is_before:
            stranger.send(client_hello(), browser_port(browser))

        await assert_undisturbed(call, browser, trunk)
        assert stranger.heard_nothing()
        assert await count_rejected(call.session, "source", before + 1) >= before + 1


async def test_dtls_garbage_from_the_browsers_own_address_changes_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        chance = random.Random(9)

        browser.send_raw(client_hello())
        for _ in range(100):
            browser.send_raw(bytes([chance.randrange(20, 64)]) + chance.randbytes(chance.randrange(200)))
        browser.send_raw(b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28")  # a fatal alert that nobody signed

        await assert_undisturbed(call, browser, trunk)


async def test_datagrams_of_no_protocol_are_counted(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, stranger: Stranger
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        call.session.stats()
        before = rejected("not_rtp")

        for data in (b"GET / HTTP/1.1", b"\xff" * 100, bytes(2000), b""):
            stranger.send(data, browser_port(browser))

        await assert_undisturbed(call, browser, trunk)
        assert (
            await count_rejected(call.session, "not_rtp", before + 2) == before + 2
        )  # too long and empty ones are not even read
