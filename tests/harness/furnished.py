"""A gateway's `data_dir` with users, a key and certificates: made once, copied for each gateway.

Making it anew (password hashes, key files, certificates, transactions) takes as long as all the rest of a gateway's
start.
"""

import asyncio
import functools
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.accounts.provisioning import Provisioning, opened
from gateway.auth.settings import AuthSettings
from gateway.config import Config
from gateway.http.certificates import from_own_authority
from gateway.http.names import certificate_names
from gateway.observability.clock import utc_now
from gateway.store.settings import StoreSettings
from tests.fakes import database

PASSWORD: Final = "correct horse"

TIME_COST: Final = 1
MEMORY_KIB: Final = 64
"""Cheap password hashes."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to get into a gateway.

    Attributes:
        connections: their ids by user name.
        key: of every scope.
    """

    connections: Mapping[str, str]
    key: str


def put_into(config: Config, users: tuple[str, ...]) -> Access | None:
    """A copy for a gateway of these settings; None, and nothing is written, where one has been before.

    `[store]` and `[auth]` must be those of `FAST`. Not to be called on the thread of a loop that runs.
    """
    is_certified = any(url.startswith("https:") for url in config.http.listen) and config.http.certificate == "auto"
    files, access = _made(users, tuple(certificate_names(config.certified)) if is_certified else None)
    folder = config.data_dir
    if any((folder / name).exists() for name in files):
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    return access


async def furnish(provisioning: Provisioning, users: tuple[str, ...]) -> Access:
    """Connections of these user names, all with `PASSWORD`, and the key."""
    connections = {}
    for user in users:
        made = await provisioning.add_connection(name=user, user_name=user, password=PASSWORD)
        connections[user] = made.connection_id
    return Access(connections, (await provisioning.create_key()).text)


@functools.cache
def _made(users: tuple[str, ...], names: tuple[str, ...] | None) -> tuple[Mapping[str, bytes], Access]:
    """The files by name; `names` are those of the certificate, None makes none."""

    async def make(folder: Path, store: StoreSettings) -> Access:
        auth = AuthSettings(
            jwt_secret_file=folder / "jwt.key",
            seal_key_file=folder / "seal.key",
            password_time_cost=TIME_COST,
            password_memory_kib=MEMORY_KIB,
        )
        async with opened(store, auth) as provisioning:
            return await furnish(provisioning, users)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        access = asyncio.run(make(folder, database.fresh(folder)))
        if names is not None:
            from_own_authority(folder, names, now=utc_now())
        return {path.name: path.read_bytes() for path in folder.iterdir()}, access
