"""A real PostgreSQL on loopback, in a temporary folder, for as long as the tests run."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.store.database import Database
from gateway.store.settings import StoreSettings

USER: Final = "gateway"
_TEMPLATE: Final = "migrated"
_PATIENCE: Final = 30.0

_QUICK: Final = ("fsync=off", "max_connections=60", "shared_buffers=32MB", "log_min_messages=fatal")
"""A killed process loses nothing without fsync either; only the machine's own death would."""


def programs() -> Path:
    """Where Debian keeps the server's programs, which are not on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    assert found, "no PostgreSQL here; `make setup-test` brings one"
    return found[-1]


@dataclass
class Postgres:
    """A server that runs; it does not run as root, so its folder belongs to the user `postgres` then."""

    folder: Path
    port: int
    password: str = field(repr=False)
    user: str | None
    process: subprocess.Popen[bytes] | None = None
    made: int = 0

    def settings(self, name: str) -> StoreSettings:
        """Of that database."""
        return StoreSettings(
            url=f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/{name}", password=self.password, busy_timeout=10.0
        )

    def fresh(self) -> StoreSettings:
        """A new, empty, migrated database. Not to be called while a loop runs."""
        return asyncio.run(self.make())

    async def make(self, template: str = _TEMPLATE) -> StoreSettings:
        """The same, inside a loop."""
        self.made += 1
        name = f"test_{self.made}"
        await self.admin(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.settings(name)

    async def admin(self, statement: str) -> None:
        """A statement outside any transaction."""
        engine = create_async_engine(
            f"postgresql+asyncpg://{USER}:{self.password}@127.0.0.1:{self.port}/postgres", isolation_level="AUTOCOMMIT"
        )
        try:
            async with engine.connect() as connection:
                await connection.execute(text(statement))
        finally:
            await engine.dispose()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [item for setting in _QUICK for item in ("-c", setting)]
        command = [str(programs() / "postgres"), "-D", "data", "-h", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "-k", str(self.folder), *options],
            user=self.user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        self._run("pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1", until_ok=True)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it: SIGINT disconnects everybody, SIGQUIT and SIGKILL are a crash."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(_PATIENCE)
            self.process = None

    def _run(self, program: str, *arguments: str, until_ok: bool = False) -> None:
        for _ in range(int(_PATIENCE) if until_ok else 1):
            done = subprocess.run(
                [programs() / program, *arguments], user=self.user, cwd=self.folder, capture_output=True, check=False
            )
            if done.returncode == 0:
                return
            # pg_isready gives up at once while nobody listens: the postmaster's first second is spent here.
            _wait_for_port(self.port)
        raise AssertionError(f"{program} failed: {done.stderr.decode()}")

    def initialise(self) -> None:
        """Make the cluster and the migrated template."""
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
            "--locale=C",
        )

    async def migrate_template(self) -> None:
        """Once for all databases: a copy takes a fraction of the time of a migration."""
        await self.admin(f"CREATE DATABASE {_TEMPLATE}")
        await (await Database.open(self.settings(_TEMPLATE))).close()


@contextmanager
def serving() -> Iterator[Postgres]:
    """A server, stopped and removed at the end."""
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    _give(folder, user)
    server = Postgres(folder, _free_port(), secrets.token_hex(8), user)
    try:
        server.initialise()
        server.start()
        asyncio.run(server.migrate_template())
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _give(path: Path, user: str | None) -> None:
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    """Until somebody listens there, or a second has passed."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("127.0.0.1", port)) != 0:
            subprocess.run(["sleep", "0.1"], check=True)
