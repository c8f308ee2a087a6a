"""A ladder as plain text of at most 120 columns, and the messages below it: for a mail, a ticket, a terminal."""

import json
import unicodedata
from collections.abc import Iterator
from typing import Final

from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.traces.core.ladder import Ladder, Lifeline, Row

WIDTH: Final = 120
"""Columns."""

_TIME: Final = 11
"""Columns of the time."""

_MARGIN: Final = 8
"""Columns left of the first lifeline and right of the last one, so that their names have room."""

_WIDEST_GAP: Final = 32
_ELLIPSIS: Final = "…"
_REPEAT: Final = " (again)"


def draw_text(call_id: str, ladder: Ladder) -> str:
    """The diagram, then every message; each line ends with a newline and has at most `WIDTH` columns."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(call_id, ladder))


def printable(text: str) -> str:
    """The text with a dot in place of what would move a terminal's cursor or colour it."""
    return "".join(character if character == "\n" or character.isprintable() else "." for character in text)


def body_text(entry: TraceEntry) -> str:
    """A message for people: JSON indented, no carriage returns, what is not UTF-8 replaced."""
    text = entry.body.decode("utf-8", "replace")
    if entry.kind is TraceKind.VERTO:
        text = _indented(text)
    return printable(text.replace("\r\n", "\n"))


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):  # nested so deeply that only a faster writer could write it
        return text


def _lines(call_id: str, ladder: Ladder) -> Iterator[str]:
    yield cut(printable(f"Call {call_id}"), WIDTH)
    if ladder.began_at is None:
        yield "Nothing is kept of it."
        return
    began_at = ladder.began_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield f"From {began_at}; times are seconds since then."
    yield ""
    columns = _columns(len(ladder.lifelines))
    yield _names(ladder.lifelines, columns, [line.name for line in ladder.lifelines])
    if any(line.detail for line in ladder.lifelines):
        yield _names(ladder.lifelines, columns, [line.detail for line in ladder.lifelines])
    for number, row in enumerate(ladder.rows, 1):
        yield _note(row, columns) if row.is_note else _arrow(row, columns, number)
    yield ""
    for number, row in enumerate(ladder.rows, 1):
        if not row.is_note:
            yield from _message(number, row)


def _columns(count: int) -> list[int]:
    """Where each lifeline stands."""
    room = WIDTH - _TIME - 2 * _MARGIN - 1
    gap = min(_WIDEST_GAP, room // max(1, count - 1))
    return [_TIME + _MARGIN + number * gap for number in range(count)]


def _names(lifelines: tuple[Lifeline, ...], columns: list[int], names: list[str]) -> str:
    room = (columns[1] - columns[0] - 1) if len(columns) > 1 else _WIDEST_GAP
    canvas = _Canvas()
    for column, name in zip(columns, names, strict=True):
        text = cut(printable(name), min(room, 2 * (WIDTH - column)))
        canvas.put(max(0, column - width(text) // 2), text)
    assert len(lifelines) == len(names)
    return canvas.text


def _arrow(row: Row, columns: list[int], number: int) -> str:
    canvas = _Canvas()
    canvas.put(0, _time(row))
    for column in columns:
        canvas.put(column, "|")
    left, right = sorted((columns[row.start], columns[row.end]))
    room = right - left - 1
    text = f"{number} {row.text}{_REPEAT if row.is_repeat else ''}"
    label = f" {cut(printable(text), room - 6)} "
    dashes = room - 1 - width(label)
    line = "-" * (dashes // 2) + label + "-" * (dashes - dashes // 2)
    canvas.put(left + 1, f"{line}>" if row.start < row.end else f"<{line}")
    return canvas.text


def _note(row: Row, columns: list[int]) -> str:
    """Beside the gateway, over the lifelines that stand there; further to the left if it has no room."""
    canvas = _Canvas()
    canvas.put(0, _time(row))
    for column in columns:
        canvas.put(column, "|")
    text = cut(f"* {printable(row.text)} ", WIDTH - _TIME)
    beside = columns[max(0, row.start - 1)] + 2
    canvas.put(max(_TIME, min(beside, WIDTH - width(text))), text)
    return canvas.text


def _time(row: Row) -> str:
    return f"{row.offset:+10.3f}"[-10:]


def _message(number: int, row: Row) -> Iterator[str]:
    entry = row.numbered.entry
    towards = "<-" if entry.way is Way.IN else "->"
    where = f"{entry.transport} {entry.local} {towards} {entry.remote}"
    yield cut(printable(f"--- {number}  {_time(row).strip()}  {entry.title}  {where}"), WIDTH)
    for line in body_text(entry).split("\n"):
        yield from wrapped(line)
    yield ""


def wrapped(line: str) -> Iterator[str]:
    """The line in pieces that fit; all but the last end with a backslash."""
    start = used = 0
    for place, character in enumerate(line):
        columns = _columns_of(character)
        if used + columns > WIDTH - 1 and not _fits(line, place, WIDTH - used):
            yield f"{line[start:place]}\\"
            start, used = place, 0
        used += columns
    yield line[start:]


def _fits(line: str, start: int, columns: int) -> bool:
    """Whether the rest of the line has so much room; looks no further than it must."""
    rest = line[start : start + columns + 1]
    return len(rest) <= columns and width(rest) <= columns


def width(text: str) -> int:
    """Columns on a terminal."""
    return sum(_columns_of(character) for character in text)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """As much of the text as fits, with a mark when that is not all; looks no further than it must."""
    used = fitting = 0
    for place, character in enumerate(text):
        used += _columns_of(character)
        if used <= columns - 1:
            fitting = place + 1
        if used > columns:
            return text[:fitting] + _ELLIPSIS
    return text


class _Canvas:
    """One line that is written into at columns, from left to right or over what stands there."""

    def __init__(self) -> None:
        self._cells: list[str] = []

    @property
    def text(self) -> str:
        """The line; a wide character's second cell is empty."""
        return "".join(self._cells)

    def put(self, column: int, text: str) -> None:
        """Write from that column on."""
        cells = [cell for character in text for cell in _cells(character)]
        missing = column + len(cells) - len(self._cells)
        self._cells += [" "] * max(0, missing)
        self._cells[column : column + len(cells)] = cells


def _cells(character: str) -> list[str]:
    columns = _columns_of(character)
    return [character, *[""] * (columns - 1)] if columns else [character]
