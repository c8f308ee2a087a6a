"""What a Verto session tells call control, and what call control may ask of it.

`CallControl` is declared here and filled in by `app.py` with `b2bua`, so that this package never imports it.
All methods return at once; nothing here blocks or raises for what a client sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.domain.causes import Cause
from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SessionId, VertoCallId

Headers = Sequence[tuple[str, str]]
"""custom_headers, name and value in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """`telnyx_rtc.invite` from a client: an outbound call. The session has already sent its CALL CREATED result."""

    verto_call_id: VertoCallId
    sdp: Sdp
    is_trickle: bool
    destination: str
    """As the client sent it, not normalised. Empty only from a visitor."""
    caller_name: str
    caller_number: str
    client_state: str | None
    custom_headers: Headers
    user_agent: str
    is_audio_received_only: bool = False
    keeps_media: bool = False
    """Whether the client keeps its peer connection when it loses the socket (`keepConnectionAliveOnSocketClose`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAnswer:
    """`telnyx_rtc.answer`; its result has been sent."""

    sdp: Sdp
    is_trickle: bool
    custom_headers: Headers
    keeps_media: bool = False
    """As in `Invite`."""
    device_token: str | None = field(default=None, repr=False)
    """`answered_device_token`: the device on which the user answered, which needs no push about that (M-70)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAttach:
    """`telnyx_rtc.attach`: the answer to ours; its result has been sent."""

    sdp: Sdp
    is_trickle: bool
    keeps_media: bool = False
    """As in `Invite`."""


@dataclass(frozen=True, slots=True)
class AttachHeard:
    """The client has heard our `telnyx_rtc.attach`: it acknowledged it, or sent a ping since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBye:
    """`telnyx_rtc.bye`; its result has been sent."""

    cause: Cause
    sip_code: int | None
    custom_headers: Headers


@dataclass(frozen=True, slots=True)
class ClientRinging:
    """The client acknowledged our invite: its device rings (verto-js 5.2)."""


@dataclass(frozen=True, slots=True)
class ClientDtmf:
    """`telnyx_rtc.info` with dtmf. Never log the digits."""

    digits: str


@dataclass(frozen=True, slots=True)
class ClientHold:
    """`telnyx_rtc.modify` hold (True), unhold (False) or toggleHold (None). Answer with `reply_hold`."""

    request_id: str
    is_held: bool | None


@dataclass(frozen=True, slots=True)
class ClientUpdateMedia:
    """`telnyx_rtc.modify` updateMedia: an ICE restart. Answer with `reply_update_media` or `reply_error`."""

    request_id: str
    sdp: Sdp
    is_trickle: bool


@dataclass(frozen=True, slots=True)
class ClientTransfer:
    """`telnyx_rtc.modify` transfer: connect my far end with `destination`. Answer: `reply_transfer`, `reply_error`."""

    request_id: str
    destination: str
    """As the client sent it, not normalised."""


@dataclass(frozen=True, slots=True)
class ClientReplace:
    """`telnyx_rtc.modify` replace: connect the far ends of this call and of the client's call `other`."""

    request_id: str
    other: VertoCallId


@dataclass(frozen=True, slots=True)
class ClientCandidate:
    """`telnyx_rtc.candidate`, or None for `endOfCandidates`."""

    candidate: str | None


@dataclass(frozen=True, slots=True)
class ClientText:
    """`telnyx_rtc.info` with `msg`: a text for the other side. Never logged."""

    sender: str
    receiver: str
    body: str


@dataclass(frozen=True, slots=True)
class SocketLost:
    """The session's socket is gone and will not come back within the time that calls wait for it."""


ClientMessage = (
    ClientAnswer
    | ClientAttach
    | AttachHeard
    | ClientBye
    | ClientRinging
    | ClientDtmf
    | ClientHold
    | ClientUpdateMedia
    | ClientTransfer
    | ClientReplace
    | ClientCandidate
    | ClientText
    | SocketLost
)


