"""API keys. Only a hash is kept: a key is 256 random bits, so that a plain SHA-256 is enough."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import RowMapping, func, insert, select, update

from gateway.store.changes import ChangeKind, note
from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.schema import api_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the REST API, the lab and the console.

    Attributes:
        key_hash: lower-case hex of the SHA-256 of the whole key.
        last4: its last four characters, to tell keys apart.
        scope: what it may do, of `read write lab`.
        name: what people call it.
        revoked_at: since when it is good for nothing; it stays, so that its bearer is told so.
    """

    key_id: str
    key_hash: str = field(repr=False)
    last4: str
    scope: frozenset[str]
    created_at: datetime
    name: str | None = None
    revoked_at: datetime | None = None


class ApiKeys:
    """The table of API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> None:
        """Keep a new one.

        Raises:
            Duplicate: its `key_hash` or `key_id` is taken.
        """
        async with self._database.write() as sql:
            await sql.execute(
                insert(api_keys).values(
                    key_id=key.key_id,
                    key_hash=key.key_hash,
                    last4=key.last4,
                    scope=sorted(key.scope),
                    created_at=key.created_at,
                    name=key.name,
                    revoked_at=key.revoked_at,
                )
            )

    async def find_by_hash(self, key_hash: str) -> ApiKey | None:
        """The key with that hash."""
        query = select(api_keys).where(api_keys.c.key_hash == key_hash)
        row = await self._database.row(query)
        return None if row is None else _key(row)

    async def all(self, *, limit: int = 1000) -> tuple[ApiKey, ...]:
        """Oldest first, at most `limit`."""
        query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id).limit(limit)
        return tuple(_key(row) for row in await self._database.rows(query))

    async def revoke(self, key_id: str, *, at: datetime) -> None:
        """It is good for nothing from now on; once more does no harm.

        Raises:
            NotFound: there is no such key.
        """
        is_it = api_keys.c.key_id == key_id
        revoked_at = func.coalesce(api_keys.c.revoked_at, at)
        async with self._database.write() as sql:
            result = await sql.execute(update(api_keys).where(is_it).values(revoked_at=revoked_at))
            if result.rowcount == 0:
                raise NotFound("key", key_id)
            await note(sql, ChangeKind.KEY_REVOKED, key_id, at=at)


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(
        key_id=row["key_id"],
        key_hash=row["key_hash"],
        last4=row["last4"],
        scope=frozenset(row["scope"]),
        created_at=row["created_at"],
        name=row["name"],
        revoked_at=row["revoked_at"],
    )
