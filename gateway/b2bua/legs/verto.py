"""A leg that is a call of a Verto client: the caller (A) or the called (B)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.b2bua.core.events import (
    CandidateTrickled,
    DigitsDialed,
    HoldRequested,
    JoinRequested,
    LegAnswered,
    LegAttached,
    LegDetached,
    LegEnded,
    LegHeardAttach,
    LegReoffered,
    LegReturned,
    LegRinging,
    TransferRequested,
)
from gateway.b2bua.headers import Crossing, crossing_headers
from gateway.b2bua.legs.base import Party, Post
from gateway.domain.causes import NETWORK_OUT_OF_ORDER, RECOVERY_ON_TIMER_EXPIRE, Cause
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia, DtmfMode
from gateway.domain.ids import LegName, Sdp, VertoCallId
from gateway.media.engine import LegOptions, Profile
from gateway.vsp.control import (
    AttachHeard,
    ClientAnswer,
    ClientAttach,
    ClientBye,
    ClientCandidate,
    ClientDtmf,
    ClientHold,
    ClientMessage,
    ClientReplace,
    ClientRinging,
    ClientSession,
    ClientTransfer,
    ClientUpdateMedia,
    SocketLost,
)

CALL_ERROR: Final = -32002
"""JSON-RPC code of a call error (verto-js 2.4)."""

_HOLD_ACTIONS: Final[Mapping[bool | None, str]] = {True: "hold", False: "unhold", None: "toggleHold"}
"""What the client asked for, as its result repeats it (verto-mobile M-44)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelnyxIds:
    """`telnyx_session_id` is the call's, `telnyx_leg_id` the leg's (verto-js 4.4)."""

    session_id: str
    leg_id: str


class LegWatch(Protocol):
    """Who keeps account of clients' legs (`client_legs.ClientLegs`)."""

    def opened(self, leg: "VertoLeg") -> None:
        """The client has been sent an invite; again when it came back and rings again."""

    def closed(self, leg: "VertoLeg") -> None:
        """The leg is over."""


