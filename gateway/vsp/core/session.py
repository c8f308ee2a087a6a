"""The protocol half of one Verto socket: login, gateway state, pings, limits; calls are in `calls.py`.

Does no I/O and never reads a clock: `now` is seconds of any steady clock. The shell feeds it and after every call
sends `frames_to_send()`, acts on the events returned, and re-arms one timer for `next_deadline()`.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.domain.ids import SessionId, VertoCallId, VoiceSdkId
from gateway.vsp.control import Invite
from gateway.vsp.core.assistant import NOBODY_ANSWERS, created
from gateway.vsp.core.calls import CallEvent, CallTable
from gateway.vsp.core.channels import (
    Broadcast,
    BroadcastRequested,
    ChannelEvent,
    ChannelsSubscribed,
    ChannelsUnsubscribed,
    Subscribe,
    Subscriptions,
)
from gateway.vsp.core.errors import (
    AUTHENTICATION_FAILED,
    AUTHENTICATION_REQUIRED,
    CALL_ERROR,
    METHOD_NOT_FOUND,
    BadParams,
)
from gateway.vsp.core.jsonrpc import (
    Acknowledgement,
    DebugReport,
    Frame,
    Json,
    Outgoing,
    Request,
    RequestRef,
    SpeedTestFrame,
    parse_frame,
)
from gateway.vsp.core.messages import (
    AiMessage,
    AnonymousLogin,
    AttachCalls,
    CallRequest,
    GatewayState,
    Login,
    LoginRequest,
    NotSupported,
    Ping,
    ReadyBody,
    Unknown,
    parse,
)
from gateway.vsp.core.platforms import ANDROID, is_mobile, is_silent
from gateway.vsp.core.push import DisablePush
from gateway.vsp.core.rate import TokenBucket
from gateway.vsp.core.registration import Gateway, Registration
from gateway.vsp.core.speed_test import SpeedTest
from gateway.vsp.settings import VspSettings

MAX_LOGINS_WAITING: Final = 4
"""Logins that may wait behind the one being checked: an SDK that got -32000 for several requests sends as many."""

MAX_UNANSWERED: Final = 4
"""Requests that may wait for the database."""

ANSWER_TIME: Final = 5.0
"""Seconds in which a client that is there has said something after it was asked. The SDK gives us as long."""

NORMAL_CLOSURE: Final = 1000
GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
MESSAGE_TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011


class State(Enum):
    """The states of a socket. A login on a READY socket (a token refresh) leaves it READY."""

    NEW = "new"
    AUTHENTICATING = "authenticating"
    READY = "ready"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class LoginRequested:
    """Check this login, then call `accept_login` or `refuse_login`. There is one at a time."""

    login: LoginRequest


@dataclass(frozen=True, slots=True)
class PushDisableRequested:
    """Forget that device if it is the client's own, then call `answer` with `ref`."""

    ref: RequestRef
    request: DisablePush


@dataclass(frozen=True, slots=True)
class CallsWanted:
    """A client that a push woke up asks for its call: call `answer_calls_wanted`."""

    ref: RequestRef


@dataclass(frozen=True, slots=True)
class DownloadRequested:
    """Send that many bytes as `speed_test.download`, then `#SPD <ms>`, then call `finish_speed_test`."""

    size: int


@dataclass(frozen=True, slots=True)
class DebugReported:
    """A debug frame came and was answered. `call_id` is None while it cannot be known."""

    kind: str
    report_id: str
    call_id: str | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame that was no message. `reason` is a label of the metric."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class CloseRequested:
    """Send what is queued, then close the socket. `reason` is a slug for log and metric."""

    code: int
    reason: str


Event = (
    LoginRequested
    | PushDisableRequested
    | CallsWanted
    | ChannelEvent
    | DownloadRequested
    | DebugReported
    | FrameRefused
    | CloseRequested
    | CallEvent
)


