"""A leg that calls the SIP phones of a user: all of them ring, the first to answer has the call (RFC 3261, 16.7).

They get the same offer, and only one answer ever reaches media. A phone with several flows (RFC 5626) is called over
the newest, and over the next one if that fails.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.b2bua.core.events import LegAnswered, LegEnded, LegProgressed, LegRinging
from gateway.b2bua.headers import Crossing, crossing_headers
from gateway.b2bua.legs.base import Party, Post
from gateway.b2bua.legs.sip import RETRYABLE, FindReplaced, InviteFunction, SipLeg, q850_of_cause
from gateway.domain.causes import PICKED_OFF, Cause, from_q850, from_sip_response
from gateway.domain.client_media import ClientMedia
from gateway.domain.ids import LegName, Sdp, SipCallId
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import LegOptions
from gateway.sip.call import Answered, OutgoingCall, Provisional, Rejected, SipCallEvent, Target
from gateway.sip.core.headers.reason import NON_SELECTED_USER
from gateway.sip.registrar import Phone, PhoneUser

FLOW_FAILED: Final = frozenset({408, 430, 503})
"""Nobody was reached: another flow of the same phone may be tried (RFC 5626 section 5.3)."""

ANSWERED_ELSEWHERE: Final = NON_SELECTED_USER
"""Q.850's non-selected user clearing, in the Reason of a CANCEL: another phone has the call, none is missed."""


class PhoneLeg(SipLeg):
    """`sip_call_id` is that of the phone that answered, or of the one that was dialled first."""

    offer: Final = None
    trunk_name: Final = None

    def __init__(
        self,
        name: LegName,
        user: PhoneUser,
        *,
        media: ClientMedia,
        codecs: tuple[str, ...],
        invite: InviteFunction,
        from_uri: str,
        from_name: str,
        to_uri: str,
        headers: tuple[tuple[str, str], ...],
        post: Post,
        find_replaced: FindReplaced,
    ) -> None:
        """
        Args:
            media: what the user's connection asks for.
            to_uri: the user's address.
        """
        encryption = MediaEncryption.REQUIRED if media.requires_encryption else MediaEncryption.OFF
        super().__init__(
            name,
            party=Party(name=user.username, number=user.username),
            post=post,
            find_replaced=find_replaced,
            options=LegOptions(encryption=encryption, may_send_keys=all(_is_over_tls(phone) for phone in user.phones)),
        )
        self.media, self.codecs, self.identity = media, codecs, user.identity
        self._invite, self._headers = invite, headers
        self._from_uri, self._from_name, self._to_uri = from_uri, from_name, to_uri
        self._flows = _by_phone(user.phones)
        self._ringing: dict[int, OutgoingCall] = {}
        self._call: OutgoingCall | None = None
        self._sip_call_id: SipCallId | None = None
        self._refusals: list[LegEnded] = []
        self._has_rung = self._is_over = False

    @property
    def connection_id(self) -> str | None:
        """The connection of the user."""
        return None if self.identity is None else self.identity.connection_id

    @property
    def _dialog(self) -> OutgoingCall | None:
        return self._call

    @property
    def sip_call_id(self) -> SipCallId | None:
        """See the class."""
        return self._sip_call_id

    def dial(self, _target: int, offer: Sdp) -> None:
        """Every phone rings."""
        for number in range(len(self._flows)):
            self._dial_next(number, offer)

    def _dial_next(self, number: int, offer: Sdp) -> None:
        phone = self._flows[number].pop(0)
        call = self._ringing[number] = self._invite(
            Target(
                uri=phone.uri,
                to_uri=self._to_uri,
                from_uri=self._from_uri,
                from_name=self._from_name,
                headers=self._headers,
                routes=phone.path,
                flow=None if phone.path else phone.flow,
            ),
            offer,
            partial(self._translate, number, len(self._flows[number]), offer),
        )
        self._sip_call_id = self._sip_call_id or call.sip_call_id

    def _translate(self, number: int, flows_left: int, offer: Sdp, event: SipCallEvent) -> None:
        if self._call is not None:
            if self._ringing.get(number) is self._call:
                self._translate_in_dialog(event)
            return
        if self._is_over or len(self._flows[number]) != flows_left:
            return  # the last word of a phone or a flow that we left
        match event:
            case Provisional(sdp=sdp) if sdp is not None and len(self._flows) == 1:
                self.post(LegProgressed(sdp))
            case Provisional(status=status) if status != 100:
                self._ring()
            case Answered(sdp=sdp, headers=headers):
                self._win(number)
                self.post(LegAnswered(sdp, crossing_headers(headers.items())))
            case Rejected(status=status) if status in FLOW_FAILED and flows_left:
                self._dial_next(number, offer)
            case Rejected():
                self._lose(number, event)
            case _:
                return  # nothing else comes before the answer

    def _ring(self) -> None:
        if not self._has_rung:
            self._has_rung = True
            self.post(LegRinging())

    def _win(self, number: int) -> None:
        self._call = self._ringing[number]
        self._sip_call_id = self._call.sip_call_id
        self._hang_up_others(number, ANSWERED_ELSEWHERE)

    def _lose(self, number: int, rejected: Rejected) -> None:
        del self._ringing[number]
        status, reason, q850 = rejected.status, rejected.reason, rejected.q850
        cause = from_q850(q850) if q850 is not None and status == 480 else from_sip_response(status, reason)
        ended = LegEnded(self.name, cause, status, reason, status in RETRYABLE)
        self._refusals.append(ended)
        if status >= 600:  # section 16.7 step 5: nobody of that user wants the call
            self._hang_up_others(number, q850_of_cause(cause))
            self._end(ended)
        elif not self._ringing:
            self._end(min(self._refusals, key=_weight))

    def _end(self, ended: LegEnded) -> None:
        self._is_over = True
        self.post(ended)

    def _hang_up_others(self, number: int, q850: int | None) -> None:
        for other, call in self._ringing.items():
            if other != number:
                call.hangup(q850=q850)

    def hangup(self, cause: Cause, _sip_status: int | None, _sip_reason: str | None, headers: Crossing) -> None:
        """CANCEL to all that ring, or BYE."""
        if self._is_over:
            return
        self._is_over = True
        q850 = ANSWERED_ELSEWHERE if cause is PICKED_OFF else q850_of_cause(cause)
        calls = list(self._ringing.values()) if self._call is None else [self._call]
        for call in calls:
            call.hangup(q850=q850, headers=headers)
        self._ringing.clear()
        self._call = None

    # What follows is for a leg that has called us.

    def ring(self) -> None:
        """It was called; it is never told to ring."""

    def early_media(self, sdp: Sdp) -> None:
        """It was called; it is never given early media."""

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """It was called; it is never answered."""


def _by_phone(phones: Sequence[Phone]) -> list[list[Phone]]:
    """The flows of each phone, the newest first; phones in their order."""
    found: dict[object, list[Phone]] = {}
    for phone in phones:
        key = (phone.instance,) if phone.reg_id is not None else phone.uri
        found.setdefault(key, []).append(phone)
    return [sorted(flows, key=lambda flow: -flow.refreshed_at) for flows in found.values()]


def _is_over_tls(phone: Phone) -> bool:
    """Whether a description for it goes over an encrypted connection all the way that we know."""
    return phone.flow is not None and not phone.path and phone.flow.remote.transport == "tls"


def _weight(ended: LegEnded) -> tuple[bool, int]:
    """The best of several refusals (section 16.7 step 6): somebody's word before a failure, then the lowest."""
    status = ended.sip_status or 500
    return ended.is_retryable, status


__all__ = ["PhoneLeg"]
