"""HEP version 3, also called EEP, which Homer's collectors take.

Source: "HEP3 Network Protocol Specification", revision 37.
"""

import json
import struct
from collections.abc import Mapping
from typing import Final

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry, TraceKind
from gateway.media.core.rtcp import ReceiverReport, RtcpPacket, RtcpParseError, SenderReport, parse
from gateway.media.core.rtp import ReportBlock
from gateway.traces.core.addresses import source_and_destination

MAX_DATAGRAM: Final = 65_000
"""Octets; a longer message is cut, because a datagram has no room for it."""

SIP_TYPE: Final = 1
RTCP_TYPE: Final = 5
"""RTCP as JSON."""
LOG_TYPE: Final = 100
"""A log: Verto frames and what became known of a call, as JSON."""

_FAMILY: Final = {4: 2, 6: 10}
"""Linux' numbers of AF_INET and AF_INET6."""
_UDP, _TCP = 17, 6
_GENERIC: Final = 0
"""The vendor of chunks that everybody knows."""


def encode(call_id: CallId, entry: TraceEntry, *, capture_id: int, password: str | None) -> bytes | None:
    """One packet; the call's id is what Homer correlates by. None for RTCP that cannot be read.

    Args:
        capture_id: of this gateway among all that send to the collector.
        password: goes along in plain, as the protocol has it.
    """
    found = _payload(call_id, entry)
    if found is None:
        return None
    protocol_type, payload = found
    chunks = _address_chunks(entry) + b"".join(
        (
            _chunk(0x0009, struct.pack("!I", int(entry.at.timestamp()) & 0xFFFFFFFF)),
            _chunk(0x000A, struct.pack("!I", entry.at.microsecond)),
            _chunk(0x000B, struct.pack("!B", protocol_type)),
            _chunk(0x000C, struct.pack("!I", capture_id)),
            _chunk(0x000E, password.encode()) if password is not None else b"",
            _chunk(0x0011, call_id.encode()),
        )
    )
    room = MAX_DATAGRAM - 6 - len(chunks) - 6
    packet = chunks + _chunk(0x000F, payload[:room])
    return b"HEP3" + struct.pack("!H", 6 + len(packet)) + packet


def _payload(call_id: CallId, entry: TraceEntry) -> tuple[int, bytes] | None:
    match entry.kind:
        case TraceKind.SIP:
            return SIP_TYPE, entry.body
        case TraceKind.VERTO:
            return LOG_TYPE, entry.body
        case TraceKind.RTCP:
            report = rtcp_json(entry.body)
            return None if report is None else (RTCP_TYPE, report)
        case TraceKind.MEDIA | TraceKind.CALL:
            fact = {"call_id": call_id, "kind": entry.kind.value, "leg": entry.channel, "message": entry.title}
            return LOG_TYPE, _json(fact)


def _address_chunks(entry: TraceEntry) -> bytes:
    source, destination = source_and_destination(entry)
    is_ipv4 = source[0].version == 4
    is_udp = entry.transport in ("udp", "")
    return b"".join(
        (
            _chunk(0x0001, struct.pack("!B", _FAMILY[source[0].version])),
            _chunk(0x0002, struct.pack("!B", _UDP if is_udp else _TCP)),
            _chunk(0x0003 if is_ipv4 else 0x0005, source[0].packed),
            _chunk(0x0004 if is_ipv4 else 0x0006, destination[0].packed),
            _chunk(0x0007, struct.pack("!H", source[1])),
            _chunk(0x0008, struct.pack("!H", destination[1])),
        )
    )


def _chunk(kind: int, value: bytes) -> bytes:
    return struct.pack("!HHH", _GENERIC, kind, 6 + len(value)) + value


def rtcp_json(compound: bytes) -> bytes | None:
    """The reports of a compound packet as heplify and Homer write them; None when there is none in it."""
    try:
        packets = parse(compound)
    except RtcpParseError:
        return None
    report = next((packet for packet in packets if isinstance(packet, SenderReport | ReceiverReport)), None)
    return None if report is None else _json(_report(report))


def _report(report: RtcpPacket) -> Mapping[str, object]:
    assert isinstance(report, SenderReport | ReceiverReport)
    shown: dict[str, object] = {
        "ssrc": report.ssrc,
        "type": 200 if isinstance(report, SenderReport) else 201,
        "report_count": len(report.blocks),
        "report_blocks": [_block(block) for block in report.blocks],
    }
    if isinstance(report, SenderReport):
        shown["sender_information"] = {
            "ntp_timestamp_sec": report.ntp_time >> 32,
            "ntp_timestamp_usec": report.ntp_time & 0xFFFFFFFF,
            "rtp_timestamp": report.info.rtp_timestamp,
            "packets": report.info.packet_count,
            "octets": report.info.octet_count,
        }
    return shown


def _block(block: ReportBlock) -> Mapping[str, object]:
    return {
        "source_ssrc": block.ssrc,
        "fraction_lost": block.fraction_lost,
        "packets_lost": block.packets_lost,
        "highest_seq_no": block.highest_sequence,
        "ia_jitter": block.jitter_ticks,
        "lsr": block.last_sr,
        "dlsr": block.delay_since_last_sr,
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
