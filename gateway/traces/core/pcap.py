"""SIP messages as a pcap file: their own octets, in frames that are made up from their addresses.

The file format is the classic one of libpcap, with microseconds (draft-ietf-opsawg-pcap). Messages over TCP and TLS
are TCP segments without a handshake; those over TLS are in plain.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from gateway.domain.trace import TraceEntry, TraceKind
from gateway.traces.core.addresses import Address, Endpoint, source_and_destination

_MAGIC: Final = 0xA1B2C3D4
_LINKTYPE_ETHERNET: Final = 1
_SNAPLEN: Final = 262_144
_UDP, _TCP = 17, 6
_ETHERTYPE: Final = {4: 0x0800, 6: 0x86DD}
_SEGMENT: Final = 1400
"""Octets of a message in one TCP segment."""
_MAX_UDP: Final = 65_507 - 40
_PUSH_ACK: Final = 0x18
_TTL: Final = 64
# Locally administered (IEEE 802): nobody's card has them.
_OURS, _THEIRS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def write_pcap(entries: Iterable[TraceEntry]) -> bytes:
    """The SIP messages among the entries, in their order."""
    header = struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_ETHERNET)
    return header + b"".join(_records(entries))


def _records(entries: Iterable[TraceEntry]) -> Iterator[bytes]:
    sent: dict[tuple[Endpoint, Endpoint], int] = {}
    for number, entry in enumerate(entry for entry in entries if entry.kind is TraceKind.SIP):
        source, destination = source_and_destination(entry)
        if entry.transport == "udp":
            packets = [_udp(source, destination, entry.body[:_MAX_UDP])]
        else:
            packets = _tcp(source, destination, entry.body, sent)
        protocol = _UDP if entry.transport == "udp" else _TCP
        for packet in packets:
            yield _record(entry, _ethernet(source[0], destination[0], protocol, packet, number))


def _record(entry: TraceEntry, frame: bytes) -> bytes:
    seconds, microseconds = int(entry.at.timestamp()), entry.at.microsecond
    return struct.pack("<IIII", seconds, microseconds, len(frame), len(frame)) + frame


def _ethernet(source: Address, destination: Address, protocol: int, payload: bytes, number: int) -> bytes:
    packet = (
        _ipv4(source, destination, protocol, payload, number)
        if source.version == 4
        else _ipv6(source, destination, protocol, payload)
    )
    return _THEIRS + _OURS + struct.pack("!H", _ETHERTYPE[source.version]) + packet


def _ipv4(source: Address, destination: Address, protocol: int, payload: bytes, number: int) -> bytes:
    """RFC 791 section 3.1."""
    fields = (0x45, 0, 20 + len(payload), number & 0xFFFF, 0, _TTL, protocol)
    ends = source.packed + destination.packed
    bare = struct.pack("!BBHHHBBH", *fields, 0) + ends
    return struct.pack("!BBHHHBBH", *fields, checksum(bare)) + ends + payload


def _ipv6(source: Address, destination: Address, protocol: int, payload: bytes) -> bytes:
    """RFC 8200 section 3."""
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, _TTL) + source.packed + destination.packed + payload


def _udp(source: Endpoint, destination: Endpoint, payload: bytes) -> bytes:
    """RFC 768. A sum of zero is written as its complement, because zero means none."""
    length = 8 + len(payload)
    bare = struct.pack("!HHHH", source[1], destination[1], length, 0) + payload
    total = checksum(_pseudo_header(source[0], destination[0], _UDP, length) + bare) or 0xFFFF
    return struct.pack("!HHHH", source[1], destination[1], length, total) + payload


def _tcp(
    source: Endpoint, destination: Endpoint, message: bytes, sent: dict[tuple[Endpoint, Endpoint], int]
) -> list[bytes]:
    """RFC 9293 section 3.1; `sent` counts the octets of each direction."""
    segments = []
    for start in range(0, max(1, len(message)), _SEGMENT):
        piece = message[start : start + _SEGMENT]
        sequence = 1 + sent.get((source, destination), 0)
        acknowledged = 1 + sent.get((destination, source), 0)
        numbers = (source[1], destination[1], sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 5 << 4, _PUSH_ACK)
        bare = struct.pack("!HHIIBBHHH", *numbers, 0xFFFF, 0, 0) + piece
        total = checksum(_pseudo_header(source[0], destination[0], _TCP, len(bare)) + bare)
        segments.append(struct.pack("!HHIIBBHHH", *numbers, 0xFFFF, total, 0) + piece)
        sent[source, destination] = sequence - 1 + len(piece)
    return segments


def _pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """RFC 9293 section 3.1, RFC 8200 section 8.1."""
    if source.version == 4:
        return source.packed + destination.packed + struct.pack("!BBH", 0, protocol, length)
    return source.packed + destination.packed + struct.pack("!IxxxB", length, protocol)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data if len(data) % 2 == 0 else data + b"\0"
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
