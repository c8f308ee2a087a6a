"""Legs that are replaced, and legs that move into another call: who hears whom, and that no stream jumps."""

import asyncio
from contextlib import ExitStack
from functools import partial

import pytest

from gateway.domain.ids import LegName
from gateway.media.core.rtp import RtpPacket, timestamp_delta
from gateway.media.engine import MediaError, MediaFailed, MediaReady, NoCommonCodec, Profile, Sound
from gateway.media.engines.session import SessionClosed
from tests.harness.ports import own_ports

from . import sound
from .browser import CODEC_LINES, Browser
from .call import A, B, Call, calling, connect_inbound, connect_internal, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine
from .trunk import Trunk

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP


def never(reason: str) -> None:
    raise AssertionError(reason)


def speaking(peer: Browser | Trunk, frequency: float, codec: str, stack: ExitStack) -> None:
    number = CODEC_LINES[codec][0]
    stack.enter_context(sound.speaking(peer.send, codec, frequency, payload_type=number, ssrc=peer.ssrc))


async def listen(peer: Browser | Trunk, count: int) -> list[RtpPacket]:
    """The next packets that a far end gets."""
    async with asyncio.timeout(30):
        if isinstance(peer, Trunk):
            return [await peer.packet() for _ in range(count)]
        return [await peer.received.get() for _ in range(count)]


async def hears(peer: Browser | Trunk, frequency: float, codec: str, stream: list[RtpPacket] | None = None) -> None:
    """Wait for half a second of that tone; what comes until then is added to the stream."""
    packet = peer.packet if isinstance(peer, Trunk) else peer.received.get
    await sound.until_tone(packet, [] if stream is None else stream, codec, frequency)


def assert_no_jump(stream: list[RtpPacket], ticks: int) -> None:
    """One stream, packet after packet. A stalled machine leaves frames out, but never ten seconds of them."""
    first, *others = sound.in_order(stream)
    for at, packet in enumerate(others, start=1):
        assert at * ticks <= timestamp_delta(packet.timestamp, first.timestamp) <= (at + 500) * ticks


async def join_trunk(call: Call, leg: LegName, trunk: Trunk, *, codecs: tuple[str, ...]) -> None:
    """A trunk that we call takes the place of a leg."""
    spare = await call.session.replace(leg, profile=RTP, codecs=codecs, on_failed=never)
    trunk.use(await spare.offer())
    await spare.accept(trunk.describe())
    await spare.join()


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_browser_leaves_and_a_trunk_takes_its_place_in_the_others_ear(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, codec: str
) -> None:
    engine, browser, first, second = await make_engine(), add_browser(), await add_trunk(), await add_trunk()
    first.codecs, second.codecs, second.ssrc = (codec,), ("PCMA",), 0x99
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, first)
        with ExitStack() as stack:
            speaking(browser, 500, "opus" if codec == "opus" else "PCMU", stack)
            stream = await listen(first, 30)
            await call.session.drop(A)
            call.session.play(B, Sound.RINGBACK)
            await sound.until(first.packet, stream, codec, partial(sound.is_ringing, codec))
            await join_trunk(call, A, second, codecs=("PCMA", "PCMU"))
            call.session.play(B, None)
            speaking(second, 900, "PCMA", stack)
            speaking(first, 700, codec, stack)
            await hears(first, 900, codec, stream)
            await hears(second, 700, "PCMA")

    assert_no_jump(stream, sound.TICKS[codec])
    assert call.session.stats()[A].codec == "PCMA"
    assert call.events.get_nowait() == MediaReady(A)
    assert call.events.empty()


async def test_trunk_is_replaced_by_a_browser_while_it_still_talks(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, alice, trunk, carol = await make_engine(), add_browser(), await add_trunk(), add_browser()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, alice, trunk)
        with ExitStack() as stack:
            speaking(trunk, 500, "PCMU", stack)
            await hears(alice, 500, "PCMU")
            spare = await call.session.replace(B, profile=WEBRTC, codecs=("opus", "PCMU"), on_failed=never)
            answer = await carol.answer(await spare.offer())
            await hears(alice, 500, "PCMU")  # nothing has changed yet
            stream = await listen(alice, 10)
            await spare.accept(answer)
            await spare.join()
            await call.ready(B)
            await carol.connected.wait()
            speaking(alice, 700, "PCMU", stack)
            speaking(carol, 900, "PCMU", stack)
            await hears(alice, 900, "PCMU", stream)
            await hears(carol, 700, "PCMU")

    assert_no_jump(stream, 160)


