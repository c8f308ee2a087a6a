"""Typed messages of Verto clients. Here JSON objects end: what leaves this module has types.

The browser SDK and the four mobile ones spell some fields differently (verto-mobile 3.1); all spellings are taken.
A request whose params cannot be used becomes `BadParams`, whose code is the one that harms the SDKs least.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from gateway.domain import causes
from gateway.domain.identity import Target
from gateway.domain.ids import Sdp, SessionId, VertoCallId
from gateway.vsp.control import (
    ClientAnswer,
    ClientAttach,
    ClientBye,
    ClientCandidate,
    ClientDtmf,
    ClientText,
    Invite,
)
from gateway.vsp.core.assistant import transcript_item
from gateway.vsp.core.channels import Broadcast, Subscribe, broadcast, subscribe, unsubscribe
from gateway.vsp.core.errors import AUTHENTICATION_FAILED, CALL_ERROR, INVALID_PARAMS, BadParams
from gateway.vsp.core.fields import Fields
from gateway.vsp.core.jsonrpc import Json, Request
from gateway.vsp.core.platforms import is_mobile
from gateway.vsp.core.push import MAX_TOKEN, DisablePush, PushOptions, disable_push, options_of_login

MAX_CANDIDATE: Final = 1024
MAX_BODY: Final = 16 * 1024
MAX_CLIENT_STATE: Final = 16 * 1024
MAX_DIGITS: Final = 128
MAX_SECRET: Final = 8 * 1024
MAX_USER_VARIABLES: Final = 64

_DTMF: Final = frozenset("0123456789*#ABCDabcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """`login`. `session_id` is the session that the client had before; the mobile SDKs invent one."""

    username: str | None
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)
    session_id: SessionId | None
    user_agent: str
    is_reconnection: bool = False
    """Whether the client says so itself. Only JavaScript does; a tab that lost its `sessid` wants a new session."""
    wants_calls: bool = False
    """`loginParams.attach_call` (or `attach_calls`) of the mobile SDKs: give me back what waits for me."""
    user_variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    push: PushOptions = field(default_factory=PushOptions)

    @property
    def has_credentials(self) -> bool:
        """Whether user name and password are both there; they count before a token (V-33)."""
        return self.username is not None and self.password is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnonymousLogin:
    """`anonymous_login`: a visitor who wants to talk to an assistant (verto-js 3.3)."""

    target: Target
    session_id: SessionId | None
    user_agent: str
    user_variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)


LoginRequest = Login | AnonymousLogin


@dataclass(frozen=True, slots=True)
class Ping:
    """`telnyx_rtc.ping`: a probe, or the reply to our ping. iOS and Android echo ours word for word."""


@dataclass(frozen=True, slots=True)
class GatewayState:
    """`telnyx_rtc.gatewayState`: is my registration up?"""


class HoldAction(Enum):
    """Actions of `telnyx_rtc.modify` that need no SDP."""

    HOLD = "hold"
    UNHOLD = "unhold"
    TOGGLE = "toggleHold"

    @property
    def is_held(self) -> bool | None:
        """What it asks for; None for the opposite of what is."""
        return {HoldAction.HOLD: True, HoldAction.UNHOLD: False, HoldAction.TOGGLE: None}[self]


@dataclass(frozen=True, slots=True)
class UpdateMedia:
    """`telnyx_rtc.modify` with `updateMedia`: an ICE restart."""

    sdp: Sdp
    is_trickle: bool


@dataclass(frozen=True, slots=True)
class Transfer:
    """`telnyx_rtc.modify` with `transfer`: connect my far end with `destination` and let me go."""

    destination: str


@dataclass(frozen=True, slots=True)
class Replace:
    """`telnyx_rtc.modify` with `replace`: connect the far ends of my two calls and let me go."""

    other: VertoCallId


@dataclass(frozen=True, slots=True)
class RingingAck:
    """`telnyx_rtc.ringing_ack`, which iOS applications may send."""


CallContent = (
    ClientAnswer
    | ClientAttach
    | ClientBye
    | ClientDtmf
    | ClientCandidate
    | ClientText
    | HoldAction
    | UpdateMedia
    | Transfer
    | Replace
    | RingingAck
)


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A request about one call. `verto_call_id` is as the client spelled it."""

    verto_call_id: VertoCallId
    content: CallContent


@dataclass(frozen=True, slots=True)
class AttachCalls:
    """`telnyx_rtc.attachCalls`: a mobile client that a push woke up asks for the call that waits."""


@dataclass(frozen=True, slots=True)
class AiMessage:
    """`ai_conversation`: something for the assistant. `item` is what the client wants to see in its transcript."""

    item: Json | None


