"""V-55 to V-76: calls that a client makes (verto-js 4)."""

import asyncio
import uuid
from pathlib import Path

import pytest

from gateway.lab.scenario import MILLIWATT, RINGBACK
from tests.conformance.client import Client, JsPhone, client, logged_in, phone
from tests.conformance.conftest import QUICK
from tests.conformance.far_end import NUMBER, carrier
from tests.conformance.mobile.site import OFFER
from tests.conformance.rules import Message
from tests.harness.gateway import Running, merged, running
from tests.harness.lab import live_calls
from tests.harness.log_lines import log_lines
from tests.harness.verto_client import RequestFailed
from tests.wire.media.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO, TONE, BUSY, RINGS, EARLY = "+12025550100", "+12025550101", "+12025550102", "+12025550104", "+12025550106"
IDS = {"telnyx_session_id", "telnyx_leg_id"}


def about(alice: Client, call: str) -> list[Message]:
    """The gateway's requests about a call."""
    return [message for message in alice.frames if message.get("params", {}).get("callID") == call]


@pytest.mark.parametrize("number", [ECHO, BUSY, EARLY, "", "nobody"], ids=["good", "busy", "early", "none", "bad"])
async def test_v055_an_invite_is_answered_before_anything_else_about_its_call(gateway: Running, number: str) -> None:
    async with logged_in(gateway) as alice:
        call = str(uuid.uuid4())
        dialog = {**alice._dialog(call), "destination_number": number}
        params = {"sessid": alice.session_id, "sdp": OFFER, "dialogParams": dialog}
        answer = await alice.ask("telnyx_rtc.invite", params)
        if number != "":
            await alice.until(lambda message: message.get("params", {}).get("callID") == call)
            first = alice.position(lambda message: message.get("params", {}).get("callID") == call)
            assert alice.frames.index(answer) < first
            await alice.bye(call)
        else:
            await alice.barrier()
            assert "error" in answer
            assert about(alice, call) == []


