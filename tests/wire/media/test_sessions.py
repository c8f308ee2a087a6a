"""The edges of a session: descriptions of real browsers, wrong calls, wrong packets."""

import socket
from pathlib import Path

import pytest

from gateway.domain.ids import CallId, Sdp
from gateway.media.core.rtp import RtpPacket, serialize
from gateway.media.engine import BadSdp, MediaError, Profile
from gateway.media.engines.aiortc_engine import AiortcEngine
from gateway.media.engines.leg import UnsupportedMedia
from gateway.media.engines.session import SessionClosed
from gateway.media.settings import MediaSettings

from .browser import read
from .call import A, B, calling, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP
SAMPLES = Path(__file__).parents[2] / "data" / "sdp"


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("*-1*.sdp")))
async def test_offers_of_real_browsers_are_answered(make_engine: MakeEngine, sample: str) -> None:
    engine, offer = await make_engine(), Sdp((SAMPLES / sample).read_bytes().decode())
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, offer)

        answer = read(await call.session.answer(A))

        assert answer.first("setup") == "active"
        assert answer.all("mid")[0] == "0"
        assert answer.payload_types[0] in (109, 111)


async def test_video_and_data_are_refused_in_their_place(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    offer = (SAMPLES / "chromium-156-audio-video-data.sdp").read_bytes().decode()
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, Sdp(offer))

        answer = read(await call.session.answer(A))

        media = [line.split() for line in answer.lines if line.startswith("m=")]
        assert [(words[0], words[1] == "0") for words in media] == [
            ("m=audio", False),
            ("m=video", True),
            ("m=application", True),
        ]
        assert media[1][2] == "UDP/TLS/RTP/SAVPF"
        assert answer.all("mid") == ["0", "1", "2"]
        assert "a=group:BUNDLE 0" in answer.lines


async def test_video_of_a_trunk_is_refused(make_engine: MakeEngine, add_trunk: AddTrunk) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    async with calling(engine, RTP, WEBRTC) as call:
        await call.session.take_offer(A, trunk.describe("m=video 7000 RTP/AVP 31 34"))

        assert "m=video 0 RTP/AVP 31 34" in await call.session.answer(A)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("UDP/TLS/RTP/SAVPF", "RTP/AVP"), UnsupportedMedia),
        (("a=setup:actpass", "a=setup:holdconn"), BadSdp),
        (("a=fingerprint:sha-256", "a=fingerprint:md5"), BadSdp),
    ],
)
async def test_browser_offer_that_cannot_work_is_refused(
    make_engine: MakeEngine, add_browser: AddBrowser, change: tuple[str, str], error: type[BadSdp]
) -> None:
    engine, browser = await make_engine(), add_browser()
    async with calling(engine, WEBRTC, RTP) as call:
        with pytest.raises(error):
            await call.session.take_offer(A, Sdp((await browser.offer()).replace(*change)))


async def test_answer_that_leaves_the_roles_open_is_refused(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, RTP, WEBRTC) as call:
        await call.session.take_offer(A, trunk.describe())
        answer = await browser.answer(await call.session.offer(B))

        with pytest.raises(BadSdp):
            await call.session.accept(B, Sdp(answer.replace("a=setup:active", "a=setup:actpass")))


async def test_closed_session_says_so(make_engine: MakeEngine, add_trunk: AddTrunk) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    async with calling(engine, RTP, WEBRTC) as call:
        await call.session.close()

        call.session.set_hold(A, True)
        for work in (
            call.session.take_offer(A, trunk.describe()),
            call.session.answer(A),
            call.session.offer(B),
            call.session.accept(B, trunk.describe()),
            call.session.add_candidate(B, None),
            call.session.send_dtmf(B, "1", duration=0.1, gap=0.1),
        ):
            with pytest.raises(SessionClosed) as error:
                await work
            assert isinstance(error.value, MediaError)


async def test_calls_out_of_order_are_defects_of_the_caller(make_engine: MakeEngine, add_trunk: AddTrunk) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    async with calling(engine, RTP, WEBRTC) as call:
        with pytest.raises(ValueError, match="has taken no offer"):
            await call.session.answer(A)
        with pytest.raises(ValueError, match="has made no offer"):
            await call.session.accept(A, trunk.describe())


async def test_engine_must_be_started_and_a_leg_needs_a_codec() -> None:
    engine = AiortcEngine(MediaSettings())
    for codecs in (("PCMU",), ()):
        with pytest.raises(ValueError, match="started" if codecs else "codec"):
            await engine.open(
                call_id=CallId("x"), a=RTP, b=RTP, codecs_a=codecs, codecs_b=codecs, on_event=lambda event: None
            )
        await engine.start()
    await engine.stop()


async def test_authentic_packets_that_are_no_rtp_are_counted(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        assert browser._dtls is not None
        padded = bytearray(serialize(RtpPacket(0, 1, 160, browser.ssrc, False, b"\xff" * 20)))
        padded[0] |= 0x20  # padding of 255 bytes

        browser.send_raw(browser._dtls._tx_srtp.protect(bytes(padded)))
        browser.send(RtpPacket(77, 2, 320, browser.ssrc, False, b"not negotiated"))
        browser.send(RtpPacket(0, 3, 480, browser.ssrc, False, b"\x31" * 160))

        assert (await trunk.packet()).payload == b"\x31" * 160
        assert call.session.stats()[A].packets_rejected == 2


async def test_reports_that_are_none_are_counted(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

        trunk.send_rtcp(b"\x80\xc9\xff\xff" + bytes(8))
        trunk.send(RtpPacket(0, 3, 480, trunk.ssrc, False, b"\x31" * 160))
        while (await browser.received.get()).payload != b"\x31" * 160:
            pass

        assert call.session.stats()[B].packets_rejected == 1


async def test_bye_of_ours_ends_the_stream(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

    report, _ = await trunk.reports.get()

    assert bytes([203]) in {report[at + 1 : at + 2] for at in packet_starts(report)}


async def test_ports_of_a_call_can_be_bound_by_others_afterwards(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, trunk)
        assert trunk.remote is not None

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(trunk.remote)


def packet_starts(compound: bytes) -> list[int]:
    """Where the packets of a compound RTCP packet begin."""
    starts, at = [], 0
    while at < len(compound):
        starts.append(at)
        at += 4 * (int.from_bytes(compound[at + 2 : at + 4], "big") + 1)
    return starts
