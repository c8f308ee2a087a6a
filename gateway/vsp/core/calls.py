"""The calls of one Verto session as the wire sees them: which are live, what each may still be sent, who waits.

Says nothing about whether a call should exist; that is call control's.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from gateway.domain import causes
from gateway.domain.causes import Cause
from gateway.domain.ids import Sdp, SessionId, VertoCallId
from gateway.vsp.control import (
    AttachHeard,
    ClientAnswer,
    ClientAttach,
    ClientBye,
    ClientCandidate,
    ClientHold,
    ClientMessage,
    ClientReplace,
    ClientRinging,
    ClientText,
    ClientTransfer,
    ClientUpdateMedia,
    Headers,
    Invite,
)
from gateway.vsp.core.errors import CALL_ERROR
from gateway.vsp.core.jsonrpc import Json, Outgoing, RequestId, RequestRef
from gateway.vsp.core.messages import CallContent, CallRequest, HoldAction, Replace, RingingAck, Transfer, UpdateMedia

MAX_UNHEARD: Final = 64
"""Byes that a client has not acknowledged and that are said once more on its next socket; the newest."""

MAX_WAITING: Final = 32
"""Requests of one session that may wait for call control at once."""


@dataclass(frozen=True, slots=True)
class CallRequested:
    """A client calls; its CALL CREATED is queued."""

    invite: Invite


@dataclass(frozen=True, slots=True)
class CallMessaged:
    """A client sent something about a live call."""

    verto_call_id: VertoCallId
    message: ClientMessage


CallEvent = CallRequested | CallMessaged

_M = TypeVar("_M", ClientAnswer, ClientBye)


@dataclass(slots=True)
class _LiveCall:
    """A call between its first message and its bye. `caller` and `callee` are (name, number)."""

    verto_call_id: VertoCallId
    caller: tuple[str, str]
    callee: tuple[str, str]
    received_headers: frozenset[tuple[str, str]] = frozenset()
    """Custom headers that we sent with our invite: the SDK echoes them in its answer and bye (verto-js 5.2)."""
    is_invited: bool = False
    """Whether we called the client."""
    has_media: bool = False
    has_answer: bool = False
    media_id: RequestId | None = None
    answer_id: RequestId | None = None
    """Ids of the messages while they are not acknowledged: nobody knows whether the client has them."""
    is_held: bool = False
    keeps_media: bool = False
    """As in `Invite`."""

    def hear(self, request_id: RequestId) -> None:
        """The client acknowledged a message."""
        if request_id == self.media_id:
            self.media_id = None
        if request_id == self.answer_id:
            self.answer_id = None

    def forget_unheard(self) -> None:
        """The call has another socket: what may have been lost with the old one may be said again.

        Not an answer that had a description in it: a client to which it may be said again has that one.
        """
        if self.media_id is not None and not self.has_answer:
            self.has_media = False
        if self.answer_id is not None and self.has_media:
            self.has_answer = False
        self.media_id = self.answer_id = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request that call control answers later."""

    ref: RequestRef
    verto_call_id: VertoCallId
    spelled: VertoCallId
    """The call id as this request spelled it: iOS looks for it in the result."""
    deadline: float


class Limits(Protocol):
    """What of the settings counts here."""

    @property
    def max_live_calls(self) -> int: ...
    @property
    def request_timeout(self) -> float: ...


