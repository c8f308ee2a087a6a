"""What call control sees of a SIP call: events that come out of one callback, and what it may ask for.

`ua.UserAgent` makes these; transactions, dialogs, ACKs, digest and forks stay below it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.domain.ids import Sdp, SipCallId


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an INVITE goes, and as whom.

    Attributes:
        uri: the Request-URI, for example ``sip:+12025550100@192.0.2.7:5060;transport=tcp``.
        from_uri: the From URI; `from_name` its display name.
        username, password: for a 401 or 407, None when the trunk has none. Used only towards `uri`'s host.
        headers: more header fields, name and value, already allowed by the caller of this.
    """

    uri: str
    from_uri: str
    from_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Provisional:
    """A 101-199 response of the INVITE (100 is swallowed). `sdp` is early media's answer, if it came with it."""

    status: int
    reason: str
    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The first 2xx of an INVITE of ours, already acknowledged. `sdp` answers our offer.

    None when it came in a reliable provisional response only. Other forks' 2xx are acknowledged and hung up
    by the user agent itself.
    """

    sdp: Sdp | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A final 3xx-6xx of an INVITE of ours, or our own 408 (timer B), 503 (transport), 487 (cancelled)."""

    status: int
    reason: str
    q850: int | None = None
    """From a Reason header field (RFC 3326), when there is one."""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller cancelled an INVITE to us that we had not answered; the user agent has sent 200 and 487."""

    q850: int | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The ACK for our 2xx came; for a re-INVITE only when we made the offer. `sdp` is the answer to our offer."""

    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class Reoffered:
    """A re-INVITE from the far end waits for `answer_reoffer` or `reject_reoffer`. `sdp` None: it wants an offer."""

    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class InfoDtmf:
    """A digit in an INFO (application/dtmf-relay or application/dtmf)."""

    digit: str
    duration: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over: BYE from the far end (answered already), no ACK (64*T1), or 408/481 to a request of ours."""

    q850: int | None
    reason: str
    """`bye`, `no_ack`, `no_answer` (we offered, and the ACK or 2xx brought no answer), `dialog_lost`."""


SipCallEvent = Provisional | Answered | Rejected | Cancelled | Confirmed | Reoffered | InfoDtmf | Ended
OnSipCallEvent = Callable[[SipCallEvent], None]


class OutgoingCall(Protocol):
    """An INVITE that we sent, then the dialog that it made. Events come out of the callback given to `invite`.

    Exactly one of `Rejected` and `Ended` is the last event; after `hangup()` it may be none.
    All methods return at once and are safe in every state: what no longer makes sense is ignored.
    """

    @property
    def sip_call_id(self) -> SipCallId: ...

    def hangup(self, *, q850: int | None = None) -> None:
        """CANCEL before the final response (once a provisional came, RFC 3261 section 9.1), BYE after a 2xx."""

    def answer_reoffer(self, sdp: Sdp) -> None:
        """200 to the re-INVITE that waits."""

    def reject_reoffer(self, status: int) -> None:
        """Refuse the re-INVITE that waits (488); the session goes on as before."""

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None:
        """Offer again within the dialog; 491 is retried once after the time of RFC 3261 section 14.1."""


class IncomingCall(Protocol):
    """An INVITE that came to us from an accepted peer; 100 is already sent. Same rules as `OutgoingCall`."""

    @property
    def sip_call_id(self) -> SipCallId: ...

    @property
    def trunk(self) -> str:
        """The name of the trunk whose `accept_from` let it in."""

    @property
    def request_user(self) -> str:
        """User part of the Request-URI, percent-decoded."""

    @property
    def request_host(self) -> str: ...

    @property
    def caller_number(self) -> str:
        """User part of From (P-Asserted-Identity is a later issue)."""

    @property
    def caller_name(self) -> str:
        """Display name of From, or empty."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The X- header fields of the INVITE, in order."""

    @property
    def offer(self) -> Sdp | None:
        """The offer in the INVITE, None for a delayed offer."""

    def listen(self, on_event: OnSipCallEvent) -> None:
        """Set the callback; events that came before are delivered at once."""

    def ring(self) -> None:
        """180 without SDP."""

    def progress(self, sdp: Sdp) -> None:
        """183 with SDP."""

    def answer(self, sdp: Sdp) -> None:
        """200 with SDP, repeated until the ACK comes (RFC 3261 section 13.3.1.4)."""

    def reject(self, status: int, reason: str, *, q850: int | None = None) -> None: ...

    def hangup(self, *, q850: int | None = None) -> None:
        """Before the answer a 480 (use `reject` to choose), after it a BYE, never before the ACK or timer H."""

    def answer_reoffer(self, sdp: Sdp) -> None: ...

    def reject_reoffer(self, status: int) -> None: ...

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None: ...
