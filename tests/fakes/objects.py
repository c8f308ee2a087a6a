"""A store of objects in memory that a test can take down."""

from gateway.observability.clock import utc_now
from gateway.reports.objects import Entry, NoSuchObject, ReportStoreDown


class MemoryStore:
    """`ObjectStore`; passes its contract suite."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, Entry]] = {}
        self.is_down = False

    async def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore`."""
        self._check()
        self.objects[key] = (content, Entry(key, len(content), utc_now()))

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

    async def close(self) -> None:
        """See `ObjectStore`."""

    def _check(self) -> None:
        if self.is_down:
            raise ReportStoreDown("taken down by the test")
