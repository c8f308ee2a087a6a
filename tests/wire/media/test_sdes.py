"""An RTP leg whose keys come with its descriptions, beside a browser (RFC 4568)."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.domain.ids import Sdp
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.core.crypto_line import AEAD_128, AEAD_256, AES_CM_32, AES_CM_80, Suite
from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.engine import EncryptionRefused, LegOptions, Profile

from . import sound
from .browser import Browser, read
from .call import A, B, Call, calling, connect_inbound, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine, PeerStack, counted
from .secured_trunk import SdesTrunk
from .stranger import Stranger
from .trunk import Trunk

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP
OPTIONAL = LegOptions(encryption=MediaEncryption.OPTIONAL)
REQUIRED = LegOptions(encryption=MediaEncryption.REQUIRED)
OPEN = LegOptions(encryption=MediaEncryption.REQUIRED, may_send_keys=False)

EVERY_SUITE = pytest.mark.parametrize("suite", [AES_CM_80, AEAD_128, AEAD_256], ids=lambda suite: suite.name)


def frame(sequence: int, letter: bytes = b"\x31", *, ssrc: int = 0x55667788) -> RtpPacket:
    return sound.lone(0, sequence, ssrc, letter * 160)


async def sdes(peers: PeerStack, **options: object) -> SdesTrunk:
    trunk = await SdesTrunk(codecs=("PCMU",), **options).open()  # type: ignore[arg-type] # as the class itself
    peers.push_async_callback(trunk.close)
    return trunk


@asynccontextmanager
async def encrypted(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> AsyncIterator[tuple[Call, Browser, SdesTrunk]]:
    """A call of a browser to a trunk that must be encrypted, connected."""
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await sdes(peers)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=REQUIRED) as call:
        await connect_outbound(call, browser, trunk)
        yield call, browser, trunk


async def crossing(browser: Browser, trunk: Trunk, sequence: int, *, of_trunk: int | None = None) -> None:
    """Both hear each other; uses up three numbers, the trunk's from another one on where it says so."""
    async with asyncio.timeout(30):
        await _crossing(browser, trunk, sequence, sequence if of_trunk is None else of_trunk)


async def _crossing(browser: Browser, trunk: Trunk, sequence: int, of_trunk: int) -> None:
    for each in range(3):
        trunk.send(frame(of_trunk + each, b"\x41"))
    while (await browser.received.get()).payload != b"\x41" * 160:
        pass
    browser.send(frame(sequence, b"\x42", ssrc=browser.ssrc))
    while (await trunk.packet()).payload != b"\x42" * 160:
        pass


@EVERY_SUITE
async def test_call_to_an_encrypted_trunk_is_heard_both_ways_and_reported_in_srtcp(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, suite: Suite
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await sdes(peers, suite=suite)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=REQUIRED) as call:
        await connect_outbound(call, browser, trunk)

        await crossing(browser, trunk, 1)

    assert trunk.ours is not None
    assert (await trunk.report())[1] in (200, 201), "a report, readable with the gateway's key"


@EVERY_SUITE
async def test_call_of_an_encrypted_trunk_is_answered_with_its_suite_and_tag(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, suite: Suite
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await sdes(peers, suite=suite, tag=7)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=REQUIRED) as call:
        await connect_inbound(call, trunk, browser)

        await crossing(browser, trunk, 1)

        answer = read(await call.session.answer(A))
        assert answer.first("crypto") == f"7 {suite.name} inline:" + str(answer.first("crypto")).partition("inline:")[2]
        assert any(line.startswith("m=audio") and " RTP/SAVP " in line for line in answer.lines)


async def test_short_tag_is_spoken_when_it_is_all_that_is_offered(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await sdes(peers, suite=AES_CM_32)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=OPTIONAL) as call:
        await connect_inbound(call, trunk, browser)

        await crossing(browser, trunk, 1)


