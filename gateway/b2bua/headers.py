"""Custom header fields: which may cross from one side of a call to the other."""

import re
from collections.abc import Iterable
from typing import Final

MAX_HEADERS: Final = 50
"""Custom header fields of one message that cross to the other side; further ones are dropped."""

_NAME: Final = re.compile(r"^(?:x-[a-z0-9-]{1,62}|user-to-user)$", re.IGNORECASE)
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_VALUE: Final = 1024

Crossing = tuple[tuple[str, str], ...]
"""Names and values that may cross, in order."""


def crossing_headers(headers: Iterable[tuple[str, str]]) -> Crossing:
    """The custom header fields that may cross to the other side, with printable values: X- names and User-to-User.

    The latter is the text that users send each other in a call (RFC 7433); it is passed on as it came.
    """
    allowed = (
        (name, value)
        for name, value in headers
        if _NAME.match(name) and not _BAD_VALUE.search(value) and len(value) <= _MAX_VALUE
    )
    return tuple(header for header, _ in zip(allowed, range(MAX_HEADERS), strict=False))
