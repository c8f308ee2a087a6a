"""A leg that is a SIP dialog: one that we made towards a trunk, or one that a trunk made."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gateway.b2bua.core.events import (
    DigitsDialed,
    JoinRequested,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegProgressed,
    LegReoffered,
    LegRinging,
    ReinviteAnswered,
    ReinviteRefused,
    TransferRequested,
)
from gateway.b2bua.headers import Crossing, crossing_headers
from gateway.b2bua.legs.base import Party, Post
from gateway.b2bua.routing import ToTrunks
from gateway.domain.causes import (
    NORMAL_CLEARING,
    ORIGINATOR_CANCEL,
    RECOVERY_ON_TIMER_EXPIRE,
    Cause,
    from_q850,
    from_sip_response,
    is_telnyx_rejection,
)
from gateway.domain.client_media import ClientMedia, DtmfMode
from gateway.domain.identity import Identity
from gateway.domain.ids import LegName, Sdp, SipCallId
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions, Profile
from gateway.observability.logging import get_logger
from gateway.sip.call import (
    Answered,
    Cancelled,
    Confirmed,
    DigitsUnsent,
    Ended,
    IncomingCall,
    InfoDtmf,
    OnSipCallEvent,
    OutgoingCall,
    Provisional,
    Referred,
    Rejected,
    Reoffered,
    Replaces,
    SipCallEvent,
    Target,
)
from gateway.sip.core.info_dtmf import are_digits
from gateway.trunks.core.rules import OutboundCall, dress

RETRYABLE: Final = frozenset({408, 500, 502, 503, 504})
"""Responses that are no word of the called side: the next trunk may be tried (RFC 3261 section 16.7, 21.5)."""

InviteFunction = Callable[[Target, Sdp, OnSipCallEvent], OutgoingCall]

FindReplaced = Callable[[Replaces], SipCallId | None]
"""Finds the live call of ours that a Replaces names (`sip.ua.UserAgent.find_replaced`)."""

_URI_THAT_MAY_CROSS: Final = re.compile(r"^sips?:[^\s<>\"\x00-\x1f\x7f]{1,256}$", re.IGNORECASE)


_log = get_logger()


def q850_of_cause(cause: Cause) -> int | None:
    """What goes into a Reason header field: Q.850 has seven bits, FreeSWITCH's own numbers stay at home."""
    return cause.code if cause.code < 128 else None


