"""A gateway that is killed in mid-call, and what the next one knows of that call."""

import asyncio
import json
import signal
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from tests.harness.program import FREE_PORTS, started
from tests.harness.verto_client import connected
from tests.wire.whole.phone import Phone

ENVIRON = {
    **FREE_PORTS,
    "RTC_GATEWAY__STORE__ALIVE_INTERVAL": "0.1",
    "RTC_GATEWAY__LAB__TIME_SCALE": "0.1",
    "RTC_GATEWAY__AUTH__PASSWORD_TIME_COST": "1",
    "RTC_GATEWAY__AUTH__PASSWORD_MEMORY_KIB": "64",
}
TALK = timedelta(seconds=1)


def times(store: Path, table: str, end: str) -> list[datetime | None]:
    """When the one call of that table was answered, was last seen alive, and ended."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        (row,) = connection.execute(f"SELECT answered_at, alive_at, {end} FROM {table}").fetchall()  # noqa: S608 -- ours
    finally:
        connection.close()
    return [None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC) for text in row]


async def until_it_talked(store: Path) -> None:
    """Return once the gateway has noted that the call has lived for so long."""
    async with asyncio.timeout(30):
        while True:
            answered_at, alive_at, _ = await asyncio.to_thread(times, store, "detail_records", "finished_at")
            if answered_at is not None and alive_at is not None and alive_at - answered_at > TALK:
                return


async def get(ready: Any, path: str) -> Any:  # Any: JSON of the program and of its API
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    url = ready["http_urls"][0] + path
    async with aiohttp.ClientSession() as web, web.get(url, headers=headers) as answer:
        assert answer.status == 200
        return (await answer.json())["data"]


async def test_killed_gateway_s_call_is_closed_at_the_next_start_with_the_time_it_was_last_seen(tmp_path: Path) -> None:
    async with started(tmp_path, "demo", "--json", environ=ENVIRON) as program:
        ready = json.loads(await program.line())
        (store,) = await asyncio.to_thread(lambda: list(tmp_path.rglob("gateway.db")))
        async with connected(ready["websocket_url"]) as verto:
            await verto.login(ready["sip_user"], ready["sip_password"])
            alice = Phone(verto, ["PCMU"])
            call = await alice.call("+12025550100")
            await alice.until_answered(call)
            ringing = (await verto.wait_for("telnyx_rtc.ringing", call_id=call))["params"]
            await until_it_talked(store)
            await program.stop(signal.SIGKILL)
            killed_at = datetime.now(UTC)
            await alice.close()
    answered_at, alive_at, finished_at = times(store, "detail_records", "finished_at")
    _, call_alive_at, call_ended_at = times(store, "calls", "ended_at")
    assert answered_at is not None
    assert alive_at is not None
    assert call_alive_at is not None
    assert (finished_at, call_ended_at) == (None, None)

    async with started(tmp_path, "demo", "--json", environ=ENVIRON) as program:
        ready = json.loads(await program.line())
        (record,) = await get(ready, "/v2/detail_records?filter[record_type]=webrtc")
        (ended,) = await get(ready, "/v2/gateway/calls")
        await program.stop(signal.SIGTERM)

    assert record["telnyx_leg_id"] == ringing["telnyx_leg_id"]
    assert record["finished_at"] == alive_at.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    assert record["call_sec"] == int((alive_at - answered_at).total_seconds() + 0.5) >= 1
    assert (record["billed_sec"], record["cost"]) == (60, "0.002")
    assert (ended["state"], ended["cause"]) == ("ended", "SYSTEM_SHUTDOWN")
    assert datetime.fromisoformat(ended["ended_at"]) == call_alive_at.replace(
        microsecond=call_alive_at.microsecond // 1000 * 1000
    )
    assert answered_at + TALK < alive_at <= killed_at
