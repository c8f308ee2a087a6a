"""Calls that outlive the socket of their client: real sockets, ICE, DTLS-SRTP, SIP and RTP."""

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.domain.facts import CallAnswered, CallEnded, Fact
from gateway.domain.ids import Sdp
from gateway.lab.rtp_peer import RtpPeer
from gateway.media.core.rtp import RtpPacket
from gateway.vsp.core import session as verto_session
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.verto_client import connected
from tests.harness.voice import PTIME
from tests.wire.media import sound
from tests.wire.media.browser import Browser
from tests.wire.whole.phone import Phone, back, phone
from tests.wire.whole.test_leaks import open_files, until

ECHO, TONE, NO_ANSWER, EARLY, LATE = (f"+120255501{digits}" for digits in ("00", "01", "04", "06", "19"))

_F = TypeVar("_F", bound=Fact)


@dataclass
class Arrivals:
    """When each packet came to a far end behind a trunk, on the loop's clock."""

    times: list[float] = field(default_factory=list)

    def longest_gap(self) -> float:
        """The longest time for which no packet came.

        Packets that waited for a busy loop come at once after it: a time is a gap only as far as they did not make up
        for it.
        """
        late = [at - number * PTIME for number, at in enumerate(self.times)]
        for_good = list(accumulate(reversed(late), min))[::-1]
        return PTIME + max(later - earlier for earlier, later in pairwise(for_good))


@contextmanager
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[Arrivals]:
    """Note each packet that comes to the lab's far ends."""
    arrivals, receive = Arrivals(), RtpPeer._receive

    def note(peer: RtpPeer, packet: RtpPacket, source: tuple[str, int]) -> None:
        arrivals.times.append(asyncio.get_running_loop().time())
        receive(peer, packet, source)

    with monkeypatch.context() as patch:
        patch.setattr(RtpPeer, "_receive", note)
        yield arrivals


@contextmanager
def coming(gateway: Running, kind: type[_F]) -> Iterator["asyncio.Queue[_F]"]:
    """The facts of that kind from now on."""
    facts: asyncio.Queue[_F] = asyncio.Queue()

    def take(fact: Fact) -> None:
        if isinstance(fact, kind):
            facts.put_nowait(fact)

    unsubscribe = gateway.gateway.directory.subscribe(take)
    try:
        yield facts
    finally:
        unsubscribe()


async def lose(*lost: Phone) -> None:
    """The network fails: no close frame."""
    for one in lost:
        one.verto.drop()
        await one.verto.is_closed.wait()


async def answered(one: Phone, number: str = TONE, **dialog: object) -> str:
    call = await one.call(number, **dialog)
    await one.until_answered(call)
    return call


@contextmanager
def speaking(one: Phone, call: str, frequency: float = 700.0) -> Iterator[None]:
    """The phone's user talks, in a stream of its own."""
    browser = one.media[call]
    browser.ssrc += 1
    with sound.speaking(browser.send, "PCMU", frequency, payload_type=0, ssrc=browser.ssrc):
        yield


def messages(one: Phone, method: str) -> list[str]:
    """The call ids of what the phone was sent."""
    return [m["params"]["callID"] for m in one.verto.messages if m["method"] == method]


async def listed(one: Phone) -> list[str]:
    ready = await one.verto.wait_for("telnyx_rtc.clientReady")
    ids: list[str] = ready["params"]["reattached_sessions"]
    return ids


async def test_v108_v110_v112_v113_answered_call_is_taken_up_again_on_another_socket(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice, ECHO)
        await lose(alice)
        async with back(gateway, alice) as again:
            attach = await again.take_up(call)
            with speaking(again, call):
                assert await again.hears(call, 700.0, codec="PCMU")

            assert again.verto.session_id == alice.verto.session_id
            assert await listed(again) == [call]
            assert attach["params"]["caller_id_number"] == ECHO
            assert attach["params"]["telnyx_session_id"]
            await again.hang_up(call)


