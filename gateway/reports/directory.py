"""Reports in a folder. Folders have mode 0700, files 0600: the logs inside hold SDP and credentials."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from gateway.observability.clock import utc_now
from gateway.reports.objects import Entry, NoSuchObject, ReportStoreDown
from gateway.store.files import FILE_MODE, FOLDER_MODE

_T = TypeVar("_T")

_DRAFT: Final = ".draft-"
_DRAFT_LIFE: Final = timedelta(hours=1)
"""A draft that is older was left by a crash."""


class DirectoryStore:
    """`ObjectStore` over a folder, in two threads of its own: a hanging disk costs no other thread of the gateway."""

    def __init__(self, root: Path, *, timeout: float) -> None:
        """
        Args:
            timeout: seconds after which an operation counts as failed; its thread may hang on.
        """
        self._root, self._timeout = root, timeout
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="report-store")
        self._drafts = itertools.count()

    async def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore`."""
        path = self._path(key)
        draft = path.with_name(f"{_DRAFT}{os.getpid()}-{next(self._drafts)}")
        await self._run(lambda: _write(self._root, path, draft, content))

    async def get(self, key: str) -> bytes:
        """See `ObjectStore`."""
        path = self._path(key)
        return await self._run(lambda: _read(path, key))

    async def entries(self, folder: str = "") -> list[Entry]:
        """See `ObjectStore`. Drafts that a crash left are removed on the way."""
        start = self._path(folder) if folder else self._root
        return await self._run(lambda: sorted(_entries(self._root, start), key=lambda entry: entry.key))

    async def delete(self, key: str) -> None:
        """See `ObjectStore`; folders that are empty then go too."""
        path = self._path(key)
        await self._run(lambda: _delete(self._root, path))

    async def close(self) -> None:
        """See `ObjectStore`. Does not wait for a thread that hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _path(self, key: str) -> Path:
        path = self._root / key
        assert ".." not in path.parts and path.is_relative_to(self._root), "keys are made of checked parts"
        return path

    async def _run(self, work: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._timeout):
                return await loop.run_in_executor(self._pool, work)
        except TimeoutError as error:
            raise ReportStoreDown(f"{self._root}: no answer within {self._timeout} s") from error
        except OSError as error:
            raise ReportStoreDown(f"{self._root}: {error.strerror or error}") from error


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise NoSuchObject(key) from error


def _write(root: Path, path: Path, draft: Path, content: bytes) -> None:
    try:
        _make_folders(root, path.parent)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE), "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # it may not have come so far
            draft.unlink()
        raise ReportStoreDown(f"{path}: {error.strerror or error}") from error


def _make_folders(root: Path, folder: Path) -> None:
    """Each one by itself: `mkdir` gives the mode to the last one only."""
    for one in reversed([folder, *folder.parents]):
        if one == root or one.is_relative_to(root):
            one.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def _entries(root: Path, start: Path) -> Iterator[Entry]:
    for folder, _, names in os.walk(start):
        for name in names:
            path = Path(folder, name)
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # somebody removed it while we looked
            modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
            if not name.startswith(_DRAFT):
                yield Entry(path.relative_to(root).as_posix(), status.st_size, modified_at)
            elif modified_at < utc_now() - _DRAFT_LIFE:
                path.unlink(missing_ok=True)


def _delete(root: Path, path: Path) -> None:
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == root or not folder.is_relative_to(root):
            return
        try:
            folder.rmdir()
        except OSError:
            return  # something is in it
