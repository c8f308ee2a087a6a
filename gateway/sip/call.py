"""What call control sees of a SIP call: events that come out of one callback, and what it may ask for.

`ua.UserAgent` makes these; transactions, dialogs, ACKs, digest and forks stay below it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SipCallId
from gateway.sip.core.message import Request
from gateway.sip.core.reliability import Reliability
from gateway.sip.transport.flow import Flow

MAX_FORWARDS: Final = 70
"""Hops that a call of ours may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an INVITE goes, and as whom.

    Attributes:
        uri: the Request-URI, for example ``sip:+12025550100@192.0.2.7:5060;transport=tcp``.
        from_uri: the From URI; `from_name` its display name.
        username, password: for a 401 or 407, None when the trunk has none. Used only towards `uri`'s host.
        realm: the only one whose challenges are answered, None for any.
        headers: more header fields, name and value, already allowed by the caller of this.
        replaces: the dialog at the called side that this call shall take over (RFC 3891); it must know how.
        trunk: the name of the trunk that the call takes, where there is one.
        max_forwards: hops that are left (RFC 3261 section 8.1.1.6); fewer for a call that came to us (RFC 7332).
        follow_redirects: whether a 3xx sends the call to another place, or is its end.
        reliable_provisional: whether 101 to 199 of the far end may, or must, be reliable (RFC 3262).
        to_uri: the To URI, where it is not the Request-URI: a phone is called by its user's name.
        routes: Route values, the proxies on the way (RFC 3327, RFC 3608); it goes to the first of them.
        flow: the way that a phone registered by; while it is open, everything of this call goes there.
        has_alternative: whether the call can go elsewhere: a far end that says nothing at all is given up early then.
        may_open_keys: whether descriptions with keys of media (RFC 4568) may go out unencrypted. Without, they go over
            TLS or not at all, wherever a redirection or the far end's Contact leads.
    """

    uri: str
    from_uri: str
    from_name: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    realm: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    replaces: "Replaces | None" = None
    trunk: str = ""
    reliable_provisional: Reliability = "off"
    follow_redirects: bool = False
    max_forwards: int = MAX_FORWARDS
    to_uri: str | None = None
    routes: Sequence[str] = ()
    flow: Flow | None = field(default=None, repr=False)
    has_alternative: bool = False
    may_open_keys: bool = False


@dataclass(frozen=True, slots=True)
class Replaces:
    """A dialog as an INVITE names it that shall take its place (RFC 3891 section 6.1).

    Attributes:
        to_tag, from_tag: the tags of the side that gets that INVITE and of the other side; "0" for none (section 6.1).
        is_early_only: only if that dialog is not confirmed yet.
    """

    call_id: str
    to_tag: str
    from_tag: str
    is_early_only: bool = False


@dataclass(frozen=True, slots=True)
class ReferTarget:
    """Whom a REFER wants us to call: Refer-To without the header fields in its URI, but for the Replaces in it."""

    uri: str
    replaces: Replaces | None


@dataclass(frozen=True, slots=True)
class ReferProgress:
    """What became of a REFER of ours so far.

    Attributes:
        status, reason: of the answer to the REFER while `is_final` is false for the first time, then of the
            message/sipfrag in each NOTIFY; ours is 408 (no answer, or no outcome in time), 481 (the dialog is over,
            or no REFER is possible in it), 491 (another one is open) or 503 (it could not be sent).
        is_final: nothing more comes. With status 202: accepted, and the far end will not say what becomes of it.
    """

    status: int
    reason: str
    is_final: bool


OnReferProgress = Callable[[ReferProgress], None]


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
    """An offer from the far end waits for `answer_reoffer` or `reject_reoffer`. `sdp` None: give an offer.

    It came in a re-INVITE or UPDATE, or, before the answer, in an UPDATE or PRACK (RFC 3311, RFC 3262). One that only
    says again what was agreed refreshes the session; the user agent answers it by itself.
    """

    sdp: Sdp | None


@dataclass(frozen=True, slots=True)
class InfoDtmf:
    """A digit in an INFO (application/dtmf-relay or application/dtmf)."""

    digit: str
    duration: float


@dataclass(frozen=True, slots=True)
class DigitsUnsent:
    """Digits of `send_digits` that did not reach the far end. Never says which.

    Attributes:
        count: how many; all that waited, where the far end has refused one.
        status: of the refusal; ours is 503 (it could not be sent) or 481 (the call is not answered yet). None: too
            many waited already.
    """

    count: int
    status: int | None


@dataclass(frozen=True, slots=True)
class Referred:
    """A REFER from the far end waits for `accept_refer` or `reject_refer` (RFC 3515): it wants us to call `target`.

    `referred_by` is the URI in its Referred-By (RFC 3892). While one is open, a second one is refused with 491.
    """

    target: ReferTarget
    referred_by: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The dialog is over: BYE from the far end (answered already), no ACK (64*T1), 408/481 to a request of ours, or
    its session timer has run out; for a call to us also that a reliable provisional response had no PRACK (64*T1)."""

    q850: int | None
    reason: str
    """`bye`, `no_ack`, `no_answer` (we offered, and the ACK or 2xx brought no answer), `dialog_lost`,
    `session_expired` (RFC 4028 section 10), `no_prack` (RFC 3262 section 3)."""
    headers: tuple[tuple[str, str], ...] = ()
    """The X- and User-to-User header fields of the far end's BYE."""


SipCallEvent = (
    Provisional | Answered | Rejected | Cancelled | Confirmed | Reoffered | InfoDtmf | DigitsUnsent | Referred | Ended
)
OnSipCallEvent = Callable[[SipCallEvent], None]


