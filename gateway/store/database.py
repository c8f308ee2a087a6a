"""The engine: SQLite (aiosqlite, a thread a connection) or PostgreSQL (asyncpg). Nothing here blocks the loop."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from sqlalchemy import Connection, Engine, RowMapping, Select, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from gateway.store import migrate
from gateway.store.errors import Duplicate, MissingParent, StoreError, StoreUnavailable
from gateway.store.files import FILE_MODE, new_file
from gateway.store.migrations import HEAD
from gateway.store.schema import METADATA, complete_for_postgresql
from gateway.store.settings import StoreSettings
from gateway.store.visits import Statement, Visits

ANSWER_TIMEOUT: Final = 30.0
"""Seconds that PostgreSQL has for a statement: one that hangs must not have us hang. Migrations may take longer."""

_WRITES: Final = "gateway_writes"
_SINGLE: Final = "gateway_single"
_ANY_THREAD: Final = {"check_same_thread": False}


class Database:
    """The open database. Repositories borrow connections through `read` and `write`."""

    def __init__(self, engine: AsyncEngine, *, patience: float, visits: Visits | None = None) -> None:
        """
        Args:
            patience: seconds that a write waits for those before it.
            visits: a shorter way to a SQLite file.
        """
        self._engine, self._patience, self._visits = engine, patience, visits
        self.version = 0
        """Counts what this process has written; see `Recent`."""
        # PostgreSQL would give every statement a view of its own. On SQLite a transaction has one anyway.
        is_server = engine.dialect.name == "postgresql"
        self._reader = engine.execution_options(isolation_level="REPEATABLE READ") if is_server else engine
        self._writer = engine.execution_options(**{_WRITES: True})
        # Python's sqlite3 is told in `connected` to begin nothing by itself; then `began` need not either.
        self._asker = engine.execution_options(**({"isolation_level": "AUTOCOMMIT"} if is_server else {_SINGLE: True}))
        # SQLite has one writer at a time, and those who wait for its lock poll it: some would starve.
        self._turn = None if is_server else asyncio.Lock()

    @classmethod
    async def open(cls, settings: StoreSettings) -> Self:
        """Connect, and bring the schema up to date.

        A SQLite file is made with mode 0600, its folder with 0700.

        Raises:
            StoreUnavailable: not reachable, not writable, or not a database.
            WrongSchema: made by another program or by a newer version.
        """
        engine = await _create_engine(settings)
        database = cls(engine, patience=settings.busy_timeout, visits=_visits(engine, settings))
        try:
            if await database._revision() != HEAD:
                await database._migrate(settings)
        except BaseException:
            await database.close()
            raise
        return database

    @classmethod
    async def look(cls, settings: StoreSettings) -> str | None:
        """The schema revision of a database, None for an empty one; nothing is made or changed on a server.

        Raises:
            StoreUnavailable, WrongSchema: as `open`.
        """
        database = cls(await _create_engine(settings), patience=settings.busy_timeout)
        try:
            return await database._revision()
        finally:
            await database.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one consistent state; what is written through it is rolled back."""
        with _translated():
            async with self._reader.connect() as connection:
                yield connection

    async def rows(
        self,
        query: Select[Any],  # Any: SQLAlchemy cannot type whole tables
        **values: object,
    ) -> Sequence[RowMapping]:
        """What one query finds. A statement sees one state anyway: this is `read` without the cost of a transaction.

        Args:
            values: of the query's parameters.

        Raises:
            StoreUnavailable: no connection in time, or the database failed.
        """
        with _translated():
            if self._visits is not None:
                return await self._visits.rows(query, values)
            async with self._asker.connect() as connection:
                found: Sequence[RowMapping] = (await connection.execute(query, values)).mappings().all()
        return found

    async def row(self, query: Select[Any], **values: object) -> RowMapping | None:  # Any: as `rows`
        """The first of `rows`."""
        return next(iter(await self.rows(query, **values)), None)

    @asynccontextmanager
    async def write(self, *, is_record: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction that is committed when the block ends, rolled back when it raises.

        After the block, the change is in the database's log and survives the death of this process.

        Args:
            is_record: what is written tells what was, and decides nothing: `version` stays.

        Raises:
            Duplicate: a unique value is taken. MissingParent: a foreign key points to nothing.
            StoreUnavailable: no connection or no lock in time, or the database failed.
        """
        with _translated():
            async with self._in_turn(), self._writer.begin() as connection:
                yield connection
            if not is_record:
                self.version += 1

    async def write_records(self, statements: Sequence[Statement]) -> None:
        """What tells what was, and decides nothing: all statements in one transaction, or none; `version` stays.

        Raises:
            As `write`.
        """
        if not statements:
            return
        if self._visits is None:
            async with self.write(is_record=True) as sql:
                for statement, rows in statements:
                    await sql.execute(statement, rows)
            return
        with _translated():
            async with self._in_turn():
                await self._visits.write(statements)

    async def close(self) -> None:
        """Close every connection; idempotent."""
        if self._visits is not None:
            await asyncio.to_thread(self._visits.close)
        await self._engine.dispose()

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        """The writers of this process one behind the other, where the database does not queue them itself."""
        if self._turn is None:
            yield
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("the database is locked: other writes took too long") from error
        try:
            yield
        finally:
            self._turn.release()

    async def _revision(self) -> str | None:
        async with self.read() as connection:
            return await connection.run_sync(migrate.current_revision)

    async def _migrate(self, settings: StoreSettings) -> None:
        """Through an engine that has the time for it: tables may be large, or another gateway be at it already."""
        is_server = self._engine.dialect.name == "postgresql"
        patient = (
            Database(await _create_engine(settings, is_patient=True), patience=settings.busy_timeout)
            if is_server
            else self
        )
        try:
            async with patient.write() as connection:
                await connection.run_sync(migrate.upgrade)
        finally:
            if patient is not self:
                await patient.close()


class _translated:
    """Turns the driver's errors into ours."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        match error:
            case IntegrityError():
                raise _integrity_error(error) from error
            case DBAPIError():
                raise StoreUnavailable(f"the database failed: {error.orig}") from error
            case PoolTimeout():
                raise StoreUnavailable("no free database connection in time") from error
            case TimeoutError():
                raise StoreUnavailable("the database did not answer in time") from error
            case OSError():
                raise StoreUnavailable(f"the database is not reachable: {error}") from error
            case _:
                return


def _integrity_error(error: IntegrityError) -> StoreError:
    """SQLite names `table.column`, PostgreSQL the constraint `uq_table_column`."""
    text = str(error.orig)
    if "foreign key" in text.lower():
        return MissingParent(text)
    for table in METADATA.tables.values():
        for column in table.columns:
            if f"{table.name}.{column.name}" in text or f'"uq_{table.name}_{column.name}"' in text:
                return Duplicate(table.name, column.name)
        if f'"pk_{table.name}"' in text:
            return Duplicate(table.name, next(iter(table.primary_key.columns)).name)
    return StoreUnavailable(f"the database refused the row: {text}")


async def _create_engine(settings: StoreSettings, *, is_patient: bool = False) -> AsyncEngine:
    """An engine that has not connected yet; a patient one lets a statement take as long as it needs."""
    try:
        url = make_url(settings.url)
    except ArgumentError as error:
        raise StoreUnavailable("store.url is not a database URL") from error
    if url.get_backend_name() != "sqlite":
        return _postgresql_engine(url, settings, is_patient=is_patient)
    if url.database:
        try:
            await asyncio.to_thread(_prepare_file, Path(url.database))
        except OSError as error:
            raise StoreUnavailable(f"cannot make {url.database}: {error.strerror}") from error
    return _sqlite_engine(url, settings)


def _postgresql_engine(url: URL, settings: StoreSettings, *, is_patient: bool) -> AsyncEngine:
    complete_for_postgresql()
    lock_ms = 0 if is_patient else round(settings.busy_timeout * 1000)  # 0: as long as it takes
    return create_async_engine(
        url if settings.password is None else url.set(password=settings.password),
        pool_size=settings.pool_size,
        pool_timeout=settings.busy_timeout,
        pool_pre_ping=True,  # a connection that the server has closed meanwhile is replaced before it is used
        json_serializer=_to_json,
        connect_args={
            "timeout": settings.busy_timeout,
            "command_timeout": None if is_patient else ANSWER_TIMEOUT,
            "server_settings": {"application_name": "rtc-gateway", "lock_timeout": str(lock_ms)},
        },
    )


def _sqlite_engine(url: URL, settings: StoreSettings) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=settings.pool_size, pool_timeout=settings.busy_timeout, json_serializer=_to_json
    )
    _prepare_connections(engine.sync_engine, settings)
    return engine


