"""A Verto client and a SIP user agent as call control sees them: they record, and tests make them speak."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from gateway.domain.causes import Cause
from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SessionId, SipCallId, VertoCallId
from gateway.sip.call import Answered, OnReferProgress, OnSipCallEvent, Rejected, Replaces, SipCallEvent, Target
from gateway.vsp.control import ClientText, Headers


class RecordingSession:
    """A `ClientSession` whose messages are kept as tuples: what, then the values a test looks at."""

    def __init__(self, username: str = "alice", session_id: str = "session-1") -> None:
        self.session_id = SessionId(session_id)
        self.identity = Identity(connection_id="1", credential_id=None, username=username)
        self.is_connected = True
        self.logged_in_at = datetime(2026, 1, 1, tzinfo=UTC)
        self.sent: list[tuple[object, ...]] = []
        self.calls: list[VertoCallId] = []
        self.error_messages: list[str] = []
        self._news: asyncio.Event = asyncio.Event()

    def _send(self, *message: object) -> None:
        self.sent.append(message)
        self._news.set()

    async def wait_for(self, what: str, count: int = 1) -> tuple[object, ...]:
        """Message number `count` of that kind, once it is there."""
        while True:
            found = [message for message in self.sent if message[0] == what]
            if len(found) >= count:
                return found[count - 1]
            self._news.clear()
            await self._news.wait()

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
        self.calls.append(verto_call_id)
        self._send("invite", sdp, caller_name, caller_number, callee_number, tuple(custom_headers))

    def ask(self) -> None:
        self._send("ask")

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
        self._send("attach", verto_call_id, sdp, caller_number, callee_number)

    def send_ringing(self, verto_call_id: VertoCallId, *, telnyx_session_id: str, telnyx_leg_id: str) -> None:
        self._send("ringing")

    def send_media(self, verto_call_id: VertoCallId, *, sdp: Sdp) -> None:
        self._send("media", sdp)

    def send_answer(
        self,
        verto_call_id: VertoCallId,
        *,
        sdp: Sdp | None,
        telnyx_session_id: str,
        telnyx_leg_id: str,
        custom_headers: Headers = (),
    ) -> None:
        self.answer_headers = tuple(custom_headers)
        self._send("answer", sdp)

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
        self._send("bye", cause.name, sip_code, sip_reason)

    def send_missed(self, verto_call_id: VertoCallId, *, cause: Cause, sip_code: int) -> None:
        self._send("missed", verto_call_id, cause.name, sip_code)

    def send_text(self, verto_call_id: VertoCallId, text: ClientText) -> None:
        self._send("text", text)

    def send_dtmf(self, verto_call_id: VertoCallId, digits: str, *, duration: float | None) -> None:
        self._send("dtmf", digits, duration)

    def send_display(self, verto_call_id: VertoCallId, *, name: str, number: str) -> None:
        self._send("display", name, number)

    def reply_hold(self, request_id: str, verto_call_id: VertoCallId, *, action: str, is_held: bool) -> None:
        self._send("hold", request_id, action, is_held)

    def reply_update_media(self, request_id: str, verto_call_id: VertoCallId, *, sdp: Sdp) -> None:
        self._send("updated", request_id, sdp)

    def reply_transfer(
        self, request_id: str, verto_call_id: VertoCallId, *, action: str, details: Mapping[str, str]
    ) -> None:
        self._send("transferred", request_id, action, dict(details))

    def reply_error(self, request_id: str, *, code: int, message: str, data: Mapping[str, str] | None = None) -> None:
        self.error_messages.append(message)
        self._send("error", request_id, code)


class RecordingOutgoingCall:
    """An `OutgoingCall` that a test answers by `say`."""

    def __init__(self, number: int, target: Target, sdp: Sdp, on_event: OnSipCallEvent) -> None:
        self.sip_call_id = SipCallId(f"call-{number}@test")
        self.target, self.sdp, self._on_event = target, sdp, on_event
        self.log: list[tuple[object, ...]] = []
        self.dialog: Replaces | None = None
        self.takes_info = False
        self.on_refer_progress: OnReferProgress | None = None
        self._news = asyncio.Event()
        self._on_result: Callable[[Answered | Rejected], None] | None = None

    def _note(self, *entry: object) -> None:
        self.log.append(entry)
        self._news.set()

    async def wait_for(self, what: str, count: int = 1) -> tuple[object, ...]:
        """The entry number `count` of that kind."""
        while True:
            entries = [entry for entry in self.log if entry[0] == what]
            if len(entries) >= count:
                return entries[count - 1]
            self._news.clear()
            await self._news.wait()

    def answer_reinvite(self, result: Answered | Rejected) -> None:
        """The far end's final word to the last re-INVITE."""
        on_result, self._on_result = self._on_result, None
        assert on_result is not None
        on_result(result)

    def say(self, event: SipCallEvent) -> None:
        """Something comes from the far end."""
        self._on_event(event)

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._note("hangup", q850)

    def send_digits(self, digits: str, duration: float | None) -> None:
        self._note("digits", digits, duration)

    def answer_reoffer(self, sdp: Sdp) -> None:
        self._note("answer_reoffer", sdp)

    def reject_reoffer(self, status: int) -> None:
        self._note("reject_reoffer", status)

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None:
        self._on_result = on_result
        self._note("reinvite", sdp)

    def accept_refer(self) -> None:
        self.log.append(("accept_refer",))

    def reject_refer(self, status: int) -> None:
        self.log.append(("reject_refer", status))

    def notify_refer(self, status: int, reason: str) -> None:
        self.log.append(("notify_refer", status, reason))

    def refer(self, uri: str, on_progress: OnReferProgress, *, replaces: Replaces | None = None) -> None:
        self.log.append(("refer", uri, replaces))
        self.on_refer_progress = on_progress


