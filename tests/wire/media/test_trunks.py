"""What a plain RTP leg makes of a trunk's descriptions, and of its silence."""

import asyncio

import pytest

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket
from gateway.media.engine import BadSdp, EncryptionRefused, MediaError, MediaFailed, NoFreePort, Profile
from gateway.media.engines.leg import UnsupportedMedia
from tests.harness.ports import own_ports

from .browser import read
from .call import A, B, calling, connect_inbound, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP


async def test_trunk_legs_are_bridged_too(make_engine: MakeEngine, add_trunk: AddTrunk) -> None:
    engine, caller, callee = await make_engine(), await add_trunk(), await add_trunk(codecs=("PCMA", "PCMU"))
    async with calling(engine, RTP, RTP) as call:
        await call.session.take_offer(A, caller.describe())
        callee.use(await call.session.offer(B))
        await call.session.accept(B, callee.describe())
        caller.use(await call.session.answer(A))
        await call.ready()

        caller.send(RtpPacket(0 if call.session.stats()[A].codec == "PCMU" else 8, 1, 160, 1, False, b"\x31" * 160))

        assert (await callee.packet()).payload == b"\x31" * 160


async def test_codecs_are_offered_in_the_order_of_the_caller(make_engine: MakeEngine, add_browser: AddBrowser) -> None:
    engine, browser = await make_engine(), add_browser(codecs=("PCMA", "opus", "PCMU"))
    async with calling(engine, WEBRTC, RTP, codecs_b=("G722", "PCMU", "PCMA")) as call:
        await call.session.take_offer(A, await browser.offer())

        offer = read(await call.session.offer(B))

        names = [line.split()[1].split("/")[0] for line in offer.all("rtpmap")]
        assert names == ["PCMA", "PCMU", "G722", "telephone-event"]


async def test_quality_keeps_opus_towards_the_browser(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(prefer="quality"), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

        stats = call.session.stats()

        assert (stats[A].codec, stats[B].codec) == ("opus", "PCMU")


async def test_versions_rise_with_each_description(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, trunk)
        origins = []
        for _ in range(2):
            await call.session.take_offer(B, trunk.describe())
            answer = await call.session.answer(B)
            origins.append(next(line for line in answer.split("\r\n") if line.startswith("o=")).split())

        assert origins[0][1] == origins[1][1]
        assert int(origins[1][2]) == int(origins[0][2]) + 1 == 3


async def test_rtcp_mux_is_used_when_the_trunk_offers_it(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
        await call.session.take_offer(A, trunk.describe("a=rtcp-mux"))
        await call.session.accept(B, await browser.answer(await call.session.offer(B)))

        assert "a=rtcp-mux" in await call.session.answer(A)


async def test_static_formats_need_no_rtpmap(make_engine: MakeEngine, add_browser: AddBrowser) -> None:
    engine = await make_engine()
    offer = "v=0\r\no=u 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
    async with calling(engine, RTP, WEBRTC) as call:
        await call.session.take_offer(A, Sdp(offer))

        answer = read(await call.session.answer(A))

        assert answer.payload_types == [0]
        assert answer.first("ptime") == "20"


@pytest.mark.parametrize(
    ("direction", "address", "answered"),
    [
        ("sendonly", "127.0.0.1", "recvonly"),
        ("recvonly", "127.0.0.1", "sendonly"),
        ("inactive", "127.0.0.1", "inactive"),
        ("sendrecv", "0.0.0.0", "recvonly"),  # noqa: S104 - hold as before RFC 3264
        ("sendrecv", "127.0.0.1", "sendrecv"),
    ],
)
async def test_every_direction_of_a_trunk_is_mirrored_and_kept(
    make_engine: MakeEngine,
    add_browser: AddBrowser,
    add_trunk: AddTrunk,
    direction: str,
    address: str,
    answered: str,
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        trunk.direction, trunk.address = direction, address
        await call.session.take_offer(B, trunk.describe())
        assert f"a={answered}" in await call.session.answer(B)

        browser.send(RtpPacket(0, 1, 160, browser.ssrc, False, b"\x21" * 160))
        for index in range(3):
            trunk.send(RtpPacket(0, index, index * 160, trunk.ssrc, False, b"\x22" * 160))
        while call.session.stats()[A].packets_received < 1:
            await browser.received.get()  # the continuous silence is the clock
        for _ in range(5):
            await browser.received.get()

        has_sent = call.session.stats()[B].packets_sent > 0
        is_heard = call.session.stats()[B].packets_received > 0
        assert has_sent is (answered in ("sendrecv", "sendonly"))
        assert is_heard is (direction in ("sendrecv", "sendonly") and address == "127.0.0.1")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("RTP/AVP", "RTP/SAVP"), EncryptionRefused),
        (("RTP/AVP", "rtp/savpf"), EncryptionRefused),
        (("RTP/AVP", "UDP/TLS/RTP/SAVP"), EncryptionRefused),
        (("RTP/AVP", "TCP/RTP/AVP"), UnsupportedMedia),
        (("c=IN IP4 127.0.0.1", "c=IN IP4 trunk.example.com"), BadSdp),
        (("c=IN IP4 127.0.0.1\r\n", ""), BadSdp),
        (("c=IN IP4 127.0.0.1", "c=IN IP6 fe80::1%eth0"), BadSdp),
        (("c=IN IP4 127.0.0.1", "c=IN IP6 2001:db8::1"), UnsupportedMedia),
        (("a=sendrecv", "a=rtcp:5 IN IP4 trunk.example.com\r\na=sendrecv"), BadSdp),
    ],
)
async def test_trunk_offer_that_cannot_work_is_refused(
    make_engine: MakeEngine, add_trunk: AddTrunk, change: tuple[str, str], error: type[MediaError]
) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    lines = [line for line in trunk.describe().split("\r\n") if not line.startswith("a=rtcp:")]
    async with calling(engine, RTP, WEBRTC) as call:
        with pytest.raises(error):
            await call.session.take_offer(A, Sdp("\r\n".join(lines).replace(*change)))


