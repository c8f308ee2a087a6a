"""The traces of calls, a row for each message or fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, delete, func, insert, select

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.store.database import Database
from gateway.store.schema import call_traces
from gateway.store.storable import storable

AT_ONCE: Final = 5000
"""Rows that one transaction deletes."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry with its number: of two entries the one that was written later has the larger."""

    sequence: int
    entry: TraceEntry


class Traces:
    """The table of traces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entries: Sequence[tuple[CallId, TraceEntry]]) -> None:
        """Keep them, all or none."""
        rows = [_row(call_id, entry) for call_id, entry in entries]
        await self._database.write_records([(insert(call_traces), rows)])

    async def of_call(self, call_id: CallId, *, after: int = 0) -> tuple[StoredEntry, ...]:
        """The entries of a call with a larger number, in the order of their numbers."""
        wanted = (call_traces.c.call_id == call_id) & (call_traces.c.sequence > after)
        query = select(call_traces).where(wanted).order_by(call_traces.c.sequence)
        async with self._database.read() as sql:
            return tuple(_stored(row) for row in (await sql.execute(query)).mappings())

    async def forget(self, *, before: datetime, keep: int) -> int:
        """Delete some of what is older than that, or too much beside the newest `keep` rows.

        Returns:
            how many, `AT_ONCE` at most: ask again then.
        """
        column = call_traces.c.sequence
        async with self._database.write(is_record=True) as sql:
            newest = (await sql.execute(select(func.max(column)))).scalar() or 0
            is_old = (call_traces.c.at < before) | (column <= newest - keep)
            old = select(column).where(is_old).order_by(column).limit(AT_ONCE)
            return (await sql.execute(delete(call_traces).where(column.in_(old)))).rowcount


def _row(call_id: CallId, entry: TraceEntry) -> dict[str, object]:
    return {
        "call_id": call_id,
        "at": entry.at,
        "kind": entry.kind.value,
        "way": entry.way.value,
        "channel": storable(entry.channel, 256),
        "party": storable(entry.party, 128),
        "transport": entry.transport,
        "local": storable(entry.local, 64),
        "remote": storable(entry.remote, 64),
        "title": storable(entry.title, 256),
        "body": entry.body,
    }


def _stored(row: RowMapping) -> StoredEntry:
    entry = TraceEntry(
        at=row["at"],
        kind=TraceKind(row["kind"]),
        way=Way(row["way"]),
        channel=row["channel"],
        party=row["party"],
        transport=row["transport"],
        local=row["local"],
        remote=row["remote"],
        title=row["title"],
        body=row["body"],
    )
    return StoredEntry(row["sequence"], entry)
