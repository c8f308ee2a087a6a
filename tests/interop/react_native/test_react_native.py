"""The unmodified React Native SDK on a whole gateway with the lab trunk, over TLS under the SDK's own host name.

Every test has a phone (a process) of its own; the gateway is shared. The SDK waits a second for candidates unless it
trickles, which is why the tests that are not about that let it trickle.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from gateway.domain.push import Device
from tests.harness.cable import cable
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.lab import heard_at_the_far_end, live_call, ring, token_of, until_over_at_the_far_end
from tests.interop.react_native.phone import HOST, CommandFailed, NativePhone, build, native_phone

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
]

ECHO, TONE, BUSY, EARLY, HANGUP = (f"+1202555010{digit}" for digit in (0, 1, 2, 6, 8))
MICROPHONE: Final = 620.0
"""Hertz: what the phone says. No tone of the lab is near it."""
MILLIWATT: Final = 1004.0
"""Hertz: what the lab plays."""
TRICKLE: Final = {"useTrickleIce": True}
VERSION: Final = "1.1.0"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("react_native")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(folder: Path) -> AsyncIterator[Running]:
    settings = {
        "http": {"names": [HOST]},
        "lab": {"time_scale": 0.3},
        "calls": {"stop_grace": 0.0},
        "verto": {"mobile_ping_interval": 1.0},
    }
    async with running(folder, settings) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def program(folder: Path) -> Path:
    return build(folder)


@pytest_asyncio.fixture(loop_scope="module")
async def phone(program: Path, gateway: Running, folder: Path) -> AsyncIterator[NativePhone]:
    """Not logged in."""
    async with native_phone(program, folder / "ca.pem", folder / "console.txt") as started:
        await started.say(MICROPHONE)
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def alice(phone: NativePhone, gateway: Running) -> NativePhone:
    """Logged in."""
    await phone.log_in(gateway.wss, login="alice", password=PASSWORD, useTrickleIce=True)
    return phone


@pytest.fixture(autouse=True)
def without_a_defect(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What the gateway logs as an error fails the test that it happened in."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


async def until_heard(phone: NativePhone, gateway: Running, is_right: Callable[[Any], bool]) -> Any:  # Any: JSON
    """Ask what the newest call's far end heard until it is right; between two questions the phone listens."""
    for _ in range(100):
        if is_right(heard := await heard_at_the_far_end(gateway)):
            return heard
        await phone.measure(MILLIWATT, seconds=0.1)
    raise AssertionError(f"the far end heard {heard}")


def is_the_phone(heard: Any) -> bool:  # Any: JSON of the API
    return heard["frequency_hz"] is not None and abs(heard["frequency_hz"] - MICROPHONE) < 5.0


async def errors(phone: NativePhone) -> list[Any]:  # Any: JSON of the wire
    """Every error that the gateway answered with."""
    return [message["error"] for message in await phone.frames("received.answer") if "error" in message]


# ---- login


async def test_password_login_is_ready_with_the_first_gateway_state(phone: NativePhone, gateway: Running) -> None:
    await phone.log_in(gateway.wss, login="alice", password=PASSWORD)
    [login] = await phone.frames("sent.login")
    sessions = (await gateway.get("/v2/gateway/sessions"))["data"]

    assert login["params"]["User-Agent"] == f"ReactNative-{VERSION}"
    assert (await phone.names()).count("sent.telnyx_rtc.gatewayState") == 1
    assert [session["username"] for session in sessions] == ["alice"]


@pytest.mark.parametrize("credentials", [{"login": "alice", "password": "wrong"}, {"login_token": "a.b.c"}])
async def test_refused_login_fails_connect_once(
    phone: NativePhone, gateway: Running, credentials: dict[str, str]
) -> None:
    with pytest.raises(CommandFailed, match="Login failed"):
        await phone.log_in(gateway.wss, **credentials)

    assert (await phone.names()).count("sent.login") == 1


async def test_token_login_calls_and_hears_the_far_end(phone: NativePhone, gateway: Running) -> None:
    await phone.log_in(gateway.wss, login_token=await token_of(gateway, "alice"))
    await phone.call(TONE, peerConnectionOptions=TRICKLE)
    await phone.until("call.active")

    await phone.until_tone(MILLIWATT)


