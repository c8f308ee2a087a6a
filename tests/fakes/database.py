"""A migrated SQLite file, made once for all tests: a copy takes a fraction of the time of a migration."""

import asyncio
import functools
import tempfile
from contextlib import suppress
from pathlib import Path

from gateway.store.database import Database
from gateway.store.settings import StoreSettings


def fresh(folder: Path) -> StoreSettings:
    """Settings of a new, empty database in that folder. Not to be called while a loop runs."""
    (folder / "gateway.db").write_bytes(_migrated())
    return StoreSettings(url=f"sqlite+aiosqlite:///{folder}/gateway.db")


def put_into(data_dir: Path) -> None:
    """A new, empty database where a gateway with that `data_dir` looks for it; one that is there stays.

    Not to be called on the thread of a loop that runs.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError), (data_dir / "gateway.db").open("xb") as file:
        file.write(_migrated())


@functools.cache
def _migrated() -> bytes:
    async def make(folder: str) -> None:
        database = await Database.open(StoreSettings(url=f"sqlite+aiosqlite:///{folder}/gateway.db"))
        await database.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(make(folder))
        return (Path(folder) / "gateway.db").read_bytes()