@dataclass(frozen=True, slots=True)
class NotSupported:
    """A method that we know and do not do; `message` says so."""

    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A method of nobody."""


ReadyBody = (
    GatewayState
    | Invite
    | CallRequest
    | Subscribe
    | Broadcast
    | AttachCalls
    | AiMessage
    | DisablePush
    | NotSupported
    | Unknown
    | BadParams
)
"""What only a session that is logged in may ask."""

Body = Login | AnonymousLogin | Ping | ReadyBody


def parse(request: Request) -> Body:
    """The typed body of a request or notification."""
    if request.method == "telnyx_rtc.ping":
        return Ping()  # whatever it carries: an error would cost the client its connection (verto-js 1.5)
    method = METHODS.get(request.method)
    if method is None:
        return Unknown()
    rpc_code, reader = method
    if request.params is None:
        return BadParams("params must be an object", rpc_code=rpc_code if rpc_code != CALL_ERROR else INVALID_PARAMS)
    try:
        return reader(Fields(request.params, rpc_code=rpc_code))
    except BadParams as bad:
        return bad


def _login(params: Fields) -> Body:
    login = Login(
        username=params.text("login") or None,
        password=_secret(params, "passwd", "password"),
        token=_secret(params, "login_token"),
        session_id=_session_id(params),
        user_agent=user_agent(params),
        is_reconnection=params.flag("reconnection"),
        wants_calls=params.section("loginParams").flag("attach_call", "attach_calls"),
        user_variables=params.section("userVariables").scalars(most=MAX_USER_VARIABLES),
        push=options_of_login(params),
    )
    if login.token is None and not login.has_credentials:
        raise params.refuse("login needs login and passwd, or login_token")
    return login


def _secret(params: Fields, *names: str) -> str | None:
    return params.text(*names, limit=MAX_SECRET) or None


def _session_id(params: Fields) -> SessionId | None:
    value = params.text_if_usable("sessid", "sessionId", "sessId")
    return SessionId(value) if value else None


def user_agent(params: Fields) -> str:
    """`User-Agent`: a text, or since JavaScript SDK 2.27 an object with the SDK's version in it.

    Mobile SDKs send the object in `anonymous_login` alone, with their usual text as `data` (verto-mobile 5).
    """
    agent = params.section("User-Agent")
    if is_mobile(data := agent.text_if_usable("data") or ""):
        return data
    version = agent.text_if_usable("sdkVersion", limit=64)
    return f"Web-{version}" if version is not None else params.text_if_usable("User-Agent") or ""


def _anonymous_login(params: Fields) -> Body:
    target_params = params.section("target_params")
    target = Target(
        target_type=params.text("target_type") or "",
        target_id=params.text("target_id") or "",
        version_id=params.text("target_version_id") or None,
        # JavaScript has it inside target_params, Android and Flutter beside them (verto-mobile 5)
        conversation_id=params.text("conversation_id") or target_params.text_if_usable("conversation_id") or None,
        params=target_params.scalars(most=MAX_USER_VARIABLES),
    )
    if not target.target_type or not target.target_id:
        raise params.refuse("anonymous_login needs target_type and target_id")
    return AnonymousLogin(
        target=target,
        session_id=_session_id(params),
        user_agent=user_agent(params),
        user_variables=params.section("userVariables").scalars(most=MAX_USER_VARIABLES),
    )


def _invite(params: Fields) -> Body:
    dialog = params.section("dialogParams")
    return Invite(
        verto_call_id=_call_id(params),
        sdp=params.sdp(),
        is_trickle=_is_trickle(params),
        destination=(dialog.text("destination_number") or "").strip(),
        caller_name=dialog.text("caller_id_name") or "",
        caller_number=dialog.text("caller_id_number") or "",
        client_state=dialog.text("clientState", "client_state", limit=MAX_CLIENT_STATE),
        custom_headers=dialog.headers(is_strict=True),
        user_agent=user_agent(params),
        is_audio_received_only=dialog.flag("receiveOnlyAudio"),
        keeps_media=_keeps_media(params),
    )


def _call_id(params: Fields) -> VertoCallId:
    """Under `dialogParams` as a rule; JavaScript's updateMedia has it at the top level as well."""
    call_id = params.section("dialogParams").call_id() or params.call_id()
    if call_id is None:
        raise params.refuse("callID is missing")
    return call_id


def _is_trickle(params: Fields) -> bool:
    """At the top level; React Native has it inside dialogParams (verto-mobile 3.1)."""
    return params.flag("trickle") or params.section("dialogParams").flag("trickle", "useTrickleIce")


def _keeps_media(params: Fields) -> bool:
    return params.section("dialogParams").flag("keepConnectionAliveOnSocketClose")


def _answer(params: Fields) -> Body:
    answer = ClientAnswer(
        sdp=params.sdp(),
        is_trickle=_is_trickle(params),
        custom_headers=params.section("dialogParams").headers(is_strict=False),
        keeps_media=_keeps_media(params),
        device_token=params.text_if_usable("answered_device_token", limit=MAX_TOKEN) or None,
    )
    return CallRequest(_call_id(params), answer)


def _attach(params: Fields) -> Body:
    """Whatever `dialogParams.attach` says: Flutter has false there (M-50)."""
    attach = ClientAttach(sdp=params.sdp(), is_trickle=_is_trickle(params), keeps_media=_keeps_media(params))
    return CallRequest(_call_id(params), attach)


