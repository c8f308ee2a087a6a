"""Times as resources show them."""

from datetime import datetime


def to_milliseconds(at: datetime) -> str:
    """`2020-06-18T21:32:38.000Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_microseconds(at: datetime) -> str:
    """`2020-06-18T21:32:38.000000Z`: messages of a call follow one another within a millisecond."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_seconds(at: datetime) -> str:
    """`2020-06-18T21:32:38`, as credentials show them (rest-v2 A.1.2)."""
    return at.replace(tzinfo=None).isoformat(timespec="seconds")
