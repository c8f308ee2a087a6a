"""Three lines of the unmodified SDK on one gateway: what an application needs most works with the older ones too.

`test_calls.py` has every other kind of call, with the current line.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.harness.cable import cable
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.lab import heard_at_the_far_end, lab_call, live_call, ring, token_of, until_over_at_the_far_end
from tests.interop.browser.chromium import SharedChromium
from tests.interop.browser.softphone import PLAIN_AUDIO, SDK, Softphone, site, softphone
from tests.interop.browser.sound import write_tone

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
]

OLDER: Final = Path(__file__).parent / "node_modules"
LINES: Final = {
    "2.25": OLDER / "telnyx-webrtc-2.25" / "lib" / "bundle.mjs",
    "2.26": OLDER / "telnyx-webrtc-2.26" / "lib" / "bundle.mjs",
    "2.27": SDK,
}
"""The newest version of each line that `package-lock.json` names."""

ECHO: Final = "+12025550100"
MICROPHONE: Final = 620.0
"""Hertz: what the fake microphone plays. No tone of the lab is near it."""
MILLIWATT: Final = 1004.0
"""Hertz: what the lab plays."""
PATIENCE: Final = 30.0
"""Seconds that anything may take on a busy machine."""
REFUSED: Final = {"2.25": -32001, "2.26": 46001, "2.27": 46001}
"""The code that the application is told; the 2.25 line hands on the gateway's own."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the SDK, on a page of its own."""

    version: str
    phone: Softphone
    gateway: Running

    async def log_in(self, host: str | None = None) -> None:
        await self.phone.login(host=host or self.gateway.websocket, login="alice", password=PASSWORD, timeout=PATIENCE)

    async def until_heard(self, is_right: Callable[[Any], bool]) -> Any:  # Any: JSON of the API
        """Ask what the far end heard until it is right; between two questions the page listens."""
        for _ in range(60):
            if is_right(heard := await heard_at_the_far_end(self.gateway)):
                return heard
            await self.phone.measure(MILLIWATT, seconds=0.2)
        raise AssertionError(f"the far end heard {heard}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Shared: what one line leaves behind would be a finding by itself."""
    settings = {"lab": {"time_scale": 0.3}, "calls": {"stop_grace": 0.0}}
    async with running(tmp_path_factory.mktemp("gateway"), settings) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedChromium]:
    shared = SharedChromium(write_tone(tmp_path_factory.mktemp("sound") / "microphone.wav", MICROPHONE))
    try:
        yield shared
    finally:
        await shared.close()


@pytest_asyncio.fixture(loop_scope="module", params=LINES)
async def line(
    request: pytest.FixtureRequest, gateway: Running, shared_chromium: SharedChromium
) -> AsyncIterator[Line]:
    """Not logged in."""
    version = str(request.param)
    async with site(LINES[version]) as address, softphone(await shared_chromium.get(), address) as phone:
        yield Line(version, phone, gateway)


def is_the_microphone(heard: Any) -> bool:  # Any: JSON of the API
    return heard["frequency_hz"] is not None and abs(heard["frequency_hz"] - MICROPHONE) < 5.0


def login_requests(phone: Softphone) -> list[Any]:  # Any: JSON of the SDK
    return [message["params"] for message in phone.sent if message.get("method") == "login"]


async def session_ids(gateway: Running) -> list[str]:
    return [session["session_id"] for session in (await gateway.get("/v2/gateway/sessions"))["data"]]


async def test_call_is_heard_held_resumed_sends_digits_and_is_hung_up_in_the_browser(line: Line) -> None:
    phone = line.phone
    await line.log_in()
    [login] = login_requests(phone)
    await phone.call(ECHO, audio=PLAIN_AUDIO)
    await phone.until_tone_when_active(MICROPHONE, timeout=PATIENCE)
    await phone.hold()
    held = await phone.until("call.held", timeout=PATIENCE)
    await phone.until_silence(timeout=PATIENCE)
    held_at_the_gateway = (await live_call(line.gateway, held["callId"]))["is_held"]
    await phone.unhold()
    await phone.until_tone_when_active(MICROPHONE, after=held, timeout=PATIENCE)
    await phone.dtmf("17*#")
    heard = await line.until_heard(lambda heard: heard["digit_count"] == 4)
    await phone.hangup()
    ended = await phone.until("call.destroy", timeout=PATIENCE)
    over = await until_over_at_the_far_end(line.gateway)

    assert login["User-Agent"]["sdkVersion"].startswith(f"{line.version}.")
    assert held_at_the_gateway
    assert heard["digits"] == "17*#"
    assert (ended["cause"], ended["causeCode"]) == ("NORMAL_CLEARING", 16)
    assert over["ended_by"] == "far_end"


