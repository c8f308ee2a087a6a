"""The REST API on a real server and a real store, without the rest of the gateway."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from gateway.accounts.accounts import Accounts
from gateway.api.catalogue import Surroundings, operations
from gateway.api.guard import Guard
from gateway.api.middleware import telnyx_errors
from gateway.api.rest.routing import public_paths, resources, routes
from gateway.auth.jwt import Tokens
from gateway.auth.keys import KeyChecker, hash_key, new_key
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.auth.settings import AuthSettings
from gateway.observability.clock import utc_now
from gateway.reports.archive import Archive
from gateway.store.call_reports import CallReports
from gateway.store.database import Database
from gateway.store.detail_records import DetailRecords
from gateway.store.keys import ApiKey, ApiKeys
from tests.fakes.calls import START, FakeCalls, FakeSessions
from tests.fakes.objects import MemoryStore

CHEAP: Final = AuthSettings(password_time_cost=1, password_memory_kib=8, password_parallelism=1)
KEY: Final = b"k" * 64

JSON: Final = "application/json"


@dataclass(frozen=True)
class Answer:
    """Status, headers and the decoded body (None without one, text where it is no JSON)."""

    status: int
    headers: dict[str, str]
    body: Any  # Any: decoded JSON

    @property
    def data(self) -> Any:  # Any: decoded JSON
        """What is in the envelope."""
        return self.body["data"]

    @property
    def ids(self) -> list[str]:
        """Of the rows of a list."""
        return [row["id"] for row in self.data]

    @property
    def refusals(self) -> list[tuple[str, str | None]]:
        """Each error's code with the pointer or parameter that it names."""
        return [
            (error["code"], error.get("source", {}).get("pointer") or error.get("source", {}).get("parameter"))
            for error in self.body["errors"]
        ]


@dataclass(frozen=True)
class Api:
    """A server and a client with a key of every scope."""

    http: ClientSession
    accounts: Accounts
    database: Database
    key: str
    tokens: Tokens
    calls: FakeCalls
    sessions: FakeSessions
    reports: Archive
    objects: MemoryStore
    """What `reports` keeps its objects in."""

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """A request with the key; `body` is sent as JSON, `data` as it is."""
        sent = {"Authorization": f"Bearer {self.key}"} | (headers or {})
        async with self.http.request(method, path, json=body, data=data and BytesIO(data), headers=sent) as response:
            is_json = response.content_type == JSON
            content = await response.json() if is_json else (await response.text() or None)
            return Answer(response.status, dict(response.headers), content)


@asynccontextmanager
async def serving(database: Database, clock: Callable[[], datetime] = utc_now) -> AsyncIterator[Api]:
    """The whole catalogue on that store."""
    key, passwords, calls = new_key(), Passwords(CHEAP), FakeCalls()
    sessions, objects = FakeSessions(), MemoryStore()
    archive = Archive(objects)
    tokens = Tokens(KEY, clock_skew=5)
    accounts = Accounts(database, passwords=passwords, tokens=tokens, seal=Seal(KEY))
    row = ApiKey(
        key_id="k", key_hash=hash_key(key), last4=key[-4:], scope=frozenset({"read", "write"}), created_at=START
    )
    await ApiKeys(database).add(row)
    catalogue = operations(
        accounts,
        Surroundings(
            sessions=sessions,
            calls=calls,
            details=DetailRecords(database),
            report_table=CallReports(database),
            reports=archive,
            token_ttl=86_400,
            version="0.1.0",
            server=lambda: "http://127.0.0.1:8080",
            clock=clock,
        ),
    )
    guard = Guard(KeyChecker(ApiKeys(database)), resources=resources(catalogue), public=public_paths(catalogue))
    app = web.Application(middlewares=[telnyx_errors(guard)])
    app.add_routes(routes(catalogue))
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as http:
        yield Api(http, accounts, database, key, tokens, calls, sessions, archive, objects)
    passwords.close()
