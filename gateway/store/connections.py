"""Credential connections: who may log in with a user name of their own, and what credentials belong to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, RowMapping, Select, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.changes import ChangeKind, note
from gateway.store.columns import values_of
from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.paging import Page, Paged, contains, fetch_page
from gateway.store.schema import connections, profile_connections

ConnectionSort = Literal["created_at", "connection_name", "active"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A credential connection.

    Attributes:
        connection_id: 19 decimal digits, as the service's (rest-v2 0.6).
        user_name: unique; the SIP user name under which its client registers and is called.
        password_hash: argon2id, in its own text form.
        password_sealed: the password itself as `auth.sealing` sealed it; None in rows of an older version.
        is_active: False refuses logins and calls.
        is_local: made on the command line: needs neither a voice profile nor a caller id.
        outbound_voice_profile_id: the profile that its calls go by.
        settings: the rest of its model (rest-v2 A.2.1) as a JSON document; `accounts` knows what is in it.
    """

    connection_id: str
    name: str
    user_name: str
    password_hash: str = field(repr=False)
    password_sealed: str | None = field(default=None, repr=False)
    is_active: bool
    is_local: bool = True
    outbound_voice_profile_id: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


class Connections:
    """The table of connections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, connection: Connection, *, has_unique_name: bool = False) -> None:
        """Keep a new one.

        Args:
            has_unique_name: refuse a name that another one has; the command line does not mind.

        Raises:
            Duplicate: its `user_name`, `connection_id` or name is taken.
            MissingParent: there is no such profile.
        """
        async with self._database.write() as sql:
            if has_unique_name:
                await _refuse_taken_name(sql, connection)
            await sql.execute(insert(connections).values(**values_of(connections, connection)))
            await _use_profile(sql, connection)

    async def get(self, connection_id: str) -> Connection:
        """That connection.

        Raises:
            NotFound: there is none.
        """
        found = await self._one(_BY_ID, connection_id)
        if found is None:
            raise NotFound("connection", connection_id)
        return found

    async def find_by_user_name(self, user_name: str) -> Connection | None:
        """The connection that logs in as `user_name` (case matters, as in SIP)."""
        return await self._one(_BY_USER_NAME, user_name)

    async def all(self, *, limit: int = 1000) -> tuple[Connection, ...]:
        """Oldest first, at most `limit`."""
        query = _query().order_by(connections.c.created_at, connections.c.connection_id).limit(limit)
        return tuple(_connection(row) for row in await self._database.rows(query))

    async def page(
        self,
        page: Page,
        *,
        name_contains: str | None = None,
        profile_id: str | None = None,
        sort: Sequence[tuple[ConnectionSort, bool]] = (),
    ) -> Paged[Connection]:
        """The connections that fit; `sort` has fields, each with whether it descends."""
        where: list[ColumnElement[bool]] = []
        if name_contains is not None:
            where.append(contains(connections.c.name, name_contains))
        if profile_id is not None:
            where.append(profile_connections.c.profile_id == profile_id)
        order = [_SORTS[name].desc() if is_descending else _SORTS[name] for name, is_descending in sort]
        return await fetch_page(
            self._database,
            _query(),
            where=where,
            order=order,
            unique=connections.c.connection_id,
            page=page,
            make=_connection,
        )

    async def change(self, connection_id: str, change: Callable[[Connection], Connection]) -> Connection:
        """Read it, change it and write it back, with nobody in between; returns the new one.

        What ends registrations is noted for the gateways that run.

        Args:
            change: makes the new one of the old one; what it raises leaves everything as it was.

        Raises:
            NotFound: there is none.
            Duplicate: its new user name or name is taken.
            MissingParent: there is no such profile.
        """
        async with self._database.write() as sql:
            before = await _locked(sql, connection_id)
            after = change(before)
            if after.name != before.name:
                await _refuse_taken_name(sql, after)
            await sql.execute(
                update(connections)
                .where(connections.c.connection_id == connection_id)
                .values(**values_of(connections, after))
            )
            if after.outbound_voice_profile_id != before.outbound_voice_profile_id:
                await _use_profile(sql, after)
            if before.is_active and not after.is_active:
                await note(sql, ChangeKind.CONNECTION_OFF, connection_id, at=after.updated_at)
            elif (after.user_name, after.password_hash) != (before.user_name, before.password_hash):
                await note(sql, ChangeKind.CONNECTION_LOGIN, connection_id, at=after.updated_at)
        return after

    async def rehash(self, connection_id: str, password_hash: str, *, before: str, at: datetime) -> None:
        """Another hash of the same password.

        Args:
            before: the hash that it has. A password that was changed meanwhile stays changed.

        Raises:
            NotFound: there is no such connection with that hash.
        """
        is_it = connections.c.connection_id == connection_id
        change = update(connections).where(is_it, connections.c.password_hash == before)
        async with self._database.write() as sql:
            result = await sql.execute(change.values(password_hash=password_hash, updated_at=at))
        if result.rowcount == 0:
            raise NotFound("connection", connection_id)

    async def remove(self, connection_id: str, *, at: datetime) -> Connection:
        """Delete it with its credentials; returns what it was.

        Its numbers stay, without a connection, and so do the records of its calls.

        Raises:
            NotFound: there is no such connection.
        """
        async with self._database.write() as sql:
            removed = await _locked(sql, connection_id)
            await sql.execute(delete(connections).where(connections.c.connection_id == connection_id))
            await note(sql, ChangeKind.CONNECTION_OFF, connection_id, at=at)
        return removed

    async def _one(self, query: Select[Any], wanted: str) -> Connection | None:  # Any: as `_query`
        row = await self._database.row(query, wanted=wanted)
        return None if row is None else _connection(row)


_SORTS: Final[Mapping[ConnectionSort, ColumnElement[Any]]] = {  # Any: columns of several types
    "created_at": connections.c.created_at,
    "connection_name": connections.c.name,
    "active": connections.c.is_active,
}


def _query() -> Select[Any]:  # Any: SQLAlchemy cannot type a whole table's columns
    joined = connections.outerjoin(
        profile_connections, profile_connections.c.connection_id == connections.c.connection_id
    )
    profile_id = profile_connections.c.profile_id.label("outbound_voice_profile_id")
    return select(connections, profile_id).select_from(joined)


# Made once: putting one together costs more than asking it.
_BY_ID: Final = _query().where(connections.c.connection_id == bindparam("wanted"))
_BY_USER_NAME: Final = _query().where(connections.c.user_name == bindparam("wanted"))


async def _locked(sql: AsyncConnection, connection_id: str) -> Connection:
    """The row, locked until the transaction ends: on SQLite the whole transaction is one lock already."""
    is_it = connections.c.connection_id == connection_id
    await sql.execute(select(connections.c.connection_id).where(is_it).with_for_update())
    row = (await sql.execute(_query().where(is_it))).mappings().first()
    if row is None:
        raise NotFound("connection", connection_id)
    return _connection(row)


async def _refuse_taken_name(sql: AsyncConnection, connection: Connection) -> None:
    taken = select(connections.c.connection_id).where(
        connections.c.name == connection.name, connections.c.connection_id != connection.connection_id
    )
    if (await sql.execute(taken.limit(1))).first() is not None:
        raise Duplicate("connections", "connection_name")


async def _use_profile(sql: AsyncConnection, connection: Connection) -> None:
    link = profile_connections
    await sql.execute(delete(link).where(link.c.connection_id == connection.connection_id))
    if connection.outbound_voice_profile_id is not None:
        values = {"connection_id": connection.connection_id, "profile_id": connection.outbound_voice_profile_id}
        await sql.execute(insert(link).values(**values))


def _connection(row: RowMapping) -> Connection:
    return Connection(**row)
