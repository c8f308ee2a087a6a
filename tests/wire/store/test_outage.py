"""A database that goes away while the gateway runs, and comes back."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from gateway.store import database as database_module
from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.errors import StoreUnavailable
from gateway.store.settings import StoreSettings
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.log_lines import log_lines
from tests.harness.postgres import Postgres
from tests.harness.verto_client import RequestFailed, connected
from tests.unit.store.samples import connection
from tests.wire.whole.phone import phone

PROFILES = "/v2/outbound_voice_profiles"
BUSY = "too many logins at once, try again"


@asynccontextmanager
async def _gateway(folder: Path, store: StoreSettings | None = None) -> AsyncIterator[Running]:
    section: dict[str, object] = {"busy_timeout": 2.0}
    if store is not None:
        assert store.password is not None
        (folder / "password").write_text(store.password)
        (folder / "password").chmod(0o600)
        section |= {"url": store.url, "password_file": str(folder / "password"), "busy_timeout": 10.0}
    async with running(folder, {"store": section}) as gateway:
        yield gateway


async def _ask(gateway: Running, method: str, body: object = None) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, gateway.http + PROFILES, json=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


async def _log_in(gateway: Running) -> None:
    async with connected(gateway.websocket) as client:
        await client.login("alice", PASSWORD)


async def test_server_that_is_gone_costs_503s_and_logins_until_it_is_back(
    mortal: Postgres, fresh_store: StoreSettings, tmp_path: Path
) -> None:
    async with _gateway(tmp_path, fresh_store) as gateway:
        assert (await _ask(gateway, "POST", {"name": "lab"}))[0] == 200
        await asyncio.to_thread(mortal.crash)
        with log_lines() as log:
            refused = await _ask(gateway, "POST", {"name": "lost"})
            of_request = [line for line in log.warnings if "request_failed" in line]
            async with connected(gateway.websocket) as client:
                with pytest.raises(RequestFailed, match=BUSY):
                    await client.login("alice", PASSWORD)
            of_login = [line for line in log.warnings if "login_" in line]

        await asyncio.to_thread(mortal.start)

        assert refused[0] == 503
        assert [error["code"] for error in refused[1]["errors"]] == ["10007"]  # type: ignore[attr-defined] # JSON
        assert (len(of_request), len(of_login)) == (1, 1)
        assert "store_unavailable" in of_request[0]
        assert "login_not_checked" in of_login[0]
        assert not [line for line in log.lines if "Traceback" in line or str(fresh_store.password) in line]
        status, listed = await _ask(gateway, "GET")
        assert (status, [row["name"] for row in listed["data"]]) == (200, ["lab"])  # type: ignore[attr-defined] # JSON
        await _log_in(gateway)


async def test_server_that_is_gone_leaves_calls_alone_and_refuses_new_ones_until_it_is_back(
    mortal: Postgres, fresh_store: StoreSettings, tmp_path: Path
) -> None:
    async with _gateway(tmp_path, fresh_store) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        standing = await alice.call("+12025550100")
        await alice.until_answered(standing)
        await asyncio.to_thread(mortal.crash)
        with log_lines() as log:
            refused = await alice.call("+12025550100")
            ending = await alice.until_over(refused)
        of_call = [line for line in log.warnings if "call_not_routed" in line or "call_crashed" in line]

        await asyncio.to_thread(mortal.start)

        assert ending == ("NORMAL_TEMPORARY_FAILURE", 503)
        assert len(of_call) == 1
        assert "Traceback" not in of_call[0]
        await alice.listen(standing, codec="PCMU", frames=5)
        later = await alice.call("+12025550100")
        await alice.until_answered(later)
        await alice.hang_up(later)
        await alice.hang_up(standing)


async def test_locked_file_costs_writes_and_nobody_else_anything(tmp_path: Path) -> None:
    async with _gateway(tmp_path) as gateway:
        other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with log_lines() as log:
            refused = await _ask(gateway, "POST", {"name": "lost"})
            of_request = [line for line in log.warnings if "request_failed" in line]
            meanwhile = await _ask(gateway, "GET")
            await _log_in(gateway)
        other.execute("COMMIT")
        other.close()

        assert refused[0] == 503
        assert len(of_request) == 1
        assert "store_unavailable" in of_request[0]
        assert "Traceback" not in of_request[0]
        assert (meanwhile[0], meanwhile[1]["data"]) == (200, [])
        assert (await _ask(gateway, "POST", {"name": "lab"}))[0] == 200


async def test_connections_of_the_pool_that_the_server_has_closed_are_replaced_unnoticed(
    mortal: Postgres, fresh_store: StoreSettings
) -> None:
    database = await Database.open(fresh_store)
    await Connections(database).add(connection())
    await asyncio.to_thread(mortal.crash)
    await asyncio.to_thread(mortal.start)

    found = await asyncio.gather(*(Connections(database).get(connection().connection_id) for _ in range(8)))

    assert found == [connection()] * 8
    await database.close()


async def test_server_that_dies_in_a_transaction_leaves_nothing_of_it(
    mortal: Postgres, fresh_store: StoreSettings
) -> None:
    database = await Database.open(fresh_store)

    with pytest.raises(StoreUnavailable):
        async with database.write() as sql:
            await sql.exec_driver_sql("DELETE FROM alembic_version")
            await asyncio.to_thread(mortal.crash)
            await asyncio.to_thread(mortal.start)

    async with database.read() as sql:
        assert (await sql.exec_driver_sql("SELECT count(*) FROM alembic_version")).scalar() == 1
    await database.close()


async def test_server_that_hangs_is_given_up(
    mortal: Postgres, fresh_store: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "ANSWER_TIMEOUT", 3.0)
    database = await Database.open(replace(fresh_store, busy_timeout=3.0))
    await Connections(database).add(connection())
    processes = mortal.processes()
    for process in processes:
        process.suspend()

    try:
        async with asyncio.timeout(30):
            with pytest.raises(StoreUnavailable, match="did not answer in time"):
                await Connections(database).get(connection().connection_id)
    finally:
        for process in reversed(processes):
            process.resume()

    assert await Connections(database).get(connection().connection_id) == connection()
    await database.close()


async def test_row_that_another_transaction_holds_for_too_long_is_given_up(fresh_store: StoreSettings) -> None:
    database = await Database.open(replace(fresh_store, busy_timeout=3.0))
    connections, owner = Connections(database), connection().connection_id
    await connections.add(connection())

    async with database.write() as sql:
        await sql.exec_driver_sql("SELECT * FROM connections FOR UPDATE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            await connections.change(owner, lambda row: replace(row, name="lost"))

    changed = await connections.change(owner, lambda row: replace(row, name="kept"))
    assert changed.name == "kept"
    await database.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"password": "wrong"}, "password authentication failed"),
        ({"password": None}, "password"),
        ({"url": "postgresql+asyncpg://gateway@127.0.0.1:1/none"}, "not reachable"),
    ],
)
async def test_server_that_does_not_let_us_in_is_named_without_the_password(
    fresh_store: StoreSettings, wrong: dict[str, str], message: str
) -> None:
    with pytest.raises(StoreUnavailable, match=message) as refused:
        await Database.open(replace(fresh_store, **wrong))  # type: ignore[arg-type] # settings by name

    assert str(fresh_store.password) not in str(refused.value)
