"""What every media engine must do, over real sockets. A new engine subclasses this and says how it is made."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gateway.domain.ids import Sdp
from gateway.media.core import tones
from gateway.media.core.rtp import RtpPacket, parse, timestamp_delta
from gateway.media.engine import (
    BadSdp,
    DigitReceived,
    MediaEngine,
    NoCommonCodec,
    NoTelephoneEvent,
    Profile,
    Sound,
)

from . import sound
from .browser import CODEC_LINES, Browser, read
from .call import A, B, Call, calling, connect_inbound, connect_internal, connect_outbound
from .trunk import Trunk

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


class MediaEngineContract(ABC):
    """Tests through the seam: SDP and packets, nothing else."""

    @abstractmethod
    def make_engine(self) -> MediaEngine:
        """A new engine on loopback, not yet started."""

    @pytest.fixture
    async def engine(self) -> AsyncIterator[MediaEngine]:
        engine = self.make_engine()
        await engine.start()
        yield engine
        await engine.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    @pytest.fixture
    async def peers(self, engine: MediaEngine) -> AsyncIterator[AsyncExitStack]:
        async with AsyncExitStack() as stack:
            yield stack

    @pytest.fixture
    async def browser(self, peers: AsyncExitStack) -> Browser:
        return self.add_browser(peers, Browser())

    @pytest.fixture
    async def trunk(self, peers: AsyncExitStack) -> Trunk:
        return await self.add_trunk(peers, Trunk())

    def add_browser(self, peers: AsyncExitStack, browser: Browser) -> Browser:
        peers.push_async_callback(browser.close)
        return browser

    async def add_trunk(self, peers: AsyncExitStack, trunk: Trunk) -> Trunk:
        await trunk.open()
        peers.push_async_callback(trunk.close)
        return trunk

    # Calls of every kind

    async def test_outbound_call_passes_a_shared_codec_through_untouched(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        to_trunk, to_browser = sound.payloads("PCMU", 500, 10), sound.payloads("PCMU", 900, 10)
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU", "PCMA")) as call:
            await connect_outbound(call, browser, trunk)

            sound.burst(browser.send, sound.packets("PCMU", to_trunk, payload_type=0, ssrc=browser.ssrc))
            sound.burst(trunk.send, sound.packets("PCMU", to_browser, payload_type=0, ssrc=trunk.ssrc))

            at_trunk = [(await trunk.packet()).payload for _ in range(10)]
            assert at_trunk == to_trunk
            assert await heard_in_order(browser.received, to_browser)

    async def test_browser_with_opus_and_trunk_with_pcma_hear_each_other(
        self, engine: MediaEngine, peers: AsyncExitStack
    ) -> None:
        browser = self.add_browser(peers, Browser(codecs=("opus",)))
        trunk = await self.add_trunk(peers, Trunk(codecs=("PCMA",)))
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU", "PCMA")) as call:
            await connect_outbound(call, browser, trunk)

            with (
                sound.speaking(browser.send, "opus", 500, payload_type=111, ssrc=browser.ssrc),
                sound.speaking(trunk.send, "PCMA", 900, payload_type=8, ssrc=trunk.ssrc),
            ):
                await sound.until_tone(trunk.packet, [], "PCMA", 500)
                await sound.until_tone(browser.received.get, [], "opus", 900)

    async def test_inbound_call_is_heard_both_ways(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        frames = sound.payloads("PCMU", 700, 8)
        async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU", "PCMA")) as call:
            await connect_inbound(call, trunk, browser)

            sound.burst(trunk.send, sound.packets("PCMU", frames, payload_type=0, ssrc=trunk.ssrc))
            sound.burst(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc))

            assert await heard_in_order(browser.received, frames)
            assert [(await trunk.packet()).payload for _ in frames] == frames

    async def test_internal_call_passes_opus_through_untouched(
        self, engine: MediaEngine, browser: Browser, peers: AsyncExitStack
    ) -> None:
        callee = self.add_browser(peers, Browser())
        frames = sound.payloads("opus", 600, 8)
        async with calling(engine, WEBRTC, WEBRTC) as call:
            await connect_internal(call, browser, callee)

            sound.burst(browser.send, sound.packets("opus", frames, payload_type=111, ssrc=browser.ssrc))
            sound.burst(callee.send, sound.packets("opus", frames, payload_type=111, ssrc=callee.ssrc))

            assert await heard_in_order(callee.received, frames)
            assert await heard_in_order(browser.received, frames)

    async def test_trunk_without_an_offer_gets_one_from_us(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU", "PCMA")) as call:
            await call.session.accept(B, await browser.answer(await call.session.offer(B)))
            trunk.use(await call.session.offer(A))
            await call.session.accept(A, trunk.describe())
            await call.ready()

            trunk.send(RtpPacket(0, 1, 160, trunk.ssrc, False, b"\x2a" * 160))

            await sound.collect(browser.received, 3, payload_type=111)

    # Descriptions

    async def test_answer_is_the_same_when_asked_again(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP) as call:
            await connect_outbound(call, browser, trunk)

            assert await call.session.answer(A) == await call.session.answer(A)

    async def test_same_answer_twice_changes_nothing(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await call.session.take_offer(A, await browser.offer())
            trunk.use(await call.session.offer(B))
            answer = trunk.describe()
            await call.session.accept(B, answer)
            await call.session.accept(B, answer)
            await browser.accept(await call.session.answer(A))
            await call.ready()

            assert call.session.stats()[B].codec == "PCMU"

    async def test_answer_to_a_browser_mirrors_bundle_mid_and_direction(
        self, engine: MediaEngine, peers: AsyncExitStack
    ) -> None:
        listener = self.add_browser(peers, Browser(direction="recvonly"))
        async with calling(engine, WEBRTC, RTP) as call:
            await call.session.take_offer(A, await listener.offer())

            answer = read(await call.session.answer(A))

            assert "a=group:BUNDLE 0" in answer.lines
            assert answer.first("mid") == "0"
            assert "a=sendonly" in answer.lines
            assert "a=rtcp-mux" in answer.lines
            assert answer.first("setup") in ("active", "passive")
            assert answer.all("candidate")

    async def test_refused_offer_leaves_the_leg_as_it_was(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        frames = sound.payloads("PCMU", 500, 4)
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU", "PCMA")) as call:
            await connect_outbound(call, browser, trunk)
            with pytest.raises(BadSdp):
                await call.session.take_offer(B, Sdp("v=0\r\nno session description"))
            trunk.codecs = ("opus",)
            with pytest.raises(NoCommonCodec):
                await call.session.take_offer(B, trunk.describe())

            sound.burst(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc))

            assert [(await trunk.packet()).payload for _ in frames] == frames

    @pytest.mark.parametrize("missing", ["ice-ufrag", "fingerprint", "rtcp-mux"])
    async def test_browser_offer_without_what_webrtc_needs_is_refused(
        self, engine: MediaEngine, browser: Browser, missing: str
    ) -> None:
        offer = await browser.offer()
        lines = [line for line in offer.split("\r\n") if not line.startswith(f"a={missing}")]
        async with calling(engine, WEBRTC, RTP) as call:
            with pytest.raises(BadSdp):
                await call.session.take_offer(A, Sdp("\r\n".join(lines)))

    # Digits

    async def test_digits_are_sent_to_the_trunk_as_events_with_three_ends_each(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)

            await call.session.send_dtmf(B, "5#", duration=0.1, gap=0.06)

            events = await digit_events(trunk, ends=6)
            ends = [packet.payload[0] for packet in events if packet.payload[1] & 0x80]
            assert ends == [5, 5, 5, 11, 11, 11]
            assert events[0].marker

    async def test_digit_of_a_browser_is_reported_and_reaches_the_trunk(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)

            sound.burst(browser.send, digit_packets(7, payload_type=126, ssrc=browser.ssrc))

            event = await call.digit()
            assert (event.leg, event.digit) == (A, "7")
            assert event.duration == pytest.approx(0.1, abs=0.02)
            assert {packet.payload[0] for packet in await digit_events(trunk, ends=1)} == {7}

    async def test_digit_of_a_trunk_is_reported(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)

            sound.burst(trunk.send, digit_packets(3, payload_type=101, ssrc=trunk.ssrc))

            assert await call.digit() == DigitReceived(B, "3", pytest.approx(0.1, abs=0.02))  # type: ignore[arg-type] # a comparison

    async def test_digits_cannot_be_sent_where_they_were_not_negotiated(
        self, engine: MediaEngine, browser: Browser, peers: AsyncExitStack
    ) -> None:
        deaf = await self.add_trunk(peers, Trunk(has_events=False))
        async with calling(engine, WEBRTC, RTP) as call:
            await connect_outbound(call, browser, deaf)

            with pytest.raises(NoTelephoneEvent):
                await call.session.send_dtmf(B, "1", duration=0.1, gap=0.05)

            assert call.session.takes_digits(A)
            assert not call.session.takes_digits(B)

    # Hold, re-INVITE

    async def test_browser_hears_paced_silence_before_the_trunk_says_anything(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)

            silence = [await browser.received.get() for _ in range(10)]

            assert_continuous(silence, 160)
            assert {packet.payload for packet in silence} == {b"\xff" * 160}

    async def test_held_leg_hears_silence_without_a_pause_and_is_not_heard(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        frames = sound.payloads("PCMU", 500, 10)
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)
            call.session.set_hold(A, True)
            drain(browser.received)

            await asyncio.gather(
                sound.play(trunk.send, sound.packets("PCMU", frames, payload_type=0, ssrc=trunk.ssrc)),
                sound.play(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc)),
            )

            held = [await browser.received.get() for _ in range(8)]
            assert_continuous(held, 160)
            assert {packet.payload for packet in held} == {b"\xff" * 160}
            assert not {packet.payload for packet in arrived(trunk)} & set(frames)

            call.session.set_hold(A, False)
            with (
                sound.speaking(trunk.send, "PCMU", 900, payload_type=0, ssrc=trunk.ssrc, first=1010),
                sound.speaking(browser.send, "PCMU", 700, payload_type=0, ssrc=browser.ssrc, first=1010),
            ):
                await sound.until_tone(browser.received.get, [], "PCMU", 900)
                await sound.until_tone(trunk.packet, [], "PCMU", 700)

    async def test_trunk_that_holds_is_heard_and_hears_nothing(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        frames = sound.payloads("PCMU", 500, 6)
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)

            trunk.direction = "sendonly"
            await call.session.take_offer(B, trunk.describe())
            assert "a=recvonly" in await call.session.answer(B)
            arrived(trunk)
            await asyncio.gather(
                sound.play(trunk.send, sound.packets("PCMU", frames, payload_type=0, ssrc=trunk.ssrc)),
                sound.play(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc)),
            )

            await hear_any(browser, frames)
            assert trunk.received.empty()

            trunk.direction = "sendrecv"
            await call.session.take_offer(B, trunk.describe())
            assert "a=sendrecv" in await call.session.answer(B)
            with sound.speaking(browser.send, "PCMU", 700, payload_type=0, ssrc=browser.ssrc, first=1006):
                await sound.until_tone(trunk.packet, [], "PCMU", 700)

    @pytest.mark.parametrize("codec", ["PCMU", "opus"])
    async def test_held_trunk_hears_music_and_neither_stream_jumps(
        self, engine: MediaEngine, peers: AsyncExitStack, codec: str
    ) -> None:
        browser = self.add_browser(peers, Browser(codecs=("opus",)))
        trunk = await self.add_trunk(peers, Trunk(codecs=(codec,)))
        number = CODEC_LINES[codec][0]
        async with calling(engine, WEBRTC, RTP, codecs_b=(codec,)) as call:
            await connect_outbound(call, browser, trunk)
            with (
                sound.speaking(browser.send, "opus", 500, payload_type=111, ssrc=browser.ssrc),
                sound.speaking(trunk.send, codec, 900, payload_type=number, ssrc=trunk.ssrc),
            ):
                stream, to_browser = [await trunk.packet() for _ in range(25)], []
                call.session.set_hold(A, True)

                def is_music(pcm: bytes) -> bool:
                    has_speech = tones.power(pcm, 500, rate=sound.RATES[codec]) > -30
                    return not has_speech and tones.loudness(pcm[len(pcm) // 4 * 2 :]) > -30

                call.session.play(B, Sound.MUSIC)
                call.session.set_direction(B, is_sending=True, is_receiving=False)
                assert "a=sendonly" in await call.session.offer(B)
                trunk.direction = "recvonly"
                await call.session.accept(B, trunk.describe())
                await sound.until(trunk.packet, stream, codec, is_music)  # silence until it is ready
                begun = len(stream)
                stream += [await trunk.packet() for _ in range(80)]
                call.session.set_hold(A, False)
                call.session.play(B, None)
                call.session.set_direction(B, is_sending=True, is_receiving=True)
                assert "a=sendrecv" in await call.session.offer(B)
                trunk.direction = "sendrecv"
                await call.session.accept(B, trunk.describe())
                await sound.until_tone(trunk.packet, stream, codec, 500)
                to_browser = [browser.received.get_nowait() for _ in range(browser.received.qsize())]

        assert_continuous(stream, sound.TICKS[codec])
        assert_continuous(to_browser, 960)
        assert is_music(sound.heard(codec, stream[begun : begun + 80]))

    async def test_each_sides_hold_is_kept_in_every_answer_until_it_lets_go(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)
            call.session.set_direction(B, is_sending=True, is_receiving=False)
            answers = []
            for direction in ("sendonly", "inactive", "recvonly", "sendrecv"):
                trunk.direction = direction
                await call.session.take_offer(B, trunk.describe())
                answer = await call.session.answer(B)
                answers.append(next(line for line in answer.split("\r\n") if line[2:] in DIRECTIONS))
            call.session.set_direction(B, is_sending=True, is_receiving=True)
            trunk.direction = "sendonly"
            await call.session.take_offer(B, trunk.describe())
            assert "a=recvonly" in await call.session.answer(B)

        assert answers == ["a=inactive", "a=inactive", "a=sendonly", "a=sendonly"]

    async def test_music_goes_on_through_a_change_of_codec(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU", "PCMA")) as call:
            await connect_outbound(call, browser, trunk)
            call.session.set_hold(A, True)
            call.session.play(B, Sound.MUSIC)
            await trunk.packet()
            trunk.codecs = ("PCMA",)
            await call.session.take_offer(B, trunk.describe())
            await call.session.answer(B)

            stream = [await trunk.packet()]
            while stream[-1].payload_type != 8:
                stream.append(await trunk.packet())
            music = stream[-1:]
            await sound.until(trunk.packet, music, "PCMA", lambda pcm: tones.loudness(pcm) > -30)

        assert_continuous(stream + music[1:], 160)
        assert {packet.payload_type for packet in music} == {8}

    async def test_trunk_changes_its_codec_and_the_browser_notices_nothing(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU", "opus")) as call:
            await connect_outbound(call, browser, trunk)

            trunk.codecs = ("opus",)
            await call.session.take_offer(B, trunk.describe())
            answer = read(await call.session.answer(B))
            at_browser: list[RtpPacket] = []
            at_trunk: list[RtpPacket] = []
            with (
                sound.speaking(trunk.send, "opus", 900, payload_type=111, ssrc=trunk.ssrc),
                sound.speaking(browser.send, "PCMU", 500, payload_type=0, ssrc=browser.ssrc),
            ):
                await sound.until_tone(browser.received.get, at_browser, "PCMU", 900)
                await sound.until_tone(trunk.packet, at_trunk, "opus", 500)

            assert answer.payload_types[0] == 111
            assert {packet.payload_type for packet in at_browser} == {0}
            assert {packet.payload_type for packet in at_trunk} == {111}
            assert call.session.stats()[A].codec == "PCMU"
            assert call.session.stats()[B].codec == "opus"

    # Numbers and the end

    async def test_stats_count_what_came_and_went(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        stream = sound.packets("PCMU", sound.payloads("PCMU", 500, 10), payload_type=0, ssrc=browser.ssrc)
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)

            sound.burst(browser.send, stream[:4] + stream[6:])
            for _ in range(8):
                await trunk.packet()

            stats = call.session.stats()
            assert (stats[A].packets_received, stats[A].bytes_received, stats[A].packets_lost) == (8, 1280, 2)
            assert (stats[B].packets_sent, stats[B].bytes_sent) == (8, 1280)
            assert stats[B].packets_received == 0

    async def test_delay_inside_is_small(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        loop = asyncio.get_running_loop()
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)
            delays: list[float] = []
            async with asyncio.timeout(30):
                # A jitter buffer would add 20 ms to each; the machine may be busy for many
                while sum(delay < 0.010 for delay in delays) < 25 or min(delays) > 0.002:
                    index = len(delays)
                    payload = index.to_bytes(2, "big") * 80
                    sent = loop.time()
                    browser.send(sound.lone(0, index, browser.ssrc, payload))
                    while (await trunk.packet()).payload != payload:
                        pass
                    delays.append(loop.time() - sent)

    async def test_closing_twice_is_as_good_as_once(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        async with calling(engine, WEBRTC, RTP) as call:
            await connect_outbound(call, browser, trunk)

            await call.session.close()
            await call.session.close()

    async def test_engine_stop_closes_what_is_left(self, engine: MediaEngine, browser: Browser, trunk: Trunk) -> None:
        async with calling(engine, WEBRTC, RTP) as call:
            await connect_outbound(call, browser, trunk)

            await engine.stop()

    async def test_digits_on_their_way_do_not_keep_a_session_from_closing(
        self, engine: MediaEngine, browser: Browser, trunk: Trunk
    ) -> None:
        async with calling(engine, WEBRTC, RTP) as call:
            await connect_outbound(call, browser, trunk)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send_until_closed(call))
                await trunk.packet()
                await call.session.close()

    async def _send_until_closed(self, call: Call) -> None:
        from gateway.media.engine import MediaError

        with pytest.raises(MediaError):
            await call.session.send_dtmf(B, "123456789", duration=0.5, gap=0.5)


def digit_packets(event: int, *, payload_type: int, ssrc: int) -> list[RtpPacket]:
    """A digit of 100 ms: five packets, then three ends."""
    updates = [bytes([event, 10, 0, 0]) for _ in range(5)] + [bytes([event, 0x8A, 0, 0])] * 3
    durations = [160, 320, 480, 640, 800, 800, 800, 800]
    return [
        RtpPacket(payload_type, 500 + at, 4000, ssrc, at == 0, update[:2] + duration.to_bytes(2, "big"))
        for at, (update, duration) in enumerate(zip(updates, durations, strict=True))
    ]


def drain(queue: "asyncio.Queue[RtpPacket]") -> list[RtpPacket]:
    """Everything that is there already."""
    result = []
    while not queue.empty():
        result.append(queue.get_nowait())
    return result


def arrived(trunk: Trunk) -> list[RtpPacket]:
    """What has come to a trunk so far, and not been taken."""
    result = []
    while not trunk.received.empty():
        result.append(parse(trunk.received.get_nowait()[0]))
    return result


async def digit_events(trunk: Trunk, *, ends: int) -> list[RtpPacket]:
    """The telephone-events that a trunk gets, up to so many ends."""
    events: list[RtpPacket] = []
    async with asyncio.timeout(30):
        while sum(event.payload[1] >> 7 for event in events) < ends:
            packet = await trunk.packet()
            if packet.payload_type == 101:
                events.append(packet)
    return events


async def heard_in_order(queue: "asyncio.Queue[RtpPacket]", payloads: list[bytes]) -> bool:
    """Whether these payloads come, in this order, each once; silence before and between them is left out."""
    for payload in payloads:
        async with asyncio.timeout(30):
            while (await queue.get()).payload != payload:
                pass
    return True


async def hear_any(browser: Browser, payloads: list[bytes]) -> None:
    """Wait for one of these."""
    async with asyncio.timeout(30):
        while (await browser.received.get()).payload not in payloads:
            pass


def assert_continuous(packets: list[RtpPacket], ticks: int) -> None:
    """One source, consecutive sequence numbers, timestamps whole frames apart (a stalled machine may skip some)."""
    first, *others = sound.in_order(packets)
    for at, packet in enumerate(others, start=1):
        assert timestamp_delta(packet.timestamp, first.timestamp) % ticks == 0
        assert timestamp_delta(packet.timestamp, first.timestamp) >= at * ticks
