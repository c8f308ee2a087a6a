"""Calls through the whole gateway: Verto, ICE, DTLS-SRTP on one side, SIP and RTP on the other."""

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.lab import lab_call
from tests.harness.verto_client import RequestFailed, connected
from tests.wire.whole.conftest import BOTH_ENGINES
from tests.wire.whole.phone import phone

TONE, ECHO = "+12025550101", "+12025550100"


async def test_outbound_call_hears_the_tone_of_the_trunk_untouched(gateway: Running) -> None:
    async with phone(gateway, codecs=["opus", "PCMU"]) as alice:
        call = await alice.call(TONE)
        ringing = await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)
        await alice.until_answered(call)

        assert await alice.hears(call, 1004.0, codec="PCMU")
        assert ringing["params"]["telnyx_session_id"]
        live = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
        assert [(one["codec_a"], one["codec_b"], one["trunk"]) for one in live] == [("PCMU", "PCMU", "lab")]
        await alice.hang_up(call)


@BOTH_ENGINES
@pytest.mark.parametrize("codec", ["opus", "PCMA"])
async def test_own_voice_comes_back_from_the_echo(gateway: Running, codec: str) -> None:
    async with phone(gateway, codecs=[codec]) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(alice.say(call, 700.0, codec=codec, frames=300))
            assert await alice.hears(call, 700.0, codec=codec)
            speaking.cancel()
        await alice.hang_up(call)


@BOTH_ENGINES
async def test_browser_with_opus_only_is_transcoded_to_the_trunk(gateway: Running) -> None:
    async with phone(gateway, codecs=["opus"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)

        assert await alice.hears(call, 1004.0, codec="opus")
        live = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
        assert (live[0]["codec_a"], live[0]["codec_b"]) == ("opus", "PCMU")
        await alice.hang_up(call)


async def test_early_media_is_heard_before_the_busy_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550107")
        await alice.take_early_media(call)

        assert await alice.hears(call, 425.0, codec="PCMU")
        assert await alice.until_over(call) == ("USER_BUSY", 486)


async def test_early_media_description_holds_for_the_answer(tmp_path: Path) -> None:
    # 1.5 s of early media: a stalled machine must not see the answer before it has described them
    async with running(tmp_path, {"lab": {"time_scale": 0.5}}) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550106")
        await alice.take_early_media(call)
        await alice.until_answered(call)
        answer = await alice.verto.wait_for("telnyx_rtc.answer", call_id=call)

        assert "sdp" not in answer["params"]
        await alice.hang_up(call)


@pytest.mark.parametrize(
    ("number", "cause", "sip_code"),
    [
        ("+12025550102", "USER_BUSY", 486),
        ("+12025550103", "CALL_REJECTED", 603),
        ("+12025550105", "UNALLOCATED_NUMBER", 404),
        ("+12025550114", "NO_USER_RESPONSE", 480),
        ("nobody@sip.telnyx.com", "SUBSCRIBER_ABSENT", 480),
        ("+4930123456", "NO_ROUTE_DESTINATION", 404),
    ],
)
async def test_failed_call_ends_with_cause_and_sip_code(
    gateway: Running, number: str, cause: str, sip_code: int
) -> None:
    async with phone(gateway) as alice:
        assert await alice.until_over(await alice.call(number)) == (cause, sip_code)


async def test_far_end_that_hangs_up_ends_the_call(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call("+12025550100")
        await alice.until_answered(call)
        lab_call(gateway).hangup()

        assert (await alice.until_over(call))[0] == "NORMAL_CLEARING"


async def test_unanswered_call_ends_at_the_ring_timeout(tmp_path: Path) -> None:
    async with running(tmp_path, {"calls": {"ring_timeout": 1.0}}) as gateway, phone(gateway) as alice:
        call = await alice.call("+12025550104")
        await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)

        assert (await alice.until_over(call))[0] == "NO_ANSWER"


@BOTH_ENGINES
async def test_inbound_call_of_the_lab_rings_is_answered_and_heard_on_both_sides(gateway: Running) -> None:
    async with phone(gateway, codecs=["opus", "PCMU"]) as alice:
        body = {"to": "alice", "from": "+12025550177", "scenario": "tone"}
        lab_call = (await gateway.post("/_lab/calls", body))["data"]["id"]
        call = await alice.until_rung()
        invite = await alice.verto.wait_for("telnyx_rtc.invite")
        await alice.answer(call)
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(alice.say(call, 700.0, codec="PCMU", frames=400))
            assert await alice.hears(call, 1004.0, codec="PCMU")
            while True:
                heard = (await gateway.get(f"/_lab/calls/{lab_call}"))["data"]["heard"]
                if heard["frequency_hz"] is not None and abs(heard["frequency_hz"] - 700.0) < 20.0:
                    break
            speaking.cancel()

        assert invite["params"]["caller_id_number"] == "+12025550177"
        await alice.hang_up(call)


@BOTH_ENGINES
async def test_two_browsers_talk_to_each_other(gateway: Running) -> None:
    async with phone(gateway) as alice, phone(gateway, "robert") as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)
        await robert.answer(theirs)
        await alice.until_answered(call)
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(alice.say(call, 700.0, codec="opus", frames=300))
            assert await robert.hears(theirs, 700.0, codec="opus")
            speaking.cancel()
        await robert.hang_up(theirs)

        assert (await alice.until_over(call))[0] == "NORMAL_CLEARING"


