"""The live feed: facts and comparisons become events, and no watcher costs more than its bound."""

import asyncio
import json
from typing import Any

import pytest

from gateway.api.errors import TooManyRequests
from gateway.api.live import KEPT_ENDED, MAX_PENDING, MAX_WATCHERS, Event, LiveFeed, Watcher
from gateway.domain.causes import USER_BUSY
from tests.fakes.calls import FakeCalls, FakeSessions, session

Told = list[tuple[str, Any]]  # Any: decoded JSON

ALICE = session("session-1", "alice")


class World:
    def __init__(self) -> None:
        self.calls = FakeCalls()
        self.sessions = FakeSessions(ALICE)
        self.feed = LiveFeed(self.calls, self.sessions)


async def told(watcher: Watcher) -> Told:
    """What waits for that watcher."""
    events = await watcher.next(0.0)
    return [(event.name, json.loads(event.data)) for event in events or ()]


async def test_watcher_gets_a_snapshot_of_calls_and_sessions_first() -> None:
    world = World()
    call_id = world.calls.begin("c1")
    world.calls.ring(call_id)

    [(name, data)] = await told(world.feed.watch())

    assert name == "snapshot"
    assert [call["state"] for call in data["calls"]] == ["ringing"]
    assert data["calls"][0]["ringing_at"] == "2026-01-02T03:04:06.000Z"
    assert [found["username"] for found in data["sessions"]] == ["alice"]


async def test_every_step_of_a_call_is_told() -> None:
    world = World()
    watcher = world.feed.watch()
    await told(watcher)
    seen = []

    call_id = world.calls.begin("c1")
    seen += await told(watcher)
    for step in (world.calls.ring, world.calls.answer, world.calls.hold, world.calls.end):
        step(call_id)
        seen += await told(watcher)

    assert [(name, call["state"]) for name, call in seen] == [
        ("call", "new"),
        ("call", "ringing"),
        ("call", "active"),
        ("call", "held"),
        ("call", "ended"),
    ]


async def test_end_of_a_call_carries_all_that_was_known_and_its_cause() -> None:
    world = World()
    watcher = world.feed.watch()
    call_id = world.calls.begin("c1")
    world.calls.ring(call_id)
    world.calls.answer(call_id)
    await told(watcher)

    world.calls.end(call_id, USER_BUSY, sip_status=486)

    [(_, call)] = await told(watcher)
    assert (call["cause"], call["cause_code"], call["sip_status"]) == ("USER_BUSY", 17, 486)
    assert (call["codec_a"], call["codec_b"], call["trunk"], call["ended_by"]) == ("opus", "PCMU", "lab", "a")
    assert call["ringing_at"] and call["answered_at"] and call["ended_at"] and call["duration_s"] == 9.0


async def test_changes_of_one_call_replace_one_another_until_they_are_fetched() -> None:
    world = World()
    watcher = world.feed.watch()
    await told(watcher)

    call_id = world.calls.begin("c1")
    world.calls.ring(call_id)
    world.calls.answer(call_id)

    assert [call["state"] for _, call in await told(watcher)] == ["active"]


async def test_slow_watcher_gets_a_new_snapshot_instead_of_a_long_queue() -> None:
    world = World()
    watcher = world.feed.watch()
    await told(watcher)

    for number in range(MAX_PENDING + 1):
        world.calls.begin(f"c{number}")

    [(name, data)] = await told(watcher)
    assert name == "snapshot"
    assert len(data["calls"]) == MAX_PENDING + 1
    assert await told(watcher) == []


async def test_change_without_a_fact_is_found_by_comparison() -> None:
    world = World()
    call_id = world.calls.begin("c1")
    watcher = world.feed.watch()
    await told(watcher)

    world.feed.compare()
    unchanged = await told(watcher)
    world.calls.count_packets(call_id, 50)
    world.feed.compare()

    assert unchanged == []
    [(name, call)] = await told(watcher)
    assert (name, call["media"]["a_packets_received"]) == ("call", 50)


async def test_new_session_is_told_with_all_the_others() -> None:
    world = World()
    watcher = world.feed.watch()
    await told(watcher)

    world.sessions.list.append(session("session-2", "bob"))
    world.feed.compare()

    [(name, sessions)] = await told(watcher)
    assert (name, [found["username"] for found in sessions]) == ("sessions", ["alice", "bob"])


async def test_ended_call_is_no_longer_live_and_is_kept_for_a_moment() -> None:
    world = World()
    for number in range(KEPT_ENDED + 1):
        world.calls.end(world.calls.begin(f"c{number}"))

    assert world.feed.live_calls() == []
    ended = world.feed.recently_ended()
    assert len(ended) == KEPT_ENDED
    assert ended[0].call_id == f"c{KEPT_ENDED}"


async def test_watchers_are_bounded_and_a_closed_one_makes_room() -> None:
    world = World()
    watchers = [world.feed.watch() for _ in range(MAX_WATCHERS)]
    with pytest.raises(TooManyRequests):
        world.feed.watch()

    watchers[0].close()

    assert await told(world.feed.watch())


async def test_closed_feed_ends_its_watchers_and_leaves_no_timer() -> None:
    world = World()
    watcher = world.feed.watch()
    await told(watcher)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(watcher.next(30.0))
        group.create_task(close_soon(world.feed))

    assert waiting.result() is None
    assert world.calls.listeners == []
    with pytest.raises(TooManyRequests):
        world.feed.watch()


async def close_soon(feed: LiveFeed) -> None:
    feed.close()


async def test_revoked_key_ends_its_watchers_also_one_that_is_just_being_opened() -> None:
    world = World()
    watchers = [world.feed.watch(key_id) for key_id in ("k1", "k2")]

    world.feed.close_of("k1")
    watchers.append(world.feed.watch("k1"))

    assert [await one.next(5.0) is None for one in watchers] == [True, False, True]
    for one in watchers:
        one.close()


async def test_quiet_watcher_wakes_up_for_its_heartbeat() -> None:
    world = World()
    watcher = world.feed.watch()
    await told(watcher)

    assert await watcher.next(0.001) == []


def test_event_is_one_name_line_and_one_data_line() -> None:
    assert Event("call", '{"a":1}').encode() == b'event: call\ndata: {"a":1}\n\n'