class VertoLeg:
    """One browser of a call, that called (then it has an `offer`) or is called: only the first message differs."""

    profile: Final = Profile.WEBRTC
    trunk_name: Final = None
    sip_call_id: Final = None

    def __init__(
        self,
        name: LegName,
        session: ClientSession,
        verto_call_id: VertoCallId,
        *,
        offer: Sdp | None,
        codecs: tuple[str, ...],
        caller: Party,
        callee: Party,
        ids: TelnyxIds,
        headers: tuple[tuple[str, str], ...],
        post: Post,
        watch: LegWatch | None = None,
        dialed: str | None = None,
        keeps_media: bool = False,
        media: ClientMedia = DEFAULT_CLIENT_MEDIA,
    ) -> None:
        """
        Args:
            codecs: what it may use; its own offer decides where the client calls.
            dialed: what was called, where that is not what the callee is shown as.
            keeps_media: whether the client says that it keeps its peer connection without a socket.
            media: what its connection asks for. It may be set later, until the call's media is opened.
        """
        self.media = media
        self.name, self.session, self.verto_call_id, self.codecs = name, session, verto_call_id, codecs
        self.offer, self.post = offer, post
        self._watch, self._dialed = watch, dialed
        self._caller, self._callee, self._ids, self._headers = caller, callee, ids, headers
        self._has_called = offer is not None
        self._known_as = None if offer is None else verto_call_id
        """The call id that the client has called us with, or was last invited under."""
        self._socket = 0
        """Which of the client's sockets `session` is."""
        self._is_over = self._is_away = False
        self._keeps_media = keeps_media
        self._has_answered = self._has_called
        self.device_token: str | None = None
        """The device on which the user answered, where the client says so."""
        self._hold_requests: list[ClientHold] = []
        self._update_request: str | None = None
        self._transfer: ClientTransfer | ClientReplace | None = None

    @property
    def was_called(self) -> bool:
        """Whether we called the client, not it us."""
        return not self._has_called

    @property
    def has_answered(self) -> bool:
        """Whether the client has called, or taken our call."""
        return self._has_answered

    @property
    def leg_id(self) -> str:
        """`telnyx_leg_id`."""
        return self._ids.leg_id

    @property
    def telnyx_session_id(self) -> str:
        """As the client sees it, also after the leg has moved to another call."""
        return self._ids.session_id

    @property
    def caller(self) -> Party:
        """Who calls, as it is shown now."""
        return self._caller

    @property
    def dialed(self) -> str:
        """What was called."""
        return self._callee.number if self._dialed is None else self._dialed

    @property
    def party(self) -> Party:
        """See `Leg`."""
        return self._caller if self._has_called else self._callee

    @property
    def options(self) -> LegOptions:
        """See `Leg`. The order of codecs is the connection's where we offer, which is where we call."""
        return LegOptions(dtmf=self.media.dtmf, keeps_order=self.was_called and self.media.codecs is not None)

    def move(self, name: LegName, post: Post) -> None:
        """See `Leg`."""
        self.name, self.post = name, post

    def receive(self, message: ClientMessage) -> None:
        """Translate what the client sent about this call."""
        if self._is_over:
            return
        match message:
            case ClientRinging():
                self.post(LegRinging())
            case ClientAnswer() as answer:
                self._receive_answer(answer)
            case ClientAttach(sdp=sdp, keeps_media=keeps_media):
                self._keeps_media = keeps_media
                self.post(LegAttached(self.name, sdp))
            case AttachHeard():
                self.post(LegHeardAttach(self.name))
            case ClientBye(cause=cause, custom_headers=headers):
                self._end(cause, crossing_headers(headers))
            case SocketLost():
                self._end(RECOVERY_ON_TIMER_EXPIRE if self._is_away else NETWORK_OUT_OF_ORDER)
            case _:
                self._receive_in_dialog(message)

    def _end(self, cause: Cause, headers: Crossing = ()) -> None:
        self._close()
        self.post(LegEnded(self.name, cause, headers=headers))

    def _close(self) -> None:
        self._is_over = True
        if self._watch is not None:
            self._watch.closed(self)

    def _receive_in_dialog(self, message: ClientMessage) -> None:
        match message:
            case ClientHold(is_held=is_held):
                self._hold_requests.append(message)
                self.post(HoldRequested(self.name, is_held))
            case ClientUpdateMedia(request_id, sdp):
                self._receive_update(request_id, sdp)
            case ClientDtmf(digits):
                self.post(DigitsDialed(self.name, digits))
            case ClientCandidate(candidate):
                self.post(CandidateTrickled(self.name, candidate))
            case ClientTransfer() | ClientReplace():
                self._receive_transfer(message)
            case _:
                raise ValueError(f"unknown message {type(message).__name__}")

    def _receive_transfer(self, message: ClientTransfer | ClientReplace) -> None:
        if self._transfer is not None:
            reason = "another transfer of this call is under way"
            self.session.reply_error(message.request_id, code=CALL_ERROR, message=reason)
            return
        self._transfer = message
        if isinstance(message, ClientTransfer):
            self.post(TransferRequested(self.name, message.destination))
        else:
            self.post(JoinRequested(self.name, message.other))

    def detach(self) -> None:
        """The client's socket is gone; it may come back."""
        if not self._is_over:
            self._is_away = True
            self.post(LegDetached(self.name))

    def come_back(self, session: ClientSession, spare: VertoCallId) -> bool:
        """The client is on another socket: whether it keeps this call.

        A call that it has not answered rings again as `spare`: the SDKs take an id for the same call for ever.
        """
        self.session = session
        self._socket += 1
        if self._is_over:
            return False
        self._is_away = False
        if not self._has_answered:
            self.verto_call_id = spare
        self.post(LegReturned(self.name, self._keeps_media, self._socket))
        return self._has_answered

    def _receive_answer(self, answer: ClientAnswer) -> None:
        if not self._has_answered:  # a second answer changes nothing (verto-js V-83)
            self._has_answered, self._keeps_media = True, answer.keeps_media
            self.device_token = answer.device_token
            self.post(LegAnswered(answer.sdp, crossing_headers(answer.custom_headers)))

    def _receive_update(self, request_id: str, sdp: Sdp) -> None:
        if self._update_request is not None:
            self.session.reply_error(request_id, code=CALL_ERROR, message="another updateMedia is under way")
            return
        self._update_request = request_id
        self.post(LegReoffered(self.name, sdp))

    def dial(self, _target: int, offer: Sdp) -> None:
        """`telnyx_rtc.invite`: the client rings; one whose socket went meanwhile does when it is back.

        Once on each socket: of a client that has changed it twice, call control may not have heard so often yet.
        """
        if self._known_as == self.verto_call_id:
            return
        if not self._is_away and not self.session.is_connected:
            self.detach()
        self._known_as = self.verto_call_id
        if self._watch is not None:
            self._watch.opened(self)
        self.session.send_invite(
            self.verto_call_id,
            sdp=offer,
            caller_name=self._caller.name,
            caller_number=self._caller.number,
            callee_name=self._callee.name,
            callee_number=self._callee.number,
            telnyx_session_id=self._ids.session_id,
            telnyx_leg_id=self._ids.leg_id,
            custom_headers=self._headers,
        )

    def ring(self) -> None:
        """`telnyx_rtc.ringing`."""
        self.session.send_ringing(
            self.verto_call_id, telnyx_session_id=self._ids.session_id, telnyx_leg_id=self._ids.leg_id
        )

    def early_media(self, sdp: Sdp) -> None:
        """`telnyx_rtc.media`."""
        self.session.send_media(self.verto_call_id, sdp=sdp)

    def answer(self, sdp: Sdp | None, headers: Crossing) -> None:
        """`telnyx_rtc.answer`, without SDP after early media."""
        self.session.send_answer(
            self.verto_call_id,
            sdp=sdp,
            telnyx_session_id=self._ids.session_id,
            telnyx_leg_id=self._ids.leg_id,
            custom_headers=headers,
        )

    def ask(self) -> None:
        """A ping; a client that stays silent loses its socket."""
        self.session.ask()

    def attach(self, sdp: Sdp, socket: int) -> None:
        """`telnyx_rtc.attach`: to the client every call that it takes up again comes from the far end.

        Never more than one on a socket: the client says not to which of two offers it answers.
        """
        if socket != self._socket:
            return
        far, near = (self._callee, self._caller) if self._has_called else (self._caller, self._callee)
        self.session.send_attach(
            self.verto_call_id,
            sdp=sdp,
            caller_name=far.name,
            caller_number=far.number,
            callee_name=near.name,
            callee_number=near.number,
            telnyx_session_id=self._ids.session_id,
            telnyx_leg_id=self._ids.leg_id,
            custom_headers=self._headers,
        )

    def hangup(self, cause: Cause, sip_status: int | None, sip_reason: str | None, headers: Crossing) -> None:
        """`telnyx_rtc.bye`; requests that wait get an error first, so that none stays open."""
        if self._is_over:
            return
        self._close()
        holds = [request.request_id for request in self._hold_requests]
        waiting = [*holds, *([] if self._update_request is None else [self._update_request])]
        waiting += [] if self._transfer is None else [self._transfer.request_id]
        for request_id in waiting:
            self.session.reply_error(request_id, code=CALL_ERROR, message="the call has ended")
        if self._known_as is not None:
            self.session.send_bye(
                self.verto_call_id,
                cause=cause,
                sip_code=sip_status,
                sip_reason=sip_reason,
                custom_headers=headers,
            )

    def answer_reoffer(self, sdp: Sdp) -> None:
        """The result of updateMedia."""
        if self._update_request is not None:
            self.session.reply_update_media(self._update_request, self.verto_call_id, sdp=sdp)
            self._update_request = None

    def reject_reoffer(self, sip_status: int) -> None:
        """The error of updateMedia; the client then reconnects (verto-js 2.5)."""
        if self._update_request is not None:
            message = f"media update refused ({sip_status})"
            self.session.reply_error(self._update_request, code=CALL_ERROR, message=message)
            self._update_request = None

    @property
    def takes_digits(self) -> bool:
        """As its connection says."""
        return self.media.dtmf is DtmfMode.SIP_INFO

    def send_digits(self, digits: str, duration: float | None) -> None:
        """`telnyx_rtc.info`."""
        self.session.send_dtmf(self.verto_call_id, digits, duration=duration)

    def set_hold(self, is_held: bool) -> None:
        """The result of the oldest hold, unhold or toggleHold that waits."""
        if self._hold_requests:
            request = self._hold_requests.pop(0)
            action = _HOLD_ACTIONS[request.is_held]
            self.session.reply_hold(request.request_id, self.verto_call_id, action=action, is_held=is_held)

    def reinvite(self, sdp: Sdp) -> None:
        """A client cannot be offered anything within a call (verto-js 6.3)."""
        raise ValueError("a client takes no re-INVITE")

    def accept_transfer(self) -> None:
        """The result of transfer or replace."""
        request, self._transfer = self._transfer, None
        match request:
            case ClientTransfer(request_id, destination):
                details = {"destination": destination}
                self.session.reply_transfer(request_id, self.verto_call_id, action="transfer", details=details)
            case ClientReplace(request_id, other):
                details = {"replaceCallID": other}
                self.session.reply_transfer(request_id, self.verto_call_id, action="replace", details=details)
            case None:
                return

    def refuse_transfer(self, cause: Cause, reason: str) -> None:
        """The error of transfer or replace."""
        request, self._transfer = self._transfer, None
        if request is not None:
            data = {"cause": cause.name}
            self.session.reply_error(request.request_id, code=CALL_ERROR, message=reason, data=data)

    def report_transfer(self, sip_status: int, sip_reason: str) -> None:
        """A client that transfers has left; there is nobody to tell."""

    def show(self, party: Party) -> None:
        """`telnyx_rtc.display`; an attach names the new far end as well."""
        if self._has_called:
            self._callee = party
        else:
            self._caller = party
        self.session.send_display(self.verto_call_id, name=party.name, number=party.number)
