"""Hears of everything that happens in calls and has it kept: a bounded queue in front of one writer task.

Whoever tells it something never waits. Secrets are cut out by the writer, before anything is stored or sent.
"""

import asyncio
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.domain.facts import CallEnded, CallInitiated, Fact
from gateway.domain.ids import CallId, SessionId, SipCallId, VertoCallId
from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.media.engine import MediaFact, MediaNote, RtcpPassed
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.observability.metrics import TRACE_ENTRIES
from gateway.sip.core.message import Request, Response
from gateway.sip.observer import PassingMessage
from gateway.store.errors import StoreError
from gateway.store.pace import Pace
from gateway.store.traces import Traces
from gateway.traces.core.book import Placed, TraceBook
from gateway.traces.core.facts import figures_of, title_of
from gateway.traces.core.frames import FrameReader
from gateway.traces.core.sip_masking import masked_sip
from gateway.traces.homer import HepSender
from gateway.traces.settings import TraceSettings
from gateway.vsp.observer import PassingFrame

QUEUE_LIMIT: Final = 20_000
"""Entries that may wait for the writer. Full: the disk is far behind, and further ones are dropped and counted."""

BATCH: Final = 500
"""Entries that are written in one transaction."""

GATHER: Final = 0.2
"""Seconds that the writer lets entries gather: nobody but readers of traces waits for them."""

MAX_READERS: Final = 20_000
"""Sessions whose requests are remembered; those that were silent longest go first."""

_log = get_logger()


