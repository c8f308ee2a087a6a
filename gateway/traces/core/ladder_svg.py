"""A ladder as SVG: stands by itself, in light and dark, and takes a page's own style sheet when it is put into one."""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from gateway.domain.trace import TraceKind
from gateway.traces.core.ladder import Ladder, Row
from gateway.traces.core.ladder_text import cut, printable, width

ROW: Final = 30
"""Height of a row in pixels."""

_GAP: Final = 212
_TIME: Final = 76
_MARGIN: Final = 72
_HEAD: Final = 58
_CHARACTER: Final = 7.3
"""Width of a character of the font in pixels, at most."""

_FONT: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
_COLOURS: Final = {
    TraceKind.SIP: "#2f6fdb",
    TraceKind.VERTO: "#0f8a5f",
    TraceKind.MEDIA: "#8a6d00",
    TraceKind.CALL: "#6b6f76",
}
"""Readable on white and on black; as attributes, so that a page's style sheet wins."""

_REPEAT: Final = " (again)"


def draw_svg(call_id: str, ladder: Ladder) -> str:
    """The diagram as a document of its own.

    Each row is a group with `data-entry` (the number of its entry) and a `title` of all that stands at it. There is no
    style element and no script in it: it may be put into a page that forbids both.
    """
    columns = [_TIME + _MARGIN + number * _GAP for number in range(len(ladder.lifelines))]
    size = (columns[-1] if columns else _TIME) + _MARGIN
    height = _HEAD + len(ladder.rows) * ROW + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ladder" width="{size}" height="{height}" '
        f'viewBox="0 0 {size} {height}" font-family="{_FONT}" font-size="12" role="group" '
        f"aria-label={_attribute(f'Ladder diagram of the call {call_id}')}>",
        f'<rect class="paper" width="{size}" height="{height}" fill="#ffffff"/>',
    ]
    for column, lifeline in zip(columns, ladder.lifelines, strict=True):
        parts.append(
            f'<line class="lifeline" x1="{column}" y1="{_HEAD - 8}" x2="{column}" y2="{height - 8}" stroke="#9aa0a6"/>'
        )
        parts.append(_label(column, 20, lifeline.name, "name", 'font-weight="600" font-size="13"', _GAP - 10))
        parts.append(_label(column, 38, lifeline.detail, "detail", "", _GAP - 10))
    for number, row in enumerate(ladder.rows):
        parts.append(_row(row, columns, _HEAD + number * ROW, size))
    return "\n".join([*parts, "</svg>", ""])


def _row(row: Row, columns: list[int], top: int, size: int) -> str:
    entry = row.numbered.entry
    colour = _COLOURS.get(entry.kind, "#6b6f76")
    text = row.text + (_REPEAT if row.is_repeat else "")
    drawn = _note(row, columns, top, size, text, colour) if row.is_note else _arrow(row, columns, top, text, colour)
    time = (
        f'<text class="time" x="{_TIME - 8}" y="{top + 20}" text-anchor="end" fill="#5f6368">{row.offset:+.3f}</text>'
    )
    button = "" if row.is_note and not entry.body else ' role="button" tabindex="0"'
    title = f"<title>{_text(f'{row.offset:+.3f} s  {text}')}</title>"
    hit = f'<rect class="hit" x="0" y="{top}" width="{size}" height="{ROW}" fill="none" pointer-events="all"/>'
    return (
        f'<g class="row {entry.kind.value}" data-entry="{row.numbered.sequence}"{button}>{title}{hit}{time}{drawn}</g>'
    )


def _arrow(row: Row, columns: list[int], top: int, text: str, colour: str) -> str:
    start, end = columns[row.start], columns[row.end]
    sign = 1 if end > start else -1
    y = top + 23
    dashes = ' stroke-dasharray="5 3"' if row.is_repeat else ""
    ends = f'x1="{start}" y1="{y}" x2="{end - sign * 7}" y2="{y}"'
    line = f'<line class="arrow" {ends} stroke="{colour}" stroke-width="1.5"{dashes}/>'
    head = f'<path class="head" d="M{end} {y} l{-sign * 9} -4.5 v9 z" fill="{colour}"/>'
    room = abs(end - start) - 16
    return line + head + _label((start + end) // 2, top + 16, text, "words", f'fill="{colour}"', room)


def _note(row: Row, columns: list[int], top: int, size: int, text: str, colour: str) -> str:
    shown = cut(printable(text), int((size - _TIME - 24) / _CHARACTER))
    wide = width(shown) * _CHARACTER + 16
    left = max(_TIME, min(columns[row.start] - wide / 2, size - wide - 6))
    box = (
        f'<rect class="note" x="{left:.0f}" y="{top + 4}" width="{wide:.0f}" height="{ROW - 8}" rx="4" '
        f'fill="#f6f1dd" stroke="{colour}" stroke-opacity="0.5"/>'
    )
    words = f'<text class="words" x="{left + 8:.0f}" y="{top + 19}" fill="#3c4043">{_text(shown)}</text>'
    return box + words


def _label(x: int, y: int, text: str, name: str, more: str, room: int) -> str:
    shown = cut(printable(text), int(room / _CHARACTER))
    return f'<text class="{name}" x="{x}" y="{y}" text-anchor="middle" {more}>{_text(shown)}</text>' if shown else ""


def _text(text: str) -> str:
    return escape(printable(text))


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