async def test_discarded_replacement_leaves_the_call_as_it_was(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk, other = await make_engine(), add_browser(), await add_trunk(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        spare = await call.session.replace(A, profile=RTP, codecs=("PCMU",), on_failed=never)
        other.use(await spare.offer())
        other.codecs = ("opus",)
        with pytest.raises(NoCommonCodec):
            await spare.accept(other.describe())
        again = await call.session.replace(A, profile=RTP, codecs=("PCMU",), on_failed=never)
        with pytest.raises(SessionClosed):
            await spare.join()
        await again.discard()
        await again.discard()
        with ExitStack() as stack:
            speaking(trunk, 900, "PCMU", stack)
            await hears(browser, 900, "PCMU")


async def test_replacement_that_loses_its_media_says_so_and_the_session_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(dtls_timeout=0.2), add_browser(), await add_trunk()
    mute, failed = add_browser(), asyncio.Event()
    mute.is_mute = True
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        spare = await call.session.replace(B, profile=WEBRTC, codecs=("PCMU",), on_failed=lambda _: failed.set())
        await spare.accept(await mute.answer(await spare.offer()))

        await failed.wait()
        assert call.events.empty()
        await spare.discard()


async def test_dropped_leg_fails_silently_and_closing_is_harmless(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        await call.session.drop(A)
        await browser.close_dtls()
        with ExitStack() as stack:
            speaking(trunk, 500, "PCMU", stack)
            call.session.play(B, Sound.MUSIC)
            await listen(trunk, 25)

        assert call.events.empty()


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_two_far_ends_of_a_browser_are_joined_and_none_is_offered_anything(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, codec: str
) -> None:
    engine, one, two = await make_engine(), await add_trunk(), await add_trunk()
    one.codecs, two.codecs, two.ssrc = ("PCMU",), (codec,), 0x99
    async with calling(engine, WEBRTC, RTP) as first, calling(engine, WEBRTC, RTP) as second:
        await connect_outbound(first, add_browser(), one)
        consulting = add_browser()
        await connect_outbound(second, consulting, two)
        with ExitStack() as stack:
            speaking(one, 500, "PCMU", stack)
            speaking(two, 900, codec, stack)
            speaking(consulting, 700, codec, stack)
            first.session.set_hold(A, True)
            first.session.play(B, Sound.MUSIC)
            at_one, at_two = await listen(one, 30), await listen(two, 30)
            first.session.set_hold(A, False)
            first.session.play(B, None)

            await first.session.adopt(A, second.session.detach(B))
            await second.session.close()
            await hears(one, 900, "PCMU", at_one)
            await hears(two, 500, codec, at_two)

    assert_no_jump(at_one, 160)
    assert_no_jump(at_two, sound.TICKS[codec])
    assert first.session.stats()[A].codec == codec
    assert second.session.stats()[B].packets_received > 0


async def test_browser_that_moves_keeps_its_path_and_its_stream(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    """Inbound call of a trunk to alice, internal call of alice to carol: the trunk talks with carol in the end."""
    engine, trunk, carol = await make_engine(), await add_trunk(), add_browser()
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as first, calling(engine, WEBRTC, WEBRTC) as second:
        await connect_inbound(first, trunk, add_browser())
        await connect_internal(second, add_browser(), carol)
        carols = await listen(carol, 10)

        await first.session.adopt(B, second.session.detach(B))
        await second.session.close()
        await second.session.close()
        with ExitStack() as stack:
            speaking(trunk, 500, "PCMU", stack)
            speaking(carol, 900, "opus", stack)
            await hears(carol, 500, "opus", carols)
            await hears(trunk, 900, "PCMU")

        await carol.close_dtls()
        assert await first.failure() == MediaFailed(B, "dtls_closed")

    assert_no_jump(carols, 960)


async def test_leg_that_nobody_adopts_is_released(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(rtp_ports=own_ports(8)), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        with pytest.raises(MediaError):
            call.session.detach(B)
        await connect_outbound(call, browser, trunk)
        moving = call.session.detach(B)
        with pytest.raises(SessionClosed):
            await call.session.offer(A)
        await moving.close()
        await moving.close()
        await call.session.close()
