"""The two kinds of ids (rest-v2 0.6)."""

import secrets


def decimal_id() -> str:
    """19 decimal digits that fit a signed 64-bit integer: connections, profiles, numbers."""
    return str(10**18 + secrets.randbelow(2**63 - 10**18))