async def test_v109_old_path_carries_audio_until_the_attach_is_answered(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice, ECHO)
        await lose(alice)
        with speaking(alice, call):
            assert await alice.hears(call, 700.0, codec="PCMU")
            async with back(gateway, alice) as again:
                await again.verto.wait_for("telnyx_rtc.attach", call_id=call)
                await again.listen(call, codec="PCMU", frames=25)
                assert await again.hears(call, 700.0, codec="PCMU")


async def test_page_that_reloads_gets_its_call_back_and_the_far_end_never_stops_hearing_packets(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice, ECHO)
        with watching(monkeypatch) as far:
            with speaking(alice, call):
                assert await alice.hears(call, 700.0, codec="PCMU")
            await alice.media[call].close_dtls()
            await lose(alice)
            async with back(gateway, alice) as again:
                await again.take_up(call)
                with speaking(again, call):
                    assert await again.hears(call, 700.0, codec="PCMU")
                await again.hang_up(call)

        assert far.longest_gap() < 0.4  # 150 ms until silence takes over, and a busy packet thread


async def test_call_of_a_page_that_closed_its_media_first_waits_longer_than_the_grace_of_a_bye(
    gateway: Running,
) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        await alice.media[call].close_dtls()
        await lose(alice)
        with coming(gateway, CallEnded) as ends:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5):
                    await ends.get()
            async with back(gateway, alice) as again:
                await again.take_up(call)
                await again.hang_up(call)


async def test_held_call_comes_back_held(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        await alice.verto.modify(call, "hold")
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.take_up(call)
            await again.listen(call, codec="PCMU", frames=25)
            assert not await again.hears(call, 1004.0, codec="PCMU", patience=1)

            assert (await again.verto.modify(call, "toggleHold"))["holdState"] == "active"
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_inbound_call_is_taken_up_again_with_both_parties_the_right_way_round(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "tone"})
        call = await alice.until_rung()
        await alice.answer(call)
        await lose(alice)
        async with back(gateway, alice) as again:
            attach = await again.take_up(call)

            assert (attach["params"]["caller_id_number"], attach["params"]["callee_id_number"]) == (
                "+12025550177",
                "alice",
            )
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_browsers_that_both_lose_their_sockets_talk_to_each_other_again(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice, phone(gateway, "robert", codecs=["PCMU"]) as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)
        await lose(alice, robert)
        async with back(gateway, alice) as alice2, back(gateway, robert, "robert") as robert2:
            await alice2.take_up(call)
            await robert2.take_up(theirs)
            with speaking(alice2, call, 700.0), speaking(robert2, theirs, 1000.0):
                assert await robert2.hears(theirs, 700.0, codec="PCMU")
                assert await alice2.hears(call, 1000.0, codec="PCMU")
            await robert2.hang_up(theirs)
            assert (await alice2.until_over(call))[0] == "NORMAL_CLEARING"


async def test_v111_v118_call_that_rang_rings_again_under_another_id(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "tone"})
        old = await alice.until_rung()
        await lose(alice)
        async with back(gateway, alice) as again:
            new = await again.until_rung()

            assert new != old
            assert messages(again, "telnyx_rtc.bye") == [old]
            assert await listed(again) == []
            await again.answer(new)
            assert await again.hears(new, 1004.0, codec="PCMU")
            assert messages(again, "telnyx_rtc.attach") == []
            await again.hang_up(new)