async def test_ping_of_the_gateway_is_answered_with_a_ping_that_is_answered(alice: NativePhone) -> None:
    ping = await alice.until("received.telnyx_rtc.ping")
    own = await alice.until("sent.telnyx_rtc.ping", after=ping)
    answer = await alice.until("received.answer", after=own)

    assert isinstance(ping["message"]["params"]["serno"], int)
    assert answer["message"]["id"] == own["message"]["id"]
    assert isinstance(answer["message"]["result"], dict)


# ---- calls


async def test_own_tone_comes_back_from_the_echo_and_is_heard_there(alice: NativePhone, gateway: Running) -> None:
    await alice.call(ECHO)
    await alice.until("call.ringing")
    await alice.until("call.active")
    await alice.until_tone(MICROPHONE)
    heard = await until_heard(alice, gateway, is_the_phone)
    [invite] = await alice.frames("sent.telnyx_rtc.invite")

    assert "a=candidate" in invite["params"]["sdp"]
    assert heard["packets_lost"] == 0
    assert await errors(alice) == []


async def test_trickling_phone_calls_without_candidates_in_its_offer(alice: NativePhone) -> None:
    await alice.call(ECHO, peerConnectionOptions=TRICKLE)
    await alice.until("sent.telnyx_rtc.endOfCandidates")
    await alice.until("call.active")
    await alice.until_tone(MICROPHONE)
    [invite] = await alice.frames("sent.telnyx_rtc.invite")

    assert "a=candidate" not in invite["params"]["sdp"]
    assert "sent.telnyx_rtc.candidate" in await alice.names()
    assert await errors(alice) == []


async def test_hold_and_unhold_keep_the_promises_of_the_sdk(alice: NativePhone, gateway: Running) -> None:
    call_id = await alice.call(TONE, peerConnectionOptions=TRICKLE)
    active = await alice.until("call.active")
    await alice.until_tone(MILLIWATT)
    await alice.hold()
    await alice.until("call.held")
    await alice.until_silence()
    assert (await live_call(gateway, call_id))["is_held"]
    await alice.unhold()
    await alice.until("call.active", after=active)
    await alice.until_tone(MILLIWATT)
    assert not (await live_call(gateway, call_id))["is_held"]


async def test_single_digits_and_several_at_once_reach_the_far_end_in_order(
    alice: NativePhone, gateway: Running
) -> None:
    await alice.call(ECHO, peerConnectionOptions=TRICKLE)
    await alice.until("call.active")
    await alice.until_tone(MICROPHONE)
    first = await alice.dtmf("5")
    await alice.dtmf("17*#0")
    heard = await until_heard(alice, gateway, lambda heard: heard["digit_count"] == 6)

    assert heard["digits"] == "517*#0"
    assert first["sessid"]


async def test_mute_is_silence_at_the_far_end(alice: NativePhone, gateway: Running) -> None:
    await alice.call(ECHO, peerConnectionOptions=TRICKLE)
    await alice.until("call.active")
    await alice.until_tone(MICROPHONE)
    await alice.mute()
    await alice.until_silence()
    await until_heard(alice, gateway, lambda heard: heard["level_dbov"] is None or heard["level_dbov"] < -60.0)
    await alice.unmute()
    await alice.until_tone(MICROPHONE)


async def test_early_media_is_heard_before_the_answer_which_comes_without_sdp(alice: NativePhone) -> None:
    await alice.call(EARLY, peerConnectionOptions=TRICKLE)
    media = await alice.until("received.telnyx_rtc.media")
    heard_at = await alice.until_tone(425.0)
    active = await alice.until("call.active")
    await alice.until_tone(MICROPHONE)
    [answer] = await alice.frames("received.telnyx_rtc.answer")

    assert media.at < heard_at < active.at
    assert "sdp" not in answer["params"]