class RecordingUserAgent:
    """`invite` as `sip.ua.UserAgent` has it."""

    def __init__(self) -> None:
        self.calls: list[RecordingOutgoingCall] = []
        self._news = asyncio.Event()

    def invite(self, target: Target, sdp: Sdp, on_event: OnSipCallEvent) -> RecordingOutgoingCall:
        call = RecordingOutgoingCall(len(self.calls) + 1, target, sdp, on_event)
        self.calls.append(call)
        self._news.set()
        return call

    async def wait_for_call(self, count: int = 1) -> RecordingOutgoingCall:
        """The call number `count`, once it was sent."""
        while len(self.calls) < count:
            self._news.clear()
            await self._news.wait()
        return self.calls[count - 1]


class RecordingIncomingCall:
    """An `IncomingCall` from a trunk."""

    def __init__(self, request_user: str, *, offer: Sdp | None = None) -> None:
        self.sip_call_id = SipCallId("incoming@test")
        self.trunk, self.is_secure = "carrier", False
        self.request_user, self.request_host = request_user, "127.0.0.1"
        self.caller_number, self.caller_name = "+12025550177", "Carol"
        self.max_forwards = 70
        self.headers: tuple[tuple[str, str], ...] = (("X-Tenant", "acme"), ("Privacy", "no"))
        self.offer = offer if offer is not None else Sdp("offer from trunk")
        self.identity: Identity | None = None
        self.replaces: SipCallId | None = None
        self.dialog: Replaces | None = None
        self.takes_info = False
        self.on_refer_progress: OnReferProgress | None = None
        self.log: list[tuple[object, ...]] = []
        self._on_event: OnSipCallEvent | None = None
        self._news = asyncio.Event()

    def _note(self, *entry: object) -> None:
        self.log.append(entry)
        self._news.set()

    async def wait_for(self, what: str) -> tuple[object, ...]:
        """The first entry of that kind."""
        while True:
            for entry in self.log:
                if entry[0] == what:
                    return entry
            self._news.clear()
            await self._news.wait()

    def say(self, event: SipCallEvent) -> None:
        """Something comes from the trunk."""
        assert self._on_event is not None
        self._on_event(event)

    def listen(self, on_event: OnSipCallEvent) -> None:
        self._on_event = on_event

    def ring(self) -> None:
        self._note("ring")

    def progress(self, sdp: Sdp) -> None:
        self._note("progress", sdp)

    def answer(self, sdp: Sdp, *, session_expires: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.answer_headers = tuple(headers)
        self._note("answer", sdp)

    def reject(self, status: int, reason: str, *, q850: int | None = None, retry_after: int | None = None) -> None:
        self._note("reject", status, reason, q850)

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._note("hangup", q850)

    def send_digits(self, digits: str, duration: float | None) -> None:
        self._note("digits", digits, duration)

    def answer_reoffer(self, sdp: Sdp) -> None:
        self._note("answer_reoffer", sdp)

    def reject_reoffer(self, status: int) -> None:
        self._note("reject_reoffer", status)

    def reinvite(self, sdp: Sdp, on_result: object) -> None:
        self._note("reinvite", sdp)

    def accept_refer(self) -> None:
        self._note("accept_refer")

    def reject_refer(self, status: int) -> None:
        self._note("reject_refer", status)

    def notify_refer(self, status: int, reason: str) -> None:
        self._note("notify_refer", status, reason)

    def refer(self, uri: str, on_progress: OnReferProgress, *, replaces: Replaces | None = None) -> None:
        self._note("refer", uri, replaces)
        self.on_refer_progress = on_progress