class VertoSession:
    """One socket, from its first frame to its last. `calls` is what a logged-in client's calls go through."""

    def __init__(
        self,
        settings: VspSettings,
        *,
        voice_sdk_id: VoiceSdkId,
        now: float,
        has_call: Callable[[VertoCallId], bool] = lambda _: False,
    ) -> None:
        self._settings = settings
        self._voice_sdk_id = voice_sdk_id
        self._outgoing = Outgoing(voice_sdk_id)
        self.calls = CallTable(self._outgoing, settings, has_call=has_call)
        self.state = State.NEW
        self.session_id: SessionId | None = None
        self._logins: deque[tuple[RequestRef, LoginRequest]] = deque()
        self._refusals = 0
        self._is_visitor = False
        self._unanswered = 0
        self.registration = Registration(self._outgoing, Gateway(dc=settings.dc, region=settings.region))
        self._subscriptions = Subscriptions()
        self._user_agent = ""
        self._speed_test = SpeedTest(max_bytes=settings.speed_test_max_bytes)
        self._bucket = TokenBucket(rate=settings.message_rate, burst=settings.message_burst, now=now)
        self._bytes = TokenBucket(rate=settings.message_bytes_rate, burst=settings.message_bytes_burst, now=now)
        self._received_at = now
        self._answer_by: float | None = None
        self._login_deadline = now + settings.login_timeout
        self._ping_at, self._ping_interval = now, settings.ping_interval
        self._token_expires_at: float | None = None
        self._has_expired = False

    @property
    def voice_sdk_id(self) -> VoiceSdkId:
        """What every frame of this socket carries."""
        return self._voice_sdk_id

    @property
    def is_open(self) -> bool:
        """Whether anything can still be sent."""
        return self.state is not State.CLOSED

    @property
    def size_limit(self) -> int:
        """Characters of the largest message that the client may send now."""
        is_ready = self.state is State.READY
        return self._settings.max_message_size if is_ready else self._settings.max_login_message_size

    # ---- input

    def receive(self, text: str, *, now: float) -> list[Event]:
        """Take one text frame."""
        if self.state is State.CLOSED:
            return []
        if self.state is State.READY and self._speed_test.takes(text):
            self._received_at, self._answer_by = now, None
            return []
        if not self._may_pass(now) or not self._bytes.take(now, len(text)):
            return self._close(POLICY_VIOLATION, "rate")
        if len(text) > self.size_limit:
            return [FrameRefused("too_large", f"{len(text)} characters"), *self._close(MESSAGE_TOO_BIG, "too_large")]
        return self._receive_frame(parse_frame(text), now)

    def receive_other(self, *, now: float) -> list[Event]:
        """Take a frame that is not text: a binary one, or WebSocket's own ping. It shows that somebody is there."""
        if self.state is State.CLOSED or self._may_pass(now):
            return []
        return self._close(POLICY_VIOLATION, "rate")

    def accept_login(
        self,
        session_id: SessionId,
        *,
        now: float,
        token_lifetime: float | None = None,
        call_report_id: str | None = None,
        lost: CallTable | None = None,
        reattached: Sequence[VertoCallId] = (),
    ) -> list[Event]:
        """The login being checked is good.

        Args:
            session_id: the session's; on a socket that is logged in already, the same as before.
            token_lifetime: seconds until the client's token expires.
            call_report_id: turns call reports on.
            lost: the calls that the client had under this session id on another socket.
            reattached: those of them that it keeps.
        """
        if self.state is State.CLOSED:
            return []
        ref, login = self._logins.popleft()
        self._is_visitor = isinstance(login, AnonymousLogin)
        is_first = self.state is not State.READY
        assert is_first or session_id == self.session_id, "a session keeps its id for life"
        self.state, self.session_id, self._refusals = State.READY, session_id, 0
        self._token_expires_at = None if token_lifetime is None else now + token_lifetime
        self._has_expired, self._user_agent = False, login.user_agent
        gateway = Gateway(dc=self._settings.dc, region=self._settings.region, call_report_id=call_report_id)
        self._outgoing.result(ref, {"message": "logged in", "sessid": session_id})
        self.registration.begin(session_id, gateway)
        if is_first:
            if is_mobile(login.user_agent):
                self._ping_interval = self._settings.mobile_ping_interval
            self._ping_at = now + self._ping_interval
            self.calls.begin(session_id)
            self.calls.is_silent = is_silent(self._user_agent)
            if lost is not None:
                self.calls.adopt(lost, reattached)
            # After a login on a live socket this message would end the client's calls (verto-js 0, trap 3).
            self._outgoing.request("telnyx_rtc.clientReady", {"reattached_sessions": list(reattached)})
        return self._next_login()

    def refuse_login(self, message: str, *, now: float, code: int = AUTHENTICATION_FAILED) -> list[Event]:
        """The login being checked is bad. The socket stays open, but not for any number of attempts.

        Args:
            code: the error's, as `platforms.login_error` chooses it.
        """
        if self.state is State.CLOSED:
            return []
        ref, _ = self._logins.popleft()
        self._outgoing.error(ref, code, message)
        return self._after_refusal(now) or self._next_login()

    def answer(self, ref: RequestRef, result: Json) -> None:
        """The result of a request that took somebody else to do."""
        self._unanswered -= 1
        if self.is_open:
            self._outgoing.result(ref, result)

    def answer_error(self, ref: RequestRef, message: str) -> None:
        """The error of one that could not be done."""
        self._unanswered -= 1
        if self.is_open:
            self._outgoing.error(ref, CALL_ERROR, message)

    def answer_calls_wanted(self, ref: RequestRef, *, is_there: bool) -> None:
        """Say whether the pushed call is there; its invite went out at the login (M-65)."""
        if is_there:
            self._outgoing.result(ref, {"params": {"state": "ATTACHED"}, "sessid": self.session_id})
        else:
            # Without a code: Android knows by that that the call is gone (M-66).
            self._outgoing.error(ref, None, "no call waits for this device")

    def send_event(self, channel: str, data: object, *, sender: str) -> None:
        """`telnyx_rtc.event`. What was broadcast is inside `data`, where none of its keys means anything to an SDK."""
        if self.state is State.READY:
            self._outgoing.request("telnyx_rtc.event", {"eventChannel": channel, "data": data, "from": sender})

    def ask(self, now: float) -> list[Event]:
        """See whether the client is still there: one that stays silent loses its socket."""
        if self.state is State.READY and self._answer_by is None:
            self._answer_by = now + ANSWER_TIME
            self._outgoing.ping()
        return []

    def punt(self) -> None:
        """Kick the client out, for its session has been taken over by another socket: it ends its calls and does not
        come back. One that keeps its media without a socket comes back, which it tells from the call id (V-107)."""
        if self.state is State.READY:
            kept_alive = self.calls.kept_alive
            self._outgoing.request("telnyx_rtc.punt", {} if kept_alive is None else {"callID": kept_alive})

    def finish_speed_test(self) -> None:
        """The download that was asked for has been sent."""
        self._speed_test.finish()

    def close(self) -> None:
        """The socket is gone; idempotent. Its calls stay in `calls` for another socket to adopt."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self.calls.detach()
        self._logins.clear()

    def handle_timeout(self, now: float) -> list[Event]:
        """Do what is due."""
        if self.state is State.CLOSED:
            return []
        if now >= self._received_at + self._settings.idle_timeout:
            return self._close(POLICY_VIOLATION, "idle")
        if self._answer_by is not None and now >= self._answer_by:
            return self._close(POLICY_VIOLATION, "idle")
        if self.state is State.NEW and now >= self._login_deadline:
            return self._close(POLICY_VIOLATION, "login_timeout")
        if self.state is State.READY and now >= self._ping_at:
            self._ping_at = now + self._ping_interval
            self._outgoing.ping()
        if self.state is State.READY and self._expires_at is not None and now >= self._expires_at:
            self._has_expired = True
            # Android reads it; the JavaScript SDK would only report itself ready a second time (verto-js 3.4).
            self.registration.expire(is_told=self._user_agent.startswith(ANDROID))
        self.calls.handle_timeout(now)
        return []

    @property
    def _expires_at(self) -> float | None:
        """When the registration expires that has not done so yet."""
        return None if self._has_expired else self._token_expires_at

    # ---- output

    def next_deadline(self) -> float | None:
        """When `handle_timeout` must be called; None once the socket is closed."""
        if self.state is State.CLOSED:
            return None
        deadlines = [self._received_at + self._settings.idle_timeout]
        if self._answer_by is not None:
            deadlines.append(self._answer_by)
        if self.state is State.NEW:
            deadlines.append(self._login_deadline)
        if self.state is State.READY:
            deadlines.append(self._ping_at)
            if self._expires_at is not None:
                deadlines.append(self._expires_at)
        if (waiting := self.calls.next_deadline()) is not None:
            deadlines.append(waiting)
        return min(deadlines)

    def frames_to_send(self) -> list[str]:
        """The frames queued since the last call."""
        return self._outgoing.drain()

    def outcomes(self) -> list[tuple[str, str]]:
        """Method and `ok` or `error` of each request answered since the last call."""
        return self._outgoing.outcomes()

    # ---- inside

    def _may_pass(self, now: float) -> bool:
        self._received_at, self._answer_by = now, None
        return self._bucket.take(now)

    def _close(self, code: int, reason: str) -> list[Event]:
        self.close()
        return [CloseRequested(code, reason)]

    def _next_login(self) -> list[Event]:
        return [LoginRequested(self._logins[0][1])] if self._logins else []

    def _after_refusal(self, now: float) -> list[Event]:
        self._refusals += 1
        if self._refusals >= self._settings.max_login_attempts:
            return self._close(POLICY_VIOLATION, "login_attempts")
        if self.state is State.AUTHENTICATING and not self._logins:
            self.state = State.NEW
        self._login_deadline = now + self._settings.refused_login_linger
        return []

    def _receive_frame(self, frame: Frame, now: float) -> list[Event]:
        match frame:
            case Request() as request:
                return self._receive_request(request, now)
            case Acknowledgement(request_id):
                return list(self.calls.acknowledge(request_id)) if self.state is State.READY else []
            case DebugReport() as report:
                return self._receive_debug_report(report)
            case SpeedTestFrame() as speed_test:
                return self._receive_speed_test(speed_test, now)
            case refused:
                if refused.code is not None:
                    self._outgoing.refuse(refused.request_id, refused.code, refused.message)
                return [FrameRefused(refused.reason, refused.message)]

    def _receive_request(self, request: Request, now: float) -> list[Event]:
        ref = RequestRef(request.request_id, request.method)
        match parse(request):
            case Ping():
                self._outgoing.result(ref, {"message": "PONG"})
                return list(self.calls.prove_hearing())
            case (Login() | AnonymousLogin()) as login:
                return self._receive_login(ref, login)
            case BadParams(rpc_code=code, message=message) if code == AUTHENTICATION_FAILED:
                self._outgoing.error(ref, code, message)
                return self._after_refusal(now)
            case body if self.state is State.READY:
                return self._receive_ready(ref, body, now)
            case _:
                self._outgoing.error(ref, AUTHENTICATION_REQUIRED, "Authentication Required")
                return []

    def _receive_login(self, ref: RequestRef, login: LoginRequest) -> list[Event]:
        if ref.request_id is None:
            return []  # nobody would hear the answer
        if len(self._logins) > MAX_LOGINS_WAITING:
            self._outgoing.error(ref, AUTHENTICATION_FAILED, "too many logins at once")
            return []
        self._logins.append((ref, login))
        if self.state is State.NEW:
            self.state = State.AUTHENTICATING
        return [LoginRequested(login)] if len(self._logins) == 1 else []

    def _receive_ready(self, ref: RequestRef, body: ReadyBody, now: float) -> list[Event]:
        match body:
            case Invite() as invite:
                return self._receive_invite(ref, invite, now)
            case CallRequest() as request:
                return list(self.calls.receive(ref, request, now))
            case DisablePush() as request:
                return self._receive_disable_push(ref, request)
            case AttachCalls():
                return [CallsWanted(ref)]
            case Subscribe() as request:
                return self._receive_subscribe(ref, request)
            case Broadcast() as request:
                self._outgoing.result(ref, {"message": "sent", "sessid": self.session_id})
                return [BroadcastRequested(request)]
            case other:
                self._answer(ref, other)
                return []

    def _answer(self, ref: RequestRef, body: GatewayState | AiMessage | NotSupported | Unknown | BadParams) -> None:
        """What is answered at once, and concerns nobody else."""
        match body:
            case GatewayState():
                self.registration.ask(ref)
            case AiMessage(item):
                self._outgoing.result(ref, {"message": NOBODY_ANSWERS})
                if item is not None:
                    self._outgoing.request("ai_conversation", created(item))
            case BadParams(rpc_code=code, message=message):
                self._outgoing.error(ref, code, message)
            case NotSupported(message):
                self._outgoing.error(ref, CALL_ERROR, message)
            case Unknown():
                self._outgoing.error(ref, METHOD_NOT_FOUND, "no such method")

    def _receive_disable_push(self, ref: RequestRef, request: DisablePush) -> list[Event]:
        if self._unanswered >= MAX_UNANSWERED:
            self._outgoing.error(ref, CALL_ERROR, "too many requests wait")
            return []
        self._unanswered += 1
        return [PushDisableRequested(ref, request)]

    def _receive_invite(self, ref: RequestRef, invite: Invite, now: float) -> list[Event]:
        if ref.request_id is None:
            return []  # a call begins with its result, and a notification has none
        if not invite.destination and not self._is_visitor:
            self._outgoing.error(ref, CALL_ERROR, "destination_number is missing; only a visitor may leave it empty")
            return []
        if self._token_expires_at is not None and now >= self._token_expires_at:
            # The client logs in again with the token it holds by now; its other calls go on (verto-js 3.6).
            self._outgoing.error(ref, AUTHENTICATION_REQUIRED, "the token has expired")
            return []
        return list(self.calls.invite(ref, invite))

    def _receive_subscribe(self, ref: RequestRef, request: Subscribe) -> list[Event]:
        event: ChannelsSubscribed | ChannelsUnsubscribed
        if request.is_on:
            result, new = self._subscriptions.subscribe(request.channels, is_allowed=not self._is_visitor)
            event = ChannelsSubscribed(new)
        else:
            result, gone = self._subscriptions.unsubscribe(request.channels)
            event = ChannelsUnsubscribed(gone)
        self._outgoing.result(ref, {**result, "sessid": self.session_id})
        return [event] if event.channels else []

    def _receive_debug_report(self, report: DebugReport) -> list[Event]:
        """Any answer lets the client go on; without one it neither begins nor ends a call (verto-js 9.1)."""
        ref = RequestRef(report.request_id, "debug_report")
        if self.state is not State.READY:
            self._outgoing.error(ref, AUTHENTICATION_REQUIRED, "Authentication Required")
            return []
        self._outgoing.result(ref, {"message": report.type})
        return [DebugReported(report.type, report.report_id, self._call_of(report), report.text)]

    def _call_of(self, report: DebugReport) -> str | None:
        """JavaScript names the call; the mobile SDKs do not, at best as the peer (verto-mobile 6.1)."""
        if report.call_id is not None:
            return report.call_id
        live = {verto_call_id.lower(): verto_call_id for verto_call_id in self.calls.live}
        only = next(iter(live.values())) if len(live) == 1 else None
        return live.get((report.peer_id or "").lower(), only)

    def _receive_speed_test(self, frame: SpeedTestFrame, now: float) -> list[Event]:
        if self.state is not State.READY:
            return [FrameRefused("bad_message", "a speed test needs a login")]
        answer = self._speed_test.receive(frame, now)
        if answer is None:
            return []
        text, size = answer
        self._outgoing.text(text)
        return [DownloadRequested(size)]


__all__ = [
    "CallsWanted",
    "CloseRequested",
    "DebugReported",
    "DownloadRequested",
    "Event",
    "FrameRefused",
    "LoginRequested",
    "PushDisableRequested",
    "State",
    "VertoSession",
]