class SipLeg(ABC):
    """What all kinds have in common: everything within the dialog.

    Attributes:
        media: what a phone's connection asks for; of a trunk how it gets digits.
        identity: the user whose phone it is, None for a trunk.
    """

    profile: Final = Profile.RTP
    identity: Identity | None = None

    def __init__(
        self,
        name: LegName,
        *,
        party: Party,
        post: Post,
        find_replaced: FindReplaced,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.name, self.party, self.post, self._options = name, party, post, options
        self.media = ClientMedia(dtmf=options.dtmf)
        self.referred: Referred | None = None
        """The REFER that was accepted or waits to be."""
        self._find_replaced = find_replaced

    @property
    def options(self) -> LegOptions:
        """See `Leg`."""
        return replace(self._options, dtmf=self.media.dtmf, keeps_order=self.media.codecs is not None)

    def demand_encryption(self) -> None:
        """Have nothing in plain, where encryption was optional; before its media is opened."""
        if self._options.encryption is MediaEncryption.OPTIONAL:
            self._options = replace(self._options, encryption=MediaEncryption.REQUIRED)

    @property
    @abstractmethod
    def _dialog(self) -> OutgoingCall | IncomingCall | None:
        """What speaks SIP; None before the INVITE and after the end."""

    def move(self, name: LegName, post: Post) -> None:
        """See `Leg`."""
        self.name, self.post = name, post

    def answer_reoffer(self, sdp: Sdp) -> None:
        """200 to the re-INVITE."""
        if (dialog := self._dialog) is not None:
            dialog.answer_reoffer(sdp)

    def reject_reoffer(self, sip_status: int) -> None:
        """Refuse the re-INVITE; the session goes on as it was."""
        if (dialog := self._dialog) is not None:
            dialog.reject_reoffer(sip_status)

    @property
    def takes_digits(self) -> bool:
        """Where that is how it wants them, or its far end has said that it takes INFO."""
        dialog = self._dialog
        return self.media.dtmf is DtmfMode.SIP_INFO or (dialog is not None and dialog.takes_info)

    def send_digits(self, digits: str, duration: float | None) -> None:
        """INFO. They are counted in logs, never written."""
        if not are_digits(digits):
            _log.warning("digits_refused", leg=self.name.value, count=len(digits))
        elif (dialog := self._dialog) is None:
            self._miss(DigitsUnsent(len(digits), 481))
        else:
            dialog.send_digits(digits, duration)

    def set_hold(self, is_held: bool) -> None:  # noqa: B027 - a whole answer, not a gap
        """A trunk holds by re-INVITE, which media answers; there is nothing to confirm."""

    def reinvite(self, sdp: Sdp) -> None:
        """Re-INVITE with that offer."""
        if (dialog := self._dialog) is not None:
            dialog.reinvite(sdp, self._report_reinvite)

    def _report_reinvite(self, result: Answered | Rejected) -> None:
        """A 2xx always has an answer here: the user agent ends a dialog whose far end left it out."""
        match result:
            case Answered(sdp=sdp) if sdp is not None:
                self.post(ReinviteAnswered(self.name, sdp))
            case Answered():
                self.post(ReinviteRefused(self.name, 488))
            case Rejected(status=status):
                self.post(ReinviteRefused(self.name, status))

    def accept_transfer(self) -> None:
        """202 to the REFER."""
        if (dialog := self._dialog) is not None:
            dialog.accept_refer()

    def refuse_transfer(self, cause: Cause, _reason: str) -> None:
        """Refuse the REFER."""
        self.referred = None
        if (dialog := self._dialog) is not None:
            dialog.reject_refer(cause.sip_status)

    def report_transfer(self, sip_status: int, sip_reason: str) -> None:
        """NOTIFY."""
        if sip_status >= 200:
            self.referred = None
        if (dialog := self._dialog) is not None:
            dialog.notify_refer(sip_status, sip_reason)

    def show(self, party: Party) -> None:  # noqa: B027 - a whole answer, not a gap
        """A trunk is not told who is on the other side."""

    def ask(self) -> None:  # noqa: B027 - a whole answer, not a gap
        """Session timers do."""

    def attach(self, sdp: Sdp, socket: int) -> None:  # noqa: B027 - a whole answer, not a gap
        """A dialog outlives its connections: there is nothing to take up again."""

    def _translate_in_dialog(self, event: SipCallEvent) -> None:
        match event:
            case Reoffered(sdp=sdp):
                self.post(LegReoffered(self.name, sdp))
            case InfoDtmf(digit, duration):
                self.post(DigitsDialed(self.name, digit, duration))
            case DigitsUnsent():
                self._miss(event)
            case Referred():
                self._refer(event)
            case Ended(q850=q850, reason="bye", headers=headers):
                cause = NORMAL_CLEARING if q850 is None else from_q850(q850)
                self.post(LegEnded(self.name, cause, headers=crossing_headers(headers)))
            case Ended():
                self.post(LegEnded(self.name, RECOVERY_ON_TIMER_EXPIRE))
            case _:
                return

    def _miss(self, digits: DigitsUnsent) -> None:
        what = "digits_dropped" if digits.status is None else "digits_not_sent"
        sip_call_id = None if (dialog := self._dialog) is None else dialog.sip_call_id
        _log.warning(what, leg=self.name.value, sip_call_id=sip_call_id, count=digits.count, sip_status=digits.status)

    def _refer(self, referred: Referred) -> None:
        """A REFER: to a destination, or to the far end of another call that the trunk has with us (RFC 5589)."""
        self.referred = referred
        replaces = referred.target.replaces
        other = None if replaces is None else self._find_replaced(replaces)
        if other is None:
            self.post(TransferRequested(self.name, referred.target.uri, stays=True))
        else:
            self.post(JoinRequested(self.name, other, stays=True))


class TrunkLeg(SipLeg):
    """A leg that calls a trunk. `sip_call_id` and `trunk` follow the attempt that is under way."""

    offer: Final = None

    def __init__(
        self,
        name: LegName,
        route: ToTrunks,
        *,
        invite: InviteFunction,
        call: OutboundCall,
        post: Post,
        find_replaced: FindReplaced,
        replaces: Replaces | None = None,
    ) -> None:
        """
        Args:
            call: what each trunk gets in its own way.
            replaces: the dialog at the called side that the call shall take over.
        """
        party = Party(name=route.user, number=route.user)
        first = route.trunks[0]  # one offer serves all attempts
        options = LegOptions(encryption=first.encryption, dtmf=first.dtmf)
        super().__init__(name, party=party, post=post, find_replaced=find_replaced, options=options)
        self._route, self._invite, self._replaces = route, invite, replaces
        self._outbound = call
        self._call: OutgoingCall | None = None
        self._attempt = -1
        self._trunk = 0
        self._sip_call_id: SipCallId | None = None

    @property
    def _dialog(self) -> OutgoingCall | None:
        return self._call

    @property
    def codecs(self) -> tuple[str, ...]:
        """The first trunk's codecs, then what the others add: one offer serves all attempts."""
        return tuple(dict.fromkeys(codec for trunk in self._route.trunks for codec in trunk.codecs))

    @property
    def trunk_name(self) -> str:
        """The trunk of the attempt under way, or of the last one."""
        return self._route.trunks[self._trunk].name

    @property
    def sip_call_id(self) -> SipCallId | None:
        """The Call-ID of the attempt under way."""
        return self._sip_call_id

    @property
    def takes_digits(self) -> bool:
        """As the trunk says that is called, whatever the first one's offer was."""
        return self._route.trunks[self._trunk].dtmf is DtmfMode.SIP_INFO or super().takes_digits

    def dial(self, target: int, offer: Sdp) -> None:
        """Send the INVITE to that trunk."""
        self._attempt = self._trunk = target
        trunk = self._route.trunks[target]
        scheme, _, rest = trunk.uri.partition(":")
        dressed = dress(self._outbound, trunk.rules)
        self._call = self._invite(
            Target(
                uri=f"{scheme}:{dressed.user}@{rest}",
                from_uri=dressed.from_uri,
                from_name=dressed.from_name,
                username=trunk.username,
                password=trunk.password,
                realm=trunk.realm,
                headers=dressed.headers,
                replaces=self._replaces,
                trunk=trunk.name,
                reliable_provisional=trunk.reliable_provisional,
                follow_redirects=trunk.follow_redirects,
                has_alternative=target + 1 < len(self._route.trunks),
                may_open_keys=trunk.may_open_keys,
            ),
            offer,
            lambda event: self._translate(target, event),
        )
        self._sip_call_id = self._call.sip_call_id

    def _translate(self, attempt: int, event: SipCallEvent) -> None:
        if attempt != self._attempt:
            return  # the last word of a trunk that we left for the next
        match event:
            case Provisional(sdp=sdp) if sdp is not None:
                self.post(LegProgressed(sdp))
            case Provisional(status=status) if status != 100:
                self.post(LegRinging())
            case Answered(sdp=sdp, headers=headers):
                self.post(LegAnswered(sdp, crossing_headers(headers.items())))
            case Rejected(status=status, reason=reason, q850=q850):
                self._call = None
                # Our own cause table knows a SIP status better than the trunk's switch does, but for 5xx and 480.
                is_vague = (status >= 500 or status == 480) and not is_telnyx_rejection(reason)
                cause = from_q850(q850) if is_vague and q850 is not None else from_sip_response(status, reason)
                self.post(LegEnded(self.name, cause, status, reason, status in RETRYABLE))
            case _:
                self._translate_in_dialog(event)

    def ring(self) -> None:
        """It called; it is never told to ring."""

    def early_media(self, sdp: Sdp) -> None:
        """It called; it is never given early media."""

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """It called; it is never answered."""

    def hangup(self, cause: Cause, _sip_status: int | None, _sip_reason: str | None, headers: Crossing) -> None:
        """CANCEL or BYE with the cause in a Reason header field (RFC 3326)."""
        call, self._call = self._call, None
        self._attempt = len(self._route.trunks)
        if call is not None:
            call.hangup(q850=q850_of_cause(cause), headers=headers)


class CallerLeg(SipLeg):
    """A leg that a trunk called, or a phone of ours."""

    def __init__(
        self,
        name: LegName,
        call: IncomingCall,
        *,
        codecs: tuple[str, ...],
        post: Post,
        find_replaced: FindReplaced,
        options: LegOptions = DEFAULT_OPTIONS,
    ) -> None:
        number = shown_number(call)
        party = Party(name=call.caller_name or number, number=number)
        super().__init__(name, party=party, post=post, find_replaced=find_replaced, options=options)
        self._call, self.codecs, self.identity = call, codecs, call.identity
        self._early: Sdp | None = None
        self._is_answered = self._is_over = False
        call.listen(self._translate)

    @property
    def _dialog(self) -> IncomingCall:
        return self._call

    @property
    def offer(self) -> Sdp | None:
        """The offer of the INVITE."""
        return self._call.offer

    @property
    def trunk_name(self) -> str | None:
        """The trunk that let it in; None for a phone."""
        return self._call.trunk or None

    @property
    def sip_call_id(self) -> SipCallId:
        """The Call-ID of the INVITE."""
        return self._call.sip_call_id

    def _translate(self, event: SipCallEvent) -> None:
        match event:
            case Cancelled(q850=q850):
                self._is_over = True
                cause = ORIGINATOR_CANCEL if q850 is None else from_q850(q850)
                self.post(LegEnded(self.name, cause, 487, "Request Terminated"))
            case Confirmed(sdp=sdp):
                self.post(LegConfirmed(sdp))
            case _:
                self._is_over = self._is_over or isinstance(event, Ended)
                self._translate_in_dialog(event)

    def dial(self, target: int, offer: Sdp) -> None:
        """It was called; it is never dialled."""

    def ring(self) -> None:
        """180."""
        self._call.ring()

    def early_media(self, sdp: Sdp) -> None:
        """183 with SDP."""
        self._early = sdp
        self._call.progress(sdp)

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """200 with SDP: that of the early media, where there was some."""
        sdp = sdp or self._early
        assert sdp is not None
        self._is_answered = True
        self._call.answer(sdp, headers=headers)

    def hangup(self, cause: Cause, sip_status: int | None, sip_reason: str | None, headers: Crossing) -> None:
        """A final response before the answer, BYE after it."""
        if self._is_over:
            return
        self._is_over = True
        if self._is_answered:
            self._call.hangup(q850=q850_of_cause(cause), headers=headers)
        else:
            status, reason = sip_status or cause.sip_status, sip_reason or cause.sip_reason
            self._call.reject(status, reason, q850=q850_of_cause(cause))


def user_of(leg: object) -> Identity | None:
    """The user whose phone is at the far end of a leg; None for a trunk, and for a client."""
    return leg.identity if isinstance(leg, SipLeg) else None


def shown_number(call: IncomingCall) -> str:
    """Whom the called side sees: of a phone the number that it says, else that of its connection, else its user name.

    As for a client (`directory.call_requested`): a phone's From has its user name when it asks for nothing.
    """
    identity = call.identity
    if identity is None or call.caller_number not in ("", identity.username):
        return call.caller_number
    return identity.caller_number or identity.username


def referred_by(text: str | None) -> tuple[tuple[str, str], ...]:
    """The Referred-By header field (RFC 3892) of the call that a transfer makes; nothing for what is no plain URI."""
    is_uri = text is not None and _URI_THAT_MAY_CROSS.match(text)
    return (("Referred-By", f"<{text}>"),) if is_uri else ()
