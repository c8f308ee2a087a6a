"""The order of the archive: names, owners, repeats, and a store that fails."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from gateway.reports.archive import Archive, CallOfAnother
from gateway.reports.directory import DirectoryStore
from gateway.reports.documents import Origin, call_recording, call_report, debug_frames
from gateway.reports.objects import NoSuchObject, ReportStoreDown
from tests.fakes.objects import MemoryStore

NOW: Final = datetime(2026, 5, 1, 12, tzinfo=UTC)


def origin(call_id: str = "c1", connection_id: str = "1", report_id: str = "r1") -> Origin:
    return Origin(call_id=call_id, report_id=report_id, session_id="s1", connection_id=connection_id, username="alice")


async def add_report(archive: Archive, whose: Origin, **body: object) -> str:
    return await archive.add(whose, call_report(json.dumps(body).encode(), whose, NOW))


async def names(archive: Archive, call_id: str = "c1") -> list[str]:
    return [entry.key for entry in await archive.entries(call_id)]


async def test_segments_lie_beneath_their_call_in_order() -> None:
    archive = Archive(MemoryStore())
    for segment in (10, 2, 0):
        await add_report(archive, origin(), segment=segment)
    await add_report(archive, origin(), state="done")

    assert await names(archive) == [f"call_report/{name}.json" for name in ("0", "2", "10", "final")]


async def test_the_retry_of_an_upload_is_kept_once() -> None:
    archive = Archive(MemoryStore())

    keys = [await add_report(archive, origin(), segment=0, stats=[1]) for _ in range(3)]

    assert keys == ["c1/call_report/0.json"] * 3
    assert await names(archive) == ["call_report/0.json"]


async def test_another_report_of_the_same_segment_is_lost_by_neither() -> None:
    archive = Archive(MemoryStore())

    for attempt in range(3):
        await add_report(archive, origin(), segment=0, attempt=attempt)

    assert await names(archive) == ["call_report/0.json", "call_report/0-2.json", "call_report/0-3.json"]


async def test_recordings_and_frames_are_numbered_as_they_come() -> None:
    archive, whose = Archive(MemoryStore()), origin()
    for number in range(12):
        body = json.dumps({"track": "local", "n": number}).encode()
        await archive.add(whose, call_recording(body, whose, NOW))
    await archive.add(whose, debug_frames(["{}"], whose, NOW, debug_report_id="d", dropped=0))
    await archive.add(whose, debug_frames(["{}", "{}"], whose, NOW, debug_report_id="d", dropped=0))

    assert await names(archive) == [
        *(f"call_recording/local/{number}.json" for number in range(12)),
        "rtc_stats_reports/0.json",
        "rtc_stats_reports/1.json",
    ]
    assert json.loads(await archive.read("c1", "call_recording/local/11.json"))["n"] == 11


async def test_a_call_belongs_to_the_connection_that_came_first() -> None:
    archive = Archive(MemoryStore())
    await add_report(archive, origin(connection_id="1"), segment=0)

    with pytest.raises(CallOfAnother):
        await add_report(archive, origin(connection_id="2"), segment=1)
    await add_report(archive, origin(connection_id="1", report_id="r2"), segment=1)

    assert await names(archive) == ["call_report/0.json", "call_report/1.json"]


async def test_after_a_restart_calls_keep_their_owner_and_their_names(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path, timeout=10.0)
    await add_report(Archive(store), origin(), segment=0)
    await store.put("c1/call_report/junk.json", b"x")  # the smallest, and nothing of ours

    archive = Archive(store)

    with pytest.raises(CallOfAnother):
        await add_report(archive, origin(connection_id="2"), segment=1)
    await add_report(archive, origin(), segment=0, again=True)
    assert "call_report/0-2.json" in await names(archive)
    await store.close()


async def test_what_was_stored_is_counted() -> None:
    archive, sizes = Archive(MemoryStore()), list[int]()
    archive.on_stored = sizes.append

    key = await add_report(archive, origin(), segment=0)

    assert sizes == [len(await archive.read("c1", key.removeprefix("c1/")))]


async def test_a_call_without_reports_has_no_joined_one() -> None:
    archive = Archive(MemoryStore())

    assert await archive.report("c1") is None
    with pytest.raises(NoSuchObject):
        await archive.read("c1", "call_report/0.json")


async def test_a_removed_call_may_be_anybodys_again() -> None:
    archive = Archive(MemoryStore())
    await add_report(archive, origin(connection_id="1"))

    for entry in await archive.everything():
        await archive.remove(entry)

    assert await add_report(archive, origin(connection_id="2")) == "c1/call_report/final.json"


async def test_a_store_that_fails_is_told_once_and_tried_again() -> None:
    store = MemoryStore()
    archive = Archive(store)

    with capture_logs() as lines:
        store.is_down = True
        for _ in range(3):
            with pytest.raises(ReportStoreDown):
                await add_report(archive, origin(), segment=0)
        was_down = archive.is_down
        store.is_down = False
        await add_report(archive, origin(), segment=0)

    assert (was_down, archive.is_down) == (True, False)
    assert [line["event"] for line in lines] == ["report_store_down", "report_store_up"]
