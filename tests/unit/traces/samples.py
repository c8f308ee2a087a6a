"""Entries for tests, a second apart unless they say otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.traces.core.ladder import Numbered

NOON: Final = datetime(2026, 11, 28, 12, 0, 0, 250, tzinfo=UTC)
CALL: Final = CallId("11111111-1111-1111-1111-111111111111")
OTHER: Final = CallId("22222222-2222-2222-2222-222222222222")

INVITE: Final = (
    b"INVITE sip:+12025550100@192.0.2.7 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: <sip:alice@192.0.2.1>;tag=a\r\nTo: <sip:+12025550100@192.0.2.7>\r\n"
    b"Call-ID: one\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def sip(
    seconds: float,
    way: Way,
    title: str,
    *,
    channel: str = "one",
    body: bytes = INVITE,
    transport: str = "udp",
    local: str = "192.0.2.1:5060",
    remote: str = "192.0.2.7:5062",
) -> TraceEntry:
    return TraceEntry(
        at=at(seconds),
        kind=TraceKind.SIP,
        way=way,
        channel=channel,
        transport=transport,
        local=local,
        remote=remote,
        title=title,
        body=body,
    )


def verto(
    seconds: float, way: Way, title: str, *, channel: str = "session", party: str = "alice", body: bytes = b"{}"
) -> TraceEntry:
    return TraceEntry(
        at=at(seconds),
        kind=TraceKind.VERTO,
        way=way,
        channel=channel,
        party=party,
        transport="ws",
        local="192.0.2.1:8080",
        remote="198.51.100.4:40000",
        title=title,
        body=body,
    )


def fact(seconds: float, title: str, kind: TraceKind = TraceKind.CALL) -> TraceEntry:
    return TraceEntry(at=at(seconds), kind=kind, title=title)


def numbered(*entries: TraceEntry) -> list[Numbered]:
    return [Numbered(sequence, entry) for sequence, entry in enumerate(entries, 1)]
