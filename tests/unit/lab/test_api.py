"""`/_lab` over HTTP, with fake SIP below."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.domain.ids import SessionId, VertoCallId
from gateway.domain.push import Device, Push
from gateway.domain.registration import RegistrationState
from gateway.lab.api import LabApi
from gateway.lab.numbers import MAGIC_NUMBERS
from gateway.lab.pushes import MAX_PUSHES, PushLog
from gateway.sip.call import Answered, Ended
from tests.unit.lab.conftest import OFFER, Desk

KEY = {"Authorization": "Bearer key"}
GOOD = {"to": "alice", "from": "+12025550190", "scenario": "tone"}

Client = TestClient[web.Request, web.Application]


class OneSession:
    """A gateway with one connected client, `session-1`."""

    def __init__(self) -> None:
        self.state = RegistrationState.REGED

    def set_registration(self, session_id: SessionId, state: RegistrationState) -> bool:
        if session_id != "session-1":
            return False
        self.state = state
        return True


@pytest.fixture
def sessions() -> OneSession:
    return OneSession()


@pytest.fixture
def pushes() -> PushLog:
    return PushLog(lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))


@pytest.fixture
async def client(desk: Desk, sessions: OneSession, pushes: PushLog) -> AsyncIterator[Client]:
    async def authorize(request: web.Request) -> bool:
        return request.headers.get("Authorization") == KEY["Authorization"]

    app = web.Application()
    app.add_routes(LabApi(desk.switchboard, authorize, sessions, pushes).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def get(client: Client, path: str) -> Any:  # JSON
    async with client.get(path, headers=KEY) as response:
        assert response.status == 200
        return await response.json()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_lab/numbers"),
        ("GET", "/_lab/calls"),
        ("POST", "/_lab/calls"),
        ("GET", "/_lab/calls/x"),
        ("DELETE", "/_lab/calls/x"),
        ("POST", "/_lab/sessions/session-1/gateway_state"),
        ("GET", "/_lab/pushes"),
    ],
)
async def test_nothing_is_told_or_done_without_a_key(client: Client, desk: Desk, method: str, path: str) -> None:
    async with client.request(method, path, json=GOOD) as response:
        body = await response.json()

    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert body["errors"][0]["code"] == "10009"
    assert desk.legs == []


async def test_numbers_are_listed_with_what_they_do(client: Client) -> None:
    body = await get(client, "/_lab/numbers")

    assert [entry["number"] for entry in body["data"]] == [entry.number for entry in MAGIC_NUMBERS]
    assert body["data"][0] == {
        "record_type": "lab_number",
        "number": "+12025550100",
        "scenario": "echo",
        "description": "rings 1 s, answers, echoes what it hears",
        "is_available": True,
    }
    assert all(entry["is_available"] for entry in body["data"])


async def test_call_is_made_and_shown(client: Client, desk: Desk) -> None:
    async with client.post("/_lab/calls", headers=KEY, json={**GOOD, "duration": 30}) as response:
        created = (await response.json())["data"]
    assert response.status == 201
    desk.legs[0].tell(Answered(OFFER, {}))

    shown = (await get(client, f"/_lab/calls/{created['id']}"))["data"]

    assert (created["state"], shown["state"]) == ("trying", "answered")
    assert (shown["direction"], shown["from"], shown["to"], shown["scenario"]) == (
        "outgoing",
        "+12025550190",
        "alice",
        "tone",
    )
    assert shown["heard"] == {
        "codec": "pcmu",
        "packets": 0,
        "packets_lost": 0,
        "packets_rejected": 0,
        "level_dbov": None,
        "frequency_hz": None,
        "digit_count": 0,
        "digits": "",
        "digit_durations_s": [],
    }


@pytest.mark.parametrize(
    ("body", "status", "code", "pointer"),
    [
        ({"from": "1", "scenario": "echo"}, 422, "10004", "/to"),
        ({**GOOD, "colour": "red"}, 422, "10027", "/colour"),
        ({**GOOD, "a/b~c": 1}, 422, "10027", "/a~1b~0c"),
        ({**GOOD, "scenario": "busy"}, 422, "10032", "/scenario"),
        ({**GOOD, "scenario": 7}, 422, "10027", "/scenario"),
        ({**GOOD, "duration": 0}, 422, "10033", "/duration"),
        ({**GOOD, "duration": 1e9}, 422, "10033", "/duration"),
        ({**GOOD, "to": "a@b"}, 422, "10027", "/to"),
        ({**GOOD, "to": "a\r\nVia: x"}, 422, "10027", "/to"),
        ({**GOOD, "from": ""}, 422, "10027", "/from"),
        ({**GOOD, "to": "x" * 65}, 422, "10027", "/to"),
        ([], 422, "10027", "/"),
        ("{", 400, "10023", "/"),
    ],
)
async def test_mistake_in_the_body_is_named_and_no_call_is_made(
    client: Client, desk: Desk, body: object, status: int, code: str, pointer: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)

    async with client.post("/_lab/calls", headers=KEY, data=text) as response:
        errors = (await response.json())["errors"]

    assert (response.status, errors[0]["code"], errors[0]["source"]["pointer"]) == (status, code, pointer)
    assert desk.legs == []


async def test_call_beyond_the_limit_gets_429(client: Client, desk: Desk) -> None:
    for _ in range(5):
        desk.receive("+12025550104")

    async with client.post("/_lab/calls", headers=KEY, json=GOOD) as response:
        assert response.status == 429


async def test_incoming_calls_are_listed_too_newest_first(client: Client, desk: Desk) -> None:
    desk.receive("+12025550104")
    desk.receive("+12025550102")
    desk.receive("+12025550100")

    first = await get(client, "/_lab/calls?limit=2")
    rest = await get(client, f"/_lab/calls?limit=2&before={first['meta']['next_before']}")

    assert [call["scenario"] for call in first["data"]] == ["echo", "busy"]
    assert [call["scenario"] for call in rest["data"]] == ["no_answer"]
    assert rest["meta"] == {"limit": 2, "next_before": None}
    assert [call["sip_status"] for call in first["data"]] == [None, 486]


@pytest.mark.parametrize(
    ("query", "status", "parameter"),
    [("limit=0", 422, "limit"), ("limit=251", 422, "limit"), ("limit=x", 400, "limit"), ("before=x", 400, "before")],
)
async def test_wrong_paging_is_named(client: Client, query: str, status: int, parameter: str) -> None:
    async with client.get(f"/_lab/calls?{query}", headers=KEY) as response:
        errors = (await response.json())["errors"]

    assert (response.status, errors[0]["source"]) == (status, {"parameter": parameter})


async def test_call_is_hung_up_once(client: Client, desk: Desk) -> None:
    leg = desk.receive("+12025550104")
    call_id = (await get(client, "/_lab/calls"))["data"][0]["id"]

    async with client.delete(f"/_lab/calls/{call_id}", headers=KEY) as first:
        ended = (await first.json())["data"]
    async with client.delete(f"/_lab/calls/{call_id}", headers=KEY) as second:
        errors = (await second.json())["errors"]

    assert (first.status, ended["state"], ended["ended_by"]) == (200, "ended", "user")
    assert leg.asked[-1] == ("hangup",)
    assert (second.status, errors[0]["code"]) == (422, "90018")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_unknown_call_gets_404(client: Client, method: str) -> None:
    async with client.request(method, "/_lab/calls/nobody", headers=KEY) as response:
        errors = (await response.json())["errors"]

    assert (response.status, errors[0]["code"]) == (404, "10005")


async def test_times_of_a_call_are_in_utc(client: Client, desk: Desk) -> None:
    leg = desk.receive("+12025550104")
    leg.tell(Ended(16, "bye"))

    call = (await get(client, "/_lab/calls"))["data"][0]

    assert all(call[key].endswith("Z") for key in ("created_at", "ringing_at", "ended_at"))
    assert call["answered_at"] is None


async def test_a_gateway_state_is_set(client: Client, sessions: OneSession) -> None:
    path = "/_lab/sessions/session-1/gateway_state"
    async with client.post(path, headers=KEY, json={"state": "FAIL_WAIT"}) as response:
        body = await response.json()

    assert (response.status, body["data"]) == (200, {"session_id": "session-1", "state": "FAIL_WAIT"})
    assert sessions.state is RegistrationState.FAIL_WAIT


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("session-2", {"state": "REGED"}, 404, "10005"),
        ("session-1", {"state": "GONE"}, 422, "10032"),
        ("session-1", {"state": "reged"}, 422, "10032"),
        ("session-1", {}, 422, "10004"),
        ("session-1", {"state": 1}, 422, "10027"),
        ("session-1", {"state": "REGED", "for": 1}, 422, "10027"),
    ],
)
async def test_a_gateway_state_that_cannot_be_set_says_why(
    client: Client, sessions: OneSession, path: str, body: dict[str, object], status: int, code: str
) -> None:
    async with client.post(f"/_lab/sessions/{path}/gateway_state", headers=KEY, json=body) as response:
        errors = (await response.json())["errors"]

    assert (response.status, errors[0]["code"]) == (status, code)
    assert sessions.state is RegistrationState.REGED


PUSH = Push(
    kind="call",
    device=Device(username="alice", provider="android", token="fcm-token-0123456789", user_agent="Android-3.7.0"),
    call_id=VertoCallId("6f1d7d1e-0000-4000-8000-000000000001"),
    voice_sdk_id="VSDK1x",
    caller_name="Bob",
    caller_number="+12025550190",
)
METADATA = {
    "call_id": "6f1d7d1e-0000-4000-8000-000000000001",
    "caller_name": "Bob",
    "caller_number": "+12025550190",
    "voice_sdk_id": "VSDK1x",
}


async def test_m63_m64_a_push_is_shown_as_fcm_would_get_it(client: Client, pushes: PushLog) -> None:
    pushes.send(PUSH)

    (shown,) = (await get(client, "/_lab/pushes"))["data"]

    data = shown["payload"]["data"]
    assert json.loads(data.pop("metadata")) == METADATA
    assert data == {"type": "voip", "message": "Incoming call!", **METADATA}
    assert all(isinstance(value, str) for value in data.values())
    assert shown["payload"]["android"] == {"priority": "high"}
    assert (shown["kind"], shown["username"], shown["device"]) == ("call", "alice", "…456789")
    assert shown["sent_at"] == "2026-03-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("kind", "aps"),
    [
        ("call", {}),
        ("missed_call", {"alert": "Missed call!"}),
        ("answered_elsewhere", {"alert": "Answered Elsewhere"}),
    ],
)
async def test_m63_a_push_is_shown_as_apns_would_get_it(
    client: Client, pushes: PushLog, kind: Any, aps: dict[str, str]
) -> None:
    pushes.send(replace(PUSH, kind=kind, device=replace(PUSH.device, provider="ios", environment="debug")))

    (shown,) = (await get(client, "/_lab/pushes"))["data"]

    assert shown["payload"] == {"metadata": METADATA, "aps": aps}
    assert (shown["provider"], shown["environment"]) == ("ios", "debug")


async def test_pushes_are_listed_newest_first_and_bounded(client: Client, pushes: PushLog) -> None:
    for number in range(MAX_PUSHES + 10):
        pushes.send(replace(PUSH, caller_name=str(number)))

    body = await get(client, "/_lab/pushes?limit=2")

    assert [entry["payload"]["data"]["caller_name"] for entry in body["data"]] == ["1009", "1008"]
    assert len(pushes.newest(10_000)) == MAX_PUSHES
    async with client.get("/_lab/pushes?limit=x", headers=KEY) as response:
        assert response.status == 400
