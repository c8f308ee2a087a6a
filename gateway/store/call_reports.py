"""The index of call reports: what was uploaded when, by whom, and the name of the object that holds it."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import RowMapping, delete, insert, select

from gateway.store.database import Database
from gateway.store.errors import Duplicate
from gateway.store.paging import Page, Paged, fetch_page
from gateway.store.schema import call_reports
from gateway.store.storable import storable

_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedReport:
    """One uploaded segment of a call report; see `schema.call_reports`.

    Attributes:
        segment: its number, None for a report that names none.
        object_name: within the store of reports.
    """

    verto_call_id: str
    connection_id: str | None
    username: str | None
    session_id: str | None
    voice_sdk_id: str | None
    user_agent: str | None
    segment: int | None
    object_name: str
    size: int
    stored_at: datetime


class CallReports:
    """The table of call reports."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, report: IndexedReport) -> None:
        """Index a report; one that is known already stays as it is."""
        row = asdict(report) | {
            "report_id": str(uuid.uuid5(uuid.NAMESPACE_URL, report.object_name)),
            "username": storable(report.username, 64),
            "session_id": storable(report.session_id, 64),
            "voice_sdk_id": storable(report.voice_sdk_id, 128),
            "user_agent": storable(report.user_agent, 256),
        }
        try:
            async with self._database.write(is_record=True) as sql:
                await sql.execute(insert(call_reports).values(**row))
        except Duplicate:
            return

    async def page(self, page: Page, *, newest_first: bool = True) -> Paged[IndexedReport]:
        """Reports by the time of their upload."""
        columns = (call_reports.c.stored_at, call_reports.c.report_id)
        at, unique = (column.desc() if newest_first else column.asc() for column in columns)
        return await fetch_page(
            self._database, select(call_reports), where=[], order=[at], unique=unique, page=page, make=_report
        )

    async def names(self, before: datetime | None = None) -> frozenset[str]:
        """The objects of all reports, or of those uploaded before that time."""
        query = select(call_reports.c.object_name)
        if before is not None:
            query = query.where(call_reports.c.stored_at < before)
        async with self._database.read() as sql:
            return frozenset((await sql.execute(query)).scalars())

    async def forget(self, names: Sequence[str]) -> None:
        """Those objects are gone."""
        for start in range(0, len(names), _AT_ONCE):
            gone = call_reports.c.object_name.in_(names[start : start + _AT_ONCE])
            async with self._database.write(is_record=True) as sql:
                await sql.execute(delete(call_reports).where(gone))


def _report(row: RowMapping) -> IndexedReport:
    values = dict(row)
    del values["report_id"]
    return IndexedReport(**values)
