"""Writes what was measured into the reference: a table and a picture, and on what they were taken."""

import datetime
import os
import platform
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.bench.media.plot import svg
from tests.bench.media.summary import Row

BEGIN: Final = "<!-- figures of media: begin -->"
END: Final = "<!-- figures of media: end -->"
PICTURE: Final = "../images/benchmark-media.svg"

_HEADS: Final = (
    "case | server | rounds | CPU, ms a call-second | least-most | of rtpengine | of Janus | memory, KiB a call | "
    "set-up CPU, ms a call | lost, % | delay out p50 / p99, ms | delay in p50 / p99, ms"
)
_PACKAGES: Final = ("rtpengine-daemon", "janus")


def write(rows: Sequence[Row], page: Path, *, seconds: float) -> None:
    """Replace what stands between the two marks of the page, and the picture beside it.

    Raises:
        ValueError: the page has no such marks.
    """
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page}: has no place for the figures of media")
    lines = "\n".join([*_conditions(seconds), "", *_table(rows), "", *_notes(rows), f"![the table's bars]({PICTURE})"])
    page.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}", encoding="utf-8")
    (page.parent / PICTURE).resolve().write_text(svg(rows), encoding="utf-8")


def _conditions(seconds: float) -> Iterator[str]:
    versions = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    day = datetime.datetime.now(datetime.UTC).date()
    yield (
        f"Taken on {day} with {os.cpu_count()} processors ({_processor()}), Linux {platform.release()}, "
        f"Python {platform.python_version()}; {versions}. Rounds of {seconds:.0f} s."
    )


def _version(package: str) -> str:
    asked = ["dpkg-query", "--show", "--showformat=${Version}", package]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # not a Debian system
        return "unknown"
    return found.stdout if found.returncode == 0 else "not installed"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {_HEADS} |"
    yield "|" + "---|" * (_HEADS.count("|") + 1)
    for row in rows:
        cells = {**row.cost(), **row.quality()}.values()
        yield f"| {' | '.join(cells)} |"


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        if row.note:
            yield f"* {row.case}, {row.title}: {row.note}."
    yield ""