async def test_first_usable_line_of_an_offer_is_answered(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    key = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
    lines = [
        f"a=crypto:1 AES_256_CM_HMAC_SHA1_80 {key}",
        f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 {key}|2^20|1:4",
        f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 {key}|2^20",
        f"a=crypto:4 AES_CM_128_HMAC_SHA1_32 {key}",
    ]
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await sdes(peers, lines=lines)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",), options_a=REQUIRED) as call:
        await connect_inbound(call, trunk, browser)

        assert trunk.tag == 3
        await crossing(browser, trunk, 1)


async def test_optional_encryption_is_offered_beside_plain_rtp_and_a_plain_answer_is_taken(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("PCMU",)), await add_trunk(codecs=("PCMU",))
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=OPTIONAL) as call:
        offer = read(await call.session.offer(B))
        await connect_outbound(call, browser, trunk)

        await crossing(browser, trunk, 1)

        assert len(offer.all("crypto")) == 3
        assert any(line.startswith("m=audio") and " RTP/AVP " in line for line in offer.lines)


async def test_keys_beside_plain_rtp_are_used_where_both_have_them(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser = await make_engine(), add_browser(codecs=("PCMU",))
    trunk = await sdes(peers, protocol="RTP/AVP")
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=OPTIONAL) as call:
        await connect_outbound(call, browser, trunk)

        await crossing(browser, trunk, 1)


async def test_opus_of_a_browser_is_transcoded_for_an_encrypted_trunk(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("opus",)), await sdes(peers)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=REQUIRED) as call:
        await connect_outbound(call, browser, trunk)

        with sound.speaking(browser.send, "opus", 1000.0, payload_type=111, ssrc=browser.ssrc):
            while not sound.is_tone(
                sound.heard("PCMU", [await trunk.packet() for _ in range(25)]), 1000.0, rate=sound.RATES["PCMU"]
            ):
                pass
        assert call.session.stats()[B].codec == "PCMU"


@pytest.mark.parametrize(
    "line",
    [
        "a=sendrecv",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short",
        "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
    ],
    ids=["none", "of a wrong length", "of a tag that was not offered"],
)
async def test_answer_without_a_usable_key_is_refused_and_can_be_given_anew(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, line: str
) -> None:
    engine, browser = await make_engine(), add_browser(codecs=("PCMU",))
    bad, good = await sdes(peers, lines=[line]), await sdes(peers)
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",), options_b=REQUIRED) as call:
        await call.session.take_offer(A, await browser.offer())
        good.use(await call.session.offer(B))
        bad.tag = good.tag
        with pytest.raises(EncryptionRefused) as caught:
            await call.session.accept(B, bad.describe())
        assert "WVNf" not in str(caught.value)

        await call.session.accept(B, good.describe())
        await browser.accept(await call.session.answer(A))
        await call.ready()
        await browser.connected.wait()

        await crossing(browser, good, 1)


@pytest.mark.parametrize("options", [REQUIRED, OPEN], ids=["required", "signalling in the clear"])
async def test_offer_in_plain_is_refused_where_encryption_is_required(
    make_engine: MakeEngine, add_trunk: AddTrunk, options: LegOptions
) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    async with calling(engine, RTP, WEBRTC, options_a=options) as call:
        with pytest.raises(EncryptionRefused):
            await call.session.take_offer(A, trunk.describe())


async def test_keys_that_came_over_open_signalling_are_refused_and_none_are_sent(
    make_engine: MakeEngine, peers: PeerStack
) -> None:
    engine, trunk = await make_engine(), await sdes(peers)
    async with calling(engine, RTP, RTP, options_a=OPEN, options_b=OPEN) as call:
        with pytest.raises(EncryptionRefused):
            await call.session.take_offer(A, trunk.describe())

        offer = await call.session.offer(B)

        assert "crypto" not in offer
        assert "UDP/TLS/RTP/SAVP" in offer