def _visits(engine: AsyncEngine, settings: StoreSettings) -> Visits | None:
    """The shorter way, where there is a file to which it can lead."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return None
    url = engine.url.set(drivername="sqlite+pysqlite")
    made = create_engine(
        url, pool_size=1, pool_timeout=settings.busy_timeout, json_serializer=_to_json, connect_args=_ANY_THREAD
    )
    _prepare_connections(made, settings)
    return Visits(made.execution_options(**{_SINGLE: True}), made.execution_options(**{_WRITES: True}))


def _prepare_connections(engine: Engine, settings: StoreSettings) -> None:
    """SQLite as all of our connections want it."""
    busy_ms = round(settings.busy_timeout * 1000)

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Python's sqlite3 would open transactions by itself, deferred and too late; `began` does it instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        # NORMAL with WAL: a killed process loses nothing that was committed; a power cut may lose the last
        # commits, but never corrupts.
        for pragma in (f"busy_timeout={busy_ms}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        # SQLite's own knows A to Z only, PostgreSQL's every letter.
        connection.create_function("lower", 1, _lower, deterministic=True)

    def began(connection: Connection) -> None:
        # A writer takes the lock first: one that reads and then writes would fail at once when another one
        # came between, whatever the busy timeout is.
        options = connection.get_execution_options()
        if not options.get(_SINGLE, False):
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES, False) else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", began)


def _prepare_file(path: Path) -> None:
    """Make the file ourselves, before SQLite would: with our mode (its log files get the same), and with WAL on.

    Switching to WAL needs the file alone and does not wait for others, so two programs that start at once would
    disturb each other. An existing file is never opened here: closing a second descriptor of it would take away
    the locks that this process holds through the first (fcntl(2)).
    """
    if not path.exists():
        with new_file(path) as draft:
            connection = sqlite3.connect(draft)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            finally:
                connection.close()
    path.chmod(FILE_MODE)


def _to_json(value: object) -> str:
    """Letters as they are: a search in the text of a document has to find them."""
    return json.dumps(value, ensure_ascii=False)


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value
