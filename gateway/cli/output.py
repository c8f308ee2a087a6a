"""What commands print: a table for people, the bare value for shells, JSON for scripts, one line for a mistake."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NoReturn

import typer

FAILED: Final = 1
WRONG_USAGE: Final = 2


def print_line(text: str) -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def print_json(value: object) -> None:
    """One line of JSON; times in ISO 8601."""
    print_line(json.dumps(value, default=_plain))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table: folded within the width of a terminal; in a pipe plain, and nothing is cut."""
    cells = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _print_folded(columns, cells)
        return
    lines = [list(columns), *cells] if any(columns) else cells
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print_line(" ".join(map(str.ljust, line, widths)).rstrip())


def _print_folded(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """For somebody at a terminal. rich takes as long to load as many a command to run."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=sys.stdout, highlight=False).print(table)


def print_row(values: Mapping[str, object]) -> None:
    """One thing, a line for each of its values."""
    print_table(("", ""), list(values.items()))


def warn(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"rtc-gateway: {text}\n")
    sys.stderr.flush()


def fail(text: str, *, code: int = FAILED) -> NoReturn:
    """End the command: one line for each line of the text on standard error, no traceback."""
    for line in text.splitlines() or [""]:
        warn(line)
    raise typer.Exit(code)


def _cell(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat(timespec="seconds").replace("+00:00", "Z")
        case frozenset() | tuple() | list():
            return ", ".join(sorted(map(str, value)) if isinstance(value, frozenset) else map(str, value)) or "-"
        case _:
            return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value)
