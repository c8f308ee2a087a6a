"""V-77 to V-87: calls that ring a client (verto-js 5)."""

import asyncio
import uuid
from pathlib import Path

import pytest

from gateway.b2bua.settings import CallSettings
from gateway.domain.ids import Sdp
from gateway.sip.core.message import Request, Response
from tests.conformance.client import Client, logged_in, phone
from tests.conformance.far_end import CALLER, FarEnd, carrier
from tests.conformance.mobile.site import ANSWER
from tests.conformance.rules import Message
from tests.harness.gateway import PASSWORD, Running
from tests.harness.lab import live_calls, ring
from tests.wire.media.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

TICKET = ("X-Ticket", "4711")


async def rung(alice: Client, count: int = 1) -> Message:
    """The params of the invite number `count`."""
    params: Message = (await alice.wait_for("telnyx_rtc.invite", count=count))["params"]
    return params


async def answered(far: FarEnd, invite: Request) -> Response:
    """The 200 to an INVITE of the carrier's, which gets its ACK."""
    while (response := await far.responses.get()).status < 200:
        pass
    assert response.status == 200
    far.confirm(invite, response)
    return response


async def hang_up(alice: Client, far: FarEnd, call: str) -> None:
    """Hang up an answered call of the carrier's from this side."""
    await alice.bye(call)
    await far.expects_bye()


