"""The views over HTTP: real server, real client, real store."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from gateway.api.events import stream_events
from gateway.api.guard import Guard
from gateway.api.live import LiveFeed, Watcher
from gateway.api.middleware import telnyx_errors
from gateway.api.routes import routes
from gateway.api.views import GatewayInfo, LiveCalls, LiveSessions, Views
from gateway.auth.keys import KeyChecker, hash_key, new_key
from gateway.b2bua.call_index import CallQuality
from gateway.b2bua.overload import OverloadStatus
from gateway.domain.causes import USER_BUSY
from gateway.domain.facts import CallEnded, CallInitiated
from gateway.domain.ids import CallId, Direction, LegName
from gateway.sip.core.banning import Offence
from gateway.store.calls import Calls
from gateway.store.database import Database
from gateway.store.keys import ApiKey, ApiKeys
from gateway.store.settings import StoreSettings
from gateway.trunks.line import TrunkStatus
from tests.fakes.bans import FakeBans
from tests.fakes.calls import START, FakeCalls, FakeSessions, session

Answer = tuple[int, Any]  # Any: decoded JSON


class NoticingFeed(LiveFeed):
    """Says when a stream has ended."""

    def __init__(self, calls: LiveCalls, sessions: LiveSessions) -> None:
        super().__init__(calls, sessions)
        self.forgotten: asyncio.Queue[Watcher] = asyncio.Queue()

    def _forget(self, watcher: Watcher) -> None:
        super()._forget(watcher)
        self.forgotten.put_nowait(watcher)


@dataclass
class World:
    """A server with one key of every scope and one that may only read."""

    calls: FakeCalls
    bans: FakeBans
    records: Calls
    feed: NoticingFeed
    http: ClientSession
    key: str
    reader: str

    async def get(self, path: str, key: str | None = None) -> Answer:
        return await self.request("GET", path, key)

    async def request(self, method: str, path: str, key: str | None = None) -> Answer:
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        async with self.http.request(method, path, headers=headers) as response:
            return response.status, await response.json()

    async def record(self, number: int, *, is_ended: bool = True) -> CallId:
        """A call of the store that nobody has in memory."""
        call_id, at = CallId(f"old-{number:03}"), START + timedelta(seconds=number)
        await self.records.write(
            [CallInitiated(call_id=call_id, at=at, direction=Direction.INBOUND, caller="+1202", callee="alice")]
        )
        if is_ended:
            end = at + timedelta(seconds=1)
            await self.records.write(
                [CallEnded(call_id=call_id, at=end, direction=Direction.INBOUND, cause=USER_BUSY, ended_by=LegName.B)]
            )
        return call_id


TRUNK = TrunkStatus(
    name="lab", health="up", registration="registered", is_registered=True, calls=2, rests_s=0.0, is_usable=True
)


@pytest_asyncio.fixture
async def world(fresh_store: StoreSettings) -> AsyncIterator[World]:
    database = await Database.open(fresh_store)
    keys, calls, bans, records = ApiKeys(database), FakeCalls(), FakeBans(), Calls(database)
    made = [await add_key(keys, frozenset(scope)) for scope in (("read", "write", "lab"), ("read",))]
    sessions = FakeSessions(session("session-1", "alice"))
    info = GatewayInfo(
        version="0.1.0",
        started_at=START,
        public_url="http://127.0.0.1:8080",
        http=("http://127.0.0.1:8080",),
        sip=("udp:127.0.0.1:5060",),
        trunks=(TRUNK,),
        load=OverloadStatus(is_limiting=False, setup_delay=0.0125, calls_in_hand=1, limit=None, refused=7),
        is_lab_enabled=True,
    )
    feed = NoticingFeed(calls, sessions)
    guard = Guard(KeyChecker(keys))
    app = web.Application(middlewares=[telnyx_errors(guard)])
    app.add_routes(routes(Views(calls=calls, records=records, sessions=sessions, bans=bans, info=lambda: info), feed))
    app.add_routes(
        [
            web.get("/v2/broken", broken),
            web.get("/plain", plain),
            web.get("/_lab/allowed", lab(guard)),
            web.get("/v2/fast", fast_stream(feed)),
        ]
    )
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as http:
        yield World(calls, bans, records, feed, http, *made)
        feed.close()
    await database.close()


async def add_key(keys: ApiKeys, scope: frozenset[str]) -> str:
    key = new_key()
    await keys.add(ApiKey(key_id=key[-8:], key_hash=hash_key(key), last4=key[-4:], scope=scope, created_at=START))
    return key


async def broken(_request: web.Request) -> web.Response:
    raise RuntimeError("the secret of the house")


def lab(guard: Guard) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response(await guard.allows(request))

    return handler


async def plain(_request: web.Request) -> web.Response:
    return web.Response(text="plain")


def fast_stream(feed: LiveFeed) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await stream_events(request, feed, heartbeat=0.01)

    return handler


def first_error(body: Any) -> dict[str, Any]:  # Any: decoded JSON
    [error] = body["errors"]
    assert isinstance(error, dict)
    return error


async def test_request_without_a_key_is_refused_in_telnyx_form(world: World) -> None:
    async with world.http.get("/v2/gateway/calls") as response:
        body = await response.json()

    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (first_error(body)["code"], first_error(body)["title"]) == ("10009", "Authentication failed")


async def test_unknown_path_asks_for_a_key_before_it_says_that_there_is_nothing(world: World) -> None:
    without_key = await world.get("/v2/nothing", key="KEYwrong")
    with_key = await world.get("/v2/nothing")

    assert without_key[0] == 401
    assert (with_key[0], first_error(with_key[1])["code"]) == (404, "10005")


async def test_wrong_method_names_the_right_ones(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.key}"}
    async with world.http.delete("/v2/gateway/calls", headers=headers) as response:
        body = await response.json()

    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    assert "GET" in first_error(body)["detail"]


async def test_key_that_may_only_read_cannot_hang_up(world: World) -> None:
    call_id = world.calls.begin("c1")

    status, body = await world.request("POST", f"/v2/gateway/calls/{call_id}/actions/hangup", world.reader)

    assert (status, first_error(body)["code"]) == (403, "10010")
    assert world.calls.hung_up == []


async def test_lab_asks_for_a_key_with_its_own_scope(world: World) -> None:
    assert await world.get("/_lab/allowed") == (200, True)
    assert (await world.get("/_lab/allowed", world.reader))[0] == 403


async def test_defect_of_ours_tells_the_client_nothing_about_itself(world: World) -> None:
    status, body = await world.get("/v2/broken")

    assert (status, first_error(body)["code"]) == (500, "10007")
    assert "secret" not in json.dumps(body)


async def test_path_outside_the_api_needs_no_key(world: World) -> None:
    async with world.http.get("/plain") as response:
        assert (response.status, await response.text()) == (200, "plain")


async def test_info_says_what_runs_and_where(world: World) -> None:
    status, body = await world.get("/v2/gateway/info")

    assert status == 200
    assert body["data"]["version"] == "0.1.0"
    assert body["data"]["lab"] == {"enabled": True}
    assert body["data"]["listeners"]["sip"] == ["udp:127.0.0.1:5060"]
    assert body["data"]["load"] == {
        "is_limiting": False,
        "setup_delay_s": 0.013,
        "calls_in_hand": 1,
        "limit": None,
        "refused": 7,
    }


async def test_sessions_are_listed(world: World) -> None:
    _, body = await world.get("/v2/gateway/sessions")

    [found] = body["data"]
    assert (found["username"], found["logged_in_at"]) == ("alice", "2026-01-02T03:04:05.000Z")


async def test_live_call_is_shown_alone_and_in_the_list(world: World) -> None:
    call_id = world.calls.begin("c1")
    world.calls.answer(call_id)
    await world.record(1)

    _, live = await world.get("/v2/gateway/calls?state=live")
    _, one = await world.get(f"/v2/gateway/calls/{call_id}")

    assert [call["call_id"] for call in live["data"]] == ["c1"]
    assert (one["data"]["state"], one["data"]["codec_a"]) == ("active", "opus")


async def test_ended_calls_come_in_pages_newest_first_without_the_live_ones(world: World) -> None:
    for number in range(5):
        await world.record(number, is_ended=number != 3)

    _, first = await world.get("/v2/gateway/calls?state=ended&limit=2")
    _, second = await world.get(f"/v2/gateway/calls?state=ended&limit=2&before={first['meta']['next_before']}")

    assert [call["call_id"] for call in first["data"]] == ["old-004", "old-002"]
    assert [call["call_id"] for call in second["data"]] == ["old-001", "old-000"]
    assert second["meta"]["next_before"] is None


async def test_call_that_just_ended_is_listed_once_whether_its_record_is_written_or_not(world: World) -> None:
    await world.record(1)
    call_id = world.calls.begin("old-001")
    world.calls.end(call_id)
    world.calls.end(world.calls.begin("not-written-yet"))

    _, body = await world.get("/v2/gateway/calls")

    assert sorted(call["call_id"] for call in body["data"]) == ["not-written-yet", "old-001"]


@pytest.mark.parametrize(
    ("query", "status", "code", "parameter"),
    [
        ("state=dead", 422, "10032", "state"),
        ("limit=0", 422, "10033", "limit"),
        ("limit=251", 422, "10033", "limit"),
        ("limit=ten", 400, "10015", "limit"),
        ("state=live&before=c1", 400, "10015", "before"),
    ],
)
async def test_wrong_parameter_is_named(world: World, query: str, status: int, code: str, parameter: str) -> None:
    answer = await world.get(f"/v2/gateway/calls?{query}")

    error = first_error(answer[1])
    assert (answer[0], error["code"], error["source"]) == (status, code, {"parameter": parameter})


async def test_hangup_ends_a_live_call(world: World) -> None:
    call_id = world.calls.begin("c1")

    status, body = await world.request("POST", f"/v2/gateway/calls/{call_id}/actions/hangup")

    assert (status, body) == (200, {"data": {"result": "ok"}})
    assert world.calls.hung_up == ["c1"]


async def test_hangup_of_an_ended_call_and_of_none_are_told_apart(world: World) -> None:
    ended = await world.record(1)

    over = await world.request("POST", f"/v2/gateway/calls/{ended}/actions/hangup")
    unknown = await world.request("POST", "/v2/gateway/calls/never/actions/hangup")

    assert (over[0], first_error(over[1])["code"]) == (422, "90018")
    assert (unknown[0], first_error(unknown[1])["code"]) == (404, "10005")


async def next_event(response: Any) -> tuple[str, Any]:  # Any: aiohttp's client response, decoded JSON
    async with asyncio.timeout(30):
        block = await response.content.readuntil(b"\n\n")
    name, data = block.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


async def test_event_stream_gives_a_snapshot_and_then_each_change(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.key}"}
    async with world.http.get("/v2/gateway/events", headers=headers) as response:
        first = await next_event(response)
        call_id = world.calls.begin("c1")
        second = await next_event(response)
        world.calls.end(call_id)
        third = await next_event(response)

    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert (first[0], first[1]["calls"]) == ("snapshot", [])
    assert (second[0], second[1]["state"]) == ("call", "new")
    assert (third[0], third[1]["state"], third[1]["cause"]) == ("call", "ended", "NORMAL_CLEARING")


async def test_event_stream_ends_when_the_program_stops(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.key}"}
    async with world.http.get("/v2/gateway/events", headers=headers) as response:
        await next_event(response)
        world.feed.close()

        async with asyncio.timeout(30):
            assert await response.content.read() == b""


async def test_quiet_event_stream_carries_comments(world: World) -> None:
    async with world.http.get("/v2/fast", headers={"Authorization": f"Bearer {world.key}"}) as response:
        await next_event(response)
        async with asyncio.timeout(30):
            block = await response.content.readuntil(b"\n\n")

    assert block.startswith(b":")


async def test_client_that_leaves_its_event_stream_is_forgotten(world: World) -> None:
    async with world.http.get("/v2/fast", headers={"Authorization": f"Bearer {world.key}"}) as response:
        await next_event(response)
        response.close()

        async with asyncio.timeout(30):
            await world.feed.forgotten.get()


async def test_event_stream_too_many_is_refused(world: World) -> None:
    watchers = [world.feed.watch() for _ in range(32)]

    status, body = await world.get("/v2/gateway/events")

    assert (status, first_error(body)["code"]) == (429, "10011")
    for watcher in watchers:
        watcher.close()


# Bans


async def test_bans_are_listed_with_their_times_and_the_last_straw(world: World) -> None:
    world.bans.ban("203.0.113.9", Offence.SCANNER, ago=60.0, left=3540.0)
    world.bans.ban("2001:db8:0:1::/64", Offence.WRONG_DIGEST, ago=10.0, left=3590.0)

    status, answer = await world.get("/v2/gateway/bans", world.reader)

    first, second = answer["data"]
    assert status == 200
    assert (first["address"], first["network"], first["offence"]) == (
        "2001:db8:0:1::",
        "2001:db8:0:1::/64",
        "wrong_digest",
    )
    assert (second["address"], second["network"], second["offence"]) == ("203.0.113.9", "203.0.113.9", "scanner")
    lasted = datetime.fromisoformat(second["expires_at"]) - datetime.fromisoformat(second["banned_at"])
    assert lasted == timedelta(seconds=3600)


async def test_ban_is_lifted_once_and_with_a_write_key_only(world: World) -> None:
    world.bans.ban("203.0.113.9", Offence.SCANNER, ago=60.0, left=3540.0)

    assert (await world.request("DELETE", "/v2/gateway/bans/203.0.113.9", world.reader))[0] == 403
    assert (await world.request("DELETE", "/v2/gateway/bans/203.0.113.9"))[0] == 200
    assert (await world.request("DELETE", "/v2/gateway/bans/203.0.113.9"))[0] == 404
    assert (await world.request("DELETE", "/v2/gateway/bans/somebody"))[0] == 400
    assert (await world.get("/v2/gateway/bans"))[1] == {"data": []}


async def test_quality_of_a_live_call_is_what_its_legs_say_now(world: World) -> None:
    call_id = world.calls.begin("one")
    legs: dict[str, dict[str, object]] = {"a": {"inbound": {"packets": 50, "lost": 0, "mos": 4.3}}}
    world.calls.qualities[call_id] = CallQuality(legs, {"a": [{"at_s": 1.0}]})

    status, body = await world.get(f"/v2/gateway/calls/{call_id}/quality?after=0.5")

    assert status == 200
    assert body["data"] == {
        "record_type": "gateway_call_quality",
        "call_id": "one",
        "is_live": True,
        "legs": legs,
        "samples": {"a": [{"at_s": 1.0}]},
    }


async def test_quality_of_an_ended_call_is_kept_without_its_seconds(world: World) -> None:
    call_id = world.calls.begin("one")
    world.calls.end(call_id)

    _, body = await world.get(f"/v2/gateway/calls/{call_id}/quality")
    _, call = await world.get(f"/v2/gateway/calls/{call_id}")

    assert (body["data"]["is_live"], body["data"]["samples"]) == (False, {})
    assert body["data"]["legs"]["a"]["inbound"] == {"packets": 9}
    assert call["data"]["warnings"] == {"a": ["no_sound"]}
    assert "quality" not in call["data"]


async def test_quality_of_a_call_of_the_store_is_found(world: World) -> None:
    call_id = await world.record(1)

    status, body = await world.get(f"/v2/gateway/calls/{call_id}/quality")

    assert (status, body["data"]["legs"]) == (200, {})


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/v2/gateway/calls/none/quality", 404), ("/v2/gateway/calls/one/quality?after=soon", 400)],
)
async def test_quality_is_refused_of_no_call_and_after_no_time(world: World, path: str, expected: int) -> None:
    world.calls.begin("one")

    status, _ = await world.get(path)

    assert status == expected
