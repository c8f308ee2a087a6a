"""A REFER of the far end within our dialog, and the NOTIFYs that we owe it (RFC 3515, 4488, 6665). Does no I/O."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.sip.call import Referred
from gateway.sip.core.actions import Action, ClientRequest, Notify, Respond, Responder, Send
from gateway.sip.core.context import Context
from gateway.sip.core.errors import SipError, SipParseError
from gateway.sip.core.headers.refer_to import refer_target_of, referred_by_of
from gateway.sip.core.headers.sipfrag import CONTENT_TYPE, format_sipfrag
from gateway.sip.core.message import Request, Response, response_to

SendInDialog = Callable[[str, tuple[tuple[str, str], ...], bytes], Send]
"""Makes a request within the dialog: method, header fields, body."""

DECISION_LIMIT: Final = 15.0
"""Seconds that call control has for a REFER; then it is refused with 500. Its sender gives up after 32 s (timer F)."""

SUBSCRIPTION: Final = 300.0
"""Seconds that the implicit subscription lives at most; then it ends with `reason=timeout`. Longer than it may ring."""

MAX_UNSENT: Final = 8
"""NOTIFYs that wait for the answer to the one before; of more, the oldest are left out."""


@dataclass(slots=True)
class _Waiting:
    """A REFER that call control has not decided on."""

    request: Request
    responder: Responder
    deadline: float


@dataclass(slots=True)
class _Subscription:
    """The implicit subscription of an accepted REFER.

    Attributes:
        event: the value of Event.
        in_flight: the NOTIFY that has no answer yet: one at a time, or a repeated one would overtake the next.
        last: what was told last; repeated when the time is over.
    """

    event: str
    expires_at: float
    in_flight: ClientRequest | None = None
    unsent: deque[tuple[int, str, str]] = field(default_factory=lambda: deque(maxlen=MAX_UNSENT))
    last: tuple[int, str] = (100, "Trying")
    is_ending: bool = False


class Referee:
    """The REFERs of the far end in one dialog, one at a time."""

    def __init__(self, context: Context, send: SendInDialog) -> None:
        self._context, self._send = context, send
        self._waiting: _Waiting | None = None
        self._subscription: _Subscription | None = None
        self._has_had_one = False

    def receive(self, request: Request, responder: Responder, now: float) -> list[Action]:
        """A REFER in order."""
        if self._waiting is not None or self._subscription is not None:
            return [Respond(responder, response_to(request, 491))]
        try:
            target, referred_by = refer_target_of(request.headers), referred_by_of(request.headers)
        except SipParseError as error:
            return [Respond(responder, response_to(request, error.status))]
        except SipError as error:
            return [Respond(responder, response_to(request, error.sip_status))]
        self._waiting = _Waiting(request, responder, now + DECISION_LIMIT)
        return [Notify(Referred(target, referred_by))]

    def accept(self, now: float) -> list[Action]:
        """202, then the first NOTIFY, unless the far end wants none (RFC 4488 section 4)."""
        if (waiting := self._waiting) is None:
            return []
        self._waiting = None
        is_unsubscribed = (waiting.request.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower() == "false"
        headers = (*self._context.invite_headers, *((("Refer-Sub", "false"),) if is_unsubscribed else ()))
        accepted = Respond(waiting.responder, response_to(waiting.request, 202, headers=headers))
        if is_unsubscribed:
            return [accepted]
        # RFC 3515 section 2.4.6: from the second REFER in a dialog on, the id tells the subscriptions apart.
        event = f"refer;id={waiting.request.cseq.number}" if self._has_had_one else "refer"
        self._has_had_one = True
        self._subscription = _Subscription(event, now + SUBSCRIPTION)
        return [accepted, *self.notify(100, "Trying", now)]

    def reject(self, status: int) -> list[Action]:
        """Refuse the REFER that waits."""
        if (waiting := self._waiting) is None:
            return []
        self._waiting = None
        return [Respond(waiting.responder, response_to(waiting.request, status))]

    def notify(self, status: int, reason: str, now: float) -> list[Action]:
        """Tell how it goes; a final status ends the subscription."""
        subscription = self._subscription
        if subscription is None or subscription.is_ending:
            return []
        subscription.last, subscription.is_ending = (status, reason), status >= 200
        expires = max(0, int(subscription.expires_at - now))
        state = "terminated;reason=noresource" if status >= 200 else f"active;expires={expires}"
        subscription.unsent.append((status, reason, state))
        return self._send_next(subscription)

    def on_response(
        self, client_request: ClientRequest, response: Response, retry: ClientRequest | None
    ) -> list[Action]:
        """An answer to a NOTIFY; `retry` is that NOTIFY with credentials, when it was challenged for them."""
        subscription = self._subscription
        if subscription is None or subscription.in_flight is not client_request or response.status < 200:
            return []
        if retry is not None:
            subscription.in_flight = retry
            return [Send(retry)]
        if response.status >= 300:  # RFC 6665 section 4.2.2: whoever refuses a NOTIFY wants no more of them
            self._subscription = None
            return []
        return self._on_notified(subscription)

    def on_failure(self, client_request: ClientRequest) -> list[Action]:
        """No answer to a NOTIFY: the subscription is gone, the call is not (RFC 5057 section 5.1)."""
        if self._subscription is not None and self._subscription.in_flight is client_request:
            self._subscription = None
        return []

    def end(self) -> list[Action]:
        """The dialog is over: so is the subscription."""
        self._subscription = None
        return self.reject(481)

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        if self._waiting is not None:
            return self._waiting.deadline
        subscription = self._subscription
        return None if subscription is None or subscription.is_ending else subscription.expires_at

    def handle_timeout(self, now: float) -> list[Action]:
        """Call control decided nothing, or the subscription's time is over."""
        if self._waiting is not None and now >= self._waiting.deadline:
            return self.reject(500)
        subscription = self._subscription
        if subscription is None or subscription.is_ending or now < subscription.expires_at:
            return []
        subscription.is_ending = True
        subscription.unsent.append((*subscription.last, "terminated;reason=timeout"))
        return self._send_next(subscription)

    def _on_notified(self, subscription: _Subscription) -> list[Action]:
        subscription.in_flight = None
        if subscription.is_ending and not subscription.unsent:
            self._subscription = None
            return []
        return self._send_next(subscription)

    def _send_next(self, subscription: _Subscription) -> list[Action]:
        if subscription.in_flight is not None or not subscription.unsent:
            return []
        status, reason, state = subscription.unsent.popleft()
        headers = (
            ("Contact", self._context.contact),
            ("Event", subscription.event),
            ("Subscription-State", state),
            ("User-Agent", self._context.user_agent),
            ("Content-Type", CONTENT_TYPE),
        )
        send = self._send("NOTIFY", headers, format_sipfrag(status, reason))
        subscription.in_flight = send.client_request
        return [send]
