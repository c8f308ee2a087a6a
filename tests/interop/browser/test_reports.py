"""The unmodified SDK in Chromium tells about its calls: reports over HTTP from a foreign page, debug frames, sound."""

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.stores import Stores
from tests.interop.browser.chromium import SharedChromium
from tests.interop.browser.softphone import Softphone, site, softphone
from tests.interop.browser.sound import write_tone

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="module"),
]

TONE: Final = "+12025550101"
SETTINGS: Final[Mapping[str, object]] = {"lab": {"time_scale": 0.3}, "calls": {"stop_grace": 0.0}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedChromium]:
    shared = SharedChromium(write_tone(tmp_path_factory.mktemp("sound") / "microphone.wav", 620.0))
    try:
        yield shared
    finally:
        await shared.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    async with site() as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, SETTINGS) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def phone(shared_chromium: SharedChromium, address: str) -> AsyncIterator[Softphone]:
    async with softphone(await shared_chromium.get(), address) as opened:
        yield opened


async def spoken_call(phone: Softphone, gateway: Running, *, seconds: float = 2.5, **options: Any) -> str:
    """Log in, call the tone, listen for a while, hang up; the call's id."""
    await phone.login(timeout=15.0, **{"host": gateway.websocket, "login": "alice", "password": PASSWORD, **options})
    begun = await phone.call(TONE)
    active = await phone.until("call.active", after=begun)
    await phone.measure(1004.0, seconds=seconds)
    await phone.hangup()
    await phone.until("call.destroy", after=active)
    call_id: str = active["callId"]
    return call_id


async def reports(gateway: Running, call_id: str) -> list[str]:
    """The names of what is stored of a call."""
    return [entry["name"] for entry in (await gateway.get(f"/v2/gateway/calls/{call_id}/reports"))["data"]]


async def fetch(gateway: Running, call_id: str, name: str) -> Any:  # Any: JSON
    return await gateway.get(f"/v2/gateway/calls/{call_id}/reports/{name}")


async def test_v48_v123_v124_a_call_with_debug_leaves_a_report_and_its_statistics(
    phone: Softphone, gateway: Running
) -> None:
    stores = Stores(gateway)

    call_id = await spoken_call(phone, gateway, debug=True, callReportInterval=1000)
    await stores.until(2)

    assert set(await reports(gateway, call_id)) == {"call_report/final.json", "rtc_stats_reports/0.json"}
    report = (await fetch(gateway, call_id, "call_report"))["data"]
    assert report["summary"]["callId"] == call_id == report["call_id"]
    assert report["summary"]["destinationNumber"] == TONE
    assert (report["username"], report["user_agent"].startswith("Mozilla")) == ("alice", True)
    assert report["voice_sdk_id"].startswith("VSDK1")
    assert report["stats"][-1]["audio"]["inbound"]["packetsReceived"] > 50
    assert any("telnyx_rtc.invite" in json.dumps(line) for line in report["logs"])
    frames = (await fetch(gateway, call_id, "rtc_stats_reports/0.json"))["frames"]
    kinds = [frame["type"].removeprefix("debug_report_") for frame in frames]
    assert (kinds[0], kinds[-1], kinds.count("stop")) == ("start", "stop", 1)
    assert any(frame.get("debug_report_data", {}).get("event") == "stats" for frame in frames)


async def test_v125_a_long_call_comes_in_segments_that_are_joined(phone: Softphone, gateway: Running) -> None:
    stores = Stores(gateway)

    call_id = await spoken_call(phone, gateway, seconds=4.0, callReportInterval=500, callReportFlushInterval=1000)
    await stores.until(3)
    await phone.disconnect()  # waits for the SDK's uploads

    names = await reports(gateway, call_id)
    report = (await fetch(gateway, call_id, "call_report"))["data"]
    assert names[:2] == ["call_report/0.json", "call_report/1.json"]
    assert [part["segment"] for part in report["segments"]] == list(range(len(names)))
    starts = [interval["intervalStartUtc"] for interval in report["stats"]]
    assert starts == sorted(starts) and len(set(starts)) == len(starts) >= 6
    assert report["summary"]["endTimestamp"]


async def test_v126_a_recorded_call_leaves_the_sound_of_both_directions(phone: Softphone, gateway: Running) -> None:
    stores = Stores(gateway)

    call_id = await spoken_call(phone, gateway, enableCallRecording=True)
    await stores.until(3)

    names = await reports(gateway, call_id)
    assert {"call_recording/local/0.json", "call_recording/remote/0.json"} <= set(names)
    remote = await fetch(gateway, call_id, "call_recording/remote/0.json")
    assert (remote["codec"], remote["channels"]) == ("pcm-f32-le", 1)
    assert sum(1 for packet in remote["packets"] if packet["payload_b64"]) > 10


async def test_v129_without_reports_the_sdk_uploads_nothing(
    shared_chromium: SharedChromium, address: str, tmp_path: Path
) -> None:
    async with (
        running(tmp_path, {**SETTINGS, "reports": {"enabled": False}}) as gateway,
        softphone(await shared_chromium.get(), address) as phone,
    ):
        uploads: list[str] = []
        phone.page.on("request", lambda request: uploads.append(request.url) if "call_re" in request.url else None)
        await spoken_call(phone, gateway, debug=True)
        await phone.disconnect()

    assert uploads == []
    assert not (tmp_path / "reports").exists()
