"""One line of a call's trace: a message on its way, or something that became known of the call."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class TraceKind(Enum):
    """What a line of a trace is about."""

    SIP = "sip"
    """A SIP message; `body` is its octets."""
    VERTO = "verto"
    """A Verto frame; `body` is JSON."""
    MEDIA = "media"
    """What became known of the media: a path, keys, codecs, the first packet, figures at the end."""
    CALL = "call"
    """What call control says of the call: routed, ringing, answered, held, transferred, ended."""
    RTCP = "rtcp"
    """A compound RTCP packet, decrypted; for a collector only, never kept."""


class Way(Enum):
    """Which way a message went, seen from the gateway."""

    IN = "in"
    OUT = "out"
    NONE = ""
    """It is no message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceEntry:
    """One line of a trace.

    Attributes:
        at: when it was sent or received, or became known; UTC.
        channel: what carried it: the SIP Call-ID, the Verto session, or the name of the media's leg.
        party: who is at the far end: a user name, or a SIP address.
        transport: `udp tcp tls ws`; empty for what is no message.
        local, remote: ADDRESS:PORT of our side and of theirs, IPv6 in brackets; empty where it is not known.
        title: a few words: `INVITE (SDP)`, `180 Ringing (INVITE)`, `telnyx_rtc.answer`.
        body: the message itself.
    """

    at: datetime
    kind: TraceKind
    way: Way = Way.NONE
    channel: str = ""
    party: str = ""
    transport: str = ""
    local: str = ""
    remote: str = ""
    title: str
    body: bytes = b""
