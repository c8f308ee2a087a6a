"""The ladder diagram of a call before it is drawn: who stands where, and which arrow goes from whom to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.trace import TraceEntry, TraceKind, Way

VSP: Final = "VSP"
B2BUA: Final = "B2BUA"

MAX_CLIENTS: Final = 2
MAX_PEERS: Final = 3
"""Far ends with a line of their own; of more than these, the last line stands for several."""

_OTHERS: Final = "others"
_PREFIX: Final = "telnyx_rtc."


@dataclass(frozen=True, slots=True)
class Numbered:
    """An entry with the number that it is known by."""

    sequence: int
    entry: TraceEntry


@dataclass(frozen=True, slots=True)
class Lifeline:
    """Somebody who takes part: `name` in a word or two, `detail` the user or the address, maybe empty."""

    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One arrow, or one note.

    Attributes:
        offset: seconds since the first entry.
        start, end: the lifelines that an arrow leads from and to, by number; for a note both are where it stands.
        text: what stands at it.
        is_repeat: whether the very same message went this way before.
    """

    numbered: Numbered
    offset: float
    start: int
    end: int
    text: str
    is_repeat: bool = False

    @property
    def is_note(self) -> bool:
        """Whether it is no message."""
        return self.start == self.end


@dataclass(frozen=True, slots=True)
class Ladder:
    """All of it, in the order of time."""

    began_at: datetime | None
    lifelines: tuple[Lifeline, ...]
    rows: tuple[Row, ...]


def lay_out(entries: Sequence[Numbered]) -> Ladder:
    """Find the lifelines and the rows.

    Clients stand left of the gateway, SIP right; in a call without a client the SIP side that called stands left.
    """
    ordered = sorted(entries, key=lambda numbered: (numbered.entry.at, numbered.sequence))
    clients = _far_ends(ordered, TraceKind.VERTO, "client", MAX_CLIENTS)
    peers = _far_ends(ordered, TraceKind.SIP, "SIP", MAX_PEERS)
    left, right = (clients, peers) if clients else (peers[:1], peers[1:])
    middle = [Lifeline(VSP), Lifeline(B2BUA)] if clients else [Lifeline(B2BUA)]
    lifelines = [*(end.lifeline for end in left), *middle, *(end.lifeline for end in right)]
    places = {channel: place for place, end in enumerate(left) for channel in end.channels}
    first_right = len(left) + len(middle)
    places |= {channel: place for place, end in enumerate(right, first_right) for channel in end.channels}
    ours = {TraceKind.VERTO: len(left), TraceKind.SIP: len(left) + len(middle) - 1}
    return Ladder(
        began_at=ordered[0].entry.at if ordered else None,
        lifelines=tuple(lifelines),
        rows=tuple(_rows(ordered, places, ours, note_at=len(left) + len(middle) - 1)),
    )


@dataclass(slots=True)
class _FarEnd:
    lifeline: Lifeline
    channels: list[tuple[TraceKind, str]]


def _far_ends(entries: Sequence[Numbered], kind: TraceKind, name: str, limit: int) -> list[_FarEnd]:
    """Those of one kind, in the order in which they appear."""
    found: list[_FarEnd] = []
    known: set[str] = set()
    for numbered in entries:
        entry = numbered.entry
        if entry.kind is not kind or entry.channel in known:
            continue
        known.add(entry.channel)
        if len(found) < limit:
            found.append(_FarEnd(Lifeline(name, entry.party or entry.remote), [(kind, entry.channel)]))
        else:
            found[-1].lifeline = Lifeline(name, _OTHERS)
            found[-1].channels.append((kind, entry.channel))
    return found


def _rows(
    entries: Sequence[Numbered],
    places: dict[tuple[TraceKind, str], int],
    ours: dict[TraceKind, int],
    *,
    note_at: int,
) -> list[Row]:
    rows: list[Row] = []
    seen: set[tuple[str, Way, bytes]] = set()
    for numbered in entries:
        entry = numbered.entry
        offset = (entry.at - entries[0].entry.at).total_seconds()
        far = places.get((entry.kind, entry.channel))
        if far is None or entry.way is Way.NONE:
            rows.append(Row(numbered, offset, note_at, note_at, entry.title))
            continue
        key = (entry.channel, entry.way, entry.body)
        start, end = (far, ours[entry.kind]) if entry.way is Way.IN else (ours[entry.kind], far)
        text = entry.title.replace(_PREFIX, "")
        rows.append(Row(numbered, offset, start, end, text, is_repeat=key in seen))
        seen.add(key)
    return rows
