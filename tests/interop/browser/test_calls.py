"""The unmodified SDK in one Chromium on a whole gateway with the lab trunk: every kind of call, with sound measured.

Each test has a gateway and a browser context of its own; the browser process and its microphone are shared.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.harness.gateway import PASSWORD, Running, merged, running
from tests.harness.lab import heard_at_the_far_end, live_calls, ring, token_of, until_over_at_the_far_end
from tests.interop.browser.chromium import SharedChromium
from tests.interop.browser.softphone import PLAIN_AUDIO, Happened, Softphone, site, softphone
from tests.interop.browser.sound import write_tone

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
]

ECHO, TONE, BUSY, DECLINE, NO_ANSWER, UNALLOCATED = (f"+1202555010{digit}" for digit in range(6))
EARLY, HANGUP, UNAVAILABLE = "+12025550106", "+12025550108", "+12025550114"

MICROPHONE: Final = 620.0
"""Hertz: what the fake microphone plays. No tone of the lab is near it."""
MILLIWATT: Final = 1004.0
"""Hertz: what the lab plays."""
PATIENCE: Final = 30.0
"""Seconds that anything may take on a busy machine."""
DEFAULTS: Final[Mapping[str, object]] = {"lab": {"time_scale": 0.3}, "calls": {"stop_grace": 0.0}}
"""The far end rings 0.3 s instead of 1 s, and so on: nobody waits here."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedChromium]:
    shared = SharedChromium(write_tone(tmp_path_factory.mktemp("sound") / "microphone.wav", MICROPHONE))
    try:
        yield shared
    finally:
        await shared.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    async with site() as served:
        yield served


@pytest.fixture
def settings() -> Mapping[str, object]:
    """What a test sets differently, by `parametrize`."""
    return {}


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path: Path, settings: Mapping[str, object]) -> AsyncIterator[Running]:
    async with running(tmp_path, merged(DEFAULTS, settings)) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def phone(gateway: Running, shared_chromium: SharedChromium, address: str) -> AsyncIterator[Softphone]:
    """Not logged in."""
    async with softphone(await shared_chromium.get(), address) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def alice(gateway: Running, phone: Softphone) -> Softphone:
    """Logged in."""
    await log_in(phone, gateway)
    return phone


@pytest_asyncio.fixture(loop_scope="module")
async def robert(gateway: Running, shared_chromium: SharedChromium, address: str) -> AsyncIterator[Softphone]:
    """A second page with a voice of its own, logged in."""
    async with softphone(await shared_chromium.get(), address) as opened:
        await opened.use_mouth()
        await log_in(opened, gateway, "robert")
        yield opened


async def log_in(phone: Softphone, gateway: Running, user: str = "alice", **options: object) -> None:
    await phone.login(host=gateway.websocket, login=user, password=PASSWORD, timeout=PATIENCE, **options)


async def until_tone(phone: Softphone, frequency: float, *, after: Happened | None = None) -> None:
    await phone.until_tone_when_active(frequency, after=after, timeout=PATIENCE)


async def until_ended(phone: Softphone, *, after: Happened | None = None) -> Happened:
    return await phone.until("call.destroy", after=after, timeout=PATIENCE)


async def until_heard(phone: Softphone, gateway: Running, is_right: Callable[[Any], bool]) -> Any:  # Any: JSON
    """Ask what the newest call's far end heard until it is right; between two questions the page listens."""
    async with asyncio.timeout(PATIENCE):
        while not is_right(heard := await heard_at_the_far_end(gateway)):
            await phone.measure(MILLIWATT, seconds=0.2)
    return heard


def is_the_microphone(heard: Any) -> bool:  # Any: JSON of the API
    return heard["frequency_hz"] is not None and abs(heard["frequency_hz"] - MICROPHONE) < 5.0


async def refused_logins(gateway: Running) -> float:
    """How many passwords were refused in this process so far."""
    line = re.search(
        r'^gateway_logins_total\{kind="password",result="bad_credentials"\} (\S+)$', await gateway.metrics(), re.M
    )
    return float(line[1]) if line else 0.0


# ---- login


async def test_password_login_is_ready_and_registered(phone: Softphone, gateway: Running) -> None:
    await log_in(phone, gateway)

    sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
    assert [session["username"] for session in sessions] == ["alice"]


async def test_token_login_is_ready_and_calls(phone: Softphone, gateway: Running) -> None:
    await phone.login(host=gateway.websocket, login_token=await token_of(gateway, "alice"), timeout=PATIENCE)
    await phone.call(TONE)

    await until_tone(phone, MILLIWATT)


