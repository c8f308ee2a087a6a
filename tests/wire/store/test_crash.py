"""A process that dies in the middle of a write, and a server that does: nothing that was answered is lost."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pytest

from gateway.store.calls import Calls
from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.numbers import Numbers
from gateway.store.orders import Orders
from gateway.store.profiles import Profiles
from gateway.store.settings import StoreSettings
from tests.harness.crash_writer import PER_ROUND
from tests.harness.postgres import Postgres
from tests.unit.store.samples import connection, credential, initiated, order, profile

KINDS: Final = 7
"""Writes of `crash_writer` that differ."""

KILLS: Final = 5 * KINDS
"""On each database: behind none to six answered writes, so that each kind of write is cut five times."""

Done = set[tuple[str, int]]


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    if request.param == "sqlite":
        return StoreSettings(url=f"sqlite+aiosqlite:///{tmp_path}/gateway.db")
    made: StoreSettings = request.getfixturevalue("fresh_store")
    return made


async def test_whatever_was_answered_is_there_after_the_writer_was_killed(store: StoreSettings) -> None:
    await (await Database.open(store)).close()
    answered: Done = set()

    async with _writer(store) as writer:
        for kill in range(KILLS):
            answered |= await _killed_behind(writer, kill % KINDS, round_number=kill + 1)
            _check_file(store)

    database = await Database.open(store)
    assert len(answered) >= 5 * sum(range(KINDS))
    for what, i in sorted(answered):
        await _expect(database, what, i)
    await _expect_whole_orders(database)
    await database.close()


async def test_whatever_was_answered_is_there_after_the_server_was_killed(
    fresh_store: StoreSettings, mortal: Postgres
) -> None:
    answered: Done = set()
    async with _writer(fresh_store) as writer:
        await _begin(writer, 1)
        for _ in range(20):
            answered.add(await _next(writer))

        await asyncio.to_thread(mortal.crash)

        answered |= await _until_dead(writer)
    await asyncio.to_thread(mortal.start)

    database = await Database.open(fresh_store)
    for what, i in sorted(answered):
        await _expect(database, what, i)
    await _expect_whole_orders(database)
    await database.close()


@asynccontextmanager
async def _writer(store: StoreSettings) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.harness.crash_writer",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # the last words of a writer whose server has died
        cwd=Path(__file__).parents[3],
    )
    try:
        await _tell(process, json.dumps(asdict(store)))
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _tell(writer: asyncio.subprocess.Process, line: str) -> None:
    assert writer.stdin is not None
    writer.stdin.write(f"{line}\n".encode())
    await writer.stdin.drain()


async def _line(writer: asyncio.subprocess.Process) -> list[str]:
    assert writer.stdout is not None
    async with asyncio.timeout(30):
        return (await writer.stdout.readline()).decode().split()


async def _begin(writer: asyncio.subprocess.Process, round_number: int) -> int:
    """Start a child; returns its process id."""
    await _tell(writer, str(round_number))
    word, pid = await _line(writer)
    assert word == "pid"
    return int(pid)


async def _next(writer: asyncio.subprocess.Process) -> tuple[str, int]:
    _, what, i = await _line(writer)
    return what, int(i)


async def _killed_behind(writer: asyncio.subprocess.Process, count: int, *, round_number: int) -> Done:
    """Kill a child that goes on writing behind so many answers; returns all that it said."""
    pid = await _begin(writer, round_number)
    answered = {await _next(writer) for _ in range(count)}
    os.kill(pid, signal.SIGKILL)
    return answered | await _until_dead(writer)


async def _until_dead(writer: asyncio.subprocess.Process) -> Done:
    answered: Done = set()
    while (line := await _line(writer)) != ["dead"]:
        answered.add((line[1], int(line[2])))
    return answered


def _check_file(store: StoreSettings) -> None:
    if not store.url.startswith("sqlite"):
        return
    file = sqlite3.connect(store.url.partition(":///")[2])
    assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert file.execute("PRAGMA foreign_key_check").fetchall() == []
    file.close()


async def _expect(database: Database, what: str, i: int) -> None:
    """What was answered is there, complete."""
    owner = connection(i).connection_id
    match what:
        case "connection":
            assert (await Connections(database).get(owner)).user_name == connection(i).user_name
        case "credential":
            row = credential(i, connection_id=owner)
            assert await Credentials(database).get(row.credential_id) == row
        case "profile":
            assert (await Profiles(database).get(profile(i).profile_id)).settings == profile(i).settings
        case "change":
            changed = await Connections(database).get(owner)
            assert (changed.settings, changed.outbound_voice_profile_id) == ({"i": i}, profile(i).profile_id)
        case "order":
            assert await Orders(database).get(order(i).order_id) == order(i)
        case "call":
            assert (await Calls(database).get(initiated(i).call_id)).caller == "alice"
        case "ended":
            assert (await Calls(database).get(initiated(i).call_id)).duration_s == 12.5
        case _:
            raise AssertionError(what)


async def _expect_whole_orders(database: Database) -> None:
    """Also of what was cut: an order is there with both of its numbers, or not at all."""
    bought = [row.phone_number for row in await Numbers(database).all(limit=PER_ROUND)]
    assert bought
    for phone_number in bought:
        i = int(phone_number[1:-1])
        assert {f"+{i}1", f"+{i}2"} <= set(bought)
        await Orders(database).get(order(i).order_id)