async def test_busy_number_ends_the_call_with_its_cause(alice: NativePhone) -> None:
    await alice.call(BUSY, peerConnectionOptions=TRICKLE)
    await alice.until("call.ended")
    [bye] = await alice.frames("received.telnyx_rtc.bye")

    assert (bye["params"]["cause"], bye["params"]["causeCode"], bye["params"]["sipCode"]) == ("USER_BUSY", 17, 486)


async def test_hang_up_on_the_phone_says_busy_and_is_a_normal_end_at_the_far_end(
    alice: NativePhone, gateway: Running
) -> None:
    verto_call_id = await alice.call(ECHO, peerConnectionOptions=TRICKLE)
    await alice.until("call.active")
    await alice.hangup()
    over = await until_over_at_the_far_end(gateway)
    [bye] = await alice.frames("sent.telnyx_rtc.bye")
    records = (await gateway.get("/v2/gateway/calls?state=ended"))["data"]
    [record] = [call for call in records if call["verto_call_id"] == verto_call_id]

    assert bye["params"]["cause"] == "USER_BUSY"
    assert (over["ended_by"], over["reason"], over["sip_status"]) == ("far_end", "bye", None)
    assert (record["ended_by"], record["cause"]) == ("a", "NORMAL_CLEARING")


async def test_hang_up_of_the_far_end_ends_the_call_on_the_phone(alice: NativePhone) -> None:
    await alice.call(HANGUP, peerConnectionOptions=TRICKLE)
    await alice.until("call.active")
    await alice.until("call.ended")
    [bye] = await alice.frames("received.telnyx_rtc.bye")

    assert (bye["params"]["cause"], bye["params"]["causeCode"]) == ("NORMAL_CLEARING", 16)


async def test_inbound_call_is_answered_and_both_sides_hear_each_other(alice: NativePhone, gateway: Running) -> None:
    lab_call_id = await ring(gateway)
    incoming = await alice.until("call.incoming")
    await alice.answer()
    await alice.until("call.active")
    await alice.until_tone(MILLIWATT)
    await until_heard(alice, gateway, is_the_phone)
    await gateway.delete(f"/_lab/calls/{lab_call_id}")
    await alice.until("call.ended")

    assert incoming["direction"] == "inbound"
    assert re.fullmatch(r"[0-9a-f-]{36}", incoming["telnyxIds"]["telnyxLegId"])
    assert await errors(alice) == []


async def test_inbound_call_that_the_user_declines_is_busy_for_the_trunk(alice: NativePhone, gateway: Running) -> None:
    await ring(gateway)
    await alice.until("call.incoming")
    await alice.hangup()

    assert (await until_over_at_the_far_end(gateway))["sip_status"] == 486


# ---- a lost network


async def test_call_survives_a_lost_network_and_is_heard_again_at_both_ends(
    phone: NativePhone, gateway: Running
) -> None:
    async with cable(gateway.wss) as network:
        await phone.log_in(network.address, login="alice", password=PASSWORD)
        call_id = await phone.call(ECHO, peerConnectionOptions=TRICKLE)
        await phone.until("call.active")
        await phone.until_tone(MICROPHONE)
        network.cut()
        await phone.network(isConnected=False, isInternetReachable=False)
        lost = await phone.until("call.dropped")
        network.mend()
        await phone.network(isConnected=True, isInternetReachable=True)
        back = await phone.until("call.reattached", after=lost)
        await phone.until_tone(MICROPHONE)
        await until_heard(phone, gateway, is_the_phone)
        first, second = await phone.frames("sent.login")
        await phone.hangup()
        over = await until_over_at_the_far_end(gateway)

    assert back["callId"] == call_id
    assert "sessid" not in first["params"] and second["params"]["sessid"]
    assert (over["ended_by"], over["reason"]) == ("far_end", "bye")
    assert await errors(phone) == []


async def test_call_survives_the_change_to_another_network(alice: NativePhone, gateway: Running) -> None:
    call_id = await alice.call(TONE, peerConnectionOptions=TRICKLE)
    await alice.until("call.active")
    await alice.until_tone(MILLIWATT)
    await alice.network(type="cellular")
    back = await alice.until("call.reattached")
    await alice.until_tone(MILLIWATT)

    assert back["callId"] == call_id
    assert (await live_call(gateway, call_id))["state"] == "active"


