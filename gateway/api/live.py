"""What changes: live calls and sessions, told to every watcher. A slow watcher costs memory only up to a bound.

Calls change by facts, which go out at once. What has no fact (early media, packet counts, sessions) is compared
once a second, while somebody watches.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.api.call_view import CallView, of_end, of_snapshot
from gateway.api.errors import TooManyRequests
from gateway.api.views import LiveCalls, LiveSessions, session_json
from gateway.domain.facts import CallEnded, CallRinging, Fact
from gateway.domain.ids import CallId
from gateway.vsp.registry import SessionSnapshot

MAX_WATCHERS: Final = 32
"""Event streams at once."""

MAX_PENDING: Final = 256
"""Changes that may wait for one watcher. One more, and it gets a fresh snapshot instead of them all."""

KEPT_ENDED: Final = 50
"""Ended calls kept here, because their records reach the store a moment later."""

_COMPARE_EVERY: Final = 1.0
_CALLS_PER_SECOND: Final = 200
"""Calls compared in a second; with more of them the comparison is rarer."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name, and its data as JSON."""

    name: str
    data: str

    def encode(self) -> bytes:
        """As the stream carries it (WHATWG HTML, section 9.2.6)."""
        return f"event: {self.name}\ndata: {self.data}\n\n".encode()


class Watcher:
    """One client of the event stream. Changes of the same thing replace one another until they are fetched."""

    def __init__(self, snapshot: Callable[[], Event], on_close: "Callable[[Watcher], None]", key_id: str = "") -> None:
        self.key_id = key_id
        self._snapshot, self._on_close = snapshot, on_close
        self._pending: dict[str, Event] = {}
        self._needs_snapshot = True
        self._is_closed = False
        self._wake = asyncio.Event()
        self._wake.set()

    def post(self, key: str, event: Event) -> None:
        """Put a change of the thing called `key`; never blocks."""
        if self._needs_snapshot or self._is_closed:
            return
        self._pending.pop(key, None)
        if len(self._pending) >= MAX_PENDING:
            self._pending.clear()
            self._needs_snapshot = True
        else:
            self._pending[key] = event
        self._wake.set()

    async def next(self, patience: float) -> list[Event] | None:
        """What is new, oldest first: at first a snapshot. Empty after `patience` seconds, None after the close."""
        try:
            async with asyncio.timeout(patience):
                await self._wake.wait()
        except TimeoutError:
            return []
        self._wake.clear()
        if self._is_closed:
            return None
        if self._needs_snapshot:
            self._needs_snapshot = False
            return [self._snapshot()]
        events = list(self._pending.values())
        self._pending.clear()
        return events

    def close(self) -> None:
        """End it from either side; idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._pending.clear()
            self._wake.set()
            self._on_close(self)


class LiveFeed:
    """Keeps the views of live calls and tells watchers what changes. Use it on the loop's thread only."""

    def __init__(self, calls: LiveCalls, sessions: LiveSessions) -> None:
        self._calls, self._sessions = calls, sessions
        self._ringing_at: dict[str, datetime] = {}
        self._ended: deque[CallView] = deque(maxlen=KEPT_ENDED)
        self._watchers: set[Watcher] = set()
        self._revoked: set[str] = set()
        self._told_calls: dict[str, CallView] = {}
        self._told_sessions: list[SessionSnapshot] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._unsubscribe = calls.subscribe(self.take)

    def live_calls(self) -> list[CallView]:
        """The live calls, newest first."""
        views = [of_snapshot(call, self._ringing_at.get(call.call_id)) for call in self._calls.live()]
        return [view for view in reversed(views) if view.state != "ended"]

    def recently_ended(self) -> list[CallView]:
        """The last calls that ended since the start, newest first; the store may not have them yet."""
        return list(reversed(self._ended))

    def watch(self, key_id: str = "") -> Watcher:
        """A new watcher, opened with that API key; close it.

        Raises:
            TooManyRequests: there are `MAX_WATCHERS`, or the program stops.
        """
        if self._is_closed or len(self._watchers) >= MAX_WATCHERS:
            raise TooManyRequests(f"{MAX_WATCHERS} event streams are open already")
        watcher = Watcher(self._snapshot, self._forget, key_id)
        if key_id in self._revoked:
            watcher.close()
            return watcher
        if not self._watchers:
            self._told_calls = {view.call_id: view for view in self.live_calls()}
            self._told_sessions = self._sessions.sessions()
            self._arm()
        self._watchers.add(watcher)
        return watcher

    def close_of(self, key_id: str) -> None:
        """End the streams that were opened with that API key, for good: one that is just being opened as well."""
        self._revoked.add(key_id)
        for watcher in [one for one in self._watchers if one.key_id == key_id]:
            watcher.close()

    def close(self) -> None:
        """End every stream, hear no more facts; idempotent. Call it before the HTTP server waits for open requests."""
        if not self._is_closed:
            self._is_closed = True
            self._unsubscribe()
        for watcher in list(self._watchers):
            watcher.close()

    def take(self, fact: Fact) -> None:
        """Hear a fact of a call."""
        if isinstance(fact, CallRinging):
            self._ringing_at[fact.call_id] = fact.at
        is_over = isinstance(fact, CallEnded)
        view = self._view(fact.call_id) if is_over or self._watchers else None
        if isinstance(fact, CallEnded):
            self._ringing_at.pop(fact.call_id, None)
            told = self._told_calls.pop(fact.call_id, None)
            if (last := view or told) is not None:
                ended = of_end(last, fact)
                self._ended.append(ended)
                self._tell_call(ended)
        elif view is not None and self._watchers:
            self._told_calls[fact.call_id] = view
            self._tell_call(view)

    def compare(self) -> None:
        """Tell what changed without a fact."""
        current = {view.call_id: view for view in self.live_calls()}
        for call_id, view in current.items():
            if self._told_calls.get(call_id) != view:
                self._tell_call(view)
        self._told_calls = current
        sessions = self._sessions.sessions()
        if sessions != self._told_sessions:
            self._told_sessions = sessions
            self._tell("sessions", Event("sessions", _json([session_json(session) for session in sessions])))

    def _view(self, call_id: CallId) -> CallView | None:
        snapshot = self._calls.find(call_id)
        return None if snapshot is None else of_snapshot(snapshot, self._ringing_at.get(call_id))

    def _tell_call(self, view: CallView) -> None:
        if self._watchers:
            self._tell(view.call_id, Event("call", _json(view.to_json())))

    def _tell(self, key: str, event: Event) -> None:
        for watcher in self._watchers:
            watcher.post(key, event)

    def _snapshot(self) -> Event:
        calls = [view.to_json() for view in self.live_calls()]
        sessions = [session_json(session) for session in self._sessions.sessions()]
        return Event("snapshot", _json({"calls": calls, "sessions": sessions}))

    def _forget(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        if not self._watchers and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._told_calls, self._told_sessions = {}, []

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        stretch = max(1.0, len(self._told_calls) / _CALLS_PER_SECOND)
        self._timer = loop.call_at(loop.time() + _COMPARE_EVERY * stretch, self._on_timer)

    def _on_timer(self) -> None:
        self.compare()
        self._arm()


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
