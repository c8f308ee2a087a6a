"""Which behaviour is shown by which test: V-1 to V-129 (JavaScript SDK) and M-1 to M-77 (mobile SDKs).

A test of this folder named `test_v017_answers_each_request_exactly_once` shows V-17; all tests of a behaviour stand in
one module (tests elsewhere may bear the numbers too; they look at parts). What cannot be shown yet stands in `LATER`
with its reason.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
COUNTS: Final[Mapping[str, int]] = {"V": 129, "M": 77}
"""How many behaviours each list has."""

MAX_LATER: Final = 12

LATER: Final[Mapping[str, str]] = {
    "V-47": "a visitor's target is read and kept; there is no assistant to hand it to, and no conversation to join",
    "V-120": "only an assistant calls functions",
    "V-121": "only an assistant waits for the output of a function that it called",
    "M-58": "there is no call control, and so no telnyx_call_control_id; the member is absent, never null",
    "M-74": "only an assistant speaks in deltas; the scripted clients are ready to read them",
    "M-75": "only an assistant has widget settings",
}
"""Behaviour and why no test shows it yet."""

_NAME: Final = re.compile(r"test_([vm])(\d{1,3})_(\w+)")


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """A test that shows a behaviour. `file` is relative to this folder."""

    series: str
    number: int
    file: str
    name: str

    @property
    def key(self) -> str:
        """`V-17`."""
        return f"{self.series}-{self.number}"

    @property
    def sentence(self) -> str:
        """What the test says of the gateway."""
        return self.name.split("_", 2)[2].replace("_", " ")


@cache
def shown() -> tuple[Shown, ...]:
    """Every test of a behaviour, in the order of the behaviours."""
    return tuple(sorted(one for path in sorted(FOLDER.rglob("test_*.py")) for one in _in_module(path)))


def all_keys() -> list[str]:
    """`V-1` to `M-77`."""
    return [f"{series}-{number}" for series, count in COUNTS.items() for number in range(1, count + 1)]


def _in_module(path: Path) -> Iterator[Shown]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and (match := _NAME.fullmatch(node.name)):
            yield Shown(match[1].upper(), int(match[2]), path.relative_to(FOLDER).as_posix(), node.name)
