"""How a browser leg finds its path: ICE with few candidates, late ones, none; restarts; failures."""

import asyncio
from collections.abc import Callable, Sequence

import aioice
import pytest

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket
from gateway.media.engine import BadSdp, MediaEngine, MediaFailed, MediaReady, Profile
from gateway.media.engines.dtls import Certificate, DtlsAssociation
from gateway.media.engines.tasks import OwnedTasks

from . import sound
from .browser import Browser, RsaCertificate, read
from .call import A, B, Call, calling, connect_inbound, connect_outbound
from .conftest import FULL_ICE, AddBrowser, AddTrunk, MakeEngine
from .trunk import Trunk

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP
NAMED = "candidate:1 1 udp 2113937151 3f1d5a90-7d1c-4e6a-9b0e-5c6a0d8e2b11.local 40000 typ host"
SILENCE = b"\xff" * 160
DEAD = "candidate:1 1 udp 2113937151 127.0.0.9 9 typ host"


async def begin(call: Call, browser: Browser, trunk: Trunk, offer: Sdp) -> None:
    """An outbound call up to the answer, which the browser has."""
    await call.session.take_offer(A, offer)
    trunk.use(await call.session.offer(B))
    await call.session.accept(B, trunk.describe())
    await browser.accept(await call.session.answer(A))


