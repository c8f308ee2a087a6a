"""Settings of traces: `[traces]` and `[traces.hep]`."""

from dataclasses import dataclass, field
from typing import Final

LONGEST: Final = 10 * 366 * 86_400.0
"""Seconds that traces may be kept: ten years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSettings:
    """What is kept of each call's messages, for how long. Secrets and digits never are."""

    enabled: bool = True
    """Follow the SIP messages, Verto frames and media facts of every call."""

    keep: float = 259_200.0
    """Seconds that they are kept in the database; 0: not there at all, only sent to a collector."""

    keep_messages: int = 1_000_000
    """Messages of all calls together that are kept; the oldest go first. One takes about a kilobyte."""

    max_call_bytes: int = 262_144
    """Bytes of one call's messages that are kept; further ones are left out, and the trace says so."""

    cleanup_interval: float = 300.0
    """Seconds between two looks for messages that are too old."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.keep <= LONGEST:
            raise ValueError(f"keep: expected 0 to {LONGEST:.0f} seconds, got {self.keep}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HepSettings:
    """Where traces are sent as HEP version 3, for Homer and its like."""

    collector: str = ""
    """The collector, as `udp:homer.example.net:9060`; empty: none."""

    capture_id: int = 2001
    """The number of this gateway among all that send to the collector."""

    password: str | None = field(default=None, repr=False)
    """What the collector wants to see, from `password_file` or the environment. HEP carries it in plain."""

    def __post_init__(self) -> None:
        if not 1 <= self.capture_id <= 0xFFFF_FFFF:
            raise ValueError(f"capture_id: expected 1 to {0xFFFF_FFFF}, got {self.capture_id}")

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port of the collector, IPv6 without brackets."""
        if not self.collector:
            return None
        host, _, port = self.collector.removeprefix("udp:").rpartition(":")
        return host.removeprefix("[").removesuffix("]"), int(port)


def collector(text: str) -> str:
    """Check `udp:HOST:PORT`, or nothing; raises ValueError."""
    if not text:
        return text
    transport, _, rest = text.partition(":")
    host, colon, port = rest.rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535
    is_host = bool(host) and (":" not in host or (host.startswith("[") and host.endswith("]"))) and " " not in host
    if transport != "udp" or not colon or not is_port or not is_host:
        raise ValueError('expected "udp:HOST:PORT"')
    return text