class ClientSession(Protocol):
    """A logged-in client, as call control sees it. Sending to a socket that is gone is silently dropped."""

    @property
    def session_id(self) -> SessionId: ...

    @property
    def identity(self) -> Identity: ...

    @property
    def logged_in_at(self) -> datetime: ...

    @property
    def is_connected(self) -> bool:
        """False once its socket is gone. Its calls may be another handle's by then."""

    def ask(self) -> None:
        """See whether the client is still there. A silent one loses its socket: `session_detached` follows."""

    def send_invite(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp,
        caller_name: str,
        caller_number: str,
        callee_name: str,
        callee_number: str,
        telnyx_session_id: str,
        telnyx_leg_id: str,
        client_state: str | None = None,
        custom_headers: Headers = (),
    ) -> None:
        """`telnyx_rtc.invite` S→C (verto-js 5.1); a client ack comes back as `ClientRinging`."""

    def send_attach(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp,
        caller_name: str,
        caller_number: str,
        callee_name: str,
        callee_number: str,
        telnyx_session_id: str,
        telnyx_leg_id: str,
        custom_headers: Headers = (),
    ) -> None:
        """`telnyx_rtc.attach` S→C (verto-js 7.4) for a call that `session_replaced` named; `ClientAttach` comes back.

        The caller is the far end, whoever called.
        """

    def send_ringing(self, verto_call_id: VertoCallId, *, telnyx_session_id: str, telnyx_leg_id: str) -> None: ...

    def send_media(self, verto_call_id: VertoCallId, *, sdp: Sdp) -> None:
        """Early media: at most once per call (verto-js 4.4)."""

    def send_answer(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp | None,
        telnyx_session_id: str,
        telnyx_leg_id: str,
        custom_headers: Headers = (),
    ) -> None:
        """`sdp` is None exactly when `send_media` went before."""

    def send_bye(
        self,
        verto_call_id: VertoCallId,
        *,
        cause: Cause,
        sip_code: int | None,
        sip_reason: str | None,
        sip_call_id: str | None = None,
        custom_headers: Headers = (),
    ) -> None: ...

    def send_missed(self, verto_call_id: VertoCallId, *, cause: Cause, sip_code: int) -> None:
        """`telnyx_rtc.bye` for a call that this client knows from a push alone, and that is over (M-68)."""

    def send_text(self, verto_call_id: VertoCallId, text: ClientText) -> None:
        """`telnyx_rtc.info` with `msg`; the JavaScript SDK makes a session notification of it (verto-js 6.4)."""

    def send_dtmf(self, verto_call_id: VertoCallId, digits: str, *, duration: float | None) -> None:
        """`telnyx_rtc.info` with `dtmf`, and how many seconds each digit lasted where that is known. Never logged.

        The JavaScript SDK makes a session notification of it (verto-js 6.4); the mobile ones do not read it.
        """

    def send_display(self, verto_call_id: VertoCallId, *, name: str, number: str) -> None:
        """`telnyx_rtc.display`: the other side of the call is somebody else by now (verto-js 6.6).

        Not to the mobile SDKs, which do not read it.
        """

    def reply_hold(self, request_id: str, verto_call_id: VertoCallId, *, action: str, is_held: bool) -> None: ...

    def reply_update_media(self, request_id: str, verto_call_id: VertoCallId, *, sdp: Sdp) -> None: ...

    def reply_transfer(
        self, request_id: str, verto_call_id: VertoCallId, *, action: str, details: Mapping[str, str]
    ) -> None:
        """The result of transfer or replace; `details` repeats what was asked for. A bye follows."""

    def reply_error(
        self, request_id: str, *, code: int, message: str, data: Mapping[str, str] | None = None
    ) -> None: ...


class CallControl(Protocol):
    """What the Verto side needs of call control."""

    def has_call(self, session_id: SessionId, verto_call_id: VertoCallId) -> bool:
        """Whether that call lives and belongs to that session."""

    def call_requested(self, session: ClientSession, invite: Invite) -> None:
        """A client calls. Refusals come back as `send_bye` (verto-js 4.5)."""

    def client_message(self, session_id: SessionId, verto_call_id: VertoCallId, message: ClientMessage) -> None:
        """Something for a live call; silently dropped when `has_call` is false."""

    def session_detached(self, session_id: SessionId) -> None:
        """The session's socket is gone. It may come back (`session_replaced`); else `session_lost` follows."""

    def client_arrived(self, session: ClientSession, *, is_mobile: bool, is_late: bool) -> None:
        """A client has logged in on a new socket: ring it with what waits for its user (verto-mobile 4.4).

        Args:
            is_late: it asked to be offered calls that began before it came (`pn_late_fanout`).
        """

    def push_declined(self, session: ClientSession) -> None:
        """A client has logged in only to say that its user declined the pushed call (M-69)."""

    def has_called(self, session_id: SessionId) -> bool:
        """Whether a call that we made to that session is alive (M-65, M-66)."""

    def session_lost(self, session_id: SessionId) -> None:
        """The session is gone for good: its socket closed, and the reattach window has passed."""

    def session_replaced(self, session: ClientSession) -> Sequence[VertoCallId]:
        """The same session id now lives on another socket: calls speak to this handle from now on.

        Returns the calls that the client may keep. The session names them in `clientReady`; what each needs beyond
        that (`send_attach`, or nothing) comes by itself afterwards. The client's other calls have ended, or ring again
        under another id.
        """
