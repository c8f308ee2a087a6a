"""Reports in a folder."""

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import pytest

from gateway.reports.directory import DirectoryStore
from gateway.reports.objects import ReportStoreDown
from tests.unit.reports.contract import ObjectStoreContract


@pytest.fixture
async def directory(tmp_path: Path) -> AsyncIterator[DirectoryStore]:
    made = DirectoryStore(tmp_path / "reports", timeout=10.0)
    yield made
    await made.close()


class TestDirectoryStore(ObjectStoreContract):
    @pytest.fixture
    async def store(self, directory: DirectoryStore) -> AsyncIterator[DirectoryStore]:
        yield directory


async def test_folders_and_files_are_for_the_owner_only(directory: DirectoryStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        await directory.put("call/call_report/0.json", b"{}")
    finally:
        os.umask(before)

    paths = [tmp_path / "reports", *(tmp_path / "reports").rglob("*")]
    assert {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in paths} == {(True, 0o700), (False, 0o600)}


async def test_folders_go_with_their_last_file(directory: DirectoryStore, tmp_path: Path) -> None:
    await directory.put("call/call_report/0.json", b"{}")

    await directory.delete("call/call_report/0.json")

    assert list((tmp_path / "reports").iterdir()) == []


async def test_a_draft_that_a_crash_left_is_not_listed_and_goes_when_it_is_old(
    directory: DirectoryStore, tmp_path: Path
) -> None:
    await directory.put("call/0.json", b"{}")
    young, old = tmp_path / "reports/call/.draft-1-1", tmp_path / "reports/call/.draft-1-2"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))

    assert [entry.key for entry in await directory.entries()] == ["call/0.json"]
    assert (young.exists(), old.exists()) == (True, False)


async def test_a_folder_that_cannot_be_written_is_a_store_that_is_down(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")
    store = DirectoryStore(tmp_path / "reports", timeout=10.0)

    with pytest.raises(ReportStoreDown, match="reports"):
        await store.put("call/0.json", b"{}")
    await store.close()


async def test_a_disk_that_hangs_is_a_store_that_is_down(
    directory: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = DirectoryStore(tmp_path, timeout=0.05)
    released = Event()
    monkeypatch.setattr(Path, "read_bytes", lambda _path: released.wait(10))

    try:
        with pytest.raises(ReportStoreDown, match="no answer"):
            await hanging.get("call/0.json")
    finally:
        released.set()
        await hanging.close()
