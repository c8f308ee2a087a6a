"""What happened to a call: immutable, for metrics, the call records, the console and (later) webhooks.

Wall-clock times are aware `datetime`s in UTC; durations are seconds.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from gateway.domain.causes import Cause
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallInitiated:
    """A call exists; nobody has rung yet."""

    call_id: CallId
    at: datetime
    direction: Direction
    caller: str
    callee: str
    connection_id: str | None = None
    session_id: SessionId | None = None
    verto_call_id: VertoCallId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRouted:
    """A browser's call goes to another browser: from now on it is internal."""

    call_id: CallId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRinging:
    """The called side rings."""

    call_id: CallId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswered:
    """The called side answered and both legs have media parameters."""

    call_id: CallId
    at: datetime
    codec_a: str
    codec_b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeld:
    """A leg was put on hold or taken off it."""

    call_id: CallId
    at: datetime
    leg: LegName
    is_held: bool


class TransferKind(Enum):
    """How a far end of a call gave its place to another."""

    BLIND = "blind"
    """To a destination that was called for it."""
    ATTENDED = "attended"
    """To the far end of another call of its own; that call has ended by it."""
    REPLACED = "replaced"
    """To whoever called with a Replaces (RFC 3891)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTransferred:
    """Somebody else sits on one side of the call from now on.

    Attributes:
        leg: the side whose far end changed.
        former: who sat there.
        successor: who sits there now.
    """

    call_id: CallId
    at: datetime
    kind: TransferKind
    leg: LegName
    former: str
    successor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """The last fact of every call.

    Attributes:
        ended_by: the leg that hung up, or None when the gateway did.
        stages: seconds from the start of the call to each stage that was reached
            (`ringing`, `early_media`, `answered`, `media`, `ended`).
        quality: how good each leg's media was, by its letter; values of JSON, as `media.quality` writes them.
        sip_status: the SIP status that ended a call that was not answered, else None.
    """

    call_id: CallId
    at: datetime
    direction: Direction
    cause: Cause
    ended_by: LegName | None
    sip_status: int | None = None
    sip_reason: str | None = None
    duration_s: float = 0.0
    billed_s: float = 0.0
    trunk: str | None = None
    sip_call_id: SipCallId | None = None
    stages: dict[str, float] = field(default_factory=dict)
    media: dict[str, float] = field(default_factory=dict)
    quality: dict[str, dict[str, object]] = field(default_factory=dict)


Fact = CallInitiated | CallRouted | CallRinging | CallAnswered | CallHeld | CallTransferred | CallEnded


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLegOpened:
    """There is a leg between a client and the gateway: the client called, or was sent an invite.

    Attributes:
        leg_id: `telnyx_leg_id` as the client sees it.
        call_id: `telnyx_session_id` as the client sees it. A leg keeps both, whatever call it ends up in.
        direction: OUTBOUND from the client, INBOUND to it.
        cli, cld: who calls and what was called, numbers without punctuation.
        caller_number, caller_name, dest_number: the same as they were presented.
    """

    leg_id: str
    call_id: CallId
    at: datetime
    direction: Direction
    session_id: SessionId
    verto_call_id: VertoCallId
    username: str
    connection_id: str | None
    cli: str
    cld: str
    caller_number: str
    caller_name: str
    dest_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLegAnswered:
    """The client of that leg is connected with somebody: what is billed begins here."""

    leg_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLegClosed:
    """The last fact of every client's leg, answered or not.

    Attributes:
        verto_call_id: the last one: a call that rings again for a client that came back has another.
    """

    leg_id: str
    at: datetime
    verto_call_id: VertoCallId


ClientLegFact = ClientLegOpened | ClientLegAnswered | ClientLegClosed
"""Not among `Fact`: whoever follows calls need not know their legs."""
