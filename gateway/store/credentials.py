"""Telephony credentials: on-demand SIP identities under a connection (rest-v2 A.1)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.changes import ChangeKind, note
from gateway.store.columns import values_of
from gateway.store.database import Database
from gateway.store.errors import MissingParent, NotFound
from gateway.store.paging import Page, Paged, fetch_page
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
        try:
            async with self._database.write() as sql:
                await sql.execute(insert(telephony_credentials).values(**values_of(telephony_credentials, credential)))
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
        return tuple(_credential(row) for row in await self._database.rows(query))

    async def page(
        self,
        page: Page,
        *,
        at: datetime,
        tag: str | None = None,
        name: str | None = None,
        connection_id: str | None = None,
        sip_username: str | None = None,
        is_expired: bool | None = None,
        is_newest_first: bool = False,
    ) -> Paged[Credential]:
        """The credentials that fit all of what is not None, oldest first by default.

        Args:
            at: the time by which `is_expired` is judged.
        """
        table = telephony_credentials.c
        exact = ((table.tag, tag), (table.name, name), (table.connection_id, connection_id))
        where = [column == value for column, value in (*exact, (table.sip_username, sip_username)) if value is not None]
        if is_expired is not None:
            where.append(table.expires_at <= at if is_expired else table.expires_at > at)
        return await fetch_page(
            self._database,
            select(telephony_credentials),
            where=where,
            order=[table.created_at.desc() if is_newest_first else table.created_at.asc()],
            unique=table.credential_id,
            page=page,
            make=_credential,
        )

    async def change(self, credential_id: str, change: Callable[[Credential], Credential]) -> Credential:
        """Read it, change it and write it back, with nobody in between; returns the new one.

        Args:
            change: makes the new one of the old one; what it raises leaves everything as it was.

        Raises:
            NotFound: there is none, or its new connection does not exist.
        """
        try:
            async with self._database.write() as sql:
                before = await _locked(sql, credential_id)
                after = change(before)
                await sql.execute(
                    update(telephony_credentials)
                    .where(telephony_credentials.c.credential_id == credential_id)
                    .values(**values_of(telephony_credentials, after))
                )
                if after.expires_at != before.expires_at:
                    await note(sql, ChangeKind.CREDENTIAL_EXPIRY, credential_id, at=after.updated_at)
                if after.connection_id != before.connection_id:
                    await note(sql, ChangeKind.CREDENTIAL_OFF, credential_id, at=after.updated_at)
        except MissingParent as error:
            raise NotFound("connection", after.connection_id) from error
        return after

    async def rehash(self, credential_id: str, password_hash: str, *, before: str, at: datetime) -> None:
        """Another hash of the same password.

        Args:
            before: the hash that it has. A password that was changed meanwhile stays changed.

        Raises:
            NotFound: there is no such credential with that hash.
        """
        is_it = telephony_credentials.c.credential_id == credential_id
        change = update(telephony_credentials).where(is_it, telephony_credentials.c.password_hash == before)
        async with self._database.write() as sql:
            result = await sql.execute(change.values(password_hash=password_hash, updated_at=at))
        if result.rowcount == 0:
            raise NotFound("credential", credential_id)

    async def remove(self, credential_id: str, *, at: datetime) -> Credential:
        """Delete it; its tokens die with it. Returns what it was.

        Raises:
            NotFound: there is no such credential.
        """
        async with self._database.write() as sql:
            removed = await _locked(sql, credential_id)
            is_it = telephony_credentials.c.credential_id == credential_id
            await sql.execute(delete(telephony_credentials).where(is_it))
            await note(sql, ChangeKind.CREDENTIAL_OFF, credential_id, at=at)
        return removed

    async def _one(self, condition: Any) -> Credential | None:  # Any: SQLAlchemy's column expressions
        row = await self._database.row(select(telephony_credentials).where(condition))
        return None if row is None else _credential(row)


async def _locked(sql: AsyncConnection, credential_id: str) -> Credential:
    query = select(telephony_credentials).where(telephony_credentials.c.credential_id == credential_id)
    row = (await sql.execute(query.with_for_update())).mappings().first()
    if row is None:
        raise NotFound("credential", credential_id)
    return _credential(row)


def _credential(row: RowMapping) -> Credential:
    return Credential(**row)
