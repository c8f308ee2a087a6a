"""A leg that is a SIP dialog: towards a trunk (B) or from one (A)."""

from collections.abc import Callable
from typing import Final

from gateway.b2bua.core.events import (
    DigitsDialed,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegProgressed,
    LegReoffered,
    LegRinging,
    ReinviteAnswered,
    ReinviteRefused,
)
from gateway.b2bua.headers import Crossing, crossing_headers
from gateway.b2bua.legs.base import Post
from gateway.b2bua.routing import ToTrunks
from gateway.domain.causes import (
    NORMAL_CLEARING,
    ORIGINATOR_CANCEL,
    RECOVERY_ON_TIMER_EXPIRE,
    Cause,
    from_q850,
    from_sip_status,
)
from gateway.domain.ids import LegName, Sdp, SipCallId
from gateway.media.engine import Profile
from gateway.sip.call import (
    Answered,
    Cancelled,
    Confirmed,
    Ended,
    IncomingCall,
    InfoDtmf,
    OnSipCallEvent,
    OutgoingCall,
    Provisional,
    Referred,
    Rejected,
    Reoffered,
    SipCallEvent,
    Target,
)

RETRYABLE: Final = frozenset({408, 500, 502, 503, 504})
"""Responses that are no word of the called side: the next trunk may be tried (RFC 3261 section 16.7, 21.5)."""

InviteFunction = Callable[[Target, Sdp, OnSipCallEvent], OutgoingCall]


def _q850(cause: Cause) -> int | None:
    """What goes into a Reason header field: Q.850 has seven bits, FreeSWITCH's own numbers stay at home."""
    return cause.code if cause.code < 128 else None


