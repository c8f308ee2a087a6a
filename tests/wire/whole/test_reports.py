"""Call reports over HTTP against a whole gateway, as the SDKs upload them."""

import asyncio
import io
import json
import os
import stat
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.fakes.objects import MemoryStore
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.log_lines import log_lines
from tests.harness.stores import Stores
from tests.harness.verto_client import VertoClient, connected
from tests.wire.whole.phone import phone

CALL = "0DE2C6B1-7A51-4C5C-8F0B-0E1B2C3D4E5F"
"""As iOS spells it."""

FOLDER = CALL.lower()


async def report_id_of(verto: VertoClient) -> str:
    """The `call_report_id` that the session was given."""
    state = await verto.request("telnyx_rtc.gatewayState", {})
    report_id: str = state["params"]["call_report_id"]
    return report_id


@asynccontextmanager
async def logged_in(gateway: Running, user: str = "alice") -> AsyncIterator[tuple[VertoClient, str]]:
    """A client of that user, and its `call_report_id`."""
    async with connected(gateway.websocket) as verto:
        await verto.login(user, PASSWORD)
        yield verto, await report_id_of(verto)


def headers(report_id: str | None, call_id: str | None = CALL) -> dict[str, str]:
    """Those of the SDKs; None leaves one out."""
    given = {"x-call-report-id": report_id, "x-call-id": call_id, "x-voice-sdk-id": "VSDK1x"}
    return {name: value for name, value in given.items() if value is not None}