async def test_reinvite_with_a_new_key_changes_keys_without_a_gap(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        await crossing(browser, trunk, 1)
        on_its_way = trunk.protected(frame(4, b"\x43"))
        trunk.rekey(bytes(range(30)))

        await call.session.take_offer(B, trunk.describe())
        trunk.use(await call.session.answer(B))
        trunk.send_raw(on_its_way)
        while (await browser.received.get()).payload != b"\x43" * 160:
            pass

        await crossing(browser, trunk, 5)


async def test_reinvite_with_another_suite_changes_it_both_ways(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        await crossing(browser, trunk, 1)
        trunk.suite = AEAD_256
        trunk.rekey(bytes(44))

        await call.session.take_offer(B, trunk.describe())
        trunk.use(await call.session.answer(B))

        await crossing(browser, trunk, 4)


async def test_our_own_reinvite_keeps_suite_tag_and_key(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        ours = trunk.ours

        trunk.use(await call.session.offer(B))
        await call.session.accept(B, trunk.describe())

        assert trunk.ours == ours
        await crossing(browser, trunk, 1)


async def test_reinvite_that_would_end_encryption_is_refused_and_the_call_goes_on(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        with pytest.raises(EncryptionRefused):
            await call.session.take_offer(B, Trunk.describe(trunk))

        await crossing(browser, trunk, 1)


async def test_trunk_that_held_for_an_hour_of_the_browsers_packets_hears_it_afterwards(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    """More than 2^15 numbers that it did not hear would make its roll-over counter wrong (RFC 3711 section 3.3.1)."""
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        await crossing(browser, trunk, 1)
        trunk.direction = "sendonly"
        await call.session.take_offer(B, trunk.describe())
        trunk.use(await call.session.answer(B))

        for sequence in range(2, 2 + 45_000, 900):  # each is a jump that the relay passes on
            browser.send(frame(sequence, b"\x45", ssrc=browser.ssrc))
        for each in range(3):
            trunk.send(frame(4 + each, b"\x46"))
        while (await browser.received.get()).payload != b"\x46" * 160:
            pass
        heard = [trunk.read(trunk.received.get_nowait()[0]).payload for _ in range(trunk.received.qsize())]
        assert b"\x45" * 160 not in heard
        trunk.direction = "sendrecv"
        await call.session.take_offer(B, trunk.describe())
        trunk.use(await call.session.answer(B))

        await crossing(browser, trunk, 45_900, of_trunk=7)


async def test_flood_of_bad_packets_is_counted_and_no_more(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        await crossing(browser, trunk, 1)
        chance = random.Random(7)
        await counted(call.session, B, received=3, rejected=0)

        for index in range(1000):
            trunk.send_raw(serialize(frame(index, b"\x66")) + chance.randbytes(10))
            while index % 25 == 24 and call.session.stats()[B].packets_rejected <= index:
                await browser.received.get()  # lets the gateway read: a socket holds only so much

        await crossing(browser, trunk, 1000)  # time has passed meanwhile
        stats = await counted(call.session, B, received=6, rejected=1000)
        assert (stats.packets_received, stats.packets_rejected) == (6, 1000)


async def test_plain_packets_and_replays_are_not_heard_on_an_encrypted_leg(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (call, browser, trunk):
        await crossing(browser, trunk, 1)
        again = trunk.protected(frame(4, b"\x47"))
        trunk.send_raw(serialize(frame(5, b"\x66")))
        for _ in range(10):
            trunk.send_raw(again)

        await crossing(browser, trunk, 6)

        stats = await counted(call.session, B, received=7, rejected=10)
        assert (stats.packets_received, stats.packets_rejected) == (7, 10)


async def test_authentic_packets_from_elsewhere_move_nothing_and_spoil_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack, stranger: Stranger
) -> None:
    async with encrypted(make_engine, add_browser, peers) as (_, browser, trunk):
        await crossing(browser, trunk, 1)
        assert trunk.remote is not None
        seen = trunk.protected(frame(4, b"\x48"))

        stranger.send(seen, trunk.remote)
        trunk.send_raw(seen)
        while (await browser.received.get()).payload != b"\x48" * 160:
            pass

        await crossing(browser, trunk, 5)
        assert stranger.heard_nothing()


async def test_media_five_seconds_later_than_the_answer_is_heard(
    make_engine: MakeEngine, add_browser: AddBrowser, peers: PeerStack
) -> None:
    """Nothing waits for a first packet: keys are in force with the answer, whenever media comes."""
    async with encrypted(make_engine, add_browser, peers) as (_, browser, trunk):
        for _ in range(25):  # the browser hears silence meanwhile
            await browser.received.get()

        await crossing(browser, trunk, 60_000)


async def test_error_about_a_description_never_shows_its_key(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    text = "v=0\r\na crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19z\r\n"
    async with calling(engine, RTP, WEBRTC, options_a=REQUIRED) as call:
        with pytest.raises(Exception, match="not a line") as caught:
            await call.session.take_offer(A, Sdp(text))

    assert "WVNf" not in str(caught.value)