async def test_outbound_call_that_still_rings_is_kept_and_ends_by_the_new_socket(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(NO_ANSWER)
        await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.ringing", call_id=call)

            assert await listed(again) == [call]
            assert messages(again, "telnyx_rtc.attach") == []
            with coming(gateway, CallEnded) as ends:
                await again.hang_up(call)
                assert (await ends.get()).billed_s == 0.0


async def test_call_that_is_answered_after_the_return_is_attached_then(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(LATE)
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.take_up(call)

            assert await listed(again) == [call]
            assert messages(again, "telnyx_rtc.answer") == []
            await again.hang_up(call)


async def test_call_that_is_answered_meanwhile_is_attached_on_return(gateway: Running) -> None:
    with coming(gateway, CallAnswered) as answers:
        async with phone(gateway, codecs=["PCMU"]) as alice:
            call = await alice.call(TONE)
            await lose(alice)
            await answers.get()
            async with back(gateway, alice) as again:
                await again.take_up(call)

                assert await listed(again) == [call]
                assert await again.hears(call, 1004.0, codec="PCMU")
                await again.hang_up(call)


async def test_page_that_stayed_hears_early_media_all_along_and_gets_a_plain_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(EARLY)
        await alice.take_early_media(call)
        await alice.media[call].connected.wait()
        with speaking(alice, call):
            await lose(alice)
            async with back(gateway, alice) as again:
                answer = await again.verto.wait_for("telnyx_rtc.answer", call_id=call)

                assert "sdp" not in answer["params"]
                assert await again.hears(call, 700.0, codec="PCMU")
                assert messages(again, "telnyx_rtc.attach") == []
                await again.hang_up(call)


async def test_page_that_reloads_during_early_media_is_attached_when_the_far_end_answers(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(EARLY)
        await alice.take_early_media(call)
        await alice.media[call].connected.wait()
        await alice.media[call].close_dtls()
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.take_up(call)
            with speaking(again, call):
                assert await again.hears(call, 700.0, codec="PCMU")
            await again.hang_up(call)


async def test_client_that_keeps_its_media_is_not_attached_and_hears_no_gap(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice, ECHO, keepConnectionAliveOnSocketClose=True)
        with speaking(alice, call):
            await lose(alice)
            async with back(gateway, alice) as again:
                assert await listed(again) == [call]
                assert await again.hears(call, 700.0, codec="PCMU")
                assert (await again.verto.modify(call, "hold"))["holdState"] == "held"
                assert messages(again, "telnyx_rtc.attach") == []
                await again.hang_up(call)


async def test_client_that_meant_to_keep_its_media_and_lost_it_is_attached(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice, keepConnectionAliveOnSocketClose=True)
        await alice.media[call].close_dtls()
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.take_up(call)
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_ice_restart_works_on_a_call_that_was_taken_up_again(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.take_up(call)
            browser = again.media[call]
            browser.connected.clear()
            result = await again.verto.modify(call, "updateMedia", sdp=await browser.offer(restart=True))
            await browser.accept(result["sdp"])
            async with asyncio.timeout(30):
                await browser.connected.wait()

            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_client_may_be_lost_and_found_many_times(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call, last = await answered(alice), alice
        for _ in range(5):
            await lose(last)
            async with back(gateway, alice) as again:
                await again.take_up(call)
                assert await again.hears(call, 1004.0, codec="PCMU")
            last = again
        async with back(gateway, alice) as again:
            await again.take_up(call)
            await again.hang_up(call)


# ---- what ends


async def test_window_that_passes_ends_both_legs_with_recovery_on_timer_expire(tmp_path: Path) -> None:
    async with running(tmp_path, {"verto": {"reattach_window": 0.3}}) as gateway, phone(gateway) as alice:
        call = await answered(alice)
        with coming(gateway, CallEnded) as ends:
            await lose(alice)
            assert (await ends.get()).cause.name == "RECOVERY_ON_TIMER_EXPIRE"
        async with back(gateway, alice) as again:
            assert again.verto.session_id != alice.verto.session_id
            assert await listed(again) == []
            assert call not in messages(again, "telnyx_rtc.attach")


async def test_without_a_window_a_lost_socket_ends_its_calls_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, {"verto": {"reattach_window": 0.0}}) as gateway, phone(gateway) as alice:
        await answered(alice)
        with coming(gateway, CallEnded) as ends:
            await lose(alice)
            assert (await ends.get()).cause.name == "NETWORK_OUT_OF_ORDER"


async def test_v114_m51_attach_that_nobody_answers_ends_the_call(tmp_path: Path) -> None:
    async with running(tmp_path, {"verto": {"attach_timeout": 0.5}}) as gateway, phone(gateway) as alice:
        call = await answered(alice)
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.attach", call_id=call)
            assert (await again.until_over(call))[0] == "RECOVERY_ON_TIMER_EXPIRE"


async def test_attach_answered_with_nonsense_ends_the_call(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await answered(alice)
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.attach", call_id=call)
            result = await again.verto.attach(call, "v=0\r\nthis is no SDP\r\n")
            assert (result["callID"], result["sessid"]) == (call, again.verto.session_id)
            assert (await again.until_over(call))[0] == "INCOMPATIBLE_DESTINATION"


async def test_v115_v116_far_end_that_hangs_up_meanwhile_is_told_on_return(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await answered(alice)
        lab_call = (await gateway.get("/_lab/calls"))["data"][0]["id"]
        other = await answered(alice)
        with coming(gateway, CallEnded) as ends:
            await lose(alice)
            await gateway.delete(f"/_lab/calls/{lab_call}")
            await ends.get()
        async with back(gateway, alice) as again:
            bye = await again.verto.wait_for("telnyx_rtc.bye", call_id=call)
            await again.take_up(other)

            assert bye["params"]["cause"] == "NORMAL_CLEARING"
            assert await listed(again) == [other]
            await again.hang_up(other)


async def test_bye_during_the_attach_ends_the_call(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await answered(alice)
        await lose(alice)
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.attach", call_id=call)
            with coming(gateway, CallEnded) as ends:
                await again.hang_up(call)
                assert (await ends.get()).cause.name == "NORMAL_CLEARING"


# ---- whose session it is


async def test_v43_session_of_another_user_is_not_given_away(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await answered(alice)
        await lose(alice)
        async with back(gateway, alice, "robert") as robert:
            assert robert.verto.session_id != alice.verto.session_id
            assert await listed(robert) == []
        async with back(gateway, alice) as again:
            await again.take_up(call)
            await again.hang_up(call)


async def test_v117_half_dead_socket_is_left_for_the_new_one_and_punted(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        async with back(gateway, alice) as again:
            await again.take_up(call)
            punt = await alice.verto.wait_for("telnyx_rtc.punt")
            await alice.verto.is_closed.wait()

            assert punt["params"] == {}
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_v107_punt_names_a_call_to_a_client_that_keeps_its_media(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice, keepConnectionAliveOnSocketClose=True)
        with speaking(alice, call):
            async with back(gateway, alice) as again:
                punt = await alice.verto.wait_for("telnyx_rtc.punt")

                assert punt["params"] == {"callID": call}
                await again.hang_up(call)


async def test_of_logins_that_race_for_one_session_the_last_accepted_has_the_call(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        await lose(alice)
        async with connected(gateway.websocket) as one, connected(gateway.websocket) as two:
            mine = {"sessid": alice.verto.session_id, "reconnection": True, "login": "alice", "passwd": PASSWORD}
            answers = await asyncio.gather(one.request("login", mine), two.request("login", mine))
            sockets = (one, two)
            punted = [asyncio.ensure_future(each.is_closed.wait()) for each in sockets]  # noqa: TID251 - awaited below
            await asyncio.wait(punted, return_when=asyncio.FIRST_COMPLETED)
            (winner,) = [each for each in sockets if not each.is_closed.is_set()]
            for waiting in punted:
                waiting.cancel()
            again = Phone(winner, ["PCMU"])
            again.media = alice.media
            winner.session_id = answers[0]["sessid"]
            await again.take_up(call)

            assert {answer["sessid"] for answer in answers} == {alice.verto.session_id}
            assert messages(again, "telnyx_rtc.attach") == [call]
            assert await again.hears(call, 1004.0, codec="PCMU")
            assert len(gateway.gateway.directory.live()) == 1
            await again.hang_up(call)


async def test_v44_v45_new_token_in_mid_call_changes_nothing(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        before = [message["method"] for message in alice.verto.messages]
        answer = await alice.verto.request(
            "login",
            {"login": "alice", "passwd": PASSWORD, "sessid": alice.verto.session_id, "reconnection": True},
        )

        assert answer["sessid"] == alice.verto.session_id
        assert await alice.hears(call, 1004.0, codec="PCMU")
        assert [message["method"] for message in alice.verto.messages] == before
        await alice.hang_up(call)


async def test_m49_mobile_client_is_found_by_the_session_id_that_it_made_up(gateway: Running) -> None:
    mobile: dict[str, Any] = {"loginParams": {"attach_call": "true"}, "User-Agent": "Flutter-4.4.0"}
    async with connected(gateway.websocket) as verto:
        await verto.login("alice", PASSWORD, sessid="made-up-by-flutter", **mobile)
        first = Phone(verto, ["PCMU"])
        call = await answered(first)
        await lose(first)
        first.verto.session_id = "made-up-by-flutter"
        async with back(gateway, first, **mobile) as again:
            await again.take_up(call)
            await again.hang_up(call)


async def test_m5_mobile_client_is_found_by_its_last_voice_sdk_id(gateway: Running) -> None:
    mobile = {"loginParams": {"attach_calls": "true"}, "User-Agent": "ReactNative-1.1.0", "reconnection": False}
    async with phone(gateway, codecs=["PCMU"]) as first:
        call = await answered(first)
        voice_sdk_id = first.verto.messages[0]["voice_sdk_id"]
        await lose(first)
        async with connected(f"{gateway.websocket}/?voice_sdk_id={voice_sdk_id}") as verto:
            await verto.login("alice", PASSWORD, **mobile)
            again = Phone(verto, ["PCMU"])
            again.media = first.media
            await again.take_up(call)
            assert verto.session_id == first.verto.session_id
            await again.hang_up(call)


async def test_detached_sessions_are_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    async with (
        running(tmp_path, {"verto": {"max_detached_sessions": 1}}) as gateway,
        phone(gateway) as alice,
        phone(gateway, "robert") as robert,
    ):
        await answered(alice)
        call = await answered(robert)
        with coming(gateway, CallEnded) as ends:
            await lose(alice)
            await lose(robert)
            assert (await ends.get()).cause.name == "RECOVERY_ON_TIMER_EXPIRE"
        async with back(gateway, robert, "robert") as again:
            await again.take_up(call)
            await again.hang_up(call)


async def test_client_that_answers_the_attach_with_the_certificate_of_before_is_taken(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        old = alice.media[call]
        await lose(alice)
        async with back(gateway, alice) as again:
            attach = await again.verto.wait_for("telnyx_rtc.attach", call_id=call)
            browser = Browser(codecs=["PCMU"], certificate=old.certificate)
            await old.close()
            again.media[call] = browser
            await again.verto.attach(call, await browser.answer(Sdp(attach["params"]["sdp"])))
            async with asyncio.timeout(30):
                await browser.connected.wait()
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_network_that_is_gone_without_a_word_costs_no_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verto_session, "ANSWER_TIME", 0.3)
    settings = {"media": {"consent_interval": 0.1, "consent_timeout": 0.5}}
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await answered(alice)
        alice.verto.is_deaf = True
        await alice.media[call].ice.close()
        await alice.verto.is_closed.wait()  # consent is lost, the client is asked, and says nothing
        async with back(gateway, alice) as again:
            await again.take_up(call)
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


@pytest.mark.timeout(150)
async def test_many_recoveries_leave_nothing_behind(tmp_path: Path) -> None:
    settings = {
        "lab": {"time_scale": 0.1},
        "calls": {"stop_grace": 0.0},
        "verto": {"reattach_window": 2.0},
        "media": {"port_quarantine": 0.1},
    }
    tasks_before, files_before = len(asyncio.all_tasks()), open_files()
    async with running(tmp_path, settings) as gateway:
        program, idle = gateway.gateway, len(asyncio.all_tasks())
        for number in range(10):
            async with phone(gateway, codecs=["PCMU"]) as alice:
                call, last = await answered(alice), alice
                for _ in range(2):
                    await lose(last)
                    async with back(gateway, alice) as again:
                        await again.take_up(call)
                        if number % 2 == 0:
                            await again.verto.modify(call, "hold")
                    last = again
        async with asyncio.timeout(60):  # aioice, which plays the browsers, takes its time
            await until(lambda: program.directory.live() == [] and len(program.registry) == 0)
            await until(lambda: len(asyncio.all_tasks()) <= idle)
    gc.collect()

    assert len(asyncio.all_tasks()) == tasks_before
    assert open_files() - files_before == Counter()