async def test_v056_the_result_of_an_invite_is_call_created(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        call = str(uuid.uuid4())
        dialog = {**alice._dialog(call), "destination_number": BUSY}
        answer = await alice.ask(
            "telnyx_rtc.invite", {"sessid": alice.session_id, "sdp": OFFER, "dialogParams": dialog}
        )

        assert answer["result"] == {"callID": call, "message": "CALL CREATED", "sessid": alice.session_id}


@pytest.mark.parametrize("call", ["4B3C0A62-6C1D-4E53-9E1B-0F1C5D2E3F40", "my call/7", "x" * 128][::2])
async def test_v057_every_message_bears_the_call_id_of_the_client(gateway: Running, call: str) -> None:
    async with logged_in(gateway) as alice:
        await alice.invite(EARLY, OFFER, call_id=call)
        for method in ("telnyx_rtc.media", "telnyx_rtc.answer"):
            assert (await alice.wait_for(method))["params"]["callID"] == call
        held = await alice.modify(call, "hold")
        assert held["callID"] == call
        await alice.bye(call)


async def test_v058_a_second_call_with_the_id_of_a_live_one_is_refused_and_harms_nothing(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        with pytest.raises(RequestFailed) as refused:
            await alice.verto.invite(ECHO, OFFER, call_id=call)

        assert refused.value.code == -32002
        assert await alice.hears(call, 1004.0, codec="PCMU")
        assert len(await calls_of(gateway, alice.verto)) == 1
        await alice.hang_up(call)


async def test_v059_unknown_dialog_params_are_ignored_and_turn_credentials_never_logged(gateway: Running) -> None:
    servers = [{"urls": "turn:turn.telnyx.com:3478?transport=udp", "username": "turnuser", "credential": "turnsecret"}]
    with log_lines() as log:
        async with logged_in(gateway) as alice:
            call = await alice.invite(
                RINGS,
                OFFER,
                iceServers=servers,
                ofTheApp={"deep": [1, None, {"x": True}]},
                screenShare=False,
                camLabel="",
            )
            await alice.wait_for("telnyx_rtc.ringing", call_id=call)
            await alice.bye(call)

    assert any("telnyx_rtc.invite" in line for line in log.lines)
    assert [line for line in log.lines if "turnsecret" in line] == []


@pytest.mark.parametrize(
    ("dialled", "user"),
    [
        ("+1-872-231-5806", "+18722315806"),
        ("+1 (872) 231-5806", "+18722315806"),
        ("872.231.5806", "8722315806"),
        ("sip:+49 30 123456@sip.example.com", "+4930123456"),
    ],
)
async def test_v060_punctuation_of_a_number_does_not_reach_the_far_end(tmp_path: Path, dialled: str, user: str) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(dialled, OFFER)
        invite = await far.is_called()

        assert invite.uri.startswith(f"sip:{user}@")
        await far.reject(invite, 486)
        await alice.wait_for("telnyx_rtc.bye", call_id=call)


async def test_v061_only_a_visitor_may_call_without_a_destination(gateway: Running) -> None:
    async with client(gateway) as visitor, logged_in(gateway) as alice:
        target = {"target_type": "ai_assistant", "target_id": "assistant-1"}
        login = await visitor.ask("anonymous_login", {**target, "reconnection": False})
        visitor.session_id = login["result"]["sessid"]
        call = await visitor.invite("", OFFER)
        bye = await visitor.wait_for("telnyx_rtc.bye", call_id=call)
        with pytest.raises(RequestFailed) as refused:
            await alice.invite("", OFFER)

        assert bye["params"]["cause"] not in (
            "INVALID_NUMBER_FORMAT",
            "NO_ROUTE_DESTINATION",
        )  # the target, not the number
        assert refused.value.code == -32002


async def test_v062_a_trickling_offer_without_candidates_becomes_a_call(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await trickled(alice)
        await alice.until_answered(call)

        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


async def test_v063_candidates_are_taken_by_their_call_id_before_and_after_the_answer(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await trickled(alice)
        before = await candidate(alice, call)
        await alice.verto.wait_for("telnyx_rtc.answer", call_id=call)
        after = await candidate(alice, call)
        await alice.until_answered(call)

        assert [isinstance(answer.get("result"), dict) for answer in (before, after)] == [True, True]
        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_v064_candidates_may_end_never_once_or_twice(gateway: Running, times: int) -> None:
    async with phone(gateway) as alice:
        call = await trickled(alice)
        await candidate(alice, call)
        for _ in range(times):
            answer = await alice.verto.ask_about(call, "telnyx_rtc.endOfCandidates", endOfCandidates=True)
            assert isinstance(answer["result"], dict)
        await alice.until_answered(call)

        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


async def test_v065_a_client_is_found_though_its_offer_has_only_a_useless_candidate(gateway: Running) -> None:
    useless = "candidate:1 1 udp 2113937151 192.0.2.77 9 typ host"
    async with phone(gateway) as alice:
        browser = Browser(codecs=["PCMU"])
        call = await alice.verto.invite(TONE, await browser.offer(candidates=lambda _lines: [useless]))
        alice.media[call] = browser
        await alice.until_answered(call)

        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


async def test_v066_ringing_at_the_far_end_is_told_with_the_ids(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        invite = await far.is_called()
        await alice.barrier()
        assert about(alice, call) == []
        far.ring(invite)
        ringing = (await alice.wait_for("telnyx_rtc.ringing", call_id=call))["params"]

        assert ringing["callID"] == call
        assert all(str(uuid.UUID(ringing[name])) == ringing[name] for name in IDS)
        await alice.bye(call)
        await far.expects_cancel(invite)


async def test_v067_early_media_is_sent_once_however_often_the_far_end_describes_it(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        invite = await far.is_called()
        far.progress(invite)
        media = (await alice.wait_for("telnyx_rtc.media", call_id=call))["params"]
        last = far.progress(invite)
        await far.answer(invite, last)
        await alice.wait_for("telnyx_rtc.answer", call_id=call)

        assert media["sdp"].startswith("v=0\r\n")
        assert len(alice.requests("telnyx_rtc.media", call)) == 1
        await alice.bye(call)
        await far.expects_bye()


@pytest.mark.parametrize("has_media", [False, True], ids=["at_once", "after_media"])
async def test_v068_the_answer_is_sent_once_and_has_the_sdp_if_no_media_went_before(
    tmp_path: Path, has_media: bool
) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        invite = await far.is_called()
        media = far.media()
        if has_media:
            media = far.progress(invite)
            await alice.wait_for("telnyx_rtc.media", call_id=call)
        await far.answer(invite, media)
        await far.answer(invite, media)  # a repetition: the ACK was lost
        await alice.wait_for("telnyx_rtc.answer", call_id=call)
        await alice.bye(call)
        await far.expects_bye()

        answers = alice.requests("telnyx_rtc.answer", call)
        assert len(answers) == 1
        assert ("sdp" in answers[0]) is not has_media


async def test_v069_a_far_end_that_answers_without_a_description_ends_the_call(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        invite = await far.is_called()
        far.answers(invite, 200)
        await far.expects("ACK")
        bye = await alice.wait_for("telnyx_rtc.bye", call_id=call)
        await far.expects_bye()

        assert alice.requests("telnyx_rtc.answer", call) == []
        assert bye["params"]["cause"]


async def test_v070_the_transport_of_early_media_carries_the_answered_call(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), phone(gateway) as alice:
        call = await alice.call(NUMBER)
        invite = await far.is_called()
        media = far.progress(invite)
        media.play(RINGBACK)
        await alice.take_early_media(call)
        assert await alice.hears(call, 425.0, codec="PCMU")
        path = alice.media[call].ice
        await far.answer(invite, media)
        await alice.until_answered(call)
        media.play(MILLIWATT)

        assert await alice.hears(call, 1004.0, codec="PCMU")
        assert alice.media[call].connections == [path]
        assert "sdp" not in alice.verto.requests("telnyx_rtc.answer", call)[0]
        await alice.hang_up(call)
        await far.expects_bye()


@pytest.mark.parametrize("number", [ECHO, EARLY], ids=["answer", "media"])
async def test_v071_every_candidate_of_the_gateway_stands_in_its_sdp(gateway: Running, number: str) -> None:
    method = "telnyx_rtc.media" if number == EARLY else "telnyx_rtc.answer"
    async with phone(gateway) as alice:
        call = await trickled(alice, number)
        sdp = (await alice.verto.wait_for(method, call_id=call))["params"]["sdp"]
        await alice.verto.wait_for("telnyx_rtc.answer", call_id=call)
        await alice.hang_up(call)

        assert [line for line in sdp.split("\r\n") if line.startswith("a=candidate:")]
        assert "a=end-of-candidates" in sdp.split("\r\n")
        assert alice.verto.requests("telnyx_rtc.candidate") == []


@pytest.mark.parametrize(
    ("status", "reason", "cause", "code"),
    [
        (486, "Busy Here", "USER_BUSY", 17),
        (404, "Not Found", "UNALLOCATED_NUMBER", 1),
        (603, "Decline", "CALL_REJECTED", 21),
        (503, "Service Unavailable", "NORMAL_TEMPORARY_FAILURE", 41),
    ],
)
async def test_v072_a_failed_call_ends_with_a_bye_that_says_why(
    tmp_path: Path, status: int, reason: str, cause: str, code: int
) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        call = await alice.invite(NUMBER, OFFER)
        await far.reject(await far.is_called(), status)
        bye = (await alice.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert (bye["cause"], bye["causeCode"]) == (cause, code)
        assert (bye["sipCode"], bye["sipReason"]) == (status, reason)


async def test_v073_a_call_that_nobody_answers_ends_at_the_ring_timeout(tmp_path: Path) -> None:
    settings = merged(QUICK, {"calls": {"ring_timeout": 0.5}})
    async with running(tmp_path, settings) as gateway, logged_in(gateway) as alice:
        call = await alice.invite(RINGS, OFFER)
        bye = (await alice.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert (bye["cause"], bye["causeCode"]) == ("NO_ANSWER", 19)
        assert len(alice.requests("telnyx_rtc.ringing", call)) == 1


async def test_v074_custom_headers_become_headers_of_the_far_leg(tmp_path: Path) -> None:
    headers = [{"name": "X-Ticket", "value": "4711; a=b"}, {"name": "X-Empty", "value": ""}]
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        await alice.invite(NUMBER, OFFER, custom_headers=headers)
        invite = await far.is_called()

        assert invite.headers.get("X-Ticket") == "4711; a=b"
        assert invite.headers.get("X-Empty") == ""
        await far.reject(invite, 486)


async def test_v075_the_client_state_reaches_call_control_unchanged(gateway: Running) -> None:
    state = "eyJ0aWNrZXQiOiA0NzExfQ=="
    async with logged_in(gateway) as alice:
        call = await alice.invite(RINGS, OFFER, clientState=state)
        await alice.wait_for("telnyx_rtc.ringing", call_id=call)
        seen = await calls_of(gateway, alice)
        await alice.bye(call)

        assert [one["client_state"] for one in seen] == [state]


async def test_v076_six_calls_of_one_session_go_on_side_by_side(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        async with asyncio.TaskGroup() as group:
            placed = [group.create_task(alice.invite(ECHO, OFFER)) for _ in range(6)]
        calls = {task.result() for task in placed}
        for call in calls:
            await alice.wait_for("telnyx_rtc.answer", call_id=call)

        assert {one["verto_call_id"] for one in await calls_of(gateway, alice)} == calls
        for call in calls:
            await alice.bye(call)


async def calls_of(gateway: Running, alice: Client) -> list[Message]:
    """The live calls of that client's session."""
    return [one for one in await live_calls(gateway) if one["session_id"] == alice.session_id]


async def trickled(alice: JsPhone, number: str = TONE) -> str:
    """Call with an offer that holds no candidates."""
    browser = Browser(codecs=["PCMU"])
    offer = await browser.offer(candidates=lambda _lines: [])
    call = str(uuid.uuid4())
    dialog = {**alice.verto._dialog(call), "destination_number": number}
    params = {"sessid": alice.verto.session_id, "sdp": offer, "trickle": True, "dialogParams": dialog}
    answer = await alice.verto.ask("telnyx_rtc.invite", params)
    assert answer["result"]["callID"] == call
    alice.media[call] = browser
    return call


async def candidate(alice: JsPhone, call: str) -> Message:
    """Trickle the browser's first candidate."""
    line = alice.media[call].candidate_lines()[0]
    return await alice.verto.ask_about(call, "telnyx_rtc.candidate", candidate=line, sdpMLineIndex=0, sdpMid="0")
