"""How short a session may be (RFC 4028). Apart from its timer: settings are checked without loading SIP."""

from typing import Final

MINIMUM: Final = 90
"""Seconds; the least session interval that we take in a request (RFC 4028 section 4 knows no smaller one)."""