async def test_inbound_call_is_answered_heard_and_hung_up_by_the_far_end(line: Line) -> None:
    phone = line.phone
    await line.log_in()
    lab_call_id = await ring(line.gateway)
    ringing = await phone.until("call.ringing", timeout=PATIENCE)
    await phone.answer()
    await phone.until_tone_when_active(MILLIWATT, timeout=PATIENCE)
    await line.until_heard(is_the_microphone)
    await line.gateway.delete(f"/_lab/calls/{lab_call_id}")
    ended = await phone.until("call.destroy", timeout=PATIENCE)

    assert (ringing["direction"], ringing["remoteNumber"]) == ("inbound", "+12025550177")
    assert (ended["cause"], ended["causeCode"]) == ("NORMAL_CLEARING", 16)


async def test_token_is_renewed_on_the_live_socket_without_a_word_lost(line: Line) -> None:
    phone, gateway = line.phone, line.gateway
    await phone.login(host=gateway.websocket, login_token=await token_of(gateway, "alice"), timeout=PATIENCE)
    await phone.call(ECHO, audio=PLAIN_AUDIO)
    await phone.until_tone_when_active(MICROPHONE, timeout=PATIENCE)
    active = await phone.last("call.active")
    before = await session_ids(gateway)
    await phone.login_again(login_token=await token_of(gateway, "alice"))
    heard = await phone.measure_steady(MICROPHONE, seconds=1.0)
    names = [entry.name for entry in await phone.timeline()]
    first, second = login_requests(phone)

    assert first["login_token"] != second["login_token"]
    assert await session_ids(gateway) == before
    assert heard.shares[MICROPHONE] > 0.8
    assert (await live_call(gateway, active["callId"]))["state"] == "active"
    assert "socket.close" not in names and "call.destroy" not in names


async def test_refused_password_is_one_error_and_the_right_one_does_on_the_same_socket(line: Line) -> None:
    phone = line.phone
    start = await phone.start_login(host=line.gateway.websocket, login="alice", password="wrong")
    refused = await phone.until("client.error", after=start, timeout=PATIENCE)
    await phone.login_again(login="alice", password=PASSWORD)
    await phone.until("client.ready", after=refused, timeout=PATIENCE)
    names = [entry.name for entry in await phone.timeline()]

    assert refused["code"] == REFUSED[line.version]
    assert (names.count("client.error"), names.count("client.ready"), names.count("socket.close")) == (1, 1, 0)
    # A client that answers a refusal with a login would have sent more between the two.
    assert [params["passwd"] for params in login_requests(phone)] == ["wrong", PASSWORD]


async def test_call_survives_a_lost_socket_and_is_hung_up_on_the_new_one(line: Line) -> None:
    phone = line.phone
    async with cable(line.gateway.websocket) as network:
        await line.log_in(network.address)
        await phone.call(ECHO, audio=PLAIN_AUDIO)
        await phone.until_tone_when_active(MICROPHONE, timeout=PATIENCE)
        active = await phone.last("call.active")
        network.cut()
        lost = await phone.until("socket.close", timeout=PATIENCE)
        network.mend()
        attach = await phone.until("message.telnyx_rtc.attach", after=lost, timeout=PATIENCE)
        await phone.until_tone_when_active(MICROPHONE, after=attach, timeout=PATIENCE)
        await line.until_heard(is_the_microphone)
        first, second = login_requests(phone)
        await phone.hangup()
        over = await until_over_at_the_far_end(line.gateway)

    assert attach["callId"] == active["callId"]
    assert (first["reconnection"], second["reconnection"]) == (False, True)
    assert (over["ended_by"], over["reason"]) == ("far_end", "bye")


async def test_call_that_ended_while_the_socket_was_lost_is_over_on_the_page_too(line: Line) -> None:
    phone, gateway = line.phone, line.gateway
    async with cable(gateway.websocket) as network:
        await line.log_in(network.address)
        await phone.call(ECHO, audio=PLAIN_AUDIO)
        await phone.until_tone_when_active(MICROPHONE, timeout=PATIENCE)
        active = await phone.last("call.active")
        network.cut()
        lost = await phone.until("socket.close", timeout=PATIENCE)
        await gateway.delete(f"/_lab/calls/{lab_call(gateway).facts.lab_call_id}")
        await until_over_at_the_far_end(gateway)
        network.mend()
        ended = await phone.until("call.destroy", after=lost, timeout=PATIENCE)

    assert ended["callId"] == active["callId"]
