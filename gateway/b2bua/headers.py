"""Custom header fields: which may cross from one side of a call to the other."""

from collections.abc import Iterable

from gateway.domain.headers import CUSTOM, MAX_HEADERS, Crossing


def crossing_headers(headers: Iterable[tuple[str, str]]) -> Crossing:
    """The custom header fields that may cross to the other side: what applications put there."""
    return CUSTOM.pick(headers)


__all__ = ["MAX_HEADERS", "Crossing", "crossing_headers"]
