"""Queries over many detail records, on SQLite and, where its programs are, on PostgreSQL.

Filled in bulk, behind the repository's back; asked through it.
"""

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from gateway.store.database import Database
from gateway.store.detail_records import Comparison, Condition, DetailRecords
from gateway.store.paging import Page
from gateway.store.schema import detail_records
from gateway.store.settings import StoreSettings
from tests.harness.postgres import Postgres, serving

DAYS: Final = 30
USERS: Final = 50
FIRST: Final = datetime(2026, 3, 1, tzinfo=UTC)
DAY: Final = FIRST + timedelta(days=15)

_COLUMNS: Final = tuple(column.name for column in detail_records.columns)
_INSERT: Final = f"INSERT INTO detail_records ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608 -- ours
_CHUNK: Final = 20_000


@dataclass(frozen=True, slots=True)
class Query:
    """Milliseconds of one query; `rows` is how many it found on all pages."""

    store: str
    query: str
    rows: int
    median: float
    p99: float


async def measure(count: int, repeats: int) -> list[Query]:
    """Each query `repeats` times over `count` records."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gateway.db")
        database = await Database.open(StoreSettings(url=f"sqlite+aiosqlite:///{path}"))
        await asyncio.to_thread(_fill_sqlite, path, count)
        results += await _ask("SQLite", database, count, repeats)
        await database.close()
    if await asyncio.to_thread(_has_postgres):
        async with _postgres() as server:
            settings = await server.make("template0")
            database = await Database.open(settings)
            await _fill_postgres(settings, count)
            results += await _ask("PostgreSQL", database, count, repeats)
            await database.close()
    return results


async def _ask(store: str, database: Database, count: int, repeats: int) -> list[Query]:
    records = DetailRecords(database)
    day = (
        Condition("started_at", Comparison.GTE, DAY),
        Condition("started_at", Comparison.LT, DAY + timedelta(days=1)),
    )
    user = Condition("username", Comparison.IS, "gencred7")
    inbound = Condition("direction", Comparison.IS, "inbound")
    page, last = Page(size=50), Page(size=250, number=max(1, count // DAYS // 250))
    asked: dict[str, Callable[[], Awaitable[int]]] = {}

    def ask(name: str, page: Page, where: Sequence[Condition], sort: tuple[tuple[str, bool], ...]) -> None:
        async def once() -> int:
            return (await records.page(page, where=where, sort=sort)).total

        asked[name] = once

    newest = (("started_at", True),)
    ask("a day, page of 50", page, day, newest)
    ask("a day, page of 250 at its end", last, day, newest)
    ask("a day of a user", page, (*day, user), newest)
    ask("a day, inbound", page, (*day, inbound), newest)
    ask("a day by cost", page, day, (("cost", True), ("started_at", True)))
    ask("all of a user", page, (user,), newest)
    ask("one call", page, (Condition("verto_call_id", Comparison.IS, _verto_call_id(7)),), newest)
    ask("everything, page of 50", page, (), newest)
    results = []
    for name, once in asked.items():
        rows, spent = await once(), []
        for _ in range(repeats):
            began = time.perf_counter()
            await once()
            spent.append((time.perf_counter() - began) * 1000.0)
        spent.sort()
        p99 = spent[min(len(spent) - 1, int(len(spent) * 0.99))]
        results.append(Query(store, name, rows, statistics.median(spent), p99))
    began, rows = time.perf_counter(), 0
    async for batch in records.batches(where=day):
        rows += len(batch)
    spent_once = (time.perf_counter() - began) * 1000.0
    return [*results, Query(store, "a day, every record", rows, spent_once, spent_once)]


# ---- filling


def _verto_call_id(number: int) -> str:
    return f"c0ffee00-0000-4000-8000-{number:012d}"


def _rows(count: int) -> Iterator[dict[str, object]]:
    """Spread over `DAYS` days and `USERS` users; a fifth was never answered."""
    chance = random.Random(1)
    step = timedelta(days=DAYS) / count
    for number in range(count):
        started_at = FIRST + number * step
        user, is_answered = chance.randrange(USERS), chance.random() < 0.8
        call_s = chance.randrange(1, 600) if is_answered else 0
        minutes = -(-call_s // 60)
        finished_at = started_at + timedelta(seconds=call_s + 5)
        yield {
            "leg_id": f"{chance.randrange(16**8):08x}-b7e7-11ef-9fe0-{number:012d}",
            "call_id": f"4b679edc-b7e7-11ef-adfb-{number:012d}",
            "channel_id": f"f6856af8-3fde-48fa-b3ab-{number:012d}",
            "session_id": f"5e551011-0000-4000-8000-{number // 20:012d}",
            "verto_call_id": _verto_call_id(number),
            "call_control_id": "",
            "username": f"gencred{user}",
            "connection_id": f"{1_500_000_000_000_000_000 + user % 5}",
            "connection_name": f"lab {user % 5}",
            "direction": "outbound" if chance.random() < 0.7 else "inbound",
            "cli": "+12025550198",
            "cld": f"+1202555{chance.randrange(10_000):04d}",
            "caller_number": "+1202-555-0198",
            "caller_name": "Alice",
            "dest_number": "+1 202 555 0100",
            "started_at": started_at,
            "answered_at": started_at + timedelta(seconds=5) if is_answered else None,
            "alive_at": finished_at,
            "finished_at": finished_at,
            "call_s": call_s,
            "billed_s": minutes * 60,
            "rate": "0.002",
            "cost": f"{minutes * 0.002:.3f}",
            "currency": "USD",
            "country_code": 1,
            "source_country_code": 1,
            "tags": "",
        }


def _fill_sqlite(path: Path, count: int) -> None:
    def stored(value: object) -> object:
        """As SQLAlchemy writes a time into SQLite."""
        return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value

    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(_INSERT, ([stored(row[name]) for name in _COLUMNS] for row in _rows(count)))
    connection.close()


async def _fill_postgres(settings: StoreSettings, count: int) -> None:
    dsn = settings.url.replace("+asyncpg", "", 1)
    connection = await asyncpg.connect(dsn, password=settings.password)
    chunk: list[tuple[object, ...]] = []
    for row in _rows(count):
        chunk.append(tuple(row[name] for name in _COLUMNS))
        if len(chunk) == _CHUNK:
            await connection.copy_records_to_table("detail_records", records=chunk, columns=_COLUMNS)
            chunk = []
    if chunk:
        await connection.copy_records_to_table("detail_records", records=chunk, columns=_COLUMNS)
    await connection.execute("VACUUM ANALYZE detail_records")  # as autovacuum does after a while
    await connection.close()


def _has_postgres() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@asynccontextmanager
async def _postgres() -> AsyncIterator[Postgres]:
    """A server of our own; its making runs a loop of its own, so it is made in a thread."""
    with ExitStack() as stack:
        server = await asyncio.to_thread(stack.enter_context, serving())
        yield server
