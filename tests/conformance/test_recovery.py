"""V-108 to V-118: lost sockets, and calls that outlive them (verto-js 7)."""

import asyncio
import uuid
from pathlib import Path

import pytest

from gateway.domain.ids import Sdp, SessionId
from gateway.vsp.settings import VspSettings
from tests.conformance.client import Client, JsPhone, back, client, logged_in, phone
from tests.conformance.conftest import QUICK
from tests.conformance.mobile.site import ANSWER, OFFER
from tests.harness.gateway import PASSWORD, Running, merged, running
from tests.harness.lab import lab_call, live_calls, ring, until_over_at_the_far_end
from tests.wire.media.browser import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO, TONE, RINGS = "+12025550100", "+12025550101", "+12025550104"


async def lose(lost: Client) -> None:
    """The network fails: no close frame."""
    lost.drop()
    await lost.is_closed.wait()


async def reattached(again: Client) -> list[str]:
    """What the one clientReady of the new socket lists."""
    ready = again.requests("telnyx_rtc.clientReady")
    assert len(ready) == 1
    listed: list[str] = ready[0]["reattached_sessions"]
    return listed


async def with_sound(alice: JsPhone) -> str:
    """An answered call whose tone is heard."""
    call = await alice.call(TONE)
    await alice.until_answered(call)
    assert await alice.hears(call, 1004.0, codec="PCMU")
    return call


async def live_of(gateway: Running, one: Client) -> list[str]:
    """The ids of the live calls of a session."""
    return [call["verto_call_id"] for call in await live_calls(gateway) if call["session_id"] == one.session_id]


async def test_v108_a_call_outlives_its_socket_for_two_minutes_by_default(tmp_path: Path) -> None:
    assert VspSettings().reattach_window >= 120.0
    loop = asyncio.get_running_loop()
    settings = merged(QUICK, {"verto": {"reattach_window": 1.0}})
    async with running(tmp_path, settings) as gateway, phone(gateway) as alice:
        await with_sound(alice)
        await lose(alice.verto)
        began = loop.time()
        record = await until_over_at_the_far_end(gateway)

        assert loop.time() - began > 0.9
        assert record["ended_by"] == "far_end"
        assert await live_calls(gateway) == []