# ---- what the SDK tells of its calls


async def test_call_report_is_uploaded_to_the_host_of_the_sdk(phone: NativePhone, gateway: Running) -> None:
    await phone.log_in(gateway.wss, login="alice", password=PASSWORD, enableCallReports=True)
    call_id = await phone.call(TONE, peerConnectionOptions=TRICKLE)
    await phone.until("call.active")
    await phone.until_tone(MILLIWATT)
    await phone.hangup()
    upload = await phone.until("http.answered")
    report = await gateway.gateway.reports.archive.report(call_id)

    assert (upload["url"], upload["status"]) == (f"https://{HOST}/call_report", 200)
    assert report is not None
    assert (report["summary"]["callId"], report["summary"]["direction"]) == (call_id, "OUTGOING")


async def test_debug_frames_draw_no_error(phone: NativePhone, gateway: Running) -> None:
    await phone.log_in(gateway.wss, login="alice", password=PASSWORD, debug=True)
    await phone.call(TONE, peerConnectionOptions=TRICKLE)
    await phone.until("call.active")
    await phone.until_tone(MILLIWATT)
    await phone.hangup()
    await until_over_at_the_far_end(gateway)
    sent = [message["type"] for message in await phone.frames("sent.answer") if "type" in message]

    assert sent[0] == "debug_report_start" and "debug_report_data" in sent
    assert await errors(phone) == []


# ---- push


async def until_pushed(gateway: Running) -> Any:  # Any: JSON of the API
    """The first push that the lab was asked to deliver."""
    async with asyncio.timeout(10.0):
        while not (pushes := (await gateway.get("/_lab/pushes"))["data"]):
            pass
    return pushes[0]


async def test_device_is_registered_with_the_login_and_forgotten_on_request(
    phone: NativePhone, gateway: Running
) -> None:
    await phone.log_in(gateway.wss, login="robert", password=PASSWORD, pushNotificationDeviceToken="token-of-a-phone")
    registered = await gateway.gateway.devices.of_user("robert")
    await phone.disable_push()
    request = await phone.until("sent.telnyx_rtc.disable_push_notification")
    answer = await phone.until("received.telnyx_rtc.disable_push_notification", after=request)

    user_agent = f"ReactNative-{VERSION}"
    expected = Device(username="robert", provider="android", token="token-of-a-phone", user_agent=user_agent)
    assert registered == (expected,)
    assert answer["message"]["id"] == request["message"]["id"]
    assert "success" in answer["message"]["result"]["message"]
    assert await gateway.gateway.devices.of_user("robert") == ()


async def test_pushed_call_waits_for_the_phone_that_the_push_wakes_up(
    program: Path, gateway: Running, folder: Path
) -> None:
    credentials = {"login": "robert", "password": PASSWORD, "pushNotificationDeviceToken": "token-of-a-phone"}
    async with native_phone(program, folder / "ca.pem", folder / "console.txt") as before:
        await before.log_in(gateway.wss, **credentials)
        await before.disconnect()
    await ring(gateway, to="robert")
    push = await until_pushed(gateway)
    async with native_phone(program, folder / "ca.pem", folder / "console.txt") as woken:
        await woken.create(gateway.wss, **credentials)
        await woken.process_push({"metadata": json.loads(push["payload"]["data"]["metadata"])})
        await woken.connect()
        incoming = await woken.until("call.incoming")
        await woken.answer()
        await woken.until("call.active")
        await woken.until_tone(MILLIWATT)
        await woken.hangup()
        over = await until_over_at_the_far_end(gateway)
        [dialled] = [entry["url"] for entry in await woken.timeline() if entry.name == "socket.dialled"]
        [login] = await woken.frames("sent.login")

    assert incoming["callId"] == push["call_id"]
    assert dialled.endswith(f"?voice_sdk_id={push['payload']['data']['voice_sdk_id']}")
    assert login["params"]["from_push"] is True
    assert (over["ended_by"], over["reason"]) == ("far_end", "bye")
