"""The program itself on PostgreSQL, with the password in a file."""

import asyncio
import signal
from pathlib import Path

import pytest

from gateway.store.calls import Calls
from gateway.store.connections import Connections
from gateway.store.database import Database
from gateway.store.numbers import Numbers
from gateway.store.settings import StoreSettings
from tests.harness.program import started
from tests.harness.verto_client import connected
from tests.wire.whole.phone import Phone


@pytest.fixture
def config(tmp_path: Path, blank_store: StoreSettings) -> Path:
    """Settings as an operator writes them, for a database without a table."""
    (tmp_path / "pg-password").write_text(f"{blank_store.password}\n")
    (tmp_path / "pg-password").chmod(0o600)
    file = tmp_path / "gateway.toml"
    file.write_text(
        f"""
data_dir = "{tmp_path}/var"

[store]
url = "{blank_store.url}"
password_file = "pg-password"

[lab]
enabled = true
"""
    )
    return file


async def _command(config: Path, *arguments: str) -> str:
    """The one line that a provisioning command prints."""
    async with started(config.parent, *arguments, "--config", str(config)) as program:
        line = await program.line()
        assert await program.ended() == 0
    return line.strip()


async def test_gateway_on_postgresql_is_provisioned_logged_in_to_called_through_and_keeps_the_record(
    config: Path, blank_store: StoreSettings
) -> None:
    connection_id = await _command(config, "connection", "add", "--name=a", "--user=alice", "--password=s3cret")
    await _command(config, "number", "add", "+12025550190", "--connection", connection_id)
    async with started(config.parent, "serve", "--config", str(config)) as gateway:
        address = await gateway.http_address()
        async with connected(address.replace("http", "ws", 1)) as verto:
            await verto.login("alice", "s3cret")
            alice = Phone(verto, ["PCMU"])
            call = await alice.call("+12025550100")
            await alice.until_answered(call)
            await alice.hang_up(call)
        assert await gateway.stop(signal.SIGTERM) == 0

    database = await Database.open(blank_store)
    (record,) = await Calls(database).recent()
    assert [row.phone_number for row in await Numbers(database).all()] == ["+12025550190"]
    assert (await Connections(database).get(connection_id)).user_name == "alice"
    assert (record.callee, record.connection_id, record.cause) == ("+12025550100", connection_id, "NORMAL_CLEARING")
    assert record.verto_call_id == call
    assert record.answered_at is not None
    assert record.duration_s is not None
    await database.close()


@pytest.mark.parametrize("command", [("serve",), ("connection", "list")])
async def test_wrong_password_ends_the_start_with_one_line_that_does_not_hold_it(
    config: Path, command: tuple[str, ...]
) -> None:
    (config.parent / "pg-password").write_text("not-the-password")

    async with started(config.parent, *command, "--config", str(config), with_complaints=True) as program:
        complaints, code = await asyncio.gather(program.complaints(), program.ended())

    assert code == 1
    assert "password authentication failed" in complaints
    assert "not-the-password" not in complaints
    assert "Traceback" not in complaints
    assert len(complaints.splitlines()) == 1