class OutgoingCall(Protocol):
    """An INVITE that we sent, then the dialog that it made. Events come out of the callback given to `invite`.

    Exactly one of `Rejected` and `Ended` is the last event; after `hangup()` it may be none.
    All methods return at once and are safe in every state: what no longer makes sense is ignored.
    """

    @property
    def sip_call_id(self) -> SipCallId: ...

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """CANCEL before the final response (once a provisional came, RFC 3261 section 9.1), BYE after a 2xx.

        Args:
            headers: more header fields for a BYE, already allowed by the caller of this.
        """

    def answer_reoffer(self, sdp: Sdp) -> None:
        """200 to the re-INVITE that waits."""

    def reject_reoffer(self, status: int) -> None:
        """Refuse the re-INVITE that waits (488); the session goes on as before."""

    @property
    def dialog(self) -> Replaces | None:
        """This dialog as a third party names it towards the far end: `replaces` for `refer` or for a `Target`.

        None until the far end is known, and after the end.
        """

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None:
        """Offer again within the dialog; 491 is retried once after the time of RFC 3261 section 14.1."""

    @property
    def takes_info(self) -> bool:
        """Whether the far end has said so in its Allow; False before the answer."""

    def send_digits(self, digits: str, duration: float | None) -> None:
        """Give the far end digits, an INFO each, in their order; `DigitsUnsent` comes when it does not get them.

        Args:
            digits: of ``0-9 * # A-D``.
            duration: seconds of each, None for the usual.
        """

    def accept_refer(self) -> None:
        """202 to the REFER that waits, then a NOTIFY with `SIP/2.0 100 Trying`."""

    def reject_refer(self, status: int) -> None:
        """Refuse the REFER that waits, for example with 603."""

    def notify_refer(self, status: int, reason: str) -> None:
        """Tell the far end how its REFER goes; a final status ends the implicit subscription.

        Nothing is sent when there is none: not accepted, ended already, or the far end asked for none (RFC 4488).
        """

    def refer(self, uri: str, on_progress: OnReferProgress, *, replaces: Replaces | None = None) -> None:
        """Ask the far end to call `uri`; the last progress is final and comes after 300 s at the latest.

        After `hangup()` nothing comes any more.
        """


class IncomingCall(Protocol):
    """An INVITE that came to us from an accepted peer; 100 is already sent. Same rules as `OutgoingCall`."""

    @property
    def sip_call_id(self) -> SipCallId: ...

    @property
    def trunk(self) -> str:
        """The name of the trunk whose `accept_from` let it in; empty for a phone."""

    @property
    def identity(self) -> Identity | None:
        """The user of ours that it is, proved by a digest; None for a trunk."""

    @property
    def is_secure(self) -> bool:
        """Whether the INVITE came over an encrypted connection."""

    @property
    def request_user(self) -> str:
        """User part of the Request-URI, percent-decoded."""

    @property
    def request_host(self) -> str: ...

    @property
    def caller_number(self) -> str:
        """User part of From, or what the trunk's settings make of the INVITE."""

    @property
    def caller_name(self) -> str:
        """Display name of From, or empty."""

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """The header fields of the INVITE that the trunk's settings let through, in order."""

    @property
    def offer(self) -> Sdp | None:
        """The offer in the INVITE, None for a delayed offer."""

    @property
    def max_forwards(self) -> int:
        """Hops that its INVITE had left, at least 1."""

    @property
    def replaces(self) -> SipCallId | None:
        """The live call of ours that this one shall take the place of (RFC 3891), None for an ordinary call.

        Matching and its refusals are done. Who answers this call hangs up that one.
        """

    def listen(self, on_event: OnSipCallEvent) -> None:
        """Set the callback; events that came before are delivered at once."""

    def ring(self) -> None:
        """180 without SDP."""

    def progress(self, sdp: Sdp) -> None:
        """183 with SDP."""

    def answer(self, sdp: Sdp, *, session_expires: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """200 with SDP, repeated until the ACK comes (RFC 3261 section 13.3.1.4).

        Args:
            session_expires: seconds of a session timer (RFC 4028) that the far end is to refresh, whatever its INVITE
                says; None: as the INVITE and the settings want it.
            headers: more header fields, already allowed by the caller of this.
        """

    def reject(self, status: int, reason: str, *, q850: int | None = None, retry_after: int | None = None) -> None:
        """A final 3xx to 6xx; `retry_after` in seconds goes into a Retry-After header field."""

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Before the answer a 480 (use `reject` to choose), after it a BYE, never before the ACK or timer H."""

    def answer_reoffer(self, sdp: Sdp) -> None: ...

    def reject_reoffer(self, status: int) -> None: ...

    @property
    def dialog(self) -> Replaces | None: ...

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None: ...

    @property
    def takes_info(self) -> bool: ...

    def send_digits(self, digits: str, duration: float | None) -> None: ...

    def accept_refer(self) -> None: ...

    def reject_refer(self, status: int) -> None: ...

    def notify_refer(self, status: int, reason: str) -> None: ...

    def refer(self, uri: str, on_progress: OnReferProgress, *, replaces: Replaces | None = None) -> None: ...


class DepartingCall(OutgoingCall, Protocol):
    """An `OutgoingCall`, for whoever counts them."""

    def when_over(self, callback: Callable[[], None]) -> None:
        """Call it once when nothing is left of the call, on either side; at once if that is so already."""


class ArrivingCall(IncomingCall, Protocol):
    """An `IncomingCall` that call control has not seen yet: whoever lets it in says how it is shown."""

    @property
    def invite(self) -> Request: ...

    def when_over(self, callback: Callable[[], None]) -> None:
        """See `DepartingCall`."""

    def show(self, *, called: str, caller_number: str, caller_name: str, headers: Sequence[tuple[str, str]]) -> None:
        """What `request_user`, `caller_number`, `caller_name` and `headers` are from now on."""
