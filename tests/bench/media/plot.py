"""The figures as a picture: bars in SVG, in the words of SVG alone."""

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from tests.bench.media.summary import Row

WIDTH: Final = 760
LEFT: Final = 190
"""Where the bars begin; their names stand before it."""
RIGHT: Final = 90
"""Room for the figure behind the longest bar."""
BAR: Final = 18
STEP: Final = 26
HEAD: Final = 44
"""Of a case: its name, and air above it."""

COLOURS: Final = {"native": "#0b6e4f", "aiortc": "#73b49b", "rtpengine": "#b5651d", "janus": "#6b7a8f"}
_STYLE: Final = "text{font:13px sans-serif;fill:#222}.case{font-weight:bold}.range{stroke:#222;stroke-width:1.5}"


def svg(rows: Sequence[Row]) -> str:
    """Processor time for a call and second: a bar a server, in groups by case, each with a scale of its own."""
    cases = list(dict.fromkeys(row.case for row in rows))
    body, top = list[str](), 0
    for case in cases:
        here = [row for row in rows if row.case == case]
        body.extend(_group(case, here, top))
        top += HEAD + STEP * len(here)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 12}" role="img">',
            "<title>Processor time of the server, milliseconds for a call and second; less is better</title>",
            f"<style>{_STYLE}</style>",
            f'<rect width="{WIDTH}" height="{top + 12}" fill="#fff"/>',
            *body,
            "</svg>\n",
        ]
    )


def _group(case: str, rows: Sequence[Row], top: int) -> Iterator[str]:
    most = max((row.cpu_most for row in rows if row.cpu_most is not None), default=1.0)
    title = f"{case}, {rows[0].calls} calls: ms of processor time for a call and second"
    yield f'<text class="case" x="12" y="{top + 30}">{escape(title)}</text>'
    for number, row in enumerate(rows):
        yield from _bar(row, top + HEAD + number * STEP, (WIDTH - LEFT - RIGHT) / most)


def _bar(row: Row, top: int, scale: float) -> Iterator[str]:
    middle = top + BAR / 2
    yield f'<text x="{LEFT - 10}" y="{middle + 4:.0f}" text-anchor="end">{escape(row.title)}</text>'
    if row.cpu is None or row.cpu_least is None or row.cpu_most is None:
        yield f'<text x="{LEFT}" y="{middle + 4:.0f}">not measured</text>'
        return
    least, most = LEFT + row.cpu_least * scale, LEFT + row.cpu_most * scale
    yield (
        f'<rect x="{LEFT}" y="{top}" width="{row.cpu * scale:.1f}" height="{BAR}" fill="{COLOURS[row.server]}"/>'
        f'<line class="range" x1="{least:.1f}" x2="{most:.1f}" y1="{middle:.1f}" y2="{middle:.1f}"/>'
    )
    yield f'<text x="{most + 8:.1f}" y="{middle + 4:.0f}">{row.cpu:.2f}</text>'
