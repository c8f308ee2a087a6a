"""V-119 to V-129: assistants, debug frames, reports and the speed test (verto-js 6.9, 8, 9)."""

import io
import json
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.conformance.client import Client, client, logged_in
from tests.conformance.conftest import QUICK
from tests.conformance.mobile.site import OFFER
from tests.conformance.rules import Message
from tests.harness.gateway import PASSWORD, Running, merged, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEGABYTE = 1024 * 1024
HEADERS = ("content-type", "x-call-report-id", "x-call-id", "x-voice-sdk-id")
ORIGIN = "https://app.example"


async def report_id(alice: Client) -> str:
    """The `call_report_id` of the session."""
    state = await alice.ask("telnyx_rtc.gatewayState", {})
    given: str = state["result"]["params"]["call_report_id"]
    return given


async def upload(
    gateway: Running, body: bytes | Message, marks: Mapping[str, str], path: str = "/call_report"
) -> tuple[int, Mapping[str, str]]:
    """POST from a page; status and headers of the answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Origin": ORIGIN, **marks}
    async with (
        aiohttp.ClientSession() as http,
        http.post(gateway.http + path, data=io.BytesIO(data), headers=headers) as answer,
    ):
        await answer.read()
        return answer.status, answer.headers


async def preflight(url: str) -> tuple[int, Mapping[str, str]]:
    """What a browser asks before it uploads from another origin."""
    headers = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": ",".join(HEADERS),
    }
    async with aiohttp.ClientSession() as http, http.options(url, headers=headers) as answer:
        return answer.status, answer.headers


def assert_allowed(status: int, headers: Mapping[str, str]) -> None:
    """The browser lets the upload through."""
    assert 200 <= status < 300
    assert headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    assert "POST" in headers["Access-Control-Allow-Methods"]
    allowed = {name.strip() for name in headers["Access-Control-Allow-Headers"].lower().split(",")}
    assert allowed >= set(HEADERS)


def marks(report: str, call: str) -> dict[str, str]:
    """The headers of an upload."""
    return {"x-call-report-id": report, "x-call-id": call, "x-voice-sdk-id": "VSDK1x"}


def padded(size: int) -> bytes:
    """JSON of that many bytes."""
    head, tail = b'{"stats":["', b'"]}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


def stored(folder: Path, call: str) -> list[Path]:
    """The files of a call."""
    return sorted(path for path in folder.rglob("*.json") if call in path.as_posix())


async def test_v119_an_assistants_request_gets_a_result_and_a_notification_none(gateway: Running) -> None:
    text = {"type": "input_text", "text": "hello"}
    item = {"id": str(uuid.uuid4()), "type": "message", "role": "user", "content": [text]}
    typed = {"type": "conversation.item.create", "previous_item_id": None, "item": item}
    output = {"type": "function_call_output", "call_id": "f1", "output": "{}"}
    async with logged_in(gateway) as alice:
        answer = await alice.ask("ai_conversation", typed)
        count = len([message for message in alice.frames if "method" not in message])
        for one in (output, {"type": "response.audio_stream.subscribe"}):
            frame = {"type": "conversation.item.create", "item": one}
            await alice.say(json.dumps({"jsonrpc": "2.0", "method": "ai_conversation", "params": frame}))
        await alice.barrier()

        assert isinstance(answer["result"], dict)
        assert len([message for message in alice.frames if "method" not in message]) == count + 1


async def test_v122_each_debug_frame_gets_a_result_at_once_the_second_stop_as_well(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        call = await alice.invite("+12025550104", OFFER)
        common = {"jsonrpc": "2.0", "debug_report_id": str(uuid.uuid4()), "debug_report_version": 1, "call_id": call}
        stats = {"event": "stats", "tag": "stats", "timestamp": "2026-01-01T00:00:00Z", "data": {"audio": {}}}
        for kind in ("start", "start", "data", "data", "stop", "stop"):
            data = {"debug_report_data": stats} if kind == "data" else {}
            number = str(uuid.uuid4())
            await alice.say(json.dumps({**common, "id": number, "type": f"debug_report_{kind}", **data}))
            answer = await alice.until(lambda message, number=number: message.get("id") == number)  # type: ignore[misc]
            assert isinstance(answer["result"], dict), kind
        await alice.bye(call)


async def test_v123_a_page_of_any_origin_may_upload_reports(gateway: Running) -> None:
    assert_allowed(*await preflight(f"{gateway.http}/call_report"))


@pytest.mark.parametrize("has_socket", [True, False], ids=["connected", "gone"])
async def test_v124_a_report_of_two_megabytes_is_taken_also_when_the_socket_has_gone(
    gateway: Running, has_socket: bool
) -> None:
    async with logged_in(gateway) as alice:
        report = await report_id(alice)
        if not has_socket:
            alice.drop()
            await alice.is_closed.wait()
        status, headers = await upload(gateway, padded(2 * MEGABYTE), marks(report, str(uuid.uuid4())))

        assert 200 <= status < 300
        assert headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)


async def test_v125_the_segments_of_a_call_are_joined_by_report_and_call_id(tmp_path: Path) -> None:
    call = str(uuid.uuid4())
    async with running(tmp_path, QUICK) as gateway, logged_in(gateway) as alice:
        report = await report_id(alice)
        bodies: list[Message] = [
            {"segment": 0, "flushReason": {"type": "buffer-limit"}, "stats": [{"n": 1}]},
            {"segment": 1, "flushReason": {"type": "socket-close", "socketClose": {}}, "stats": [{"n": 2}]},
            {"segment": 2, "stats": [{"n": 3}], "summary": {"callId": call, "state": "hangup"}},
        ]
        for body in bodies:
            assert (await upload(gateway, body, marks(report, call)))[0] in range(200, 300)
        await upload(gateway, {"stats": [{"n": 9}]}, marks(report, str(uuid.uuid4())))

        found = [json.loads(path.read_bytes()) for path in stored(tmp_path, call)]
        numbers = sorted(int(number) for number in re.findall(r'"n": ?(\d)', json.dumps(found)))
        assert numbers == [1, 2, 3]


async def test_v126_a_recording_of_five_megabytes_is_taken_with_preflight(gateway: Running) -> None:
    call = str(uuid.uuid4())
    async with logged_in(gateway) as alice:
        report = await report_id(alice)
        payload = {"rtp_seq": 1, "rtp_ts": 1, "rtp_ssrc": 1, "captured_at": 1, "payload_b64": "A" * 5 * MEGABYTE}
        body = {
            "call_report_id": report,
            "call_id": call,
            "recording_id": str(uuid.uuid4()),
            "segment": "final",
            "track": "local",
            "codec": "pcm-f32-le",
            "sample_rate": 48000,
            "channels": 1,
            "started_at": "2026-01-01T00:00:00.000Z",
            "ended_at": "2026-01-01T00:00:15.000Z",
            "packet_count": 1,
            "byte_count": 5 * MEGABYTE,
            "packets": [payload],
        }
        assert_allowed(*await preflight(f"{gateway.http}/call_recording"))
        status, headers = await upload(gateway, body, marks(report, call), "/call_recording")

        assert 200 <= status < 300
        assert headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)


async def test_v127_uploads_go_to_the_host_and_port_of_the_socket_whatever_its_path(gateway: Running) -> None:
    async with client(gateway, "/some/path?voice_sdk_id=x") as one:
        await one.login("alice", PASSWORD)
        url = urlsplit(str(one.socket._response.url))
        status, _ = await preflight(f"http://{url.netloc}/call_report")
        posted, _ = await upload(gateway, {"stats": []}, marks(await report_id(one), str(uuid.uuid4())))

        assert url.path == "/some/path"
        assert f"http://{url.netloc}" == gateway.http
        assert (status // 100, posted // 100) == (2, 2)


async def test_v128_a_speed_test_is_answered_after_the_login_and_up_to_its_cap(tmp_path: Path) -> None:
    settings = merged(QUICK, {"verto": {"speed_test_max_bytes": 4096}})
    async with running(tmp_path, settings) as gateway, client(gateway) as one:
        await speed_test(one, 2048)
        assert one.texts == []
        await one.login("alice", PASSWORD)
        await speed_test(one, 4097)
        assert [text for text in one.texts if text.startswith("#SPD")] == []
        await speed_test(one, 2048)
        await one.until_text(re.compile(r"#SPD \d+"))

        assert re.fullmatch(r"#SPU \d+", one.texts[0])
        sizes = [len(text) for text in one.texts if text.startswith("#SPB")]
        assert sum(sizes) >= 2048


async def test_v129_an_operator_can_leave_out_the_report_id(tmp_path: Path) -> None:
    async with (
        running(tmp_path, merged(QUICK, {"reports": {"enabled": False}})) as gateway,
        logged_in(gateway) as alice,
    ):
        state = await alice.ask("telnyx_rtc.gatewayState", {})

        assert state["result"]["params"]["state"] == "REGED"
        assert "call_report_id" not in state["result"]["params"]


async def speed_test(one: Client, size: int) -> None:
    """Upload that many bytes, as the SDK does."""
    await one.say(f"#SPU {size}")
    for _ in range(size // 1024):
        await one.say("#SPB " + "." * 1024)
    await one.say("#SPE")
    await one.barrier()
