"""V-88 to V-107: what happens during a call and at its end (verto-js 6)."""

import asyncio
import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from gateway.domain.ids import Sdp
from tests.conformance.client import Client, JsPhone, back, client, fastest, logged_in, phone
from tests.conformance.conftest import QUICK
from tests.conformance.far_end import NUMBER, carrier
from tests.conformance.mobile.site import ANSWER, OFFER
from tests.conformance.rules import Message
from tests.harness.gateway import PASSWORD, Running, merged, running
from tests.harness.lab import heard_at_the_far_end, ring, until_over_at_the_far_end

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO, TONE, BUSY, RINGS, HANGS_UP = "+12025550100", "+12025550101", "+12025550102", "+12025550104", "+12025550108"
GONE = "8d1f4e0c-2f0b-4e57-9a53-5d3c0c1e9b77"
"""The id of no call."""


async def talking(alice: Client, number: str = ECHO) -> str:
    """An answered call without media."""
    call = await alice.invite(number, OFFER)
    await alice.wait_for("telnyx_rtc.answer", call_id=call)
    return call


async def restarted(alice: JsPhone, call: str) -> Message:
    """Restart ICE as the SDK does; returns the result, which the browser has taken."""
    browser = alice.media[call]
    browser.connected.clear()
    offer = await browser.offer(restart=True)
    result = await alice.verto.modify(call, "updateMedia", sdp=offer, callID=call)
    await browser.accept(Sdp(result["sdp"]))
    return result


async def connected_again(alice: JsPhone, call: str) -> None:
    """The new path carries the tone."""
    async with asyncio.timeout(30):
        await alice.media[call].connected.wait()
    assert await alice.hears(call, 1004.0, codec="PCMU")


def line_of(sdp: str, name: str) -> str:
    """The value of that attribute."""
    return next(line for line in sdp.split("\r\n") if line.startswith(f"a={name}:"))


async def with_sound(alice: JsPhone, number: str = TONE) -> str:
    """An answered call whose tone is heard."""
    call = await alice.call(number)
    await alice.until_answered(call)
    assert await alice.hears(call, 1004.0, codec="PCMU")
    return call


@pytest.mark.parametrize(
    ("cause", "code", "reason"),
    [
        ("NORMAL_CLEARING", 16, "Q.850;cause=16"),
        ("USER_BUSY", 17, "Q.850;cause=1[67]"),
        ("CALL_REJECTED", 21, "Q.850;cause=21"),
    ],
)
async def test_v088_a_bye_gets_a_result_at_once_and_its_cause_reaches_the_far_leg(
    tmp_path: Path, cause: str, code: int, reason: str
) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        await far.answer(await far.is_called())
        await alice.wait_for("telnyx_rtc.answer", call_id=call)
        async with asyncio.timeout(5.0):  # then the SDK lets go of its call
            survey = {**alice._dialog(call), "custom_headers": [{"name": "X-Survey", "value": "5 of 5"}]}
            params = {"sessid": alice.session_id, "cause": cause, "causeCode": code, "dialogParams": survey}
            answer = await alice.ask("telnyx_rtc.bye", params)
        bye = await far.expects_bye()

        assert answer["result"]["callID"] == call
        assert re.match(reason, bye.headers.get("Reason") or "")
        assert bye.headers.get("X-Survey") == "5 of 5"


@pytest.mark.parametrize("is_known", [False, True], ids=["unknown", "ended"])
async def test_v089_a_bye_for_a_call_that_is_not_there_gets_a_result(gateway: Running, is_known: bool) -> None:
    async with logged_in(gateway) as alice:
        call = GONE
        if is_known:
            call = await alice.invite(BUSY, OFFER)
            await alice.wait_for("telnyx_rtc.bye", call_id=call)
        answers = [await alice.ask_about(call, "telnyx_rtc.bye", cause="USER_BUSY", causeCode=17) for _ in range(2)]

        assert [answer.get("error") for answer in answers] == [None, None]
        assert all(isinstance(answer["result"], dict) for answer in answers)