async def test_refused_password_is_one_error_and_one_login(
    phone: Softphone, robert: Softphone, gateway: Running
) -> None:
    before = await refused_logins(gateway)
    start = await phone.start_login(host=gateway.websocket, login="alice", password="wrong")
    refused = await phone.until("client.error", after=start, timeout=PATIENCE)
    # A looping client logs in at every round trip: give it the time of a whole call of somebody else.
    await robert.call(TONE)
    await until_tone(robert, MILLIWATT)

    entries = [entry.name for entry in await phone.timeline()]
    assert refused["code"] == 46001
    assert (entries.count("client.error"), entries.count("client.ready"), entries.count("socket.close")) == (1, 0, 0)
    assert phone.sent_methods().count("login") == 1
    assert await refused_logins(gateway) - before == 1


async def test_encrypted_socket_with_our_own_authority_carries_a_call(
    gateway: Running, shared_chromium: SharedChromium, address: str
) -> None:
    browser = await shared_chromium.get()
    async with softphone(browser, address, trusts_any_certificate=True) as phone:
        await phone.login(host=gateway.wss, login="alice", password=PASSWORD, timeout=PATIENCE)
        await phone.call(TONE)

        await until_tone(phone, MILLIWATT)


# ---- sound


@pytest.mark.parametrize(
    ("settings", "offered", "codec_a", "codec_b"),
    [
        pytest.param({}, None, "PCMU", "PCMU", id="pass-through-pcmu"),
        pytest.param({}, ["PCMA"], "PCMA", "PCMA", id="pass-through-pcma"),
        pytest.param({"lab": {"codecs": ["opus"]}}, None, "opus", "opus", id="pass-through-opus"),
        pytest.param({"media": {"prefer": "quality"}}, None, "opus", "PCMU", id="transcoded-opus"),
        pytest.param({}, ["G722"], "G722", "PCMU", id="transcoded-g722"),
    ],
)
async def test_own_tone_comes_back_from_the_echo(
    alice: Softphone, gateway: Running, offered: list[str] | None, codec_a: str, codec_b: str
) -> None:
    await alice.call(ECHO, audio=PLAIN_AUDIO, codecs=offered)
    await until_tone(alice, MICROPHONE)
    heard = await alice.measure_steady(MICROPHONE, MILLIWATT)
    stats = await alice.stats()

    assert heard.shares[MICROPHONE] > 0.8 and heard.shares[MILLIWATT] < 0.05
    assert heard.level > 0.05
    assert [(call["codec_a"], call["codec_b"]) for call in await live_calls(gateway)] == [(codec_a, codec_b)]
    assert {stats["sendCodec"], stats["receiveCodec"]} == {f"audio/{codec_a}"}
    assert (await heard_at_the_far_end(gateway))["codec"] == codec_b.lower()


async def test_tone_of_the_far_end_is_heard(alice: Softphone) -> None:
    await alice.call(TONE)
    await until_tone(alice, MILLIWATT)
    heard = await alice.measure_steady(MILLIWATT, MICROPHONE)

    assert heard.shares[MILLIWATT] > 0.9 and heard.shares[MICROPHONE] < 0.05


async def test_early_media_is_heard_before_the_answer_and_the_call_stays_active_after_it(alice: Softphone) -> None:
    start = await alice.call(EARLY, audio=PLAIN_AUDIO)
    early = await alice.until("call.early", timeout=PATIENCE)
    heard_at = await alice.until_tone(425, timeout=PATIENCE)
    active = await alice.until("call.active", timeout=PATIENCE)
    await alice.until_tone(MICROPHONE, timeout=PATIENCE)
    states = [entry.name for entry in await alice.timeline() if entry.name.startswith("call.")]

    assert start.at < early.at < heard_at < active.at
    assert states[-1] == "call.active"


async def test_trickling_client_calls_without_candidates_in_its_offer(phone: Softphone, gateway: Running) -> None:
    await log_in(phone, gateway, trickleIce=True)
    await phone.call(ECHO, audio=PLAIN_AUDIO)
    await until_tone(phone, MICROPHONE)
    [invite] = [message for message in phone.sent if message.get("method") == "telnyx_rtc.invite"]

    assert invite["params"]["trickle"] is True
    assert "a=candidate" not in invite["params"]["sdp"]
    assert "telnyx_rtc.candidate" in phone.sent_methods()


async def test_mute_is_silence_at_the_far_end(alice: Softphone, gateway: Running) -> None:
    await alice.call(ECHO, audio=PLAIN_AUDIO)
    await until_tone(alice, MICROPHONE)
    await alice.mute()
    await alice.until_silence(timeout=PATIENCE)
    muted = await until_heard(alice, gateway, lambda heard: heard["level_dbov"] is None or heard["level_dbov"] < -60.0)
    await alice.unmute()
    await alice.until_tone(MICROPHONE, timeout=PATIENCE)

    assert muted["frequency_hz"] is None
    assert muted["packets"] > 0


