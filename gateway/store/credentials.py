"""Telephony credentials: on-demand SIP identities under a connection (rest-v2 A.1)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update

from gateway.store.database import Database
from gateway.store.errors import MissingParent, NotFound
from gateway.store.schema import telephony_credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A telephony credential.

    Attributes:
        credential_id: a UUID; the `sub` of its tokens.
        sip_username: `gencred` and 22 more characters; unique.
        password_hash: argon2id of its `sip_password`.
        password_sealed: the password itself as `auth.sealing` sealed it; None in rows of an older version.
        tag: groups credentials; never shown, only filtered by.
        expires_at: from then on neither it nor its tokens log in.
    """

    credential_id: str
    connection_id: str
    name: str
    sip_username: str
    password_hash: str = field(repr=False)
    password_sealed: str | None = field(default=None, repr=False)
    tag: str | None = None
    expires_at: datetime
    created_at: datetime
    updated_at: datetime

    def is_expired(self, at: datetime) -> bool:
        """Whether it may no longer be used at that time."""
        return at >= self.expires_at


class Credentials:
    """The table of telephony credentials."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, credential: Credential) -> None:
        """Keep a new one.

        Raises:
            NotFound: its connection does not exist.
            Duplicate: its `sip_username` or `credential_id` is taken.
        """
        values = {name: getattr(credential, name) for name in telephony_credentials.c.keys()}  # noqa: SIM118 - not a dict
        try:
            async with self._database.write() as sql:
                await sql.execute(insert(telephony_credentials).values(**values))
        except MissingParent as error:
            raise NotFound("connection", credential.connection_id) from error

    async def get(self, credential_id: str) -> Credential:
        """That credential.

        Raises:
            NotFound: there is none.
        """
        found = await self._one(telephony_credentials.c.credential_id == credential_id)
        if found is None:
            raise NotFound("credential", credential_id)
        return found

    async def find_by_sip_username(self, sip_username: str) -> Credential | None:
        """The credential that logs in as `sip_username` (case matters)."""
        return await self._one(telephony_credentials.c.sip_username == sip_username)

    async def all(self, *, connection_id: str | None = None, limit: int = 1000) -> tuple[Credential, ...]:
        """Oldest first, at most `limit`; of one connection, or of all."""
        table = telephony_credentials.c
        query = select(telephony_credentials).order_by(table.created_at, table.credential_id).limit(limit)
        if connection_id is not None:
            query = query.where(table.connection_id == connection_id)
        async with self._database.read() as sql:
            return tuple(_credential(row) for row in (await sql.execute(query)).mappings())

    async def set_password_hash(self, credential_id: str, password_hash: str, *, at: datetime) -> None:
        """Replace the hash.

        Raises:
            NotFound: there is no such credential.
        """
        change = update(telephony_credentials).where(telephony_credentials.c.credential_id == credential_id)
        async with self._database.write() as sql:
            result = await sql.execute(change.values(password_hash=password_hash, updated_at=at))
        if result.rowcount == 0:
            raise NotFound("credential", credential_id)

    async def remove(self, credential_id: str) -> None:
        """Delete it; its tokens die with it.

        Raises:
            NotFound: there is no such credential.
        """
        async with self._database.write() as sql:
            result = await sql.execute(
                delete(telephony_credentials).where(telephony_credentials.c.credential_id == credential_id)
            )
        if result.rowcount == 0:
            raise NotFound("credential", credential_id)

    async def _one(self, condition: Any) -> Credential | None:  # Any: SQLAlchemy's column expressions
        async with self._database.read() as sql:
            row = (await sql.execute(select(telephony_credentials).where(condition))).mappings().first()
        return None if row is None else _credential(row)


def _credential(row: RowMapping) -> Credential:
    return Credential(**row)