async def test_rejecting_browser_gives_the_caller_busy(gateway: Running) -> None:
    async with phone(gateway) as alice, phone(gateway, "robert") as robert:
        call = await alice.call("robert")
        await robert.verto.bye(await robert.until_rung(), cause="USER_BUSY", code=17)

        assert await alice.until_over(call) == ("USER_BUSY", None)


async def test_call_to_a_number_rings_the_client_of_its_connection(gateway: Running) -> None:
    await gateway.gateway.provisioning.add_number("+12025550190", gateway.connections["robert"])
    async with phone(gateway) as alice, phone(gateway, "robert") as robert:
        call = await alice.call("+1 (202) 555-0190")
        await robert.until_rung()
        await alice.verto.bye(call)

        assert (await robert.verto.wait_for("telnyx_rtc.bye"))["params"]["cause"] == "ORIGINATOR_CANCEL"


async def test_client_logs_in_with_a_token_and_is_called_by_its_credential(gateway: Running) -> None:
    provisioning = gateway.gateway.provisioning
    credential = (await provisioning.add_credential(gateway.connections["alice"], name="desk")).credential
    token = await provisioning.create_token(credential.credential_id, ttl=600)
    async with connected(gateway.websocket) as desk, phone(gateway, "robert") as robert:
        await desk.login(login_token=token)
        await robert.call(credential.sip_username)

        await desk.wait_for("telnyx_rtc.invite")


@BOTH_ENGINES
async def test_hold_silences_both_sides_and_resume_brings_the_sound_back(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        assert await alice.hears(call, 1004.0, codec="PCMU")

        assert (await alice.verto.modify(call, "hold"))["holdState"] == "held"
        await alice.listen(call, codec="PCMU", frames=25)
        assert not await alice.hears(call, 1004.0, codec="PCMU", patience=1)
        assert (await alice.verto.modify(call, "toggleHold"))["holdState"] == "active"
        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


@BOTH_ENGINES
async def test_ice_restart_is_answered_and_the_sound_goes_on(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        browser = alice.media[call]
        browser.connected.clear()
        offer = await browser.offer(restart=True)
        result = await alice.verto.modify(call, "updateMedia", sdp=offer)
        await browser.accept(result["sdp"])
        async with asyncio.timeout(30):
            await browser.connected.wait()

        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


@BOTH_ENGINES
async def test_digits_by_signalling_reach_the_far_end(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.verto.dtmf(call, "42#")
        async with asyncio.timeout(30):
            while True:
                received = (await gateway.get("/_lab/calls"))["data"]
                detail = (await gateway.get(f"/_lab/calls/{received[0]['id']}"))["data"]
                if detail["heard"]["digits"] == "42#":
                    break
        await alice.hang_up(call)


async def test_call_record_has_times_codecs_and_cause(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.hang_up(call)
        async with asyncio.timeout(30):
            while not (records := (await gateway.get("/v2/gateway/calls?state=ended"))["data"]):
                pass

    record = records[0]
    assert record["cause"] == "NORMAL_CLEARING"
    assert (record["codec_a"], record["codec_b"]) == ("PCMU", "PCMU")
    assert record["answered_at"] is not None
    assert record["ended_by"] == "a"


async def test_wrong_password_and_expired_token_are_refused_without_a_loop(gateway: Running) -> None:
    async with connected(gateway.websocket) as client:
        with pytest.raises(RequestFailed) as refused:
            await client.login("alice", "wrong")
        assert refused.value.code == -32001
        with pytest.raises(RequestFailed) as invite:
            await client.invite(ECHO, "v=0")
        assert invite.value.code == -32000
        await client.login("alice", PASSWORD)


async def test_encrypted_socket_works_with_our_own_authority(gateway: Running) -> None:
    authority = gateway.gateway.ready.certificate_authority
    context = ssl.create_default_context(cafile=authority)
    async with connected(gateway.wss, context=context) as client:
        await client.login("alice", PASSWORD)


async def test_stop_ends_live_calls_and_tells_both_sides(tmp_path: Path) -> None:
    async with running(tmp_path, {"calls": {"stop_grace": 0.0}}) as gateway:
        verto = connected(gateway.websocket)
        client = await verto.__aenter__()
        await client.login("alice", PASSWORD)
        from tests.wire.whole.phone import Phone

        alice = Phone(client, ["PCMU"])
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await gateway.gateway.directory.drain()

        assert (await alice.until_over(call))[0] == "SYSTEM_SHUTDOWN"
        await verto.__aexit__(None, None, None)


async def test_metrics_tell_of_the_call(gateway: Running) -> None:
    async with phone(gateway) as alice:
        await alice.until_over(await alice.call("+12025550102"))
    text = await gateway.metrics()

    assert 'gateway_calls_ended_total{direction="outbound",outcome="client_error",reason="user_busy"}' in text
    assert 'gateway_sip_responses_total{class="4xx",method="INVITE"}' in text