async def test_refused_audio_line_is_no_offer(make_engine: MakeEngine, add_trunk: AddTrunk) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    async with calling(engine, RTP, WEBRTC) as call:
        with pytest.raises(BadSdp):
            await call.session.take_offer(A, Sdp(trunk.describe().replace(f"m=audio {trunk.port}", "m=audio 0")))


async def test_silent_trunk_fails_after_the_timeout(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(rtp_timeout=0.2), add_browser(), await add_trunk()
    loop = asyncio.get_running_loop()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await call.session.take_offer(A, await browser.offer())
        trunk.use(await call.session.offer(B))
        await call.session.accept(B, trunk.describe())
        spoke = loop.time()
        trunk.send(RtpPacket(0, 1, 160, trunk.ssrc, False, b"\x22" * 160))

        assert await call.failure() == MediaFailed(B, "rtp_timeout")
        assert loop.time() - spoke >= 0.2


async def test_held_trunk_may_be_silent(make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk) -> None:
    engine, browser, trunk = await make_engine(rtp_timeout=0.15), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await call.session.take_offer(A, await browser.offer())
        trunk.use(await call.session.offer(B))
        await call.session.accept(B, trunk.describe())
        call.session.set_hold(B, True)
        await call.ready(B)

        for _ in range(20):
            await trunk.packet()  # paced silence: 0.4 s

        assert call.events.empty()
        call.session.set_hold(B, False)
        assert await call.failure() == MediaFailed(B, "rtp_timeout")


async def test_reports_go_both_ways_and_give_the_round_trip(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        browser.send(RtpPacket(0, 1, 160, browser.ssrc, False, b"\x21" * 160))
        trunk.send(RtpPacket(0, 1, 160, trunk.ssrc, False, b"\x22" * 160))

        report, source = await trunk.reports.get()
        await browser.reports.get()
        trunk.send_rtcp(receiver_report(trunk.ssrc, about=report))
        trunk.send(RtpPacket(0, 2, 320, trunk.ssrc, False, b"\x23" * 160))
        while (await browser.received.get()).payload != b"\x23" * 160:
            pass

        assert source[1] % 2 == 1
        round_trip = call.session.stats()[B].round_trip
        assert round_trip is not None
        assert 0 <= round_trip < 10


async def test_no_port_left_is_said_and_leaves_nothing_open(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(rtp_ports=own_ports(2)), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, await browser.offer())
        with pytest.raises(NoFreePort):
            await call.session.offer(B)
    async with calling(engine, RTP, WEBRTC) as call:
        with pytest.raises(NoFreePort):
            await call.session.take_offer(A, trunk.describe())  # they rest


async def test_digits_to_a_browser_wait_until_they_have_left(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
        await connect_inbound(call, trunk, browser)

        await call.session.send_dtmf(B, "1", duration=0.1, gap=0.05)

        agreed = call.session.stats()[B].codec
        assert agreed == "PCMU"
        async with asyncio.timeout(30):
            while not ((packet := await browser.received.get()).payload[:1] == b"\x01" and len(packet.payload) == 4):
                pass


def receiver_report(ssrc: int, *, about: bytes) -> bytes:
    """An RR that answers a compound packet beginning with an SR, at once."""
    sender, ntp = about[4:8], about[8:16]
    block = sender + bytes(4) + bytes(4) + bytes(4) + ntp[2:6] + bytes(4)
    return bytes([0x81, 201, 0, 7]) + ssrc.to_bytes(4, "big") + block