async def post(
    gateway: Running, body: bytes | Mapping[str, object], given: Mapping[str, str], *, path: str = "/call_report"
) -> tuple[int, str, Mapping[str, str]]:
    """Upload from a page of somewhere; status, text and headers of the answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    common = {"Content-Type": "application/json", "Origin": "https://app.example"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(gateway.http + path, data=io.BytesIO(content), headers={**common, **given}) as answer,
    ):
        return answer.status, (await answer.text()).strip(), dict(answer.headers)


def stored(tmp_path: Path) -> list[str]:
    root = tmp_path / "reports"
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def read(tmp_path: Path, name: str) -> Any:  # Any: JSON
    return json.loads((tmp_path / "reports" / name).read_bytes())


def of_size(size: int) -> bytes:
    """A report of exactly that many bytes."""
    head, tail = b'{"stats":["', b'"]}'
    return head + b"x" * (size - len(head) - len(tail)) + tail


async def test_v124_a_report_of_two_megabytes_is_stored_with_what_the_gateway_knows(
    gateway: Running, tmp_path: Path
) -> None:
    async with logged_in(gateway) as (verto, report_id):
        status, _, answer = await post(gateway, of_size(2 * 1024 * 1024), headers(report_id))

    assert (status, answer["Access-Control-Allow-Origin"]) == (200, "*")
    assert "Access-Control-Allow-Credentials" not in answer
    assert stored(tmp_path) == [f"{FOLDER}/call_report/final.json"]
    document = read(tmp_path, stored(tmp_path)[0])
    assert document["voice_sdk_session_id"] == verto.session_id
    assert (document["username"], document["voice_sdk_id"], document["call_id"]) == ("alice", "VSDK1x", FOLDER)
    mode = (tmp_path / "reports" / stored(tmp_path)[0]).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_v124_m77_reports_may_come_after_the_socket_has_gone(gateway: Running, tmp_path: Path) -> None:
    async with logged_in(gateway) as (verto, report_id):
        await verto.socket.close()
        await verto.is_closed.wait()

        status, _, _ = await post(gateway, {"segment": 0}, headers(report_id))

    assert status == 200
    assert stored(tmp_path) == [f"{FOLDER}/call_report/0.json"]


async def test_v125_m76_segments_of_one_call_are_joined_whatever_the_case_of_its_id(
    gateway: Running, tmp_path: Path
) -> None:
    async with logged_in(gateway) as (_, report_id):
        for segment in (0, 1):
            body = {"segment": segment, "stats": [segment], "flushReason": {"type": "buffer-limit"}}
            await post(gateway, body, headers(report_id, CALL))
        await post(gateway, {"segment": 2, "stats": [2], "extra": True}, headers(report_id, CALL.lower()))

        whole = await gateway.gateway.reports.archive.report(FOLDER)

    assert stored(tmp_path) == [f"{FOLDER}/call_report/{segment}.json" for segment in (0, 1, 2)]
    assert whole is not None
    assert (whole["stats"], whole["extra"], whole["call_report_id"]) == ([0, 1, 2], True, report_id)


@pytest.mark.parametrize(
    ("report_id", "call_id", "expected"),
    [
        (None, CALL, (401, "missing call_report_id")),
        ("", CALL, (401, "missing call_report_id")),
        ("guess", CALL, (401, "invalid call_report_id")),
        ("x" * 5000, CALL, (401, "invalid call_report_id")),
        (None, None, (401, "missing call_report_id")),
        ("good", None, (400, "missing call_id")),
        ("good", "../../etc", (400, "invalid call_id")),
    ],
)
async def test_m76_what_is_missing_is_told_in_the_words_that_the_sdks_know(
    gateway: Running, tmp_path: Path, report_id: str | None, call_id: str | None, expected: tuple[int, str]
) -> None:
    async with logged_in(gateway) as (_, good):
        status, text, answer = await post(gateway, {}, headers(good if report_id == "good" else report_id, call_id))

    assert (status, text) == expected
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert stored(tmp_path) == []


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_report_of_two_megabytes_and_one_byte_is_too_large(
    gateway: Running, tmp_path: Path, is_chunked: bool
) -> None:
    body = of_size(2 * 1024 * 1024 + 1)

    async def parts() -> AsyncIterator[bytes]:
        yield body

    async with logged_in(gateway) as (_, report_id), aiohttp.ClientSession() as http:
        data = parts() if is_chunked else io.BytesIO(body)
        async with http.post(f"{gateway.http}/call_report", data=data, headers=headers(report_id)) as answer:
            assert answer.status == 413

    assert stored(tmp_path) == []


async def test_v126_a_recording_of_five_megabytes_is_stored_by_track(gateway: Running, tmp_path: Path) -> None:
    body = {"track": "local", "segment": "intermediate", "packets": [{"payload_b64": "x" * 5 * 1024 * 1024}]}
    async with logged_in(gateway) as (_, report_id):
        first = await post(gateway, body, headers(report_id), path="/call_recording")
        second = await post(gateway, {**body, "segment": "final"}, headers(report_id), path="/call_recording")
        await post(gateway, {"track": "remote"}, headers(report_id), path="/call_recording")

    assert (first[0], second[0]) == (200, 200)
    assert stored(tmp_path) == [
        f"{FOLDER}/call_recording/local/0.json",
        f"{FOLDER}/call_recording/local/1.json",
        f"{FOLDER}/call_recording/remote/0.json",
    ]


@pytest.mark.parametrize("path", ["/call_report", "/call_recording"])
@pytest.mark.parametrize("listener", [0, 1])
async def test_v123_v127_any_page_may_upload_to_the_port_of_the_socket(
    gateway: Running, path: str, listener: int
) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-call-id,x-call-report-id,x-voice-sdk-id",
        "Access-Control-Request-Private-Network": "true",
    }
    url = gateway.gateway.ready.http[listener]
    async with aiohttp.ClientSession() as http, http.options(url + path, headers=asked, ssl=False) as answer:
        allowed = answer.headers["Access-Control-Allow-Headers"].replace(" ", "").split(",")

    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert set(allowed) >= set(asked["Access-Control-Request-Headers"].split(","))
    assert answer.headers["Access-Control-Allow-Private-Network"] == "true"
    assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_v129_without_reports_there_is_no_id_and_no_upload(tmp_path: Path) -> None:
    async with running(tmp_path, {"reports": {"enabled": False}}) as gateway:
        async with connected(gateway.websocket) as verto:
            await verto.login("alice", PASSWORD)
            state = await verto.request("telnyx_rtc.gatewayState", {})
        status, _, _ = await post(gateway, {}, headers("guess"))

    assert "call_report_id" not in state["params"]
    assert status == 404
    assert stored(tmp_path) == []


async def test_m24_an_id_is_secret_and_each_sessions_own_and_stays_over_a_token_refresh(gateway: Running) -> None:
    async with logged_in(gateway) as (verto, first), logged_in(gateway) as (_, second):
        await verto.login("alice", PASSWORD, sessid=verto.session_id)
        again = await report_id_of(verto)

    assert again == first != second
    assert min(len(first), len(second)) >= 43  # 256 bits


async def test_a_session_cannot_touch_the_calls_of_another_connection(gateway: Running, tmp_path: Path) -> None:
    async with logged_in(gateway, "alice") as (_, alice), logged_in(gateway, "robert") as (_, robert):
        await post(gateway, {"segment": 0, "of": "alice"}, headers(alice))
        status, text, _ = await post(gateway, {"segment": 1, "of": "robert"}, headers(robert))

    assert (status, text) == (401, "invalid call_report_id")
    assert stored(tmp_path) == [f"{FOLDER}/call_report/0.json"]


async def test_a_session_that_uploaded_too_much_is_told_so(tmp_path: Path) -> None:
    settings = {"reports": {"max_session_bytes": 1000}}
    async with running(tmp_path, settings) as gateway, logged_in(gateway) as (_, report_id):
        answers = [(await post(gateway, of_size(600), headers(report_id, str(uuid.uuid4()))))[0] for _ in range(2)]

    assert answers == [200, 429]


@pytest.mark.parametrize(
    ("body", "given", "expected"),
    [
        (b"[]", {}, 400),
        (b"not json", {}, 400),
        (b"", {}, 400),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_what_no_sdk_sends_is_refused(
    gateway: Running, tmp_path: Path, body: bytes, given: Mapping[str, str], expected: int
) -> None:
    async with logged_in(gateway) as (_, report_id):
        status, _, _ = await post(gateway, body, {**headers(report_id), **given})

    assert status == expected
    assert stored(tmp_path) == []


async def test_a_store_that_is_down_is_told_to_the_client_and_calls_go_on(gateway: Running, tmp_path: Path) -> None:
    async with logged_in(gateway) as (verto, report_id):
        (tmp_path / "reports").write_text("no folder")
        status, _, answer = await post(gateway, {}, headers(report_id))
        registered = await verto.request("telnyx_rtc.gatewayState", {})
        (tmp_path / "reports").unlink()
        retried, _, _ = await post(gateway, {}, headers(report_id))

    assert (status, retried) == (503, 200)
    assert answer["Retry-After"]
    assert registered["params"]["state"] == "REGED"


async def test_a_body_that_breaks_off_leaves_nothing_behind(gateway: Running, tmp_path: Path) -> None:
    host, _, port = gateway.http.removeprefix("http://").partition(":")
    async with logged_in(gateway) as (_, report_id):
        _, writer = await asyncio.open_connection(host, int(port))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers(report_id).items())
        writer.write(f"POST /call_report HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 100\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        with log_lines() as log:
            status, _, _ = await post(gateway, {}, headers(report_id))

    assert status == 200
    assert stored(tmp_path) == [f"{FOLDER}/call_report/final.json"]
    assert not any("request_failed" in line for line in log.lines)


@asynccontextmanager
async def half_an_upload(gateway: Running, report_id: str) -> AsyncIterator[asyncio.StreamReader]:
    """A report whose body does not come."""
    host, _, port = gateway.http.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers(report_id).items())
    writer.write(f"POST /call_report HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 100\r\n\r\n{{".encode())
    await writer.drain()
    try:
        yield reader
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_body_that_does_not_come_gives_its_place_back(tmp_path: Path) -> None:
    settings = {"reports": {"upload_timeout": 0.1, "max_uploads": 1}}
    async with running(tmp_path, settings) as gateway, logged_in(gateway) as (_, report_id):
        async with half_an_upload(gateway, report_id) as reader, asyncio.timeout(30):
            line = await reader.readline()
        status, _, _ = await post(gateway, {}, headers(report_id))

    assert line.startswith(b"HTTP/1.1 408")
    assert status == 200


async def test_uploads_at_the_same_time_are_bounded_in_all_and_for_each_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.reports.uploads.WAIT_FOR_A_PLACE", 0.05)
    monkeypatch.setattr("gateway.reports.uploads.MAX_UPLOADS_OF_A_SESSION", 2)
    async with (
        running(tmp_path, {"reports": {"max_uploads": 3}}) as gateway,
        logged_in(gateway) as (_, one),
        logged_in(gateway) as (_, other),
        AsyncExitStack() as halves,
    ):
        uploads = gateway.gateway.reports._uploads
        for count, report_id in enumerate((one, one, other), 1):
            await halves.enter_async_context(half_an_upload(gateway, report_id))
            while uploads.under_way < count:
                await post(gateway, {}, {})  # a round trip, so that the gateway has read what came before it
        same_session = await post(gateway, {}, headers(one))
        other_session = await post(gateway, {}, headers(other))

    assert (same_session[0], same_session[1]) == (503, "too many uploads of this session at once")
    assert (other_session[0], other_session[1]) == (503, "too many uploads at once")


async def test_who_has_no_id_is_answered_before_the_body_is_read(gateway: Running) -> None:
    host, _, port = gateway.http.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /call_report HTTP/1.1\r\nHost: x\r\nx-call-report-id: guess\r\nContent-Length: 2000000\r\n\r\n")

    async with asyncio.timeout(30):
        line = await reader.readline()

    assert line.startswith(b"HTTP/1.1 401")
    writer.close()
    await writer.wait_closed()


async def test_uploads_are_counted(gateway: Running) -> None:
    async with logged_in(gateway) as (_, report_id):
        await post(gateway, {}, headers(report_id))
        await post(gateway, {}, headers("guess"))
        text = await gateway.metrics()

    assert 'gateway_report_uploads_total{kind="report",result="ok"}' in text
    assert 'gateway_report_uploads_total{kind="report",result="unauthorized"}' in text


async def test_what_is_in_a_report_and_its_id_are_in_no_log(gateway: Running) -> None:
    with log_lines() as log:
        async with logged_in(gateway) as (_, report_id):
            await post(gateway, {"logs": [{"message": "turn-credential-9"}]}, headers(report_id))
            await post(gateway, {"logs": "turn-credential-9"}, headers(report_id + "x"))

    assert log.lines
    assert not any("turn-credential-9" in line or report_id in line for line in log.lines)


# ---- debug frames over the socket


async def test_v122_debug_frames_are_answered_and_stored_with_their_call(gateway: Running, tmp_path: Path) -> None:
    stores = Stores(gateway)
    data = {"event": "stats", "tag": "stats", "data": {"x": [1.5, "é"]}}
    async with logged_in(gateway) as (verto, report_id):
        await verto.debug_report("start", "d1", call_id=CALL)
        for _ in range(3):
            await verto.debug_report("data", "d1", call_id=CALL, debug_report_data=data)
        for _ in range(2):
            await verto.debug_report("stop", "d1", call_id=CALL)
        await stores.until(1)

    assert stored(tmp_path) == [f"{FOLDER}/rtc_stats_reports/0.json"]
    document = read(tmp_path, stored(tmp_path)[0])
    kinds = [frame["type"].removeprefix("debug_report_") for frame in document["frames"]]
    assert kinds == ["start", "data", "data", "data", "stop"]
    assert document["frames"][1]["debug_report_data"] == data
    assert (document["call_report_id"], document["debug_report_id"]) == (report_id, "d1")


async def test_debug_frames_of_a_socket_that_is_lost_are_stored(gateway: Running, tmp_path: Path) -> None:
    stores = Stores(gateway)
    async with logged_in(gateway) as (verto, _):
        await verto.debug_report("start", "d1", call_id=CALL)
    await stores.until(1)

    assert stored(tmp_path) == [f"{FOLDER}/rtc_stats_reports/0.json"]


async def test_debug_frames_that_wait_are_stored_when_the_gateway_stops(tmp_path: Path) -> None:
    async with AsyncExitStack() as clients, AsyncExitStack() as gateways:
        gateway = await gateways.enter_async_context(running(tmp_path))
        verto, _ = await clients.enter_async_context(logged_in(gateway))
        await verto.debug_report("start", "d1", call_id=CALL)

    assert stored(tmp_path) == [f"{FOLDER}/rtc_stats_reports/0.json"]


async def test_without_reports_debug_frames_are_answered_and_dropped(tmp_path: Path) -> None:
    async with (
        running(tmp_path, {"reports": {"enabled": False}}) as gateway,
        connected(gateway.websocket) as verto,
    ):
        await verto.login("alice", PASSWORD)
        answer = await verto.debug_report("start", "d1", call_id=CALL)

    assert answer == {"message": "debug_report_start"}
    assert stored(tmp_path) == []


async def test_a_store_that_is_down_does_not_slow_the_signalling_down(gateway: Running, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("no folder")
    async with logged_in(gateway) as (verto, _):
        for number in range(50):
            await verto.debug_report("start", f"d{number}", call_id=str(uuid.uuid4()))
            await verto.debug_report("stop", f"d{number}", call_id=str(uuid.uuid4()))
        state = await verto.request("telnyx_rtc.gatewayState", {})
    (tmp_path / "reports").unlink()

    assert state["params"]["state"] == "REGED"


async def test_reports_that_are_too_old_go_at_the_start(tmp_path: Path) -> None:
    old = tmp_path / "reports/old/call_report/0.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    os.utime(old, (0, 0))
    async with running(tmp_path, {"reports": {"keep_days": 1.0}}) as gateway, logged_in(gateway) as (_, report_id):
        await post(gateway, {}, headers(report_id))

    assert stored(tmp_path) == [f"{FOLDER}/call_report/final.json"]


# ---- reading them back


async def test_an_operator_lists_and_reads_the_reports_of_a_call(gateway: Running) -> None:
    async with logged_in(gateway) as (_, report_id):
        for segment in (0, 1):
            await post(gateway, {"segment": segment, "stats": [segment]}, headers(report_id))
        await post(gateway, {"track": "local"}, headers(report_id), path="/call_recording")

    listed = (await gateway.get(f"/v2/gateway/calls/{CALL}/reports"))["data"]
    one = await gateway.get(f"/v2/gateway/calls/{CALL}/reports/call_report/1.json")
    whole = (await gateway.get(f"/v2/gateway/calls/{CALL}/reports/call_report"))["data"]

    assert [(entry["name"], entry["kind"]) for entry in listed] == [
        ("call_recording/local/0.json", "call_recording"),
        ("call_report/0.json", "call_report"),
        ("call_report/1.json", "call_report"),
    ]
    assert all(entry["size"] > 0 and entry["stored_at"].endswith("Z") for entry in listed)
    assert (one["stats"], whole["stats"]) == ([1], [0, 1])


async def test_reports_are_found_by_the_gateways_own_call_id(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call_id = await alice.call("+12025550102")  # busy
        await alice.until_over(call_id)
        report_id = await report_id_of(alice.verto)
        await post(gateway, {"stats": ["mine"]}, headers(report_id, call_id))
    ours = (await gateway.get("/v2/gateway/calls?state=ended"))["data"][0]["call_id"]

    whole = (await gateway.get(f"/v2/gateway/calls/{ours}/reports/call_report"))["data"]

    assert whole["stats"] == ["mine"]
    assert ours != call_id


@pytest.mark.parametrize(
    "path",
    [
        "nobody/reports",
        "nobody/reports/call_report",
        f"{CALL}/reports/call_report/9.json",
        f"{CALL}/reports/..%2f..%2fjwt.key",
        f"{CALL}/reports/../../gateway.db",
        "..%2f/reports/jwt.key",
    ],
)
async def test_what_is_not_a_report_is_not_found(gateway: Running, path: str) -> None:
    async with logged_in(gateway) as (_, report_id):
        await post(gateway, {}, headers(report_id))
    url = URL(f"{gateway.http}/v2/gateway/calls/{path}", encoded=True)

    given = {"Authorization": f"Bearer {gateway.key}"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=given) as answer:
        assert answer.status == 404, await answer.text()


async def test_reports_need_a_key_and_a_store(gateway: Running) -> None:
    url = f"{gateway.http}/v2/gateway/calls/{CALL}/reports/call_report"
    given = {"Authorization": f"Bearer {gateway.key}"}
    async with logged_in(gateway) as (_, report_id), aiohttp.ClientSession() as http:
        await post(gateway, {}, headers(report_id))
        async with http.get(url) as without_key:
            pass
        store = gateway.gateway.reports.archive._store = MemoryStore()
        store.is_down = True
        async with http.get(url, headers=given) as without_store:
            pass

    assert (without_key.status, without_store.status) == (401, 503)