async def test_hold_unhold_and_toggle_silence_and_resume_the_sound(alice: Softphone, gateway: Running) -> None:
    await alice.call(TONE)
    await until_tone(alice, MILLIWATT)
    await alice.hold()
    held = await alice.until("call.held", timeout=PATIENCE)
    await alice.until_silence(timeout=PATIENCE)
    assert [call["is_held"] for call in await live_calls(gateway)] == [True]
    await alice.unhold()
    await until_tone(alice, MILLIWATT, after=held)
    assert [call["is_held"] for call in await live_calls(gateway)] == [False]
    await alice.toggle_hold()
    held = await alice.until("call.held", after=held, timeout=PATIENCE)
    await alice.until_silence(timeout=PATIENCE)
    await alice.toggle_hold()
    await until_tone(alice, MILLIWATT, after=held)


async def test_digits_reach_the_far_end_in_order(alice: Softphone, gateway: Running) -> None:
    await alice.call(ECHO)
    await alice.until("call.active", timeout=PATIENCE)
    await alice.dtmf("147*#0")

    heard = await until_heard(alice, gateway, lambda heard: heard["digit_count"] == 6)
    assert heard["digits"] == "147*#0"


async def test_ice_restart_of_the_sdk_keeps_the_tone(alice: Softphone, gateway: Running) -> None:
    await alice.call(ECHO, audio=PLAIN_AUDIO)
    await until_tone(alice, MICROPHONE)
    _, before = await alice.sdp()
    await alice.restart_ice()
    heard = await alice.measure_steady(MICROPHONE, seconds=1.0)
    await alice.until("signaling.stable", timeout=PATIENCE)
    await alice.until_tone(MICROPHONE, timeout=PATIENCE)
    _, after = await alice.sdp()
    [call] = await live_calls(gateway)

    assert ice_user(before) != ice_user(after)
    assert call["media"]["a_packets_lost"] == 0
    assert heard.shares[MICROPHONE] > 0.8
    assert [message["params"]["action"] for message in alice.sent if message.get("method") == "telnyx_rtc.modify"] == [
        "updateMedia"
    ]


def ice_user(sdp: str) -> str:
    match = re.search(r"^a=ice-ufrag:(\S+)", sdp, re.M)
    assert match is not None
    return match[1]


# ---- endings


async def test_hang_up_in_the_browser_ends_the_call_at_the_far_end(alice: Softphone, gateway: Running) -> None:
    await alice.call(ECHO)
    await alice.until("call.active", timeout=PATIENCE)
    await alice.hangup()
    ended = await until_ended(alice)
    over = await until_over_at_the_far_end(gateway)

    assert (ended["cause"], ended["causeCode"]) == ("NORMAL_CLEARING", 16)
    assert (over["state"], over["ended_by"], over["sip_status"]) == ("ended", "far_end", None)


async def test_hang_up_of_the_far_end_ends_the_call_in_the_browser(alice: Softphone, gateway: Running) -> None:
    await alice.call(HANGUP)
    await alice.until("call.active", timeout=PATIENCE)
    ended = await until_ended(alice)

    assert (ended["cause"], ended["causeCode"]) == ("NORMAL_CLEARING", 16)
    assert (await until_over_at_the_far_end(gateway))["ended_by"] == "lab"


@pytest.mark.parametrize(
    ("number", "cause", "code", "sip_code", "sip_reason"),
    [
        pytest.param(BUSY, "USER_BUSY", 17, 486, "Busy Here", id="busy"),
        pytest.param(DECLINE, "CALL_REJECTED", 21, 603, "Decline", id="declined"),
        pytest.param(UNALLOCATED, "UNALLOCATED_NUMBER", 1, 404, "Not Found", id="unallocated"),
        pytest.param(UNAVAILABLE, "NO_USER_RESPONSE", 18, 480, "Temporarily Unavailable", id="unavailable"),
    ],
)
async def test_refusal_reaches_the_application_with_cause_and_sip_code(
    alice: Softphone, number: str, cause: str, code: int, sip_code: int, sip_reason: str
) -> None:
    await alice.call(number)
    ended = await until_ended(alice)

    assert (ended["cause"], ended["causeCode"]) == (cause, code)
    assert (ended["sipCode"], ended["sipReason"]) == (sip_code, sip_reason)


