"""Credential connections: who may log in with a user name of their own, and what credentials belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update

from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.schema import connections


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A credential connection.

    Attributes:
        connection_id: 19 decimal digits, as the service's (rest-v2 0.6).
        user_name: unique; the SIP user name under which its client registers and is called.
        password_hash: argon2id, in its own text form.
        password_sealed: the password itself as `auth.sealing` sealed it; None in rows of an older version.
        is_active: False refuses logins and calls.
        settings: the rest of its model (rest-v2 A.2.1) as a JSON document; `accounts` knows what is in it.
    """

    connection_id: str
    name: str
    user_name: str
    password_hash: str = field(repr=False)
    password_sealed: str | None = field(default=None, repr=False)
    is_active: bool
    settings: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


class Connections:
    """The table of connections."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, connection: Connection) -> None:
        """Keep a new one.

        Raises:
            Duplicate: its `user_name` or `connection_id` is taken.
        """
        async with self._database.write() as sql:
            await sql.execute(insert(connections).values(**_values(connection)))

    async def get(self, connection_id: str) -> Connection:
        """That connection.

        Raises:
            NotFound: there is none.
        """
        found = await self._one(connections.c.connection_id == connection_id)
        if found is None:
            raise NotFound("connection", connection_id)
        return found

    async def find_by_user_name(self, user_name: str) -> Connection | None:
        """The connection that logs in as `user_name` (case matters, as in SIP)."""
        return await self._one(connections.c.user_name == user_name)

    async def all(self, *, limit: int = 1000) -> tuple[Connection, ...]:
        """Oldest first, at most `limit`."""
        query = select(connections).order_by(connections.c.created_at, connections.c.connection_id).limit(limit)
        async with self._database.read() as sql:
            return tuple(_connection(row) for row in (await sql.execute(query)).mappings())

    async def set_password_hash(self, connection_id: str, password_hash: str, *, at: datetime) -> None:
        """Another hash of the same password.

        Raises:
            NotFound: there is no such connection.
        """
        await self._update(connection_id, password_hash=password_hash, updated_at=at)

    async def set_password(self, connection_id: str, password_hash: str, password_sealed: str, *, at: datetime) -> None:
        """Another password.

        Raises:
            NotFound: there is no such connection.
        """
        await self._update(connection_id, password_hash=password_hash, password_sealed=password_sealed, updated_at=at)

    async def set_active(self, connection_id: str, is_active: bool, *, at: datetime) -> None:
        """Allow or refuse its logins and calls.

        Raises:
            NotFound: there is no such connection.
        """
        await self._update(connection_id, is_active=is_active, updated_at=at)

    async def remove(self, connection_id: str) -> None:
        """Delete it with its credentials. Its numbers stay, without a connection, and so do the records of its calls.

        Raises:
            NotFound: there is no such connection.
        """
        async with self._database.write() as sql:
            result = await sql.execute(delete(connections).where(connections.c.connection_id == connection_id))
        if result.rowcount == 0:
            raise NotFound("connection", connection_id)

    async def _one(self, condition: Any) -> Connection | None:  # Any: SQLAlchemy's column expressions
        async with self._database.read() as sql:
            row = (await sql.execute(select(connections).where(condition))).mappings().first()
        return None if row is None else _connection(row)

    async def _update(self, connection_id: str, **values: object) -> None:
        change = update(connections).where(connections.c.connection_id == connection_id).values(**values)
        async with self._database.write() as sql:
            result = await sql.execute(change)
        if result.rowcount == 0:
            raise NotFound("connection", connection_id)


def _connection(row: RowMapping) -> Connection:
    return Connection(**row)


def _values(connection: Connection) -> dict[str, object]:
    return {name: getattr(connection, name) for name in connections.c.keys()}  # noqa: SIM118 - not a dict
