"""A store of objects in memory that a test can take down."""

import asyncio
from collections.abc import Callable

from gateway.observability.clock import utc_now
from gateway.reports.objects import Entry, NoSuchObject, ReportStoreDown


class MemoryStore:
    """`ObjectStore`; passes its contract suite."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Entry]] = {}
        self.is_down = False
        self.refusals = 0
        self._touched = asyncio.Event()

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Return once it holds; looked at after every use of the store, also one that failed."""
        async with asyncio.timeout(30):
            while not is_true():
                self._touched.clear()
                await self._touched.wait()

    async def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore`."""
        self._check()
        self.objects[key] = (content, Entry(key, len(content), utc_now()))
        self._touched.set()

    async def get(self, key: str) -> bytes:
        """See `ObjectStore`."""
        self._check()
        try:
            return self.objects[key][0]
        except KeyError as error:
            raise NoSuchObject(key) from error

    async def entries(self, folder: str = "") -> list[Entry]:
        """See `ObjectStore`."""
        self._check()
        prefix = f"{folder}/" if folder else ""
        return sorted(
            (entry for _, entry in self.objects.values() if entry.key.startswith(prefix)), key=lambda entry: entry.key
        )

    async def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        self._check()
        self.objects.pop(key, None)
        self._touched.set()

    async def close(self) -> None:
        """See `ObjectStore`."""

    def _check(self) -> None:
        if self.is_down:
            self.refusals += 1
            self._touched.set()
            raise ReportStoreDown("taken down by the test")
