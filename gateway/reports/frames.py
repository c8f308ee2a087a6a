"""Debug frames of the SDKs: gathered in memory, written to the store in segments, off the path of the signalling.

A segment ends when it is large, when it is old, when the report stops, or when the socket does (verto-js 9.1).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.domain.ids import SessionId
from gateway.observability.logging import get_logger
from gateway.observability.metrics import REPORT_FRAMES, REPORT_STORED_BYTES
from gateway.reports.archive import Archive, CallOfAnother
from gateway.reports.documents import Origin, debug_frames, normal_call_id
from gateway.reports.grants import Grant, Grants
from gateway.reports.objects import ReportStoreDown
from gateway.reports.settings import ReportSettings

START: Final = "debug_report_start"
DATA: Final = "debug_report_data"
STOP: Final = "debug_report_stop"

MAX_REPORTS_OF_A_SESSION: Final = 100
"""Reports under way at the same time: `[verto] max_live_calls` has the same bound."""

RETRY_AFTER: Final = 5.0
"""Seconds until a segment is tried again that the store did not take."""

_FRAME_OVERHEAD: Final = 100
"""Bytes that a frame costs beside its text, so that many small ones count."""

_log = get_logger()


@dataclass(slots=True)
class _Segment:
    """Frames of one report, in order."""

    grant: Grant
    debug_report_id: str
    due_at: float
    call_id: str | None = None
    frames: list[str] = field(default_factory=list, repr=False)
    size: int = 0
    dropped: int = 0


class DebugFrames:
    """`take` never waits; `run` writes. What does not fit into memory or quota is dropped and counted."""

    def __init__(
        self, settings: ReportSettings, grants: Grants, archive: Archive, *, clock: Callable[[], datetime]
    ) -> None:
        self._settings, self._grants, self._archive, self._clock = settings, grants, archive, clock
        self._open: dict[tuple[SessionId, str], _Segment] = {}
        self._ready: deque[_Segment] = deque()
        self._size, self._open_size = 0, 0
        self._changed = asyncio.Event()
        self._stop_at: float | None = None

    @property
    def buffered_bytes(self) -> int:
        """What waits to be written."""
        return self._size

    def take(self, session_id: SessionId, *, kind: str, report_id: str, call_id: str | None, text: str) -> None:
        """A frame has come.

        Args:
            kind: its `type`.
            report_id: its `debug_report_id`.
            call_id: of the call that it is about, if that is known by now.
            text: all of it, a JSON object.
        """
        grant = self._grants.of_session(session_id)
        key = (session_id, report_id)
        segment = self._open.get(key)
        if grant is None or kind not in (START, DATA, STOP) or (kind == STOP and segment is None):
            return  # JavaScript stops twice
        if segment is None:
            segment = self._begin(key, grant)
            if segment is None:
                REPORT_FRAMES.labels(result="dropped").inc()
                return
        segment.call_id = segment.call_id or call_id
        self._append(segment, text)
        if kind == STOP or segment.size >= self._settings.segment_bytes:
            self._finish(key)
        elif self._open_size > self._settings.max_buffered_bytes // 2:
            self._finish(max(self._open, key=lambda one: self._open[one].size))

    def socket_over(self, session_id: SessionId) -> None:
        """Write what there is of a session; its socket may have gone without a stop."""
        for key in [key for key in self._open if key[0] == session_id]:
            self._finish(key)

    async def run(self) -> None:
        """Write segments until `stop`, and then those that are left, for as long as the store may take."""
        loop = asyncio.get_running_loop()
        while self._stop_at is None or (self._ready and loop.time() < self._stop_at):
            self._changed.clear()
            for key in [key for key, segment in self._open.items() if segment.due_at <= loop.time()]:
                self._finish(key)
            if self._ready:
                is_written = await self._write(self._ready[0])
                if is_written:
                    self._forget(self._ready.popleft())
                    continue
            await self._wait(loop.time() + RETRY_AFTER if self._ready else None)
        for segment in self._ready:
            _log.error("debug_frames_lost", verto_call_id=segment.call_id, count=len(segment.frames))

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stop_at = asyncio.get_running_loop().time() + self._settings.store_timeout
        for key in list(self._open):
            self._finish(key)
        self._changed.set()

    # ---- gathering

    def _begin(self, key: tuple[SessionId, str], grant: Grant) -> _Segment | None:
        if sum(1 for session_id, _ in self._open if session_id == key[0]) >= MAX_REPORTS_OF_A_SESSION:
            return None
        due_at = asyncio.get_running_loop().time() + self._settings.segment_interval
        segment = self._open[key] = _Segment(grant, key[1], due_at)
        self._changed.set()  # it may be the first to be due
        return segment

    def _append(self, segment: _Segment, text: str) -> None:
        size = len(text) + _FRAME_OVERHEAD
        if self._size + size > self._settings.max_buffered_bytes or not segment.grant.take(size):
            segment.dropped += 1
            REPORT_FRAMES.labels(result="dropped").inc()
            return
        segment.frames.append(text)
        segment.size += size
        self._size += size
        self._open_size += size
        REPORT_FRAMES.labels(result="kept").inc()

    def _finish(self, key: tuple[SessionId, str]) -> None:
        segment = self._open.pop(key)
        self._open_size -= segment.size
        if segment.frames:
            self._ready.append(segment)
            self._changed.set()
        else:
            self._forget(segment)

    def _forget(self, segment: _Segment) -> None:
        self._size -= segment.size
        if segment.dropped:
            _log.warning("debug_frames_dropped", verto_call_id=segment.call_id, count=segment.dropped)

    # ---- writing

    async def _wait(self, retry_at: float | None) -> None:
        times = [segment.due_at for segment in self._open.values()]
        times += [at for at in (retry_at, self._stop_at) if at is not None]
        try:
            async with asyncio.timeout_at(min(times, default=None)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _write(self, segment: _Segment) -> bool:
        """Store a segment; False when it is to be tried again."""
        call_id = normal_call_id(segment.call_id or segment.debug_report_id)
        if call_id is None:
            _log.warning("debug_report_without_call", session_id=segment.grant.session_id, count=len(segment.frames))
            return True
        grant = segment.grant
        origin = Origin(
            call_id=call_id,
            report_id=grant.report_id,
            session_id=grant.session_id,
            connection_id=grant.connection_id,
            username=grant.username,
        )
        try:
            document = await asyncio.to_thread(
                debug_frames,
                segment.frames,
                origin,
                self._clock(),
                debug_report_id=segment.debug_report_id,
                dropped=segment.dropped,
            )
            key = await self._archive.add(origin, document)
        except ReportStoreDown:
            return False
        except CallOfAnother as error:
            _log.warning("debug_frames_refused", error_code=error.code, verto_call_id=call_id)
            return True
        except Exception:
            # A defect of ours costs this segment, not those of the other calls.
            _log.exception("debug_frames_lost", verto_call_id=call_id, count=len(segment.frames))
            return True
        REPORT_STORED_BYTES.labels(kind="frames").inc(len(document.content))
        _log.debug("report_stored", session_id=grant.session_id, verto_call_id=call_id, key=key)
        return True
