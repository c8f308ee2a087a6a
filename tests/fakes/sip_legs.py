"""SIP calls without SIP: record what is asked of them, and tell what a test lets happen."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SipCallId
from gateway.sip.call import (
    Answered,
    OnReferProgress,
    OnSipCallEvent,
    Rejected,
    Replaces,
    SipCallEvent,
    Target,
)


class FakeLeg:
    """What both directions share. `asked` is the list of method names and arguments, in order."""

    def __init__(self) -> None:
        self.sip_call_id = SipCallId("call-1@far.example")
        self.asked: list[tuple[object, ...]] = []
        self._news = asyncio.Event()
        self._on_event: OnSipCallEvent | None = None
        self.dialog: Replaces | None = None
        self.takes_info = False
        self.on_refer_progress: OnReferProgress | None = None
        self.on_reinvite_result: Callable[[Answered | Rejected], None] | None = None

    def listen(self, on_event: OnSipCallEvent) -> None:
        self._on_event = on_event

    async def has_asked(self, method: str) -> None:
        """Wait until that method was called."""
        async with asyncio.timeout(30):
            while method not in [entry[0] for entry in self.asked]:
                self._news.clear()
                await self._news.wait()

    def _ask(self, *entry: object) -> None:
        self.asked.append(entry)
        self._news.set()

    def tell(self, event: SipCallEvent) -> None:
        """Let the far end do something."""
        assert self._on_event is not None
        self._on_event(event)

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._ask("hangup")

    def send_digits(self, digits: str, duration: float | None) -> None:
        self._ask("send_digits", digits, duration)

    def answer_reoffer(self, sdp: Sdp) -> None:
        self._ask("answer_reoffer", sdp)

    def reject_reoffer(self, status: int) -> None:
        self._ask("reject_reoffer", status)

    def reinvite(self, sdp: Sdp, on_result: Callable[[Answered | Rejected], None]) -> None:
        self._ask("reinvite", sdp)
        self.on_reinvite_result = on_result

    def accept_refer(self) -> None:
        self._ask("accept_refer")

    def reject_refer(self, status: int) -> None:
        self._ask("reject_refer", status)

    def notify_refer(self, status: int, reason: str) -> None:
        self._ask("notify_refer", status, reason)

    def refer(self, uri: str, on_progress: OnReferProgress, *, replaces: Replaces | None = None) -> None:
        self._ask("refer", uri, replaces)
        self.on_refer_progress = on_progress


class FakeIncomingLeg(FakeLeg):
    """An `IncomingCall`."""

    def __init__(self, request_user: str, offer: Sdp | None, *, caller_number: str = "alice") -> None:
        super().__init__()
        self.trunk, self.is_secure = "gateway", False
        self.request_user = request_user
        self.request_host = "127.0.0.1"
        self.caller_number = caller_number
        self.caller_name, self.max_forwards = "", 70
        self.headers: Sequence[tuple[str, str]] = ()
        self.offer = offer
        self.identity: Identity | None = None
        self.replaces: SipCallId | None = None
        self.session_expires: int | None = None
        self.retry_after: int | None = None

    def ring(self) -> None:
        self._ask("ring")

    def progress(self, sdp: Sdp) -> None:
        self._ask("progress", sdp)

    def answer(self, sdp: Sdp, *, session_expires: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        self._ask("answer", sdp)
        self.session_expires = session_expires

    def reject(self, status: int, reason: str, *, q850: int | None = None, retry_after: int | None = None) -> None:
        self._ask("reject", status, reason, q850)
        self.retry_after = retry_after


class FakeOutgoingLeg(FakeLeg):
    """An `OutgoingCall`, with what it was made of."""

    def __init__(self, target: Target, offer: Sdp, on_event: OnSipCallEvent) -> None:
        super().__init__()
        self.target, self.offer = target, offer
        self.listen(on_event)