class TrunkLeg:
    """Leg B towards a trunk. `sip_call_id` and `trunk` follow the attempt that is under way."""

    name: Final = LegName.B
    profile: Final = Profile.RTP
    offer: Final = None

    def __init__(
        self,
        route: ToTrunks,
        *,
        invite: InviteFunction,
        from_uri: str,
        from_name: str,
        headers: tuple[tuple[str, str], ...],
        post: Post,
    ) -> None:
        self._route, self._invite, self._post = route, invite, post
        self._from_uri, self._from_name, self._headers = from_uri, from_name, headers
        self._call: OutgoingCall | None = None
        self._attempt = -1
        self._trunk = 0
        self._sip_call_id: SipCallId | None = None

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

    def dial(self, target: int, offer: Sdp) -> None:
        """Send the INVITE to that trunk."""
        self._attempt = self._trunk = target
        trunk = self._route.trunks[target]
        scheme, _, rest = trunk.uri.partition(":")
        self._call = self._invite(
            Target(
                uri=f"{scheme}:{self._route.user}@{rest}",
                from_uri=self._from_uri,
                from_name=self._from_name,
                username=trunk.username,
                password=trunk.password,
                headers=self._headers,
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
                self._post(LegProgressed(sdp))
            case Provisional(status=status) if status != 100:
                self._post(LegRinging())
            case Answered(sdp=sdp, headers=headers):
                self._post(LegAnswered(sdp, crossing_headers(headers.items())))
            case Rejected(status=status, reason=reason, q850=q850):
                self._call = None
                # Our own cause table knows a SIP status better than the trunk's switch does, but for 5xx and 480.
                has_detail = q850 is not None and (status >= 500 or status == 480)
                cause = from_q850(q850) if has_detail and q850 is not None else from_sip_status(status)
                self._post(LegEnded(self.name, cause, status, reason, status in RETRYABLE))
            case Referred() if self._call is not None:
                self._call.reject_refer(603)
            case _:
                _translate_in_dialog(self.name, event, self._post)

    def ring(self) -> None:
        """Leg B is never told to ring."""

    def early_media(self, sdp: Sdp) -> None:
        """Leg B is never given early media."""

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """Leg B is never answered."""

    def attach(self, sdp: Sdp) -> None:
        """A dialog outlives its connections: there is nothing to take up again."""

    def hangup(self, cause: Cause, _sip_status: int | None, _sip_reason: str | None, headers: Crossing) -> None:
        """CANCEL or BYE with the cause in a Reason header field (RFC 3326)."""
        call, self._call = self._call, None
        self._attempt = len(self._route.trunks)
        if call is not None:
            call.hangup(q850=_q850(cause), headers=headers)

    def answer_reoffer(self, sdp: Sdp) -> None:
        """200 to the re-INVITE."""
        if self._call is not None:
            self._call.answer_reoffer(sdp)

    def reject_reoffer(self, sip_status: int) -> None:
        """Refuse the re-INVITE; the session goes on as it was."""
        if self._call is not None:
            self._call.reject_reoffer(sip_status)

    def set_hold(self, is_held: bool) -> None:
        """A trunk holds by re-INVITE, which media answers; there is nothing to confirm."""

    def reinvite(self, sdp: Sdp) -> None:
        """Re-INVITE with that offer."""
        if self._call is not None:
            self._call.reinvite(sdp, lambda result: _report_reinvite(self.name, result, self._post))


class CallerLeg:
    """Leg A from a trunk."""

    name: Final = LegName.A
    profile: Final = Profile.RTP

    def __init__(self, call: IncomingCall, *, codecs: tuple[str, ...], post: Post) -> None:
        self._call, self.codecs, self._post = call, codecs, post
        self._is_answered = self._is_over = False
        call.listen(self._translate)

    @property
    def offer(self) -> Sdp | None:
        """The offer of the INVITE."""
        return self._call.offer

    @property
    def trunk_name(self) -> str:
        """The trunk that let it in."""
        return self._call.trunk

    @property
    def sip_call_id(self) -> SipCallId:
        """The Call-ID of the INVITE."""
        return self._call.sip_call_id

    def _translate(self, event: SipCallEvent) -> None:
        match event:
            case Cancelled(q850=q850):
                self._is_over = True
                cause = ORIGINATOR_CANCEL if q850 is None else from_q850(q850)
                self._post(LegEnded(self.name, cause, 487, "Request Terminated"))
            case Confirmed(sdp=sdp):
                self._post(LegConfirmed(sdp))
            case Referred():
                self._call.reject_refer(603)
            case _:
                self._is_over = self._is_over or isinstance(event, Ended)
                _translate_in_dialog(self.name, event, self._post)

    def dial(self, target: int, offer: Sdp) -> None:
        """Leg A is never dialled."""

    def ring(self) -> None:
        """180."""
        self._call.ring()

    def early_media(self, sdp: Sdp) -> None:
        """183 with SDP."""
        self._call.progress(sdp)

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """200 with SDP. B is a client and sends no early media, so there always is one."""
        assert sdp is not None
        self._is_answered = True
        self._call.answer(sdp, headers=headers)

    def attach(self, sdp: Sdp) -> None:
        """A dialog outlives its connections: there is nothing to take up again."""

    def hangup(self, cause: Cause, sip_status: int | None, sip_reason: str | None, headers: Crossing) -> None:
        """A final response before the answer, BYE after it."""
        if self._is_over:
            return
        self._is_over = True
        if self._is_answered:
            self._call.hangup(q850=_q850(cause), headers=headers)
        else:
            status, reason = sip_status or cause.sip_status, sip_reason or cause.sip_reason
            self._call.reject(status, reason, q850=_q850(cause))

    def answer_reoffer(self, sdp: Sdp) -> None:
        """200 to the re-INVITE."""
        self._call.answer_reoffer(sdp)

    def reject_reoffer(self, sip_status: int) -> None:
        """Refuse the re-INVITE; the session goes on as it was."""
        self._call.reject_reoffer(sip_status)

    def set_hold(self, is_held: bool) -> None:
        """A trunk holds by re-INVITE, which media answers; there is nothing to confirm."""

    def reinvite(self, sdp: Sdp) -> None:
        """Re-INVITE with that offer."""
        self._call.reinvite(sdp, lambda result: _report_reinvite(self.name, result, self._post))


def _report_reinvite(leg: LegName, result: Answered | Rejected, post: Post) -> None:
    """A 2xx always has an answer here: the user agent ends a dialog whose far end left it out."""
    match result:
        case Answered(sdp=sdp) if sdp is not None:
            post(ReinviteAnswered(leg, sdp))
        case Answered():
            post(ReinviteRefused(leg, 488))
        case Rejected(status=status):
            post(ReinviteRefused(leg, status))


def _translate_in_dialog(leg: LegName, event: SipCallEvent, post: Post) -> None:
    match event:
        case Reoffered(sdp=sdp):
            post(LegReoffered(leg, sdp))
        case InfoDtmf(digit=digit):
            post(DigitsDialed(leg, digit))
        case Ended(q850=q850, reason="bye", headers=headers):
            cause = NORMAL_CLEARING if q850 is None else from_q850(q850)
            post(LegEnded(leg, cause, headers=crossing_headers(headers)))
        case Ended():
            post(LegEnded(leg, RECOVERY_ON_TIMER_EXPIRE))
        case _:
            return