@pytest.mark.parametrize("settings", [pytest.param({"calls": {"ring_timeout": 1.0}}, id="after-1-s")])
async def test_call_that_nobody_answers_ends_at_the_ring_timeout(alice: Softphone, gateway: Running) -> None:
    start = await alice.call(NO_ANSWER)
    ended = await until_ended(alice)
    names = [entry.name for entry in await alice.timeline()]

    assert (ended["cause"], ended["causeCode"]) == ("NO_ANSWER", 19)
    assert "message.telnyx_rtc.ringing" in names and "call.active" not in names
    assert ended.at - start.at > 1000
    assert (await until_over_at_the_far_end(gateway))["ended_by"] == "far_end"


async def test_call_that_is_given_up_while_it_rings_is_cancelled_at_the_far_end(
    alice: Softphone, gateway: Running
) -> None:
    await alice.call(NO_ANSWER)
    await alice.until("message.telnyx_rtc.ringing", timeout=PATIENCE)
    await alice.hangup()
    await until_ended(alice)

    over = await until_over_at_the_far_end(gateway)
    assert (over["ended_by"], over["answered_at"]) == ("far_end", None)


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        pytest.param({}, True, id="page-hangs-up"),
        pytest.param({"verto": {"reattach_window": 1.0}}, False, id="page-vanishes-for-longer-than-the-window"),
    ],
)
async def test_closed_page_ends_the_call_at_the_far_end(alice: Softphone, gateway: Running, is_told: bool) -> None:
    await alice.call(ECHO)
    await alice.until("call.active", timeout=PATIENCE)
    await alice.page.close(run_before_unload=is_told)

    assert (await until_over_at_the_far_end(gateway))["ended_by"] == "far_end"
    assert await live_calls(gateway) == []


# ---- calls to the browser, and between browsers


async def test_inbound_call_is_answered_and_both_sides_hear_each_other(alice: Softphone, gateway: Running) -> None:
    await ring(gateway)
    ringing = await alice.until("call.ringing", timeout=PATIENCE)
    await alice.answer()
    await until_tone(alice, MILLIWATT)
    heard = await alice.measure_steady(MILLIWATT, seconds=1.0)
    at_trunk = await until_heard(alice, gateway, is_the_microphone)
    await alice.hangup()
    over = await until_over_at_the_far_end(gateway)

    assert (ringing["direction"], ringing["remoteNumber"]) == ("inbound", "+12025550177")
    assert heard.shares[MILLIWATT] > 0.9
    assert at_trunk["packets_lost"] == 0
    assert over["ended_by"] == "far_end"


async def test_inbound_call_that_the_user_declines_is_busy_for_the_trunk(alice: Softphone, gateway: Running) -> None:
    await ring(gateway)
    await alice.until("call.ringing", timeout=PATIENCE)
    await alice.hangup()

    assert (await until_over_at_the_far_end(gateway))["sip_status"] == 486


async def test_inbound_call_that_the_caller_gives_up_stops_ringing(alice: Softphone, gateway: Running) -> None:
    lab_call_id = await ring(gateway)
    await alice.until("call.ringing", timeout=PATIENCE)
    await gateway.delete(f"/_lab/calls/{lab_call_id}")
    ended = await until_ended(alice)

    assert (ended["cause"], ended["causeCode"]) == ("ORIGINATOR_CANCEL", 487)


async def test_two_browsers_hear_each_other(phone: Softphone, robert: Softphone, gateway: Running) -> None:
    await phone.use_mouth()
    await log_in(phone, gateway)
    await phone.call("robert")
    await robert.until("call.ringing", timeout=PATIENCE)
    await robert.answer()
    await phone.say(440)
    await robert.say(880)
    await until_tone(phone, 880)
    await until_tone(robert, 440)
    codecs = [(call["direction"], call["codec_a"], call["codec_b"]) for call in await live_calls(gateway)]
    await robert.hangup()
    ended = await until_ended(phone)

    assert codecs == [("internal", "opus", "opus")]
    assert (ended["cause"], ended["causeCode"]) == ("NORMAL_CLEARING", 16)


async def test_six_calls_of_one_session_live_side_by_side(alice: Softphone, gateway: Running) -> None:
    asked = [(await alice.call(TONE)) for _ in range(6)]
    active, last = set[str](), asked[0]
    while len(active) < 6:
        last = await alice.until("call.active", after=last, timeout=PATIENCE)
        active.add(last["callId"])
    for call_id in sorted(active):
        await alice.select(call_id)
        await alice.until_tone(MILLIWATT, timeout=PATIENCE)
    calls = await live_calls(gateway)
    for call_id in sorted(active):
        await alice.select(call_id)
        await alice.hangup()
    for _ in active:
        last = await until_ended(alice, after=last)

    assert {call["verto_call_id"] for call in calls} == active
    assert {call["state"] for call in calls} == {"active"}