def _bye(params: Fields) -> Body:
    call_id = _call_id(params)
    bye = ClientBye(
        cause=causes.from_verto(params.text_if_usable("cause"), params.integer("causeCode")),
        sip_code=params.integer("sipCode"),
        custom_headers=params.section("dialogParams").headers(is_strict=False),
    )
    return CallRequest(call_id, bye)


def _modify(params: Fields) -> Body:
    call_id = _call_id(params)
    action = params.text("action") or ""
    if action == "updateMedia":
        return CallRequest(call_id, UpdateMedia(params.sdp(), _is_trickle(params)))
    if action == "transfer":
        return CallRequest(call_id, Transfer(_wanted(params, "destination")))
    if action == "replace":
        return CallRequest(call_id, Replace(VertoCallId(_wanted(params, "replaceCallID", "replaceCallId"))))
    try:
        return CallRequest(call_id, HoldAction(action))
    except ValueError:
        raise params.refuse(f'action "{action}" is not one of {", ".join(_ACTIONS)}') from None


_ACTIONS: Final = (*(action.value for action in HoldAction), "updateMedia", "transfer", "replace")


def _wanted(params: Fields, *names: str) -> str:
    """A text that must be there, at the top level or in `dialogParams`."""
    value = (params.text(*names) or params.section("dialogParams").text(*names) or "").strip()
    if not value:
        raise params.refuse(f"{names[0]} is missing")
    return value


def _info(params: Fields) -> Body:
    call_id = _call_id(params)
    digits = params.text("dtmf", limit=MAX_DIGITS)
    if digits is not None:
        if not digits or not _DTMF.issuperset(digits):
            raise params.refuse("dtmf must be made of 0-9, *, # and A-D")
        return CallRequest(call_id, ClientDtmf(digits.upper()))
    if params.is_present("msg"):
        return CallRequest(call_id, _text(params.section("msg")))
    raise params.refuse("info needs dtmf or msg")


def _text(message: Fields) -> ClientText:
    sender, receiver = message.text_if_usable("from") or "", message.text_if_usable("to") or ""
    return ClientText(sender, receiver, message.body("body", limit=MAX_BODY) or "")


def _candidate(params: Fields) -> Body:
    """An empty candidate is the end of candidates (W3C webrtc 5.6.1.2)."""
    candidate = params.text("candidate", limit=MAX_CANDIDATE) or None
    return CallRequest(_call_id(params), ClientCandidate(candidate))


def _end_of_candidates(params: Fields) -> Body:
    return CallRequest(_call_id(params), ClientCandidate(None))


def _ringing_ack(params: Fields) -> Body:
    return CallRequest(_call_id(params), RingingAck())


def _always(body: Body) -> Callable[[Fields], Body]:
    return lambda _params: body


METHODS: Final[Mapping[str, tuple[int, Callable[[Fields], Body]]]] = {
    # method: the error code for params that cannot be used, and the reader
    "login": (AUTHENTICATION_FAILED, _login),
    "anonymous_login": (AUTHENTICATION_FAILED, _anonymous_login),
    "telnyx_rtc.ping": (INVALID_PARAMS, _always(Ping())),
    "telnyx_rtc.gatewayState": (INVALID_PARAMS, _always(GatewayState())),
    "telnyx_rtc.invite": (CALL_ERROR, _invite),
    "telnyx_rtc.answer": (CALL_ERROR, _answer),
    "telnyx_rtc.bye": (CALL_ERROR, _bye),
    "telnyx_rtc.modify": (CALL_ERROR, _modify),
    "telnyx_rtc.info": (CALL_ERROR, _info),
    "telnyx_rtc.candidate": (CALL_ERROR, _candidate),
    "telnyx_rtc.endOfCandidates": (CALL_ERROR, _end_of_candidates),
    "telnyx_rtc.ringing_ack": (CALL_ERROR, _ringing_ack),
    "telnyx_rtc.attach": (CALL_ERROR, _attach),
    "telnyx_rtc.attachCalls": (CALL_ERROR, _always(AttachCalls())),
    "telnyx_rtc.subscribe": (INVALID_PARAMS, subscribe),
    "telnyx_rtc.unsubscribe": (INVALID_PARAMS, unsubscribe),
    "telnyx_rtc.broadcast": (INVALID_PARAMS, broadcast),
    "telnyx_rtc.disable_push_notification": (CALL_ERROR, disable_push),
    "ai_conversation": (CALL_ERROR, lambda params: AiMessage(transcript_item(params.raw))),
}
"""Every method of a client; also the closed set of the label `method` of the metrics."""


__all__ = [
    "METHODS",
    "AiMessage",
    "AnonymousLogin",
    "AttachCalls",
    "Body",
    "Broadcast",
    "CallContent",
    "CallRequest",
    "GatewayState",
    "HoldAction",
    "Login",
    "LoginRequest",
    "NotSupported",
    "Ping",
    "ReadyBody",
    "Replace",
    "RingingAck",
    "Subscribe",
    "Transfer",
    "Unknown",
    "UpdateMedia",
    "parse",
]