class CallTable:
    """Live calls of one session, and the messages about them in both directions.

    What is sent about a call that is over is dropped: the client hung up while call control was still busy with it.
    """

    def __init__(self, outgoing: Outgoing, limits: Limits, *, has_call: Callable[[VertoCallId], bool]) -> None:
        """
        Args:
            has_call: whether call control still knows a call of that id, which it does for a moment after its bye.
        """
        self._outgoing, self._limits, self._has_call = outgoing, limits, has_call
        self._session_id = SessionId("")
        self._live: dict[str, _LiveCall] = {}
        self._invited: dict[RequestId, VertoCallId] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._attached: dict[RequestId, VertoCallId] = {}
        self._missed: list[Json] = []
        self._unheard: dict[RequestId, Json] = {}
        self._last_token = 0
        self._is_detached = False
        self.is_silent = False
        """Whether the client acknowledges nothing."""

    def begin(self, session_id: SessionId) -> None:
        """The session has logged in."""
        self._session_id = session_id

    @property
    def live(self) -> tuple[VertoCallId, ...]:
        """Ids of the calls that have not ended, oldest first."""
        return tuple(call.verto_call_id for call in self._live.values())

    def next_deadline(self) -> float | None:
        """When the oldest waiting request must be answered."""
        return min((waiting.deadline for waiting in self._waiting.values()), default=None)

    def handle_timeout(self, now: float) -> None:
        """Answer the requests that call control left waiting for too long."""
        late = [token for token, waiting in self._waiting.items() if waiting.deadline <= now]
        for token in late:
            self.reply_error(token, code=CALL_ERROR, message="not done in time")

    def detach(self) -> None:
        """The socket is gone. The calls stay for another session to `adopt`; nobody hears what is sent about them."""
        self._is_detached = True
        self._invited.clear()
        self._attached.clear()
        self._waiting.clear()

    def adopt(self, lost: "CallTable", kept: Collection[VertoCallId]) -> None:
        """Go on with the calls of the session's last socket.

        Args:
            kept: what is left of them. The client is told of the end of each other one, also where it matters little:
                the JavaScript SDK keeps all its calls if one of them is named in `clientReady` (V-116).
        """
        ids = {verto_call_id.lower() for verto_call_id in kept}
        for key, call in lost._live.items():
            if key in ids:
                self._live[key] = call
                call.forget_unheard()
            else:
                self._say_bye(_bye(call, causes.ORIGINATOR_CANCEL, {}, ()))
        # What went out last may have gone into a socket that was dead already, and been heard or not.
        for params in (*lost._unheard.values(), *lost._missed):
            self._say_bye(params)
        lost._live, lost._missed, lost._unheard = {}, [], {}

    @property
    def kept_alive(self) -> VertoCallId | None:
        """A call whose media the client keeps when it loses the socket."""
        return next((call.verto_call_id for call in self._live.values() if call.keeps_media), None)

    # ---- from the client

    def invite(self, ref: RequestRef, invite: Invite) -> list[CallEvent]:
        """`telnyx_rtc.invite`. The result precedes whatever call control sends (verto-js 4.4, trap 2)."""
        key = invite.verto_call_id.lower()
        if key in self._live or self._has_call(invite.verto_call_id):
            self._outgoing.error(ref, CALL_ERROR, "callID is in use by a live call")
            return []
        if len(self._live) >= self._limits.max_live_calls:
            self._outgoing.error(ref, CALL_ERROR, "too many calls in this session")
            return []
        caller, callee = (invite.caller_name, invite.caller_number), ("Outbound Call", invite.destination)
        self._live[key] = _LiveCall(invite.verto_call_id, caller, callee, keeps_media=invite.keeps_media)
        self._outgoing.result(ref, self._call_result(invite.verto_call_id, message="CALL CREATED"))
        return [CallRequested(invite)]

    def receive(self, ref: RequestRef, request: CallRequest, now: float) -> list[CallEvent]:
        """Any other request about a call."""
        call = self._live.get(request.verto_call_id.lower())
        if call is None:
            self._answer_unknown(ref, request)
            return []
        match request.content:
            case ClientBye() as bye:
                self._outgoing.result(ref, self._bye_result(request.verto_call_id, bye.cause))
                self._end(call)
                return [CallMessaged(call.verto_call_id, _without_echo(bye, call))]
            case HoldAction() | UpdateMedia() | Transfer() | Replace() as change:
                return self._defer(ref, request, call, change, now)
            case RingingAck():
                self._outgoing.result(ref, self._call_result(request.verto_call_id))
                return []
            case ClientAttach(keeps_media=keeps_media) as attach:
                call.keeps_media = keeps_media
                self._outgoing.result(ref, self._call_result(request.verto_call_id))
                return [CallMessaged(call.verto_call_id, attach)]
            case ClientAnswer(keeps_media=keeps_media) as answer:
                call.keeps_media = keeps_media
                self._outgoing.result(ref, self._call_result(request.verto_call_id))
                return [CallMessaged(call.verto_call_id, _without_echo(answer, call))]
            case message:
                self._outgoing.result(ref, self._call_result(request.verto_call_id))
                return [CallMessaged(call.verto_call_id, message)]

    def acknowledge(self, request_id: RequestId | None) -> list[CallEvent]:
        """A result for a request of ours: for our invite it says that the device rings (verto-js 5.2)."""
        if request_id is None:
            return []
        self._unheard.pop(request_id, None)
        for call in self._live.values():
            call.hear(request_id)
        if (attached := self._attached.pop(request_id, None)) is not None:
            return [CallMessaged(attached, AttachHeard())]
        verto_call_id = self._invited.pop(request_id, None)
        if verto_call_id is None or verto_call_id.lower() not in self._live:
            return []
        return [CallMessaged(verto_call_id, ClientRinging())]

    def prove_hearing(self) -> list[CallEvent]:
        """The client has sent a ping: the socket works both ways, so it has heard what we sent before.

        The mobile SDKs need not acknowledge an attach, and a half-dead socket must not cost a call.
        """
        heard, self._attached = self._attached, {}
        return [CallMessaged(verto_call_id, AttachHeard()) for verto_call_id in heard.values()]

    def _answer_unknown(self, ref: RequestRef, request: CallRequest) -> None:
        """No such call, or no more: a result where an error would be noise about a crossing, else an error."""
        match request.content:
            case ClientBye(cause=cause):
                self._outgoing.result(ref, self._bye_result(request.verto_call_id, cause))
            case ClientCandidate() | RingingAck():
                self._outgoing.result(ref, self._call_result(request.verto_call_id))
            case _:
                self._outgoing.error(ref, CALL_ERROR, "no such call", {"callID": request.verto_call_id})

    def _defer(
        self,
        ref: RequestRef,
        request: CallRequest,
        call: _LiveCall,
        change: HoldAction | UpdateMedia | Transfer | Replace,
        now: float,
    ) -> list[CallEvent]:
        if len(self._waiting) >= MAX_WAITING:
            self._outgoing.error(ref, CALL_ERROR, "too many requests wait")
            return []
        self._last_token += 1
        token = f"{self._outgoing.voice_sdk_id}/{self._last_token}"  # of this socket alone
        message = self._change(token, change)
        if message is None:
            self._outgoing.error(ref, CALL_ERROR, "replaceCallID names no call of this session")
            return []
        deadline = now + self._limits.request_timeout
        self._waiting[token] = _Waiting(ref, call.verto_call_id, request.verto_call_id, deadline)
        return [CallMessaged(call.verto_call_id, message)]

    def _change(self, token: str, change: HoldAction | UpdateMedia | Transfer | Replace) -> ClientMessage | None:
        match change:
            case HoldAction():
                return ClientHold(token, change.is_held)
            case UpdateMedia(sdp, is_trickle):
                return ClientUpdateMedia(token, sdp, is_trickle)
            case Transfer(destination):
                return ClientTransfer(token, destination)
            case Replace(other):
                found = self._live.get(other.lower())
                return None if found is None else ClientReplace(token, found.verto_call_id)

    # ---- from call control

    def send_invite(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp,
        caller: tuple[str, str],
        callee: tuple[str, str],
        telnyx_ids: tuple[str, str],
        client_state: str | None,
        custom_headers: Headers,
    ) -> None:
        """`telnyx_rtc.invite`; an id that lives already would silently replace the call in the client (V-79)."""
        if verto_call_id.lower() in self._live:
            raise ValueError(f"call {verto_call_id} is live in this session")
        headers = tuple(custom_headers)
        call = _LiveCall(verto_call_id, caller, callee, frozenset(headers), is_invited=True)
        self._live[verto_call_id.lower()] = call
        params = {
            **_call_offer(call, sdp, telnyx_ids, headers),
            **({} if client_state is None else {"client_state": client_state}),
        }
        self._invited[self._outgoing.request("telnyx_rtc.invite", params)] = verto_call_id

    def send_attach(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp,
        caller: tuple[str, str],
        callee: tuple[str, str],
        telnyx_ids: tuple[str, str],
        custom_headers: Headers,
    ) -> None:
        """`telnyx_rtc.attach`: the client answers it at once, and what described the call before is void."""
        call = self._heard(verto_call_id)
        if call is None:
            return
        headers = tuple(custom_headers)
        call.caller, call.callee = caller, callee
        call.received_headers |= frozenset(headers)
        call.has_media = call.has_answer = True
        call.media_id = call.answer_id = None
        request_id = self._outgoing.request("telnyx_rtc.attach", _call_offer(call, sdp, telnyx_ids, headers))
        self._attached[request_id] = call.verto_call_id
        if self.is_silent:
            self._outgoing.ping()

    def send_ringing(self, verto_call_id: VertoCallId, *, telnyx_ids: tuple[str, str]) -> None:
        """`telnyx_rtc.ringing`; Android cannot do without the parties, React Native without the ids."""
        call = self._heard(verto_call_id)
        if call is not None and not call.has_answer:
            self._outgoing.request("telnyx_rtc.ringing", self._progress(call, telnyx_ids))

    def send_media(self, verto_call_id: VertoCallId, *, sdp: Sdp) -> None:
        """`telnyx_rtc.media`, at most once and not after the answer: the clients take one description per call."""
        call = self._heard(verto_call_id)
        if call is not None and not call.has_media and not call.has_answer:
            call.has_media = True
            params = {"callID": call.verto_call_id, "sdp": sdp, "dialogParams": _dialog(())}
            call.media_id = self._outgoing.request("telnyx_rtc.media", params)

    def send_answer(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp | None,
        telnyx_ids: tuple[str, str],
        custom_headers: Headers = (),
    ) -> None:
        """`telnyx_rtc.answer`, once. After media without SDP (Android shows an error otherwise), else with it."""
        call = self._heard(verto_call_id)
        if call is None or call.has_answer:
            return
        if sdp is None and not call.has_media:
            raise ValueError(f"answer of call {verto_call_id} without a description kills it in the client")
        call.has_answer = True
        description = {} if call.has_media else {"sdp": sdp}
        params = {**self._progress(call, telnyx_ids, custom_headers), **description}
        call.answer_id = self._outgoing.request("telnyx_rtc.answer", params)

    def send_bye(
        self,
        verto_call_id: VertoCallId,
        *,
        cause: Cause,
        sip_code: int | None,
        sip_reason: str | None,
        sip_call_id: str | None,
        custom_headers: Headers,
    ) -> None:
        """`telnyx_rtc.bye`; what waits about that call is answered first. Absent is better than null (Android)."""
        call = self._live.get(verto_call_id.lower())
        if call is None:
            return
        self._end(call)
        optional = {"sipCode": sip_code, "sipReason": sip_reason, "sip_call_id": sip_call_id}
        params = _bye(call, cause, optional, custom_headers)
        if self._is_detached:
            self._missed.append(params)
        else:
            self._say_bye(params)

    def _say_bye(self, params: Json) -> None:
        self._unheard[self._outgoing.request("telnyx_rtc.bye", params)] = params
        if len(self._unheard) > MAX_UNHEARD:
            del self._unheard[next(iter(self._unheard))]

    def send_missed(self, verto_call_id: VertoCallId, *, cause: Cause, sip_code: int) -> None:
        """`telnyx_rtc.bye` for a call that the client heard of by a push, not by us."""
        call = _LiveCall(verto_call_id, ("", ""), ("", ""))
        self._outgoing.request("telnyx_rtc.bye", _bye(call, cause, {"sipCode": sip_code}, ()))

    def send_text(self, verto_call_id: VertoCallId, text: ClientText) -> None:
        """`telnyx_rtc.info` with `msg`, in the members that the SDKs send it with."""
        call = self._live.get(verto_call_id.lower())
        if call is not None and not self._is_detached:
            message = {"from": text.sender, "to": text.receiver, "body": text.body}
            self._outgoing.request("telnyx_rtc.info", {"callID": call.verto_call_id, "msg": message})

    def send_dtmf(self, verto_call_id: VertoCallId, digits: str, *, duration: float | None) -> None:
        """`telnyx_rtc.info` with `dtmf`, as the SDKs send it, and how many milliseconds each digit lasted."""
        call = self._live.get(verto_call_id.lower())
        if call is not None and not self._is_detached:
            lasted = {} if duration is None else {"duration": round(duration * 1000)}
            self._outgoing.request("telnyx_rtc.info", {"callID": call.verto_call_id, "dtmf": digits, **lasted})

    def send_display(self, verto_call_id: VertoCallId, *, name: str, number: str) -> None:
        """`telnyx_rtc.display`. The direction is the gateway's; the SDK turns it round for the application."""
        call = self._live.get(verto_call_id.lower())
        if call is not None and not self._is_detached:
            direction = "outbound" if call.is_invited else "inbound"
            params = {"display_name": name, "display_number": number, "display_direction": direction}
            self._outgoing.request("telnyx_rtc.display", {"callID": call.verto_call_id, **params})

    def reply_hold(self, token: str, *, action: str, is_held: bool) -> None:
        """The result of a hold, unhold or toggleHold; the SDK takes anything but `active` for held."""
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            return
        self._live[waiting.verto_call_id.lower()].is_held = is_held
        state = "held" if is_held else "active"
        self._outgoing.result(waiting.ref, self._call_result(waiting.spelled, action=action, holdState=state))

    def reply_update_media(self, token: str, *, sdp: Sdp) -> None:
        """The result of updateMedia."""
        waiting = self._waiting.pop(token, None)
        if waiting is None:
            return
        state = "held" if self._live[waiting.verto_call_id.lower()].is_held else "active"
        result = self._call_result(waiting.spelled, action="updateMedia", sdp=sdp, holdState=state)
        self._outgoing.result(waiting.ref, result)

    def reply_transfer(self, token: str, *, action: str, details: Mapping[str, str]) -> None:
        """The result of a transfer or replace."""
        waiting = self._waiting.pop(token, None)
        if waiting is not None:
            self._outgoing.result(waiting.ref, self._call_result(waiting.spelled, action=action, **details))

    def reply_error(self, token: str, *, code: int, message: str, data: Mapping[str, str] | None = None) -> None:
        """The error of a request that waits."""
        waiting = self._waiting.pop(token, None)
        if waiting is not None:
            self._outgoing.error(waiting.ref, code, message, {"callID": waiting.spelled, **(data or {})})

    # ---- inside

    def _heard(self, verto_call_id: VertoCallId) -> _LiveCall | None:
        """A call whose client hears what is sent about it."""
        return None if self._is_detached else self._live.get(verto_call_id.lower())

    def _end(self, call: _LiveCall) -> None:
        for token in [token for token, waiting in self._waiting.items() if waiting.verto_call_id == call.verto_call_id]:
            self.reply_error(token, code=CALL_ERROR, message="the call has ended")
        for waiting_for in (self._invited, self._attached):
            for request_id in [key for key, value in waiting_for.items() if value == call.verto_call_id]:
                del waiting_for[request_id]
        del self._live[call.verto_call_id.lower()]

    def _call_result(self, verto_call_id: VertoCallId, **members: object) -> Json:
        return {"callID": verto_call_id, **members, "sessid": self._session_id}

    def _bye_result(self, verto_call_id: VertoCallId, cause: Cause) -> Json:
        return self._call_result(verto_call_id, message="CALL ENDED", cause=cause.name, causeCode=cause.code)

    def _progress(
        self, call: _LiveCall, telnyx_ids: tuple[str, str], custom_headers: Headers = ()
    ) -> dict[str, object]:
        return {
            "callID": call.verto_call_id,
            **_parties(call),
            **_telnyx_ids(telnyx_ids),
            "display_direction": "inbound",
            "dialogParams": _dialog(custom_headers),
        }