async def test_v077_an_invite_has_call_id_offer_and_both_parties(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        far.call(gateway, "alice")
        invite = await rung(alice)

        assert str(uuid.UUID(invite["callID"])) == invite["callID"]
        lines = invite["sdp"].split("\r\n")
        assert [line for line in lines if line.startswith("a=candidate:")]
        assert "a=setup:actpass" in lines
        assert (invite["caller_id_name"], invite["caller_id_number"]) == ("Peer", CALLER)
        assert (invite["callee_id_name"], invite["callee_id_number"]) == ("alice", "alice")
        await alice.bye(invite["callID"], cause="USER_BUSY", code=17)
        await far.expects_response(180)


async def test_v078_custom_headers_are_in_dialog_params_and_the_ids_at_the_top(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        far.call(gateway, "alice", TICKET, ("X-Name", "Jörg; a=b"), ("Subject", "not custom"))
        invite = await rung(alice)

        headers = [{"name": "X-Ticket", "value": "4711"}, {"name": "X-Name", "value": "Jörg; a=b"}]
        assert invite["dialogParams"] == {"custom_headers": headers}
        assert all(str(uuid.UUID(invite[name])) == invite[name] for name in ("telnyx_session_id", "telnyx_leg_id"))
        assert "custom_headers" not in invite
        await alice.bye(invite["callID"], cause="USER_BUSY", code=17)


async def test_v079_a_live_call_is_never_offered_again(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), phone(gateway) as alice:
        invite = far.call(gateway, "alice")
        call = await alice.until_rung()
        far.sends(invite)  # again: the 100 was lost
        await alice.verto.ask("login", {"login": "alice", "passwd": PASSWORD, "sessid": alice.verto.session_id})
        await alice.answer(call)
        final = await answered(far, invite)
        reinvite = far.again(invite, final)
        far.sends(reinvite)
        await answered(far, reinvite)
        await alice.verto.barrier()

        assert [one["callID"] for one in alice.verto.requests("telnyx_rtc.invite")] == [call]
        await hang_up(alice.verto, far, call)


@pytest.mark.parametrize("is_silent", [False, True], ids=["acknowledged", "silent"])
async def test_v080_the_acknowledgement_of_an_invite_means_ringing_and_may_be_missing(
    tmp_path: Path, is_silent: bool
) -> None:
    async with carrier(tmp_path) as (gateway, far), phone(gateway) as alice:
        alice.verto.is_silent = is_silent
        invite = far.call(gateway, "alice")
        call = await alice.until_rung()
        if not is_silent:
            await far.expects_response(180)
        else:
            await alice.verto.barrier()
            assert far.responses.empty()
        await alice.answer(call)
        await answered(far, invite)
        await hang_up(alice.verto, far, call)


async def test_v081_the_answer_of_a_client_gets_a_result_and_connects_the_far_leg(gateway: Running) -> None:
    async with phone(gateway) as alice:
        await ring(gateway, duration=20.0)
        call = await alice.until_rung()
        browser = alice.media[call] = Browser(codecs=["PCMU"])
        sdp = await browser.answer(Sdp((await rung(alice.verto))["sdp"]))
        answer = await alice.verto.ask_about(call, "telnyx_rtc.answer", sdp=sdp)

        assert answer["result"]["callID"] == call
        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


async def test_v082_echoed_headers_are_not_sent_back_and_new_ones_are(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        invite = far.call(gateway, "alice", TICKET)
        call = (await rung(alice))["callID"]
        given = [{"name": "X-Ticket", "value": "4711"}, {"name": "X-Desk", "value": "7"}]
        dialog = {**alice._dialog(call), "custom_headers": given}
        await alice.ask("telnyx_rtc.answer", {"sessid": alice.session_id, "sdp": ANSWER, "dialogParams": dialog})
        final = await answered(far, invite)

        assert final.headers.get("X-Ticket") is None
        assert final.headers.get("X-Desk") == "7"
        await hang_up(alice, far, call)


async def test_v083_a_second_answer_changes_nothing(gateway: Running) -> None:
    async with phone(gateway) as alice:
        await ring(gateway, duration=20.0)
        call = await alice.until_rung()
        await alice.answer(call)
        assert await alice.hears(call, 1004.0, codec="PCMU")
        again = await alice.verto.ask_about(call, "telnyx_rtc.answer", sdp=ANSWER)

        assert isinstance(again["result"], dict)
        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


@pytest.mark.parametrize(
    ("cause", "code", "status"),
    [("USER_BUSY", 17, 486), ("CALL_REJECTED", 21, 603), ("NO_ANSWER", 19, 480), ("NORMAL_CLEARING", 16, 480)],
)
async def test_v084_a_rejection_refuses_the_far_leg_with_a_status_for_its_cause(
    tmp_path: Path, cause: str, code: int, status: int
) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        invite = far.call(gateway, "alice")
        call = (await rung(alice))["callID"]
        await far.expects_response(180)
        await alice.bye(call, cause=cause, code=code)
        far.confirm(invite, await far.expects_response(status))


async def test_v085_a_caller_that_gives_up_ends_the_ringing_and_a_late_answer_revives_nothing(tmp_path: Path) -> None:
    async with carrier(tmp_path) as (gateway, far), logged_in(gateway) as alice:
        invite = far.call(gateway, "alice")
        call = (await rung(alice))["callID"]
        await far.expects_response(180)
        far.cancel(invite)
        async with asyncio.timeout(30):
            bye = await alice.wait_for("telnyx_rtc.bye", call_id=call)
        late = await alice.ask_about(call, "telnyx_rtc.answer", sdp=ANSWER)

        assert (bye["params"]["cause"], bye["params"]["causeCode"]) == ("ORIGINATOR_CANCEL", 487)
        assert late.get("error", {}).get("code") in (None, -32002)
        statuses = {(await far.responses.get()).status for _ in range(2)}
        assert statuses == {200, 487}  # of the CANCEL, of the INVITE
        assert await live_calls(gateway) == []


async def test_v086_a_client_may_ring_for_half_a_minute(tmp_path: Path) -> None:
    assert CallSettings().ring_timeout >= 30.0
    loop = asyncio.get_running_loop()
    async with carrier(tmp_path, {"calls": {"ring_timeout": 1.0}}) as (gateway, far), logged_in(gateway) as alice:
        invite = far.call(gateway, "alice")
        call = (await rung(alice))["callID"]
        began = loop.time()
        await far.expects_response(180)
        bye = await alice.wait_for("telnyx_rtc.bye", call_id=call)

        assert loop.time() - began > 0.9
        assert bye["params"]["cause"] == "NO_ANSWER"
        far.confirm(invite, await far.expects_response(480))


async def test_v087_several_calls_ring_side_by_side(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        for _ in range(4):
            await ring(gateway)
        calls = {(await rung(alice, count))["callID"] for count in (1, 2, 3, 4)}

        assert len(calls) == 4
        live = [one["verto_call_id"] for one in await live_calls(gateway) if one["session_id"] == alice.session_id]
        assert set(live) == calls
        for call in calls:
            await alice.bye(call, cause="USER_BUSY", code=17)
