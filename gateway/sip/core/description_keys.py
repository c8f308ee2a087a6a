"""Whether a message carries keys of media: `a=crypto` in its description (RFC 4568)."""

import re
from typing import Final

_KEYS: Final = re.compile(rb"^a=crypto:", re.IGNORECASE | re.MULTILINE)


def has_keys(body: bytes) -> bool:
    """Whether whoever reads that body could hear the call."""
    return _KEYS.search(body) is not None
