"""A real PostgreSQL on loopback, in a temporary folder, for as long as the tests run."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from gateway.store.database import Database
from gateway.store.schema import METADATA
from gateway.store.settings import StoreSettings

USER: Final = "gateway"
_TEMPLATE: Final = "migrated"
_SHARED: Final = "shared"
_PATIENCE: Final = 60.0

_SETTINGS: Final = (
    "max_connections=60",
    "shared_buffers=32MB",
    "checkpoint_timeout=1h",  # none while the tests run; a crash has all the more to recover
    "timezone=Asia/Kolkata",  # of the session: no time may depend on it
)


def programs() -> Path:
    """Where Debian keeps the server's programs, which are not on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "no PostgreSQL here; `make setup-test` brings one"
    return found[-1]


@dataclass
class Postgres:
    """A server that runs, with `fsync` as in production.

    PostgreSQL refuses to run as root: its folder belongs to the user `postgres` then.
    """

    folder: Path
    port: int
    password: str = field(repr=False)
    user: str | None
    made: int = 0
    warden: subprocess.Popen[bytes] | None = None

    def settings(self, name: str) -> StoreSettings:
        """Of that database."""
        return StoreSettings(
            url=f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{name}", password=self.password, busy_timeout=10.0
        )

    async def emptied(self) -> StoreSettings:
        """The one migrated database that tests share, without a row.

        A copy of the template is 373 files, which takes more than three times as long.
        """
        deletes = " ".join(f"DELETE FROM {table};" for table in reversed(METADATA.sorted_tables))  # noqa: S608 - ours
        others = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name AND pid != pg_backend_pid()"
        )
        async with self._connected(_SHARED) as sql:
            await sql.execute(text(others), {"name": _SHARED})
            await sql.execute(text(f"DO $$ BEGIN {deletes} END $$"))
        return self.settings(_SHARED)

    async def make(self, template: str = _TEMPLATE) -> StoreSettings:
        """A database for one test: for one that changes the tables, or crashes. `template0` is an empty one."""
        self.made += 1
        name = f"test_{self.made}"
        async with self._connected("postgres") as sql:
            await sql.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return self.settings(name)

    def start(self) -> None:
        """Start the server; it answers when this returns."""
        options = " ".join([f"-h 127.0.0.1 -p {self.port} -k {self.folder}", *(f"-c {one}" for one in _SETTINGS)])
        self._run(
            "pg_ctl", "start", "--pgdata=data", "--log=log", "--wait", f"--timeout={_PATIENCE:.0f}", "-o", options
        )

    def guard(self) -> None:
        """Have a process wait for the end of this one, however that comes: a suite that is killed leaves no server."""
        stop = f"{programs()}/pg_ctl stop --pgdata=data --mode=immediate --wait --timeout={_PATIENCE:.0f}"
        self.warden = subprocess.Popen(
            ["/bin/sh", "-c", f"cat; {stop}; rm -rf data"],
            user=self.user,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # not by the Ctrl-C that ends the suite
        )

    def stop(self) -> None:
        """Stop it without a last checkpoint: nobody reads its folder again."""
        assert self.warden is not None
        self.warden.communicate(timeout=2 * _PATIENCE)
        assert not self.is_running

    def crash(self) -> None:
        """Kill every process of the server at once."""
        everybody = self.processes()
        for process in everybody:
            process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(everybody, timeout=_PATIENCE)
        assert not alive

    def processes(self) -> list[psutil.Process]:
        """The postmaster, first, and its children."""
        postmaster = psutil.Process(int((self.folder / "data" / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    @property
    def is_running(self) -> bool:
        """Whether it has to be stopped."""
        try:
            return any(process.is_running() for process in self.processes())
        except (FileNotFoundError, psutil.NoSuchProcess):
            return False

    def initialise(self) -> None:
        """Make the cluster."""
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        _give(password_file, self.user)
        self._run(
            "initdb",
            "--pgdata=data",
            f"--username={USER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        )

    async def make_templates(self) -> None:
        """Migrate once for all databases."""
        async with self._connected("postgres") as sql:
            await sql.execute(text(f"CREATE DATABASE {_TEMPLATE}"))
            await (await Database.open(self.settings(_TEMPLATE))).close()
            await sql.execute(text(f"CREATE DATABASE {_SHARED} TEMPLATE {_TEMPLATE}"))

    @asynccontextmanager
    async def _connected(self, name: str) -> AsyncIterator[AsyncConnection]:
        url = f"postgresql+asyncpg://{USER}:{self.password}@127.0.0.1:{self.port}/{name}"
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT", connect_args={"command_timeout": _PATIENCE})
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        with tempfile.TemporaryFile() as said:  # not a pipe: the server would inherit it and hold it open
            done = subprocess.run(
                [programs() / program, *arguments],
                user=self.user,
                cwd=self.folder,
                stdout=said,
                stderr=said,
                check=False,
                timeout=2 * _PATIENCE,
            )
            said.seek(0)
            assert done.returncode == 0, f"{program} failed: {said.read().decode()}"


@contextmanager
def serving() -> Iterator[Postgres]:
    """A server, stopped and removed at the end."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
    _give(folder, user)
    server = Postgres(folder, _free_port(), secrets.token_hex(8), user)
    try:
        server.guard()
        try:
            server.initialise()
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _give(path: Path, user: str | None) -> None:
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