@pytest.mark.parametrize("number", [BUSY, HANGS_UP, "+12025550105", "nobody", ""], ids=str)
async def test_v090_a_bye_to_the_client_says_why_and_never_that_it_recovers(gateway: Running, number: str) -> None:
    async with logged_in(gateway) as alice:
        if number:
            call = await alice.invite(number, OFFER)
        else:
            await ring(gateway, duration=0.2)
            call = (await alice.wait_for("telnyx_rtc.invite"))["params"]["callID"]
            await alice.answer(call, ANSWER)
        bye = (await alice.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert isinstance(bye["cause"], str)
        assert bye["cause"]
        assert type(bye["causeCode"]) is int
        assert "isRecovering" not in bye


async def test_v091_custom_headers_of_a_bye_are_sent_in_both_spellings(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        invite = await far.is_called()
        await far.answer(invite)
        await alice.wait_for("telnyx_rtc.answer", call_id=call)
        await far.hang_up(invite, ("X-Survey", "5 of 5"), ("Subject", "not custom"))
        dialog = (await alice.wait_for("telnyx_rtc.bye", call_id=call))["params"]["dialogParams"]

        headers = [{"name": "X-Survey", "value": "5 of 5"}]
        assert dialog == {"customHeaders": headers, "custom_headers": headers}


async def test_v092_hold_is_answered_with_held(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        call = await talking(alice)
        first, second = [await alice.ask_about(call, "telnyx_rtc.modify", action="hold") for _ in range(2)]

        wanted = {"callID": call, "action": "hold", "holdState": "held", "sessid": alice.session_id}
        assert (first["result"], second["result"]) == (wanted, wanted)
        await alice.bye(call)


async def test_v093_unhold_is_answered_with_active(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        call = await talking(alice)
        await alice.ask_about(call, "telnyx_rtc.modify", action="hold")
        first, second = [await alice.ask_about(call, "telnyx_rtc.modify", action="unhold") for _ in range(2)]

        wanted = {"callID": call, "action": "unhold", "holdState": "active", "sessid": alice.session_id}
        assert (first["result"], second["result"]) == (wanted, wanted)
        await alice.bye(call)


async def test_v094_toggle_hold_is_answered_with_the_state_that_follows(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        call = await talking(alice)
        answers = [await alice.ask_about(call, "telnyx_rtc.modify", action="toggleHold") for _ in range(3)]

        assert [answer["result"]["holdState"] for answer in answers] == ["held", "active", "held"]
        await alice.bye(call)


async def test_v095_hold_and_resume_need_no_sdp_and_keep_the_transport(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await with_sound(alice)
        paths, frames = list(alice.media[call].connections), len(alice.verto.frames)
        held = await alice.verto.modify(call, "hold")
        await alice.listen(call, codec="PCMU", frames=25)
        assert not await alice.hears(call, 1004.0, codec="PCMU", patience=1)
        active = await alice.verto.modify(call, "unhold")

        assert await alice.hears(call, 1004.0, codec="PCMU")
        assert alice.media[call].connections == paths
        assert [one for one in (held, active) if "sdp" in one] == []
        assert [message for message in alice.verto.frames[frames:] if "method" in message] == []
        await alice.hang_up(call)


async def test_v096_an_ice_restart_is_answered_in_time_and_the_sound_goes_on(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await with_sound(alice)
        first = alice.verto.requests("telnyx_rtc.answer", call)[0]["sdp"]
        async with asyncio.timeout(9.0):  # the SDK gives up after ten
            result = await restarted(alice, call)

        assert (result["callID"], result["action"]) == (call, "updateMedia")
        assert line_of(result["sdp"], "ice-ufrag") != line_of(first, "ice-ufrag")
        assert line_of(result["sdp"], "fingerprint") == line_of(first, "fingerprint")
        await connected_again(alice, call)
        await alice.hang_up(call)


@pytest.mark.parametrize("kind", ["outbound", "inbound", "reattached"])
async def test_v097_ice_may_restart_on_every_kind_of_call_while_held_and_repeatedly(
    gateway: Running, kind: str
) -> None:
    async with phone(gateway) as alice:
        if kind == "inbound":
            await ring(gateway)
            call = await alice.until_rung()
            await alice.answer(call)
        else:
            call = await with_sound(alice)
        if kind == "reattached":
            alice.verto.drop()
            await alice.verto.is_closed.wait()
        async with back(gateway, alice) if kind == "reattached" else nullcontext(alice) as one:
            if kind == "reattached":
                await one.take_up(call)
            for action in ("unhold", "hold", "hold", "unhold", "unhold"):
                await one.verto.modify(call, action)
                result = await restarted(one, call)
                assert result["holdState"] == ("held" if action == "hold" else "active")
                await one.media[call].connected.wait()
            assert await one.hears(call, 1004.0, codec="PCMU")
            await one.hang_up(call)


async def test_v098_candidates_of_a_trickling_restart_may_come_later(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await with_sound(alice)
        browser = alice.media[call]
        browser.connected.clear()
        offer = await browser.offer(restart=True, candidates=lambda _lines: [])
        result = await alice.verto.modify(call, "updateMedia", sdp=offer, trickle=True, callID=call)
        candidate = await alice.verto.ask_about(
            call, "telnyx_rtc.candidate", candidate=browser.candidate_lines()[0], sdpMLineIndex=0, sdpMid="0"
        )
        end = await alice.verto.ask_about(call, "telnyx_rtc.endOfCandidates", endOfCandidates=True)
        await browser.accept(Sdp(result["sdp"]))

        assert isinstance(candidate["result"], dict)
        assert isinstance(end["result"], dict)
        await connected_again(alice, call)
        await alice.hang_up(call)


@pytest.mark.parametrize("action", ["hold", "unhold", "toggleHold", "updateMedia"])
async def test_v099_modify_of_an_unknown_call_is_refused_at_once(gateway: Running, action: str) -> None:
    async with logged_in(gateway) as alice:
        seconds, answer = await fastest(
            lambda: alice.ask_about(GONE, "telnyx_rtc.modify", action=action, sdp=OFFER, callID=GONE)
        )

        assert answer["error"]["code"] == -32002
        assert seconds < 1.0


async def test_v100_a_far_end_that_holds_or_moves_its_audio_is_not_the_clients_business(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), phone(gateway) as alice:
        invite = far.call(gateway, "alice")
        call = await alice.until_rung()
        await alice.answer(call)
        while (final := await far.responses.get()).status < 200:
            pass
        far.confirm(invite, final)
        frames = len(alice.verto.frames)
        held = Sdp(far.media().offer().replace("a=sendrecv", "a=sendonly"))
        reinvite = far.again(invite, final, held)
        far.sends(reinvite)
        far.confirm(reinvite, await far.expects_response(200))
        await alice.verto.barrier()

        assert [message for message in alice.verto.frames[frames:] if "method" in message] == []
        await alice.verto.bye(call)
        await far.expects_bye()


async def test_v101_digits_reach_the_far_leg_and_get_a_result(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        answers = [await alice.verto.ask_about(call, "telnyx_rtc.info", dtmf=digits) for digits in ("4", "2", "#")]

        assert all(answer["result"]["callID"] == call for answer in answers)
        async with asyncio.timeout(30):
            while (await heard_at_the_far_end(gateway))["digits"] != "42#":
                pass
        await alice.hang_up(call)


async def test_v102_a_text_in_a_call_gets_a_result(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        call = await talking(alice)
        answer = await alice.ask_about(call, "telnyx_rtc.info", msg={"from": "alice", "to": "robert", "body": "hello"})

        assert answer["result"]["callID"] == call
        await alice.bye(call)


async def test_v103_audio_to_the_client_never_pauses_though_the_far_end_says_nothing(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), phone(gateway) as alice:
        call = await alice.call(NUMBER)
        await far.answer(await far.is_called())
        await alice.until_answered(call)
        until = asyncio.get_running_loop().time() + 3.5
        while asyncio.get_running_loop().time() < until:
            async with asyncio.timeout(2.5):  # the SDK restarts ICE after three
                await alice.media[call].received.get()
        await alice.hang_up(call)
        await far.expects_bye()


@pytest.mark.parametrize("way", ["consent", "dtls"])
async def test_v104_a_client_that_vanishes_without_a_bye_ends_its_call(tmp_path: Path, way: str) -> None:
    settings = merged(QUICK, {"media": {"consent_interval": 0.2, "consent_timeout": 1.0}})
    async with running(tmp_path, settings) as gateway, phone(gateway) as alice:
        call = await with_sound(alice)
        if way == "dtls":
            await alice.media[call].close_dtls()
        else:
            await alice.media[call].ice.close()
        bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

        assert bye["params"]["cause"] == "MEDIA_TIMEOUT"
        await until_over_at_the_far_end(gateway)


async def test_v105_channels_are_answered_with_their_lists(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        named = ["news", "weather"]
        params: Message = {"sessid": alice.session_id, "eventChannel": named}
        on = (await alice.ask("telnyx_rtc.subscribe", params))["result"]
        off = (await alice.ask("telnyx_rtc.unsubscribe", params))["result"]
        told = await alice.ask("telnyx_rtc.broadcast", {**params, "eventChannel": "news", "data": {"a": 1}})

        assert sorted(on["subscribedChannels"] + on["alreadySubscribedChannels"] + on["unauthorizedChannels"]) == named
        assert sorted(off["unsubscribedChannels"] + off["notSubscribedChannels"]) == named
        assert isinstance(told["result"], dict)


async def test_v106_maintenance_closes_the_socket_and_punts_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, QUICK) as gateway:
        alice = client(gateway)
        one = await alice.__aenter__()
        await one.login("alice", PASSWORD)
        await one.invite(RINGS, OFFER)
    await one.is_closed.wait()

    assert one.requests("telnyx_rtc.punt") == []
    assert one.socket.close_code == 1001
    await alice.__aexit__(None, None, None)


@pytest.mark.parametrize("keeps_alive", [False, True], ids=["plain", "keepConnectionAliveOnSocketClose"])
async def test_v107_a_punt_of_a_client_that_keeps_its_media_names_a_call(gateway: Running, keeps_alive: bool) -> None:
    async with logged_in(gateway) as alice, client(gateway) as again:
        call = await alice.invite(ECHO, OFFER, keepConnectionAliveOnSocketClose=keeps_alive)
        await alice.wait_for("telnyx_rtc.answer", call_id=call)
        await again.login("alice", PASSWORD, sessid=alice.session_id, reconnection=True)
        await alice.is_closed.wait()
        await again.bye(call)

        assert [punt.get("callID") for punt in alice.requests("telnyx_rtc.punt")] == [call if keeps_alive else None]