def _without_echo(message: _M, call: _LiveCall) -> _M:
    """The message without the headers that the SDK merely echoes (V-82)."""
    headers = tuple(header for header in message.custom_headers if header not in call.received_headers)
    return replace(message, custom_headers=headers)


def _call_offer(call: _LiveCall, sdp: Sdp, telnyx_ids: tuple[str, str], headers: Headers) -> dict[str, object]:
    """What invite and attach have in common (verto-js 5.1, 7.4)."""
    return {
        "callID": call.verto_call_id,
        "sdp": sdp,
        **_parties(call),
        **_telnyx_ids(telnyx_ids),
        "display_direction": "outbound",
        "dialogParams": _dialog(headers),
    }


def _bye(call: _LiveCall, cause: Cause, optional: Mapping[str, object], custom_headers: Headers) -> Json:
    headers = _header_list(custom_headers)
    return {
        "callID": call.verto_call_id,
        "cause": cause.name,
        "causeCode": cause.code,
        **{name: value for name, value in optional.items() if value is not None},
        "dialogParams": {"custom_headers": headers, "customHeaders": headers},  # read here as customHeaders
    }


def _parties(call: _LiveCall) -> dict[str, str]:
    return {
        "caller_id_name": call.caller[0],
        "caller_id_number": call.caller[1],
        "callee_id_name": call.callee[0],
        "callee_id_number": call.callee[1],
    }


def _telnyx_ids(ids: tuple[str, str]) -> dict[str, str]:
    """Android takes nothing but UUIDs here (verto-mobile 3.2)."""
    return {"telnyx_session_id": ids[0], "telnyx_leg_id": ids[1]}


def _header_list(headers: Headers) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in headers]


def _dialog(headers: Headers) -> dict[str, object]:
    """Never with `userVariables`: Flutter loses the whole message (verto-mobile 3.3)."""
    return {"custom_headers": _header_list(headers)}


__all__ = ["CallContent", "CallEvent", "CallMessaged", "CallRequested", "CallTable", "Limits"]
