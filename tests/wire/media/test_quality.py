"""What the compiled engine says of how good a call is: figures as they were sent, and warnings by name."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.media.core.rtcp import ReceiverReport, serialize
from gateway.media.core.rtp import ReportBlock, RtpPacket
from gateway.media.engine import MediaSession, MediaWarning, Profile
from gateway.media.engines.aiortc_engine import AiortcEngine

from . import sound
from .call import A, B, Call, calling, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine, until
from .trunk import Trunk
from .weather import LOSSY, SHAKEN, talking

NATIVE = pytest.mark.parametrize("make_engine", ["native"], indirect=True)
WEBRTC, RTP = Profile.WEBRTC, Profile.RTP
SILENCE = b"\xff" * 160


async def connect(call: Call, a: Trunk, b: Trunk) -> None:
    """Two trunks hear each other."""
    await call.session.take_offer(A, a.describe())
    b.use(await call.session.offer(B))
    await call.session.accept(B, b.describe())
    a.use(await call.session.answer(A))
    await call.ready()
    call.session.answered()


async def warning(call: Call) -> MediaWarning:
    """The next one."""
    while True:
        event = await call.events.get()
        if isinstance(event, MediaWarning):
            return event


async def warned(call: Call, of_a: str, of_b: str, *, is_raised: bool) -> None:
    """Wait for one warning of each leg. A machine that stands still may make others: what comes too late is lost."""
    wanted = {MediaWarning(A, of_a, is_raised), MediaWarning(B, of_b, is_raised)}
    while wanted:
        wanted.discard(await warning(call))


def received(session: MediaSession, count: int) -> bool:
    return session.stats()[A].packets_received == count


def lossy(count: int, *, every: int) -> list[RtpPacket]:
    """A tone of which each so-manieth packet is lost."""
    stream = sound.packets("PCMU", sound.payloads("PCMU", 500, count), payload_type=0, ssrc=7)
    return [packet for index, packet in enumerate(stream) if index % every != every - 1]


@NATIVE
async def test_loss_is_shown_as_it_was_sent_with_its_shape_and_what_it_costs(
    make_engine: MakeEngine, add_trunk: AddTrunk
) -> None:
    engine, a, b = await make_engine(), await add_trunk(), await add_trunk()
    async with calling(engine, RTP, RTP) as call:
        await connect(call, a, b)
        sent = lossy(201, every=20)

        sound.burst(a.send, sent)
        await until(lambda: received(call.session, len(sent)))

        quality = call.session.quality()
        inbound = quality[A].inbound
        assert (inbound.packets, inbound.lost) == (191, 10)
        assert inbound.loss == pytest.approx(10 / 201)
        assert inbound.bursts is not None
        assert inbound.bursts.duration == 0.0, "lone losses"
        assert inbound.bursts.gap_density == pytest.approx(10 / 201, rel=0.01)
        assert (inbound.scale, inbound.reordered, inbound.concealed) == ("narrow", 0, None)
        assert inbound.mos is not None and 3.0 < inbound.mos < 4.2
        assert inbound.level is not None and -25 < inbound.level < -3
        assert inbound.silence == 0.0
        assert [use.codec for use in quality[A].codecs] == ["PCMU"]
        assert quality[B].outbound.packets == 191
        assert quality[B].inbound.mos is None, "nothing came in"


async def test_what_goes_out_is_judged_by_the_far_ends_reports(make_engine: MakeEngine, add_trunk: AddTrunk) -> None:
    engine, a, b = await make_engine(), await add_trunk(), await add_trunk()
    async with calling(engine, RTP, RTP) as call:
        await connect(call, a, b)
        sound.burst(a.send, sound.packets("PCMU", sound.payloads("PCMU", 500, 100), payload_type=0, ssrc=7))
        heard = [await b.packet() for _ in range(100)]

        block = ReportBlock(
            ssrc=heard[0].ssrc,
            fraction_lost=51,
            packets_lost=20,
            highest_sequence=heard[-1].sequence,
            jitter_ticks=240,
            last_sr=0,
            delay_since_last_sr=0,
        )
        b.send_rtcp(serialize([ReceiverReport(ssrc=b.ssrc, blocks=(block,))]))
        await until(lambda: call.session.quality()[B].outbound.loss is not None)

        outbound = call.session.quality()[B].outbound
        assert (outbound.packets, outbound.lost, outbound.loss) == (100, 20, 0.2)
        assert outbound.jitter == pytest.approx(0.03)
        if not isinstance(engine, AiortcEngine):
            assert outbound.mos is not None and outbound.mos < 3.0


@NATIVE
async def test_a_transcoded_call_tells_how_much_was_made_up_and_how_loud_it_was(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(codecs=("opus",)), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, trunk)
        stream = sound.packets("opus", sound.payloads("opus", 500, 150), payload_type=111, ssrc=browser.ssrc)
        stream = [packet for index, packet in enumerate(stream) if index % 15 != 14]

        await sound.play(browser.send, stream)
        await until(lambda: received(call.session, len(stream)))

        inbound = call.session.quality()[A].inbound
        assert inbound.concealed is not None and 0.03 < inbound.concealed < 0.1
        assert inbound.level is not None and -25 < inbound.level < -3
        assert (inbound.scale, inbound.lost) == ("full", 9)
        samples = call.session.history()[A]
        assert 2 <= len(samples) <= 5
        assert any(sample.inbound.mos is not None and sample.level is not None for sample in samples)


@NATIVE
async def test_silence_one_way_media_and_a_handshake_that_hangs_are_warned_of_by_name(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    """Takes as long as it takes until silence is suspicious."""
    engine, a, b = await make_engine(), await add_trunk(), await add_trunk()
    mute, other = add_browser(is_mute=True), await add_trunk()
    async with AsyncExitStack() as stack:
        call = await stack.enter_async_context(calling(engine, RTP, RTP))
        hanging = await stack.enter_async_context(calling(engine, WEBRTC, RTP))
        await connect(call, a, b)
        await hanging.session.take_offer(A, await mute.offer())
        other.use(await hanging.session.offer(B))
        await hanging.session.accept(B, other.describe())
        await mute.accept(await hanging.session.answer(A))

        async with asyncio.TaskGroup() as group:
            nothing = sound.packets("PCMU", [SILENCE] * 850, payload_type=0, ssrc=7)
            group.create_task(sound.play(a.send, nothing))
            found = [await warning(call) for _ in range(3)]
            standing = call.session.stats()

        assert await warning(hanging) == MediaWarning(A, "dtls_late", is_raised=True)
        assert set(found[:2]) == {
            MediaWarning(A, "nothing_sent", is_raised=True),
            MediaWarning(B, "nothing_received", is_raised=True),
        }
        assert found[2] == MediaWarning(A, "no_sound", is_raised=True)
        assert standing[A].warnings == ("no_sound", "nothing_sent")

        with (
            sound.speaking(a.send, "PCMU", 500, payload_type=0, ssrc=8),
            sound.speaking(b.send, "PCMU", 500, payload_type=0, ssrc=9),
        ):
            over = {(news.leg, news.warning, news.is_raised) for news in [await warning(call) for _ in range(3)]}

        assert over == {(A, "no_sound", False), (A, "nothing_sent", False), (B, "nothing_received", False)}
        quality = call.session.quality()
        assert (quality[A].raised, quality[A].warnings) == ((), ("no_sound", "nothing_sent"))
        assert quality[B].warnings == ("nothing_received",)


@NATIVE
async def test_loss_and_jitter_that_last_are_warned_of_by_name_until_the_network_is_good(
    make_engine: MakeEngine, add_trunk: AddTrunk
) -> None:
    """Takes as long as it takes until they are a trend: ten seconds."""
    engine, a, b = await make_engine(), await add_trunk(), await add_trunk()
    async with calling(engine, RTP, RTP) as call:
        await connect(call, a, b)
        with talking(a, LOSSY, seed=1) as lossy_one, talking(b, SHAKEN, seed=1) as shaken_one:
            await warned(call, "high_loss", "high_jitter", is_raised=True)
            standing, quality = call.session.stats(), call.session.quality()
            lossy_one.gets_a_good_network()
            lossy_one.hurries()
            shaken_one.gets_a_good_network()
            await warned(call, "high_loss", "high_jitter", is_raised=False)

        assert "high_loss" in standing[A].warnings
        assert "high_jitter" in standing[B].warnings
        loss, jitter = quality[A].inbound.loss, quality[B].inbound.jitter
        assert loss is not None and 0.05 < loss < 0.2
        assert jitter is not None and jitter > 0.05
        quality = call.session.quality()
        assert "high_loss" not in quality[A].raised
        assert "high_jitter" not in quality[B].raised
        assert "high_loss" in quality[A].warnings
        assert "high_jitter" in quality[B].warnings


async def test_the_reference_engine_tells_what_it_has_and_guesses_nothing(
    make_engine: MakeEngine, add_trunk: AddTrunk
) -> None:
    engine, a, b = await make_engine(), await add_trunk(), await add_trunk()
    async with calling(engine, RTP, RTP) as call:
        await connect(call, a, b)
        sent = lossy(101, every=20)

        sound.burst(a.send, sent)
        await until(lambda: received(call.session, len(sent)))

        inbound = call.session.quality()[A].inbound
        assert (inbound.packets, inbound.lost, inbound.concealed) == (96, 5, None)
        assert inbound.loss == pytest.approx(5 / 101)
        if isinstance(engine, AiortcEngine):
            assert (inbound.mos, inbound.level, call.session.history()[A]) == (None, None, ())
