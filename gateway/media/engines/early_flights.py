"""Handshakes that come before we know where they may come from. Pure.

A browser says its hello as soon as one of its own checks is answered. For us that source has proved nothing yet: its
check may be one that somebody saw pass and repeated. Dropped, the hello would come again after 50 ms (Chromium's DTLS
timer), on each inbound call and on each attach. So it is kept, and read once a check of ours has proved the source.
"""

from typing import Final

from gateway.media.core.source_lock import Address

MAX_SOURCES: Final = 4
MAX_DATAGRAMS: Final = 4
"""Of one source; a hello with a post-quantum key share fills two."""


class EarlyFlights:
    """The first datagrams of each source, by our port and the source."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Address], list[bytes]] = {}

    def keep(self, local_port: int, source: Address, datagram: bytes) -> bool:
        """Keep a datagram; False when there are too many."""
        key = (local_port, source)
        if key not in self._kept and len(self._kept) >= MAX_SOURCES:
            return False
        kept = self._kept.setdefault(key, [])
        if len(kept) >= MAX_DATAGRAMS:
            return False
        if datagram not in kept:
            kept.append(datagram)
        return True

    def take(self, local_port: int, source: Address) -> list[bytes]:
        """Those of the source that has proved itself, in order; all others are forgotten."""
        found = self._kept.pop((local_port, source), [])
        self._kept.clear()
        return found

    def drain(self) -> list[tuple[Address, list[bytes]]]:
        """All of them, by source, in order; none is kept."""
        found = [(source, datagrams) for (_, source), datagrams in self._kept.items()]
        self._kept.clear()
        return found

    def clear(self) -> None:
        """Another exchange of descriptions begins."""
        self._kept.clear()