async def elapsed(seconds: float) -> None:
    """Wait for something that happens without a sign."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    loop.call_later(seconds, over.set_result, None)
    await over


async def assert_heard(browser: Browser, trunk: Trunk, *, first: int = 1) -> None:
    """The trunk hears the browser."""
    payload = bytes([first & 0xFF]) * 160
    browser.send(RtpPacket(0, first, first * 160, browser.ssrc, False, payload))
    while (await trunk.packet()).payload != payload:
        pass


@pytest.mark.parametrize(
    "candidates",
    [lambda lines: [], lambda lines: [NAMED], lambda lines: [DEAD], lambda lines: [*lines, DEAD, "end-of-candidates"]],
    ids=["none", "hidden", "dead", "partly dead"],
)
async def test_browser_is_found_by_its_own_checks(
    make_engine: MakeEngine,
    add_browser: AddBrowser,
    add_trunk: AddTrunk,
    candidates: Callable[[list[str]], list[str]],
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await begin(call, browser, trunk, await browser.offer(candidates=candidates))

        await call.ready()
        await browser.connected.wait()

        await assert_heard(browser, trunk)


@pytest.mark.parametrize("with_ufrag", [True, False])
async def test_candidates_that_overtake_their_offer_are_kept_for_it(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, with_ufrag: bool
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        offer = await browser.offer(candidates=lambda lines: [])
        for line in browser.candidate_lines():
            await call.session.add_candidate(A, f"{line} ufrag {browser.ice.local_username}" if with_ufrag else line)
        await call.session.add_candidate(A, None)
        await begin(call, browser, trunk, offer)

        await call.ready()


async def test_candidates_after_the_answer_and_after_the_end_of_candidates_are_taken(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await begin(call, browser, trunk, await browser.offer(candidates=lambda lines: []))
        await call.session.add_candidate(A, None)
        await call.session.add_candidate(A, "no candidate at all")
        for line in browser.candidate_lines():
            await call.session.add_candidate(A, line)
        await call.session.add_candidate(A, None)

        await call.ready()


async def test_offers_of_ours_are_answered_by_either_side_of_the_handshake(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    for setup in ("active", "passive"):
        browser = add_browser()
        async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
            await call.session.take_offer(A, trunk.describe())
            await call.session.accept(B, await browser.answer(await call.session.offer(B), setup=setup))
            trunk.use(await call.session.answer(A))

            await call.ready()
            await browser.connected.wait()


async def test_browser_with_an_rsa_certificate_is_understood_in_either_role(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    for setup in ("active", "passive"):
        browser = add_browser(certificate=RsaCertificate.generate())
        async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
            await call.session.take_offer(A, trunk.describe())
            await call.session.accept(B, await browser.answer(await call.session.offer(B), setup=setup))
            trunk.use(await call.session.answer(A))

            await call.ready()
            await browser.connected.wait()


async def test_browser_that_insists_on_the_clients_role_gets_it(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        offer = Sdp((await browser.offer()).replace("a=setup:actpass", "a=setup:active"))
        await begin(call, browser, trunk, offer)

        await call.ready()

        assert read(await call.session.answer(A)).first("setup") == "passive"


async def test_candidates_name_every_address_and_the_advertised_one(
    make_engine: MakeEngine, add_browser: AddBrowser
) -> None:
    engine, browser = await make_engine(address="127.0.0.1, 127.0.0.2", advertise="203.0.113.9"), add_browser()
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, await browser.offer())

        answer = read(await call.session.answer(A))

        assert [line.split()[4] for line in answer.all("candidate")] == ["203.0.113.9", "127.0.0.2"]
        assert "c=IN IP4 203.0.113.9" in answer.lines
        assert "a=end-of-candidates" in answer.lines


async def test_audio_goes_on_over_an_ice_restart(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine = await make_engine()
    frames = [bytes([index]) * 160 for index in range(60)]
    for _ in range(10):
        heard = await heard_over_a_restart(engine, add_browser(), await add_trunk(), frames)
        if SILENCE not in heard:  # else the machine stood still, and the gateway filled the pause
            break

    assert heard == frames


async def heard_over_a_restart(
    engine: MediaEngine, browser: Browser, trunk: Trunk, frames: Sequence[bytes]
) -> list[bytes]:
    """What a trunk hears of a browser that restarts ICE while it says that, up to the last frame or to silence."""
    tasks, heard = OwnedTasks(), list[bytes]()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        before = read(await call.session.answer(A))
        tasks.start(sound.play(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc)))
        browser.connected.clear()

        await call.session.take_offer(A, await browser.offer(restart=True))
        after = read(await call.session.answer(A))
        await browser.accept(Sdp("\r\n".join(after.lines)))
        await browser.connected.wait()

        while len(heard) < len(frames) and SILENCE not in heard:
            heard.append((await trunk.packet()).payload)
        assert after.first("ice-ufrag") != before.first("ice-ufrag")
        assert after.first("fingerprint") == before.first("fingerprint")
        assert after.first("setup") == before.first("setup")
        assert call.events.empty()
        await tasks.close()
    return heard


async def test_sound_on_the_new_path_is_taken_before_our_own_check_of_it_was_answered(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    frames = [bytes([index % 256]) * 160 for index in range(500)]
    tasks = OwnedTasks()

    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        offer = await browser.offer(restart=True)
        browser.connected.clear()
        # Our checks of the new generation are never answered; the browser's own ones are, by us.
        monkeypatch.setattr(browser.ice, "request_received", lambda *_: None)
        await call.session.take_offer(A, offer)
        await browser.accept(await call.session.answer(A))
        await browser.connected.wait()

        tasks.start(sound.play(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc)))
        assert (await trunk.packet()).payload in frames
    await tasks.close()


@FULL_ICE
async def test_check_that_came_before_the_answer_is_repeated_as_soon_as_the_browser_checks_itself(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    frames = [bytes([index % 256]) * 160 for index in range(500)]
    tasks, refused = OwnedTasks(), asyncio.Event()

    def refuse(message: aioice.stun.Message, addr: tuple[str, int], protocol: aioice.ice.StunProtocol) -> None:
        """As Chromium does with checks of a generation that it does not know yet: no signature (RFC 8489 9.1.3)."""
        browser.ice.respond_error(message, addr, protocol, (401, "Unauthenticated"))
        refused.set()

    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        monkeypatch.setattr(aioice.stun, "RETRY_RTO", 3600.0)  # no timer comes to help
        offer = await browser.offer(restart=True)
        browser.connected.clear()
        with monkeypatch.context() as early:
            early.setattr(browser.ice, "request_received", refuse)
            await call.session.take_offer(A, offer)
            answer = await call.session.answer(A)
            await refused.wait()
        await browser.accept(answer)
        await browser.connected.wait()  # from here on it sends on the new path

        tasks.start(sound.play(browser.send, sound.packets("PCMU", frames, payload_type=0, ssrc=browser.ssrc)))
        assert (await trunk.packet()).payload in frames
    await tasks.close()


async def test_media_stays_on_the_old_path_until_a_restart_has_found_a_new_one(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(ice_timeout=1.0), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        await call.session.take_offer(A, await browser.offer(restart=True))
        await call.session.answer(A)  # the browser never gets it

        await elapsed(1.2)

        await assert_heard(browser, trunk)
        assert call.events.empty()


async def test_offer_of_the_browser_that_crosses_ours_goes_on_without_a_restart(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        before = read(await call.session.answer(A))
        await call.session.offer(A)

        await call.session.take_offer(A, await browser.offer())
        after = read(await call.session.answer(A))

        assert after.first("ice-ufrag") == before.first("ice-ufrag")
        await assert_heard(browser, trunk)
        assert call.events.empty()


async def test_new_peer_connection_takes_the_leg_over(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        reloaded = add_browser()

        await call.session.take_offer(A, await reloaded.offer())
        await reloaded.accept(await call.session.answer(A))

        assert await call.events.get() == MediaReady(A)
        await reloaded.connected.wait()
        await assert_heard(reloaded, trunk, first=9)


async def test_our_offer_to_a_reloaded_page_takes_the_leg_over(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
        await connect_inbound(call, trunk, browser)
        reloaded = add_browser()

        await call.session.accept(B, await reloaded.answer(await call.session.offer(B)))

        assert await call.events.get() == MediaReady(B)
        await reloaded.connected.wait()
        await assert_heard(reloaded, trunk, first=9)


async def test_nobody_answers_the_checks(make_engine: MakeEngine, add_browser: AddBrowser) -> None:
    engine, browser = await make_engine(ice_timeout=0.2), add_browser()
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, await browser.offer(candidates=lambda lines: [DEAD]))
        await call.session.answer(A)

        assert await call.failure() == MediaFailed(A, "ice_failed")


async def test_certificate_that_is_not_the_signalled_one_fails_the_leg(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        offer = await browser.offer()
        value = read(offer).first("fingerprint").split()[1]
        forged = value[:-2] + ("00" if value[-2:] != "00" else "11")
        await begin(call, browser, trunk, Sdp(offer.replace(value, forged)))

        assert await call.failure() == MediaFailed(A, "dtls_failed")


async def test_lost_hello_is_sent_again(make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk) -> None:
    engine, browser, trunk = await make_engine(), add_browser(lost_flights=1), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

        await assert_heard(browser, trunk)


async def test_browser_that_never_shakes_hands_fails_the_leg(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(dtls_timeout=0.3), add_browser(is_mute=True), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await begin(call, browser, trunk, await browser.offer())

        assert await call.failure() == MediaFailed(A, "dtls_failed")


async def test_browser_that_says_goodbye_in_dtls_ends_its_media(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, trunk)

        await browser.close_dtls()

        assert await call.failure() == MediaFailed(A, "dtls_closed")


async def test_browser_that_answers_no_consent_check_is_lost(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine = await make_engine(consent_interval=0.05, consent_timeout=0.3)
    browser, trunk = add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, trunk)

        await browser.ice.close()

        assert await call.failure() == MediaFailed(A, "consent_lost")


async def test_restart_saves_a_call_whose_old_path_is_dead(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine = await make_engine(consent_interval=0.05, consent_timeout=1.0)
    browser, trunk = add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)
        await browser.ice.close()
        browser.connected.clear()
        await call.session.take_offer(A, await browser.offer(restart=True, candidates=lambda lines: []))
        answer = await call.session.answer(A)
        await elapsed(1.2)  # consent to use the old path is lost now

        await browser.accept(answer)
        await browser.connected.wait()

        assert call.events.empty()
        await assert_heard(browser, trunk)


async def test_restart_that_finds_nothing_after_the_old_path_died_fails_the_leg(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine = await make_engine(consent_interval=0.05, consent_timeout=0.5, ice_timeout=1.0)
    browser, trunk = add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        await connect_outbound(call, browser, trunk)
        await browser.ice.close()
        await call.session.take_offer(A, await browser.offer(restart=True, candidates=lambda lines: []))
        await call.session.answer(A)

        assert await call.failure() == MediaFailed(A, "consent_lost")


@FULL_ICE
async def test_browser_that_answers_consent_checks_is_kept(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine = await make_engine(consent_interval=0.05, consent_timeout=1.0)
    browser, trunk = add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
        await connect_outbound(call, browser, trunk)

        await elapsed(1.3)

        assert call.events.empty()
        await assert_heard(browser, trunk)


async def test_second_answer_with_other_credentials_is_refused(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, other, trunk = await make_engine(), add_browser(), add_browser(), await add_trunk()
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
        await call.session.take_offer(A, trunk.describe())
        offer = await call.session.offer(B)
        await call.session.accept(B, await browser.answer(offer))

        with pytest.raises(BadSdp):
            await call.session.accept(B, await other.answer(offer))


@FULL_ICE
async def test_ice_lite_far_end_is_controlled_by_us(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    async with calling(engine, WEBRTC, RTP) as call:
        offer = Sdp((await browser.offer()).replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"))
        await call.session.take_offer(A, offer)
        answer = await call.session.answer(A)
        browser.ice.ice_controlling = False
        trunk.use(await call.session.offer(B))
        await call.session.accept(B, trunk.describe())
        await browser.accept(answer)

        await call.ready()


@FULL_ICE
async def test_candidates_are_limited(make_engine: MakeEngine, add_browser: AddBrowser) -> None:
    engine, browser = await make_engine(), add_browser()
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, await browser.offer())
        await call.session.answer(A)
        for port in range(1000, 1500):
            await call.session.add_candidate(A, f"candidate:1 1 udp 1 127.0.0.9 {port} typ host")

        leg = call.session._legs[A]._ice.latest  # type: ignore[attr-defined] # nothing outside shows the number
        assert isinstance(leg, aioice.Connection)
        assert len(leg.remote_candidates) == 64


async def test_hello_that_overtakes_the_answer_is_read_as_soon_as_its_source_is_proved(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    browser.is_mute = True  # what it has to say in DTLS is said here, once
    hello: list[bytes] = []
    certificate = Certificate()
    DtlsAssociation(certificate, is_client=True, fingerprints=(certificate.fingerprint,), send=hello.append).start(0.0)
    async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
        await call.session.take_offer(A, trunk.describe())
        answer = await browser.answer(await call.session.offer(B))
        async with asyncio.timeout(30):
            while not (proved := [pair for pair in browser.ice._check_list if pair.state is pair.State.SUCCEEDED]):
                await elapsed(0.01)
        for datagram in hello:
            proved[0].protocol.transport.sendto(datagram, proved[0].remote_addr)
        await elapsed(0.05)

        await call.session.accept(B, answer)
        async with asyncio.timeout(30):
            while not browser.ice._nominated:
                await elapsed(0.01)
            flight = await browser.ice.recv()

        assert flight[0] == 22, "the handshake goes on"
