"""What changed that a running gateway has to act on: written with the change itself, read by every gateway on it.

So a credential that the command line removes, in a process of its own, ends the registration of its clients as well.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from sqlalchemy import bindparam, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.database import Database
from gateway.store.schema import account_changes

KEPT: Final = timedelta(days=1)
"""How long a change is kept; a gateway reads it within a second."""

_OVERLAP: Final = 100
"""Sequence numbers that are read again: PostgreSQL gives them out before the transactions commit, in any order."""


class ChangeKind(Enum):
    """What sort of thing changed, and how."""

    CONNECTION_LOGIN = "connection_login"
    """User name or password of a connection: clients that logged in with the old ones are out."""
    CONNECTION_OFF = "connection_off"
    """A connection was switched off or removed: all of its clients are out."""
    CREDENTIAL_OFF = "credential_off"
    """A credential was removed."""
    CREDENTIAL_EXPIRY = "credential_expiry"
    """A credential expires at another time than before."""
    KEY_REVOKED = "key_revoked"
    """An API key is no longer good."""


_SINCE: Final = (
    select(account_changes.c.sequence, account_changes.c.kind, account_changes.c.subject)
    .where(account_changes.c.sequence > bindparam("after"))
    .order_by(account_changes.c.sequence)
)
"""Asked several times a second, whatever else there is to do."""

_KINDS: Final = {kind.value: kind for kind in ChangeKind}


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `subject` is the id of what changed."""

    sequence: int
    kind: ChangeKind
    subject: str


async def note(sql: AsyncConnection, kind: ChangeKind, subject: str, *, at: datetime) -> None:
    """Write it down in the transaction of the change itself."""
    await sql.execute(insert(account_changes).values(kind=kind.value, subject=subject, at=at))


class Changes:
    """The table, for one reader that follows it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = 0
        self._seen: set[int] = set()

    async def start(self) -> None:
        """From now on: what was before is not reported."""
        sequence = account_changes.c.sequence
        async with self._database.read() as sql:
            self._last = (await sql.execute(select(func.max(sequence)))).scalar() or 0
            # A number that is missing may yet be committed, and then is news.
            rows = await sql.execute(select(sequence).where(sequence > self._last - _OVERLAP))
            self._seen = {row.sequence for row in rows}
            self._last = max(self._seen, default=0)

    async def fetch(self) -> tuple[Change, ...]:
        """What came since the last time, oldest first."""
        rows = await self._database.rows(_SINCE, after=self._last - _OVERLAP)
        new = [row for row in rows if row["sequence"] not in self._seen]
        if not new:
            return ()
        self._last = max([self._last, *(row["sequence"] for row in new)])
        seen = self._seen.union(row["sequence"] for row in new)
        self._seen = {number for number in seen if number > self._last - _OVERLAP}
        # What a newer version writes beside us is none of our business.
        return tuple(
            Change(row["sequence"], _KINDS[row["kind"]], row["subject"]) for row in new if row["kind"] in _KINDS
        )

    async def forget(self, now: datetime) -> None:
        """Delete what every gateway has read long ago."""
        async with self._database.write() as sql:
            await sql.execute(delete(account_changes).where(account_changes.c.at < now - KEPT))
