"""Finds out to which call a message belongs, and keeps in bounds what waits for that or is too much of one call."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry, TraceKind

LINGER: Final = 40.0
"""Seconds that messages of an ended call are still taken: the last repeat comes 64 * T1 behind (RFC 3261 17.1.1.2)."""

MAX_WAITING_BYTES: Final = 1024 * 1024
"""Of messages whose call is not known yet; the oldest go first."""

MAX_WAIT: Final = 5.0
"""Seconds that a message waits for its call: an INVITE is answered with 100 before the call has its name."""

MAX_NAMES: Final = 50_000
"""Names of calls; the oldest go first. A call has two or three."""

FULL: Final = "the trace is full: further messages of this call are not kept"

Name = tuple[str, ...]
"""What a call is known by outside: `("sip", Call-ID)` or `("verto", session, callID)`."""

Placed = tuple[CallId, TraceEntry]


@dataclass(slots=True)
class _Traced:
    size: int = 0
    is_full: bool = False
    names: set[Name] = field(default_factory=set)


class TraceBook:
    """One per process. Does no I/O; `now` is seconds on one clock."""

    def __init__(self, *, max_call_bytes: int) -> None:
        """
        Args:
            max_call_bytes: of all messages of a call together.
        """
        self.left_out = 0
        """Entries that were too much of one call."""
        self.expired = 0
        """Messages whose call was never named."""
        self._max_call_bytes = max_call_bytes
        self._names: OrderedDict[Name, CallId] = OrderedDict()
        self._calls: dict[CallId, _Traced] = {}
        self._leaving: deque[tuple[float, CallId]] = deque()
        self._waiting: OrderedDict[Name, list[TraceEntry]] = OrderedDict()
        self._ages: deque[tuple[float, Name, int]] = deque()
        self._waiting_bytes = 0

    def __len__(self) -> int:
        """Calls that are followed, those that ended a moment ago among them."""
        return len(self._calls)

    @property
    def waiting_bytes(self) -> int:
        """Of messages that wait for their call."""
        return self._waiting_bytes

    def begin(self, call_id: CallId) -> None:
        """A call begins."""
        self._calls.setdefault(call_id, _Traced())

    def name(self, call_id: CallId, name: Name, now: float) -> list[Placed]:
        """From now on that is a name of that call; returns what has waited for it.

        A name that another call had, whose leg has moved here, counts for this one from now on.
        """
        self._pass_time(now)
        traced = self._calls.setdefault(call_id, _Traced())
        if (former := self._names.get(name)) is not None and former in self._calls:
            self._calls[former].names.discard(name)
        self._names[name] = call_id
        self._names.move_to_end(name)
        traced.names.add(name)
        if len(self._names) > MAX_NAMES:
            self._names.popitem(last=False)
        waiting = self._waiting.pop(name, [])
        self._waiting_bytes -= sum(len(entry.body) for entry in waiting)
        return [placed for entry in waiting for placed in self.place(call_id, entry)]

    def take(self, name: Name, entry: TraceEntry, now: float) -> list[Placed]:
        """A message of the call of that name; it waits when there is none yet."""
        self._pass_time(now)
        call_id = self._names.get(name)
        if call_id is not None:
            return self.place(call_id, entry)
        self._waiting.setdefault(name, []).append(entry)
        self._waiting_bytes += len(entry.body)
        self._ages.append((now + MAX_WAIT, name, len(entry.body)))
        while self._waiting_bytes > MAX_WAITING_BYTES:
            self._expire(self._ages.popleft()[1])
        return []

    def place(self, call_id: CallId, entry: TraceEntry) -> list[Placed]:
        """Something of that call: itself, or word that the call has too much, once."""
        traced = self._calls.get(call_id)
        if traced is None:
            return []
        if entry.kind is TraceKind.CALL:
            return [(call_id, entry)]  # few, small, and the end of a story
        if traced.size + len(entry.body) <= self._max_call_bytes:
            traced.size += len(entry.body)
            return [(call_id, entry)]
        self.left_out += 1
        if traced.is_full:
            return []
        traced.is_full = True
        return [(call_id, TraceEntry(at=entry.at, kind=TraceKind.CALL, title=FULL))]

    def end(self, call_id: CallId, now: float) -> None:
        """A call is over; what still comes of it is taken for a while."""
        self._pass_time(now)
        if call_id in self._calls:
            self._leaving.append((now + LINGER, call_id))

    def _pass_time(self, now: float) -> None:
        while self._leaving and self._leaving[0][0] <= now:
            _, call_id = self._leaving.popleft()
            if (traced := self._calls.pop(call_id, None)) is not None:
                for name in traced.names:
                    if self._names.get(name) == call_id:
                        del self._names[name]
        while self._ages and self._ages[0][0] <= now:
            self._expire(self._ages.popleft()[1])

    def _expire(self, name: Name) -> None:
        """Let go of all that waits under that name."""
        gone = self._waiting.pop(name, [])
        self.expired += len(gone)
        self._waiting_bytes -= sum(len(entry.body) for entry in gone)
