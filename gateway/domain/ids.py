"""Identifiers and small enums that travel between packages, each its own type so that mypy catches a swap."""

from enum import Enum
from typing import NewType

CallId = NewType("CallId", str)
"""Ours: one per call, both legs. A lowercase UUID. The key of logs, call records and the console."""

VertoCallId = NewType("VertoCallId", str)
"""Verto's `callID`: one per browser leg, chosen by whoever created that leg."""

SipCallId = NewType("SipCallId", str)
"""SIP's `Call-ID` header field (RFC 3261 section 8.1.1.4)."""

SessionId = NewType("SessionId", str)
"""Verto's `sessid`: one per login, kept over a reconnect."""

VoiceSdkId = NewType("VoiceSdkId", str)
"""The sticky token on every server message of one socket (verto-js 1.2)."""

Sdp = NewType("Sdp", str)
"""A session description (RFC 8866), lines ended by CRLF."""


class LegName(Enum):
    """The two legs of a call. A is the caller's side, B the side that is called."""

    A = "a"
    B = "b"

    @property
    def other(self) -> "LegName":
        """The leg on the other side of the call."""
        return LegName.B if self is LegName.A else LegName.A


class Direction(Enum):
    """Seen from the gateway: outbound is browser to trunk, inbound trunk to browser, internal browser to browser."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"
    INTERNAL = "internal"
