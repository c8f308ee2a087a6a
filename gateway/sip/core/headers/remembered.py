"""Parsers that remember: a message's From, To and Via are looked at a dozen times on its way through the stack."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

_T = TypeVar("_T")

MOST: Final = 512
"""Texts that each parser remembers; the one that was asked for longest ago goes."""

LONGEST: Final = 256
"""Characters; longer texts are parsed each time, so that nobody fills our memory with them."""


def remembered(parse: Callable[[str], _T]) -> Callable[[str], _T]:
    """That parser with a memory. Its results must be immutable; what it raises is not remembered."""
    known = lru_cache(MOST)(parse)

    @wraps(parse)
    def remembering(text: str) -> _T:
        return known(text) if len(text) <= LONGEST else parse(text)

    return remembering
