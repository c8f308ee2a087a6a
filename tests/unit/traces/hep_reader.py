"""Reads HEP version 3 by the specification's tables; shares nothing with the writer."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

_INTEGERS = {1: 1, 2: 1, 7: 2, 8: 2, 9: 4, 10: 4, 11: 1, 12: 4}
"""Octets of the chunks that are unsigned integers."""
_ADDRESSES = {3: 4, 4: 4, 5: 16, 6: 16}
_NAMES = {
    1: "family",
    2: "protocol",
    3: "source",
    4: "destination",
    5: "source",
    6: "destination",
    7: "source_port",
    8: "destination_port",
    9: "seconds",
    10: "microseconds",
    11: "type",
    12: "capture_id",
    14: "key",
    15: "payload",
    17: "correlation_id",
}


@dataclass(frozen=True, slots=True)
class HepPacket:
    """The chunks by their names."""

    chunks: dict[str, Any] = field(default_factory=dict)  # Any: numbers, addresses and octets

    def __getitem__(self, name: str) -> Any:  # Any: as above
        return self.chunks[name]


def read_hep(datagram: bytes) -> HepPacket:
    """The packet; an assertion fails on what is not as the specification has it."""
    assert datagram[:4] == b"HEP3"
    assert int.from_bytes(datagram[4:6], "big") == len(datagram)
    found: dict[str, Any] = {}
    rest = datagram[6:]
    while rest:
        vendor, kind, length = (int.from_bytes(rest[start : start + 2], "big") for start in (0, 2, 4))
        value, rest = rest[6:length], rest[length:]
        assert vendor == 0 and length >= 6
        assert kind in _NAMES and _NAMES[kind] not in found
        assert len(value) == {**_INTEGERS, **_ADDRESSES}.get(kind, len(value))
        if kind in _INTEGERS:
            found[_NAMES[kind]] = int.from_bytes(value, "big")
        elif kind in _ADDRESSES:
            found[_NAMES[kind]] = str(ip_address(value))
        else:
            found[_NAMES[kind]] = value
    return HepPacket(found)
