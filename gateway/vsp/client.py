"""A logged-in client as call control sees it: `control.ClientSession` over one socket."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from gateway.domain.causes import REJECTIONS, Cause
from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SessionId, VertoCallId
from gateway.domain.registration import RegistrationState
from gateway.vsp.control import ClientText, Headers
from gateway.vsp.core.calls import CallTable
from gateway.vsp.core.platforms import is_mobile
from gateway.vsp.core.push import PushOptions
from gateway.vsp.core.session import VertoSession

REVOKED: Final = REJECTIONS["D25"]
"""What ends or refuses a call of a client whose login is good no longer."""


class VertoClient:
    """Sends through the socket's session; what is sent after the socket has gone is dropped."""

    def __init__(
        self,
        core: VertoSession,
        *,
        session_id: SessionId,
        identity: Identity,
        peer: str,
        peer_port: int | None = None,
        user_agent: str,
        logged_in_at: datetime,
        presented_id: SessionId | None = None,
        user_variables: tuple[tuple[str, str], ...] = (),
        push: PushOptions | None = None,
        flush: Callable[[], None],
        close: Callable[[int, str], None],
        ask: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            presented_id: the session id that the client logged in with; some mobile SDKs never take ours.
            user_variables: what the application wants to be known of it (V-37); a device's token stands in it too.
            flush: puts what the core has queued on its way.
            ask: has the socket's session ask whether the client is still there.
            close: closes the socket with a code and a reason, once what is queued has been sent.
        """
        self.session_id, self.identity = session_id, identity
        self.peer, self.peer_port = peer, peer_port
        self.user_agent, self.logged_in_at = user_agent, logged_in_at
        self.presented_id = presented_id
        self.user_variables, self.push = user_variables, push if push is not None else PushOptions()
        self.is_ended = False
        self._core, self._flush, self._close = core, flush, close
        self.ask = ask

    @property
    def is_connected(self) -> bool:
        """See `ClientSession`."""
        return self._core.is_open

    @property
    def voice_sdk_id(self) -> str:
        """The socket's."""
        return self._core.voice_sdk_id

    @property
    def live_calls(self) -> tuple[VertoCallId, ...]:
        """The calls that live on this socket, or wait for another one."""
        return self._core.calls.live

    def replace(self) -> CallTable:
        """Another socket has this session now: kick this one out, for good (verto-js 6.10). Returns its calls."""
        self._core.punt()
        self._flush()
        self._close(1000, "replaced")
        return self._core.calls

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
        """See `ClientSession`. A socket that is gone is told nothing, and does not ring."""
        if not self._core.is_open:
            return
        self._core.calls.send_invite(
            verto_call_id,
            sdp=sdp,
            caller=(caller_name, caller_number),
            callee=(callee_name, callee_number),
            telnyx_ids=(telnyx_session_id, telnyx_leg_id),
            client_state=client_state,
            custom_headers=custom_headers,
        )
        self._flush()

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
        """See `ClientSession`."""
        self._core.calls.send_attach(
            verto_call_id,
            sdp=sdp,
            caller=(caller_name, caller_number),
            callee=(callee_name, callee_number),
            telnyx_ids=(telnyx_session_id, telnyx_leg_id),
            custom_headers=custom_headers,
        )
        self._flush()

    def send_ringing(self, verto_call_id: VertoCallId, *, telnyx_session_id: str, telnyx_leg_id: str) -> None:
        """See `ClientSession`."""
        self._core.calls.send_ringing(verto_call_id, telnyx_ids=(telnyx_session_id, telnyx_leg_id))
        self._flush()

    def send_media(self, verto_call_id: VertoCallId, *, sdp: Sdp) -> None:
        """See `ClientSession`."""
        self._core.calls.send_media(verto_call_id, sdp=sdp)
        self._flush()

    def send_answer(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp | None,
        telnyx_session_id: str,
        telnyx_leg_id: str,
        custom_headers: Headers = (),
    ) -> None:
        """See `ClientSession`."""
        telnyx_ids = (telnyx_session_id, telnyx_leg_id)
        self._core.calls.send_answer(verto_call_id, sdp=sdp, telnyx_ids=telnyx_ids, custom_headers=custom_headers)
        self._flush()

    def send_bye(
        self,
        verto_call_id: VertoCallId,
        *,
        cause: Cause,
        sip_code: int | None,
        sip_reason: str | None,
        sip_call_id: str | None = None,
        custom_headers: Headers = (),
    ) -> None:
        """See `ClientSession`."""
        self._core.calls.send_bye(
            verto_call_id,
            cause=cause,
            sip_code=sip_code,
            sip_reason=sip_reason,
            sip_call_id=sip_call_id,
            custom_headers=custom_headers,
        )
        self._flush()

    def send_missed(self, verto_call_id: VertoCallId, *, cause: Cause, sip_code: int) -> None:
        """See `ClientSession`."""
        if self._core.is_open:
            self._core.calls.send_missed(verto_call_id, cause=cause, sip_code=sip_code)
            self._flush()

    def send_dtmf(self, verto_call_id: VertoCallId, digits: str, *, duration: float | None) -> None:
        """See `ClientSession`."""
        self._core.calls.send_dtmf(verto_call_id, digits, duration=duration)
        self._flush()

    def send_text(self, verto_call_id: VertoCallId, text: ClientText) -> None:
        """See `ClientSession`."""
        self._core.calls.send_text(verto_call_id, text)
        self._flush()

    def send_display(self, verto_call_id: VertoCallId, *, name: str, number: str) -> None:
        """See `ClientSession`; verto-mobile 3.7."""
        if not is_mobile(self.user_agent):
            self._core.calls.send_display(verto_call_id, name=name, number=number)
            self._flush()

    def send_event(self, channel: str, data: object, *, sender: str) -> None:
        """`telnyx_rtc.event`: somebody's broadcast to a channel that this client subscribed to."""
        self._core.send_event(channel, data, sender=sender)
        self._flush()

    @property
    def registration_state(self) -> RegistrationState:
        """What the client hears when it asks."""
        return self._core.registration.state

    def set_registration(self, state: RegistrationState) -> None:
        """Change what the client hears of its registration."""
        self._core.registration.set(state)
        self._flush()

    def retire(self) -> None:
        """The user is gone, a call goes on: say so, and stay for it. A good login on this socket brings it back."""
        self.is_ended = True
        self.set_registration(RegistrationState.UNREGED)

    def come_back(self) -> None:
        """It logged in again on the same socket."""
        if self.is_ended:
            self.is_ended = False
            self.set_registration(RegistrationState.REGED)

    def end_registration(self) -> None:
        """The user is gone: say so and close. Its session does not wait for it."""
        self.is_ended = True
        self.set_registration(RegistrationState.UNREGED)
        self._close(1008, "unregistered")

    def reply_hold(self, request_id: str, verto_call_id: VertoCallId, *, action: str, is_held: bool) -> None:
        """See `ClientSession`; the request knows its call."""
        self._core.calls.reply_hold(request_id, action=action, is_held=is_held)
        self._flush()

    def reply_update_media(self, request_id: str, verto_call_id: VertoCallId, *, sdp: Sdp) -> None:
        """See `ClientSession`; the request knows its call."""
        self._core.calls.reply_update_media(request_id, sdp=sdp)
        self._flush()

    def reply_transfer(
        self, request_id: str, verto_call_id: VertoCallId, *, action: str, details: Mapping[str, str]
    ) -> None:
        """See `ClientSession`; the request knows its call."""
        self._core.calls.reply_transfer(request_id, action=action, details=details)
        self._flush()

    def reply_error(self, request_id: str, *, code: int, message: str, data: Mapping[str, str] | None = None) -> None:
        """See `ClientSession`."""
        self._core.calls.reply_error(request_id, code=code, message=message, data=data)
        self._flush()
