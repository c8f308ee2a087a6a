"""How reports lie in the store, and whose they are.

    CALL_ID/call_report/SEGMENT.json          `final` for a report that names no segment
    CALL_ID/call_recording/TRACK/NUMBER.json
    CALL_ID/rtc_stats_reports/NUMBER.json     debug frames

A call belongs to the connection that stored something of it first. A name that is taken gets `-2` and so on, since a
client that was reloaded counts its segments from 0 again; the same body twice is the retry of an SDK and kept once.
"""

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Final

from gateway.domain.errors import GatewayError
from gateway.observability.logging import get_logger
from gateway.reports.documents import BadUpload, Document, Json, Origin, joined, read_object
from gateway.reports.objects import Entry, NoSuchObject, ObjectStore, ReportStoreDown

REPORTS: Final = "call_report"

MAX_CALLS_KNOWN: Final = 10_000
MAX_DIGESTS_KNOWN: Final = 4096

_log = get_logger()


class CallOfAnother(GatewayError):
    """A call id under which another connection has stored something."""

    code: ClassVar[str] = "call_of_another"


@dataclass(slots=True)
class _Call:
    """What is known of a call in the store; `owner` is a connection id, None while there is nothing."""

    owner: str | None = None
    keys: set[str] = field(default_factory=set)


class Archive:
    """The store with an order in it. One per process: names are given out here."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._calls: OrderedDict[str, _Call] = OrderedDict()
        self._recent: OrderedDict[tuple[str, str, bytes], str] = OrderedDict()
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._is_down = False
        self.on_stored: Callable[[int], None] = lambda _size: None
        """Told the size of everything that was stored."""

    @property
    def is_down(self) -> bool:
        """Whether the store failed when it was last asked."""
        return self._is_down

    async def add(self, origin: Origin, document: Document) -> str:
        """Store a document; returns its key.

        Raises:
            CallOfAnother: the call is another connection's.
            ReportStoreDown: try again later.
        """
        lock = self._locks.setdefault(origin.call_id, asyncio.Lock())
        async with lock:
            with self._watched():
                return await self._add(origin, document)

    async def entries(self, call_id: str) -> list[Entry]:
        """Everything that is stored of a call, keys without the call's id, segments in their order."""
        with self._watched():
            found = await self._store.entries(call_id)
        prefix = len(call_id) + 1
        mine = [Entry(entry.key[prefix:], entry.size, entry.modified_at) for entry in found]
        return sorted(mine, key=lambda entry: _order(entry.key))

    async def read(self, call_id: str, name: str) -> bytes:
        """One of the entries of a call.

        Raises:
            NoSuchObject: there is none of that name.
        """
        with self._watched():
            return await self._store.get(f"{call_id}/{name}")

    async def report(self, call_id: str) -> Json | None:
        """The segments of a call's report as one; None when there are none."""
        names = [entry.key for entry in await self.entries(call_id) if entry.key.startswith(f"{REPORTS}/")]
        documents = []
        for name in names:
            try:
                documents.append(read_object(await self.read(call_id, name)))
            except (BadUpload, NoSuchObject):
                continue  # not ours, or cleaned away meanwhile
        return await asyncio.to_thread(joined, documents) if documents else None

    async def everything(self) -> list[Entry]:
        """All objects of the store, with their whole keys."""
        with self._watched():
            return await self._store.entries()

    async def remove(self, entry: Entry) -> None:
        """Remove an object that `everything` named."""
        with self._watched():
            await self._store.delete(entry.key)
        self._calls.pop(entry.key.partition("/")[0], None)

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.close()

    # ---- inside

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Say once that the store is down, and once that it is back."""
        try:
            yield
        except ReportStoreDown as error:
            if not self._is_down:
                _log.error("report_store_down", error_code=error.code, detail=str(error))
            self._is_down = True
            raise
        if self._is_down:
            self._is_down = False
            _log.info("report_store_up")

    async def _add(self, origin: Origin, document: Document) -> str:
        call = await self._call(origin.call_id)
        if call.owner not in (None, origin.connection_id):
            raise CallOfAnother(f"call {origin.call_id} belongs to another connection")
        repeated = (origin.call_id, document.folder, document.digest)
        if (key := self._recent.get(repeated)) is not None:
            return key
        key = _free(f"{origin.call_id}/{document.folder}/", document.stem, call.keys)
        await self._store.put(key, document.content)
        call.owner = origin.connection_id
        call.keys.add(key)
        self._recent[repeated] = key
        while len(self._recent) > MAX_DIGESTS_KNOWN:
            self._recent.popitem(last=False)
        self.on_stored(len(document.content))
        return key

    async def _call(self, call_id: str) -> _Call:
        call = self._calls.get(call_id)
        if call is None:
            call = await self._look_up(call_id)
            self._calls[call_id] = call
            while len(self._calls) > MAX_CALLS_KNOWN:
                self._calls.popitem(last=False)
        self._calls.move_to_end(call_id)
        return call

    async def _look_up(self, call_id: str) -> _Call:
        """What the store has of a call that this process has not seen: of a run before, say."""
        found = await self._store.entries(call_id)
        call = _Call(keys={entry.key for entry in found})
        for entry in sorted(found, key=lambda entry: entry.size):
            try:
                owner = read_object(await self._store.get(entry.key)).get("connection_id")
            except (BadUpload, NoSuchObject):
                continue  # not ours, or cleaned away meanwhile
            if isinstance(owner, str):
                call.owner = owner
                break
        return call


def _free(folder: str, stem: str, taken: set[str]) -> str:
    """`stem.json`; a number that is taken counts on, a name gets `-2` and so on.

    Only recordings and frames ask for number 0 again and again: theirs are in the order of arrival.
    """
    is_counted = "/call_report/" not in folder
    key, count = f"{folder}{stem}.json", 1
    while key in taken:
        key = f"{folder}{int(stem) + count}.json" if is_counted else f"{folder}{stem}-{count + 1}.json"
        count += 1
    return key


def _order(name: str) -> tuple[str, int, int, str]:
    """Folders by name, then numbers by value, then the rest."""
    folder, _, file = name.rpartition("/")
    stem, _, repeat = file.removesuffix(".json").partition("-")
    return (folder, int(stem) if stem.isdigit() else 10**9, int(repeat) if repeat.isdigit() else 0, file)
