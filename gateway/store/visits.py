"""SQLite in one visit: a whole query, or a whole transaction, in one trip to a thread and back.

aiosqlite goes there for every cursor, statement, fetch and commit. For what each call asks and has written, the trips
cost more than SQLite does.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, Executable, RowMapping, Select

Values = Mapping[str, object]
Statement = tuple[Executable, Sequence[Values]]
"""What to do with which rows."""


class Visits:
    """Two threads, one that reads and one that writes: who waits for a lock keeps no reader from reading."""

    def __init__(self, reader: Engine, writer: Engine) -> None:
        self._reader, self._writer = reader, writer
        self._is_closed = False
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="sqlite-reader")
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")

    async def rows(self, query: Select[Any], values: Values) -> Sequence[RowMapping]:  # Any: as `Database.rows`
        """What a query finds. Raises OSError: closed."""
        return await self._loop().run_in_executor(self._reading, self._read, query, values)

    async def write(self, statements: Sequence[Statement]) -> None:
        """All of them in one transaction, or none; one that has begun goes on without its caller. Raises as `rows`."""
        await self._loop().run_in_executor(self._writing, self._write, statements)

    def close(self) -> None:
        """Wait for what is under way, close the connections; blocks. Idempotent."""
        self._is_closed = True
        for threads in (self._reading, self._writing):
            threads.shutdown()
        for engine in (self._reader, self._writer):
            engine.dispose()

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._is_closed:
            raise OSError("the database is closed")
        return asyncio.get_running_loop()

    def _read(self, query: Select[Any], values: Values) -> Sequence[RowMapping]:  # Any: as `Database.rows`
        with self._reader.connect() as connection:
            return connection.execute(query, values).mappings().all()

    def _write(self, statements: Sequence[Statement]) -> None:
        with self._writer.begin() as connection:
            for statement, rows in statements:
                connection.execute(statement, rows)
