"""What was measured, as rows; and the section of the reference that holds them."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BEGIN: Final = "<!-- figures of speech: begin -->"
END: Final = "<!-- figures of speech: end -->"
MARGIN: Final = 0.005
"""Of STOI, within which nobody hears a difference."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How like the clean speech: STOI, 0 to 1, more is better; log-spectral distance in decibels, less is better."""

    stoi: float
    distance: float


@dataclass(frozen=True, slots=True)
class Row:
    """One way at one loss, means over all voices and patterns of loss; `worst` is the least of the differences."""

    way: str
    loss_percent: int
    stoi: float
    demo_stoi: float
    worst: float
    distance: float
    demo_distance: float

    def shown(self) -> dict[str, str]:
        """The cells, for people."""
        return {
            "way": self.way,
            "loss, %": str(self.loss_percent),
            "STOI here": f"{self.stoi:.4f}",
            "of opus_demo": f"{self.demo_stoi:.4f}",
            "worst difference": f"{self.worst:+.4f}",
            "spectrum off here, dB": f"{self.distance:.2f}",
            "in opus_demo, dB": f"{self.demo_distance:.2f}",
            "as good": "yes" if self.is_as_good else "no",
        }

    @property
    def is_as_good(self) -> bool:
        """Whether no more is lost here than in the demo."""
        return self.stoi >= self.demo_stoi - MARGIN


def summed_up(way: str, loss_percent: int, pairs: Sequence[tuple[Verdict, Verdict]]) -> Row:
    """A row from pairs: the gateway's verdict, the demo's."""
    ours, demos = zip(*pairs, strict=True)
    return Row(
        way,
        loss_percent,
        statistics.fmean(one.stoi for one in ours),
        statistics.fmean(one.stoi for one in demos),
        min(one.stoi - demo.stoi for one, demo in pairs),
        statistics.fmean(one.distance for one in ours),
        statistics.fmean(one.distance for one in demos),
    )


def write(rows: Sequence[Row], page: Path, *, version: str, patterns: int) -> None:
    """Replace what stands between the two marks of the page.

    Raises:
        ValueError: the page has no such marks.
    """
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{page}: has no place for the figures of speech")
    lines = "\n".join(_section(rows, version, patterns))
    page.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}", encoding="utf-8")


def _section(rows: Sequence[Row], version: str, patterns: int) -> Iterator[str]:
    yield f"libopus {version}, espeak-ng's voices, {patterns} patterns of loss for each voice."
    yield ""
    tables = [row.shown() for row in rows]
    for heads in tables[:1]:
        yield f"| {' | '.join(heads)} |"
        yield "|" + "---|" * len(heads)
    for cells in tables:
        yield f"| {' | '.join(cells.values())} |"
