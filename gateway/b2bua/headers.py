"""Custom header fields: which may cross from one side of a call to the other."""

import re
from collections.abc import Iterable
from typing import Final

MAX_HEADERS: Final = 50
"""Custom header fields of one message that cross to the other side; further ones are dropped."""

_X_NAME: Final = re.compile(r"^[Xx]-[A-Za-z0-9-]{1,62}$")
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_VALUE: Final = 1024

Crossing = tuple[tuple[str, str], ...]
"""Names and values that may cross, in order."""


def crossing_headers(headers: Iterable[tuple[str, str]]) -> Crossing:
    """The custom header fields that may cross to the other side: X- names with printable values."""
    allowed = (
        (name, value)
        for name, value in headers
        if _X_NAME.match(name) and not _BAD_VALUE.search(value) and len(value) <= _MAX_VALUE
    )
    return tuple(header for header, _ in zip(allowed, range(MAX_HEADERS), strict=False))
