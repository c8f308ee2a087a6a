"""How long a call takes to ring and to be answered, and a voice to come back: the figures that the issue limits."""

import statistics
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from tests.harness.gateway import PASSWORD, Running, merged, running
from tests.interop.browser.chromium import chromium
from tests.interop.browser.softphone import Softphone, site, softphone

pytestmark = [pytest.mark.interop, pytest.mark.load]

ECHO, SILENCE = "+12025550100", "+12025550120"
"""The first is for sound; the second rings and answers at once."""
CALLS, ECHO_CALLS, BURSTS = 8, 2, 5
RINGING_LIMIT, ACTIVE_LIMIT, MOUTH_TO_EAR_LIMIT = 400.0, 900.0, 150.0
"""Milliseconds, at the median."""

Report = Callable[[str, object], None]
"""pytest's `record_property`."""


@pytest.fixture
def settings() -> dict[str, object]:
    """What a test sets differently, by `parametrize`."""
    return {}


@pytest.fixture
async def gateway(tmp_path: Path, settings: dict[str, object]) -> AsyncIterator[Running]:
    async with running(
        tmp_path, merged({"calls": {"stop_grace": 0.0}, "lab": {"time_scale": 0.1}}, settings)
    ) as started:
        yield started


@pytest.fixture
async def phone(gateway: Running) -> AsyncIterator[Softphone]:
    """Logged in, with a voice that the page makes."""
    async with site() as address, chromium() as browser, softphone(browser, address) as opened:
        await opened.use_mouth()
        await opened.login(host=gateway.websocket, login="alice", password=PASSWORD)
        yield opened


async def test_call_rings_and_is_active_soon(phone: Softphone, record_property: Report) -> None:
    ringing, active, after_invite = [], [], []
    for _ in range(CALLS):
        start = await phone.call(SILENCE)
        # The SDK has no state for it: what counts is the message as the page gets it.
        ringing.append((await phone.until("message.telnyx_rtc.ringing", after=start)).at - start.at)
        active.append((await phone.until("call.active", after=start)).at - start.at)
        after_invite.append(active[-1] - ((await phone.last("call.requesting")).at - start.at))
        await phone.hangup()
        await phone.until("call.destroy", after=start)
    report(record_property, "new_call_to_ringing_ms", ringing)
    report(record_property, "new_call_to_active_ms", active)
    report(record_property, "invite_to_active_ms", after_invite)

    assert statistics.median(ringing) < RINGING_LIMIT
    assert statistics.median(active) < ACTIVE_LIMIT


@pytest.mark.parametrize(
    ("settings", "codecs"),
    [
        pytest.param({"media": {"prefer": "quality"}}, ("opus", "PCMU"), id="transcoded"),
    ],
)
async def test_voice_comes_back_from_the_echo_soon(
    phone: Softphone,
    gateway: Running,
    codecs: tuple[str, str],
    record_property: Report,
    request: pytest.FixtureRequest,
) -> None:
    inside = await phone.mouth_to_ear_inside(CALLS)
    # Within a call the delay hardly changes: what differs is where each call's jitter buffers settle.
    calls = [await measured_call(phone, gateway, codecs) for _ in range(ECHO_CALLS)]
    name = request.node.callspec.id
    report(record_property, f"mouth_to_ear_{name}_ms", [delay for delays, _ in calls for delay in delays])
    report(record_property, f"mouth_to_ear_{name}_jitter_buffer_ms", [buffered for _, buffered in calls])
    report(record_property, f"mouth_to_ear_{name}_page_alone_ms", inside.each)

    assert statistics.median(delay for delays, _ in calls for delay in delays) < MOUTH_TO_EAR_LIMIT


async def measured_call(phone: Softphone, gateway: Running, codecs: tuple[str, str]) -> tuple[tuple[float, ...], float]:
    """Call the echo: the delay of each burst, and how long the browser's jitter buffer held a sample; milliseconds."""
    start = await phone.call(ECHO)
    await phone.until("call.active", after=start)
    await phone.say(620)
    await phone.until_tone(620)
    await phone.say(None)
    await phone.until_silence()
    delays = await phone.mouth_to_ear(BURSTS)
    [call] = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
    stats = await phone.stats()
    await phone.hangup()
    await phone.until("call.destroy", after=start)

    assert (call["codec_a"], call["codec_b"]) == codecs
    assert delays.lost == 0
    return delays.each, stats["jitterBufferDelay"] * 1000


def report(record_property: Report, name: str, values: Sequence[float]) -> None:
    """One figure, for the report file and for `-s` or `-rP`."""
    median = statistics.median(values)
    record_property(name, round(median, 1))
    print(f"\n{name}: median {median:.1f}, {min(values):.1f} to {max(values):.1f}")  # noqa: T201
