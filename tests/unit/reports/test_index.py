"""The table of call reports is in step with their store."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from gateway.reports.archive import Archive
from gateway.reports.documents import Origin, call_recording, call_report
from gateway.reports.index import ReportIndex
from gateway.reports.retention import Retention
from gateway.reports.settings import ReportSettings
from gateway.store.call_reports import CallReports, IndexedReport
from gateway.store.database import Database
from gateway.store.errors import StoreUnavailable
from gateway.store.paging import Page
from tests.fakes.objects import MemoryStore

NOW = datetime.now(UTC).replace(microsecond=0)
ORIGIN = Origin(
    call_id="c1",
    report_id="secret",
    session_id="6a1f",
    connection_id="1500000000000000001",
    username="alice",
    user_agent="SDK",
    voice_sdk_id="VSDK1",
)


@dataclass
class Shelf:
    """A store of reports with its table."""

    database: Database
    objects: MemoryStore

    def __post_init__(self) -> None:
        self.archive, self.table = Archive(self.objects), CallReports(self.database)
        self.index = ReportIndex(self.table, self.archive)

    async def upload(self, body: object, *, is_indexed: bool = True, at: datetime = NOW) -> str:
        document = call_report(json.dumps(body).encode(), ORIGIN, at)
        key = await self.archive.add(ORIGIN, document)
        if is_indexed:
            await self.index.stored(ORIGIN, document, key, at)
        return key

    async def look(self, *, at: datetime = NOW) -> None:
        """What happens at the start and every hour."""
        await Retention(ReportSettings(keep_days=1), self.archive, clock=lambda: at, index=self.index).clean()

    async def rows(self) -> tuple[IndexedReport, ...]:
        return (await self.table.page(Page(), newest_first=False)).rows


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(database, MemoryStore())


async def test_upload_is_indexed_once_however_often_it_is_retried(shelf: Shelf) -> None:
    for _ in range(2):
        key = await shelf.upload({"segment": 3})

    (row,) = await shelf.rows()
    assert row == IndexedReport(
        verto_call_id="c1",
        connection_id="1500000000000000001",
        username="alice",
        session_id="6a1f",
        voice_sdk_id="VSDK1",
        user_agent="SDK",
        segment=3,
        object_name=key,
        size=shelf.objects.objects[key][1].size,
        stored_at=NOW,
    )


async def test_recordings_are_no_reports(shelf: Shelf) -> None:
    document = call_recording(b'{"track":"local"}', ORIGIN, NOW)
    key = await shelf.archive.add(ORIGIN, document)

    await shelf.index.stored(ORIGIN, document, key, NOW)
    await shelf.look()

    assert await shelf.rows() == ()


async def test_reports_that_were_in_the_folder_before_are_indexed_by_what_they_say(shelf: Shelf) -> None:
    indexed = await shelf.upload({"segment": 1})
    (by_upload,) = await shelf.rows()
    await shelf.table.forget([indexed])
    await shelf.upload({}, is_indexed=False)

    with capture_logs() as lines:
        await shelf.look()

    rows = {row.segment: row for row in await shelf.rows()}
    assert rows[1] == by_upload
    assert rows[None].object_name == "c1/call_report/final.json"
    assert [line["event"] for line in lines] == ["reports_indexed"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe", b'{"stored_at": 5, "connection_id": ["x"], "username": "' + b"a" * 300 + b'"}']
)
async def test_file_of_somebody_else_in_the_folder_stops_nothing(shelf: Shelf, content: bytes) -> None:
    await shelf.objects.put("a/call_report/notes.json", content)
    await shelf.upload({"segment": 0}, is_indexed=False)

    await shelf.look()

    assert "c1/call_report/0.json" in {row.object_name for row in await shelf.rows()}


async def test_report_that_is_too_old_leaves_store_and_table(shelf: Shelf) -> None:
    await shelf.upload({"segment": 0})

    await shelf.look(at=NOW + timedelta(days=2))

    assert (shelf.objects.objects, await shelf.rows()) == ({}, ())


async def test_upload_that_is_under_way_while_the_store_is_listed_is_not_forgotten(shelf: Shelf) -> None:
    await shelf.upload({"segment": 0})

    await shelf.index.reconcile([], listed_at=NOW + timedelta(minutes=1), is_over=lambda: False)
    young = len(await shelf.rows())
    await shelf.index.reconcile([], listed_at=NOW + timedelta(minutes=6), is_over=lambda: False)

    assert (young, len(await shelf.rows())) == (1, 0)


async def test_database_that_is_down_costs_no_report(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_report: IndexedReport) -> None:
        raise StoreUnavailable("locked")

    with capture_logs() as lines, monkeypatch.context() as patched:
        patched.setattr(shelf.table, "add", fail)
        await shelf.upload({"segment": 0})
        await shelf.look()
    without = await shelf.rows()
    await shelf.look()

    assert without == ()
    assert len(await shelf.rows()) == 1
    assert {line["event"] for line in lines} == {"report_not_indexed"}


async def test_stop_does_not_wait_for_a_folder_full_of_old_reports(shelf: Shelf) -> None:
    for number in range(3):
        await shelf.upload({"segment": number}, is_indexed=False)
    looked: list[bool] = []

    def is_over() -> bool:
        looked.append(len(looked) > 0)
        return looked[-1]

    await shelf.index.reconcile(await shelf.archive.everything(), listed_at=NOW, is_over=is_over)

    assert len(await shelf.rows()) == 1