async def test_v109_the_old_media_flows_until_the_attach_is_answered(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await with_sound(alice)
        await lose(alice.verto)
        assert await alice.hears(call, 1004.0, codec="PCMU")
        old = alice.media[call]
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.attach")
            while not old.received.empty():
                old.received.get_nowait()
            assert await alice.hears(call, 1004.0, codec="PCMU")
            await again.take_up(call)
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_v110_a_return_gets_one_attach_for_each_answered_call_and_their_list(gateway: Running) -> None:
    async with phone(gateway) as alice:
        calls = [await with_sound(alice), await with_sound(alice)]
        first = {call: alice.verto.requests("telnyx_rtc.answer", call)[0]["sdp"] for call in calls}
        await lose(alice.verto)
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.attach", count=2)
            await again.verto.barrier()
            attaches = again.verto.requests("telnyx_rtc.attach")

            assert sorted(one["callID"] for one in attaches) == sorted(calls)
            assert sorted(await reattached(again.verto)) == sorted(calls)
            for one in attaches:
                lines = one["sdp"].split("\r\n")
                assert "a=setup:actpass" in lines
                assert [line for line in lines if line.startswith("a=candidate:")]
                ufrag = next(line for line in lines if line.startswith("a=ice-ufrag:"))
                assert ufrag not in first[one["callID"]]
            for call in calls:
                await again.take_up(call)
                await again.hang_up(call)


async def test_v111_no_attach_for_calls_that_nobody_has_answered(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        calling = await alice.invite(RINGS, OFFER)
        await alice.wait_for("telnyx_rtc.ringing", call_id=calling)
        await ring(gateway)
        await alice.wait_for("telnyx_rtc.invite")
        await lose(alice)
        async with client(gateway) as again:
            await again.login("alice", PASSWORD, sessid=alice.session_id, reconnection=True)
            await again.wait_for("telnyx_rtc.invite")
            await again.barrier()

            assert again.requests("telnyx_rtc.attach") == []
            await again.bye(calling)
            for invite in again.requests("telnyx_rtc.invite"):
                await again.bye(invite["callID"], cause="USER_BUSY", code=17)


@pytest.mark.parametrize("is_inbound", [False, True], ids=["outbound", "inbound"])
async def test_v112_an_attach_bears_the_call_id_that_the_call_has_always_had(
    gateway: Running, is_inbound: bool
) -> None:
    call = str(uuid.uuid4()).upper()
    async with logged_in(gateway) as alice:
        if is_inbound:
            await ring(gateway)
            call = (await alice.wait_for("telnyx_rtc.invite"))["params"]["callID"]
            await alice.answer(call, ANSWER)
        else:
            await alice.invite(ECHO, OFFER, call_id=call)
            await alice.wait_for("telnyx_rtc.answer", call_id=call)
        await lose(alice)
        async with client(gateway) as again:
            await again.login("alice", PASSWORD, sessid=alice.session_id, reconnection=True)
            attach = (await again.wait_for("telnyx_rtc.attach"))["params"]

            assert attach["callID"] == call
            assert await reattached(again) == [call]
            await again.bye(call)


async def test_v113_the_answer_to_an_attach_gets_a_result_and_moves_the_media(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await with_sound(alice)
        await lose(alice.verto)
        old = alice.media[call]
        async with back(gateway, alice) as again:
            attach = await again.verto.wait_for("telnyx_rtc.attach", call_id=call)
            new = again.media[call] = Browser(codecs=["PCMU"])
            sdp = await new.answer(Sdp(attach["params"]["sdp"]))
            answer = await again.verto.ask_about(call, "telnyx_rtc.attach", sdp=sdp)

            assert answer["result"]["callID"] == call
            assert await again.hears(call, 1004.0, codec="PCMU")
            while not old.received.empty():
                old.received.get_nowait()
            assert await again.hears(call, 1004.0, codec="PCMU")
            assert old.received.empty()
            await again.hang_up(call)
        await old.close()


async def test_v114_an_attach_that_nobody_answers_ends_the_leg(tmp_path: Path) -> None:
    assert VspSettings().attach_timeout == 15.0
    settings = merged(QUICK, {"verto": {"attach_timeout": 0.6}})
    async with running(tmp_path, settings) as gateway, phone(gateway) as alice:
        call = await with_sound(alice)
        await lose(alice.verto)
        async with back(gateway, alice) as again:
            await again.verto.wait_for("telnyx_rtc.attach")  # acknowledged, as the SDK does at once
            bye = await again.verto.wait_for("telnyx_rtc.bye", call_id=call)

            assert bye["params"]["cause"]
            await until_over_at_the_far_end(gateway)
            assert await live_calls(gateway) == []


async def test_v115_a_call_that_cannot_be_recovered_is_not_listed_and_its_far_leg_is_over(tmp_path: Path) -> None:
    settings = merged(QUICK, {"verto": {"reattach_window": 0.5}})
    async with running(tmp_path, settings) as gateway, phone(gateway) as alice:
        await with_sound(alice)
        await lose(alice.verto)
        await until_over_at_the_far_end(gateway)
        async with back(gateway, alice) as again:
            assert await reattached(again.verto) == []
            assert again.verto.requests("telnyx_rtc.attach") == []


async def test_v116_calls_that_ended_meanwhile_are_ended_at_the_client_by_a_bye(gateway: Running) -> None:
    async with phone(gateway) as alice:
        kept = await with_sound(alice)
        over = await alice.call(ECHO)
        await alice.until_answered(over)
        far_end = lab_call(gateway)
        await lose(alice.verto)
        assert alice.verto.session_id is not None
        async with asyncio.timeout(30):
            while gateway.gateway.registry.find(SessionId(alice.verto.session_id)) is not None:
                await live_of(gateway, alice.verto)
            far_end.hangup()
            while over in await live_of(gateway, alice.verto):
                pass
        async with back(gateway, alice) as again:
            bye = await again.verto.wait_for("telnyx_rtc.bye", call_id=over)

            assert await reattached(again.verto) == [kept]
            assert (bye["params"]["cause"], bye["params"]["causeCode"]) == ("NORMAL_CLEARING", 16)
            await again.take_up(kept)
            await again.hang_up(kept)


async def test_v117_a_login_with_the_session_of_an_open_socket_wins(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await with_sound(alice)
        async with back(gateway, alice) as again:
            await alice.verto.is_closed.wait()
            assert again.verto.session_id == alice.verto.session_id
            assert await reattached(again.verto) == [call]
            await again.take_up(call)
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)


async def test_v118_a_call_that_rang_when_the_socket_was_lost_rings_again(gateway: Running) -> None:
    async with phone(gateway) as alice:
        await ring(gateway)
        before = await alice.until_rung()
        await lose(alice.verto)
        async with back(gateway, alice) as again:
            call = await again.until_rung()

            assert call != before
            assert await reattached(again.verto) == []
            await again.answer(call)
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)
