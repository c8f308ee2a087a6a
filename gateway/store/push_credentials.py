"""What pushes are sent with: certificates of APNs, accounts of FCM (rest-v2 A.5)."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select

from gateway.store.columns import values_of
from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.paging import Page, Paged, fetch_page
from gateway.store.schema import push_credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class PushCredential:
    """A push credential.

    Attributes:
        push_credential_id: a UUID.
        type: `ios` or `android`.
        alias: unique.
        material_sealed: its secrets, one JSON document, as `auth.sealing` sealed it.
    """

    push_credential_id: str
    type: str
    alias: str
    material_sealed: str = field(repr=False)
    created_at: datetime
    updated_at: datetime


class PushCredentials:
    """The table of push credentials."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, credential: PushCredential) -> None:
        """Keep a new one.

        Raises:
            Duplicate: its `alias` is taken.
        """
        async with self._database.write() as sql:
            await sql.execute(insert(push_credentials).values(**values_of(push_credentials, credential)))

    async def get(self, push_credential_id: str) -> PushCredential:
        """That push credential.

        Raises:
            NotFound: there is none.
        """
        query = select(push_credentials).where(push_credentials.c.push_credential_id == push_credential_id)
        async with self._database.read() as sql:
            row = (await sql.execute(query)).mappings().first()
        if row is None:
            raise NotFound("push credential", push_credential_id)
        return _credential(row)

    async def page(self, page: Page, *, type: str | None = None, alias: str | None = None) -> Paged[PushCredential]:
        """Those that fit, oldest first."""
        table = push_credentials.c
        where: list[ColumnElement[bool]] = [
            column == value for column, value in ((table.type, type), (table.alias, alias)) if value is not None
        ]
        return await fetch_page(
            self._database,
            select(push_credentials),
            where=where,
            order=[table.created_at],
            unique=table.push_credential_id,
            page=page,
            make=_credential,
        )

    async def remove(self, push_credential_id: str) -> None:
        """Delete it.

        Raises:
            NotFound: there is none.
        """
        is_it = push_credentials.c.push_credential_id == push_credential_id
        async with self._database.write() as sql:
            result = await sql.execute(delete(push_credentials).where(is_it))
        if result.rowcount == 0:
            raise NotFound("push credential", push_credential_id)


def _credential(row: RowMapping) -> PushCredential:
    return PushCredential(**row)