class Tracer:
    """One per process. Everything but `run` returns at once; all of it runs on the loop's thread."""

    def __init__(
        self, settings: TraceSettings, traces: Traces, hep: HepSender, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings, self._traces, self._hep, self._clock = settings, traces, hep, clock
        self._book = TraceBook(max_call_bytes=settings.max_call_bytes)
        self._readers: OrderedDict[SessionId, FrameReader] = OrderedDict()
        self._queue: deque[Placed] = deque()
        self._pace = Pace(enough=BATCH, gather=GATHER)
        self._is_stopping = self._is_failing = False
        self._dropped = 0
        self._loop = asyncio.get_running_loop()
        self.on_written: Callable[[Sequence[Placed]], None] = lambda _entries: None
        """Told of each batch that is kept and sent."""

    # ---- which call: `b2bua.call_index.CallNames`

    def name_client(self, call_id: CallId, session_id: SessionId, verto_call_id: VertoCallId) -> None:
        """A client knows that call by that id."""
        self._put(self._book.name(call_id, ("verto", session_id, verto_call_id), self._loop.time()))

    def name_dialog(self, call_id: CallId, sip_call_id: SipCallId) -> None:
        """A SIP dialog belongs to that call."""
        self._put(self._book.name(call_id, ("sip", sip_call_id), self._loop.time()))

    # ---- what happens

    def take_message(self, passing: PassingMessage) -> None:
        """A SIP message."""
        call_id = passing.call_id
        entry = TraceEntry(
            at=self._clock(),
            kind=TraceKind.SIP,
            way=_way(passing.is_inbound),
            channel=call_id,
            transport=passing.remote.transport,
            local=_endpoint(*passing.local),
            remote=_endpoint(passing.remote.host, passing.remote.port),
            title=_title(passing.message),
            body=passing.data,
        )
        self._put(self._book.take(("sip", call_id), entry, self._loop.time()))

    def take_frame(self, passing: PassingFrame) -> None:
        """A Verto frame."""
        frame = self._reader(passing.session_id).read(passing.text, is_inbound=passing.is_inbound)
        if frame is None:
            return
        entry = TraceEntry(
            at=self._clock(),
            kind=TraceKind.VERTO,
            way=_way(passing.is_inbound),
            channel=passing.session_id,
            party=passing.username or "visitor",
            transport="ws",
            local=_endpoint(*passing.local),
            remote=_endpoint(*passing.remote),
            title=frame.title,
            body=frame.body,
        )
        self._put(self._book.take(("verto", passing.session_id, frame.verto_call_id), entry, self._loop.time()))

    def take_media(self, call_id: CallId, note: MediaNote) -> None:
        """Something became known of a call's media."""
        match note:
            case MediaFact(leg, text):
                title = f"leg {leg.value}: {text}"
                entry = TraceEntry(at=self._clock(), kind=TraceKind.MEDIA, channel=leg.value, title=title)
            case RtcpPassed(leg, data, is_inbound):
                entry = TraceEntry(
                    at=self._clock(),
                    kind=TraceKind.RTCP,
                    way=_way(is_inbound),
                    channel=leg.value,
                    transport="udp",
                    title="RTCP",
                    body=data,
                )
        self._put(self._book.place(call_id, entry))

    def take_fact(self, fact: Fact) -> None:
        """What call control says of a call."""
        if isinstance(fact, CallInitiated):
            self._book.begin(fact.call_id)
        if isinstance(fact, CallEnded):
            for leg, text in figures_of(fact.media):
                entry = TraceEntry(at=fact.at, kind=TraceKind.MEDIA, channel=leg, title=text)
                self._put(self._book.place(fact.call_id, entry))
        entry = TraceEntry(at=fact.at, kind=TraceKind.CALL, title=title_of(fact))
        self._put(self._book.place(fact.call_id, entry))
        if isinstance(fact, CallEnded):
            self._book.end(fact.call_id, self._loop.time())

    def _reader(self, session_id: SessionId) -> FrameReader:
        reader = self._readers.setdefault(session_id, FrameReader())
        self._readers.move_to_end(session_id)
        if len(self._readers) > MAX_READERS:
            self._readers.popitem(last=False)
        return reader

    def _put(self, entries: Sequence[Placed]) -> None:
        for placed in entries:
            if len(self._queue) >= QUEUE_LIMIT:
                self._drop(1)
                continue
            self._queue.append(placed)
        if self._queue:
            self._pace.tell(len(self._queue))

    def _drop(self, count: int) -> None:
        if not self._dropped:
            _log.error("traces_dropped", error_code="store_error", limit=QUEUE_LIMIT)
        self._dropped += count
        TRACE_ENTRIES.labels("dropped").inc(count)

    # ---- the writer

    async def run(self) -> None:
        """Write until `stop`, and then what is left; run it in a task of your own. A failing database costs traces."""
        try:
            while not (self._is_stopping and not self._queue):
                await self._pace.wait(len(self._queue))
                await self._hep.open()
                await self._write_whatever([self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))])
        finally:
            self._hep.close()

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._is_stopping = True
        self._pace.end()

    async def _write_whatever(self, batch: Sequence[Placed]) -> None:
        """Strangers wrote what is in there: whatever it breaks, the calls go on, and the next batch is written."""
        try:
            await self._write(batch)
        except Exception:
            TRACE_ENTRIES.labels("lost").inc(len(batch))
            _log.exception("traces_crashed", count=len(batch))

    async def _write(self, batch: Sequence[Placed]) -> None:
        masked = [(call_id, _masked(entry)) for call_id, entry in batch]
        for call_id, entry in masked:
            self._hep.send(call_id, entry)
        kept = [placed for placed in masked if placed[1].kind is not TraceKind.RTCP]
        if kept and self._settings.keep:
            await self._store(kept)
        self.on_written(masked)
        if self._dropped and not self._queue:
            _log.error("traces_caught_up", dropped=self._dropped)
            self._dropped = 0

    async def _store(self, kept: Sequence[Placed]) -> None:
        try:
            await self._traces.add(kept)
        except StoreError as error:
            TRACE_ENTRIES.labels("lost").inc(len(kept))
            if not self._is_failing:
                self._is_failing = True
                _log.error("traces_not_written", error_code=error.code, detail=str(error))
            return
        TRACE_ENTRIES.labels("kept").inc(len(kept))
        self._is_failing = False


def _masked(entry: TraceEntry) -> TraceEntry:
    """A frame was masked when it was read."""
    body = masked_sip(entry.body) if entry.kind is TraceKind.SIP else entry.body
    return entry if body is entry.body else replace(entry, body=body)


def _way(is_inbound: bool) -> Way:
    return Way.IN if is_inbound else Way.OUT


def _endpoint(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _title(message: Request | Response) -> str:
    """`INVITE`, `re-INVITE (SDP)`, `183 Session Progress (INVITE, SDP)`; it may hold what strangers wrote."""
    has_sdp = re.match(r"application/sdp\b", message.headers.get("Content-Type") or "", re.IGNORECASE) is not None
    sdp = ["SDP"] if has_sdp else []
    if isinstance(message, Response):
        return f"{message.status} {message.reason[:64]} ({', '.join([message.cseq_method, *sdp])})"
    is_again = message.method == "INVITE" and message.to.tag is not None
    return f"{'re-' if is_again else ''}{message.method}{' (SDP)' if sdp else ''}"
