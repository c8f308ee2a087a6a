"""An INVITE to us from the 100 to the dialog that it makes (RFC 3261 sections 9.2, 13.3; RFC 3262 section 3)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Cancelled, Ended
from gateway.sip.core.actions import Action, ClientRequest, Failure, Notify, Respond, Responder
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.capabilities import SDP, sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, DialogId, Stage
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.negotiation import Negotiation
from gateway.sip.core.offer_answer import Move, OfferAnswer, Turn
from gateway.sip.core.reliability import OPTION, option_tags
from gateway.sip.core.reliable import ReliableResponses
from gateway.sip.core.replies import answer_early, q850_of, reason_headers
from gateway.sip.core.session import Session

REFRESH_INTERVAL: Final = 60.0
"""Seconds after which a provisional response goes out again: proxies give up after three minutes without (13.3.1.1)."""

RING_LIMIT: Final = 600.0
"""Seconds without a final response from call control, whose own ring timeout is shorter; then 480."""


class State(Enum):
    """Where the INVITE stands."""

    PROCEEDING = "proceeding"
    """No final response yet; the CANCEL still counts."""
    ANSWERED = "answered"
    """The 2xx went out: a CANCEL comes too late, the rest happens in the session."""
    ENDED = "ended"
    """Refused or cancelled."""


@dataclass(frozen=True, slots=True)
class _HeldAnswer:
    """A 2xx that waits for the PRACK of the response that brought its SDP (RFC 3262 section 3)."""

    sdp: Sdp
    session_expires: int | None
    headers: tuple[tuple[str, str], ...]


class InviteServer:
    """The server's side of one INVITE outside of a dialog. Does no I/O.

    Args:
        invite: one that `capabilities.find_refusal` let pass.
        local_tag: the To tag of all our responses.
        authentication: for a far end that challenges our BYE or re-INVITE; None when we have no credentials there.
    """

    def __init__(
        self,
        invite: Request,
        responder: Responder,
        *,
        local_tag: str,
        context: Context,
        authentication: Authentication | None = None,
        now: float,
    ) -> None:
        self.state = State.PROCEEDING
        self.session: Session | None = None
        self.offer: Sdp | None = sdp_of(invite)
        self._invite, self._responder, self._context = invite, responder, context
        self._authentication = authentication
        self._dialog = Dialog.from_invite(invite, local_tag=local_tag)
        exchange = OfferAnswer(Turn.IDLE if self.offer is None else Turn.THEIRS_PENDING)
        self._negotiation = Negotiation(self._dialog, context, exchange, remote_sdp=self.offer)
        self._negotiation.note_methods(invite)
        self._reliable = ReliableResponses(responder, invite.cseq, timers=context.timers, random=context.random())
        self._held: _HeldAnswer | None = None
        self._has_answered = False
        """Whether a reliable provisional response has brought our answer, and its PRACK came."""
        self._last_status: int | None = None
        self._last_sdp: Sdp | None = None
        self._refresh_at: float | None = None
        self._expires = _expires(invite)
        self._give_up_at = now + (RING_LIMIT if self._expires is None else self._expires)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state is State.ENDED or (self.session is not None and self.session.is_over)

    def retire(self) -> None:
        """It is over. Nobody keeps this: there is nothing to let go."""

    @property
    def dialog_count(self) -> int:
        """1 while the dialog lives, early or confirmed."""
        return 0 if self.is_over else 1

    @property
    def dialogs(self) -> list[tuple[DialogId, Stage]]:
        """The one dialog."""
        if self.session is not None:
            return [(self._dialog.dialog_id, self.session.stage)]
        is_early = self.state is State.PROCEEDING
        return [(self._dialog.dialog_id, Stage.EARLY_THEIRS if is_early else Stage.OVER)]

    # What call control asks for

    def ring(self, now: float) -> list[Action]:
        """180 without SDP."""
        return self._provisional(180, None, now)

    def progress(self, sdp: Sdp, now: float) -> list[Action]:
        """183, with SDP if that is an answer: an offer may not go into an unreliable response (RFC 6337 section 2)."""
        return self._provisional(183, sdp if self._owes_answer else None, now)

    def answer(
        self, sdp: Sdp, now: float, session_expires: int | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> list[Action]:
        """200 with our answer, or with our offer if the INVITE had none.

        It waits for the PRACK of a response with SDP. What that brought is not said again (RFC 6337 section 3.1.1).

        Args:
            session_expires: seconds of a session timer that call control wants, whatever the INVITE says.
            headers: header fields of call control's own.
        """
        if self.state is not State.PROCEEDING or self._held is not None:
            return []
        self._held = _HeldAnswer(sdp, session_expires, headers)
        return [] if self._reliable.carries_sdp else self._release_answer(now)

    def reject(self, status: int, reason: str, q850: int | None, retry_after: int | None = None) -> list[Action]:
        """A final 3xx to 6xx."""
        if self.state is not State.PROCEEDING:
            return []
        self.state, self._held = State.ENDED, None
        self._reliable.stop()
        later = () if retry_after is None else (("Retry-After", str(retry_after)),)
        headers = (("Server", self._context.user_agent), *reason_headers(q850), *later)
        unanswered = self._negotiation.reject(487)
        return [*unanswered, Respond(self._responder, self._response(status, reason, headers))]

    def answer_reoffer(self, sdp: Sdp, now: float) -> list[Action]:
        """200 to the re-INVITE, UPDATE or PRACK that waits."""
        return self._negotiation.answer(sdp, now) if self.session is None else self.session.answer_reoffer(sdp, now)

    def reject_reoffer(self, status: int) -> list[Action]:
        """Refuse the re-INVITE, UPDATE or PRACK that waits."""
        return self._negotiation.reject(status)

    def hangup(self, q850: int | None, _now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        """480 before the answer, BYE after it, which alone takes `headers`."""
        if self.session is not None:
            return self.session.hangup(q850, headers)
        return self.reject(480, "Temporarily Unavailable", q850)

    # What the far end sends

    def cancel(self, request: Request) -> list[Action]:
        """A CANCEL. One that crosses our 200 comes to nothing (section 9.2): the call stands."""
        if self.session is not None:
            return self.session.cancel(request)
        return self._terminate(q850_of(request))

    def receive(self, request: Request, responder: Responder, remote_tag: str, now: float) -> list[Action]:
        """A request within the dialog, early or confirmed."""
        if remote_tag != self._dialog.dialog_id.remote_tag:
            return [Respond(responder, response_to(request, 481))]
        if request.method == "PRACK":
            return self._on_prack(request, responder, now)
        if self.session is not None:
            return self.session.receive(request, responder, now)
        if not self._dialog.is_in_order(request):
            return [Respond(responder, response_to(request, 500, "CSeq Out Of Order"))]
        return self._receive_early(request, responder, now)

    def _receive_early(self, request: Request, responder: Responder, now: float) -> list[Action]:
        if request.method == "BYE":  # a caller may hang up an early dialog so (section 15)
            goodbye = Respond(responder, response_to(request, 200))
            return [goodbye, *self._terminate(q850_of(request))]
        if request.method == "INVITE":  # section 14.2: before the final response to the first
            return [Respond(responder, self._negotiation.later(request))]
        if request.method == "UPDATE":
            if self.offer is None and request.body:  # the first offer is to be ours
                return [Respond(responder, self._negotiation.later(request))]
            return self._negotiation.take(request, responder, now)
        self._dialog.refresh_target(request)
        return answer_early(request, responder)

    def _on_prack(self, prack: Request, responder: Responder, now: float) -> list[Action]:
        """RFC 3262 section 3; after the 2xx, too. An offer in it is answered in its own 200 (section 5)."""
        if not self._dialog.is_in_order(prack):
            return [Respond(responder, response_to(prack, 500, "CSeq Out Of Order"))]
        if (acknowledged := self._reliable.acknowledge(prack)) is None:
            return [Respond(responder, response_to(prack, 481))]
        (sdp,) = acknowledged
        if sdp is not None:
            self._negotiation.exchange.make(Move.WE_ANSWER)
            self._negotiation.local_sdp, self._has_answered = sdp, True
        actions = self._negotiation.take(prack, responder, now)
        if self._held is not None:
            return [*actions, *self._release_answer(now)]
        return [*actions, *self._reliable.send_next(now)]

    def receive_ack(self, ack: Request) -> list[Action]:
        """The ACK of a 2xx."""
        return [] if self.session is None else self.session.receive_ack(ack)

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to a request of ours in the dialog."""
        return [] if self.session is None else self.session.on_response(client_request, response, now)

    def on_failure(self, client_request: ClientRequest, failure: Failure, _now: float) -> list[Action]:
        """No final response to a request of ours in the dialog."""
        return [] if self.session is None else self.session.on_failure(client_request, failure)

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        if self.session is not None:
            return self.session.next_deadline()
        if self.state is State.ENDED:
            return None
        waiting = (self._give_up_at, self._refresh_at, self._reliable.deadline, self._negotiation.deadline)
        return min(deadline for deadline in waiting if deadline is not None)

    def handle_timeout(self, now: float) -> list[Action]:
        """Repeat the provisional response, or give up."""
        if self.session is not None:
            return self.session.handle_timeout(now)
        if self.state is State.ENDED:
            return []
        if now >= self._give_up_at:
            if self._expires is not None:  # section 13.3.1: it is no longer wanted
                return self._terminate(None)
            return [*self.reject(480, "Temporarily Unavailable", None), Notify(Cancelled(None))]
        if self._reliable.is_overdue(now):  # RFC 3262 section 3: a 5xx
            return [*self.reject(504, "No PRACK", None), Notify(Ended(None, "no_prack"))]
        actions = [*self._negotiation.handle_timeout(now), *self._reliable.resend(now)]
        if self._refresh_at is None or self._last_status is None or now < self._refresh_at:
            return actions
        return [*actions, *self._provisional(self._last_status, self._last_sdp, now)]

    # Helpers

    @property
    def _owes_answer(self) -> bool:
        """Whether the offer of the INVITE is still to be answered; by an unreliable response it is not."""
        return self.offer is not None and not self._has_answered and not self._reliable.will_carry_sdp

    def _provisional(self, status: int, sdp: Sdp | None, now: float) -> list[Action]:
        if self.state is not State.PROCEEDING or self._held is not None:
            return []
        is_reliable = self._is_reliable
        self._last_status, self._refresh_at = status, now + REFRESH_INTERVAL
        self._last_sdp = None if is_reliable else sdp
        headers = (*self._context.invite_headers, ("Server", self._context.user_agent))
        response = self._response(status, None, headers, sdp)
        if is_reliable and self.offer is not None:
            return [*self._reliable.send(response, sdp, now)]
        if is_reliable and OPTION in option_tags(self._invite.headers, "Require"):
            return []  # it would have to bring our offer (RFC 3261 section 13.2.1), which call control has not made yet
        return [Respond(self._responder, response)]

    @property
    def _is_reliable(self) -> bool:
        headers = self._invite.headers
        is_known = OPTION in option_tags(headers, "Supported") | option_tags(headers, "Require")
        return is_known and self._context.reliability != "off"

    def _release_answer(self, now: float) -> list[Action]:
        held, self._held = self._held, None
        assert held is not None
        self.state = State.ANSWERED
        self._reliable.stop()
        self.session = Session(
            self._negotiation,
            context=self._context,
            is_call_id_owner=False,
            authentication=self._authentication,
        )
        return self.session.accept(
            self._invite,
            self._responder,
            None if self._has_answered else held.sdp,
            now,
            is_first=True,
            session_expires=held.session_expires,
            headers=held.headers,
        )

    def _response(
        self, status: int, reason: str | None, headers: tuple[tuple[str, str], ...], sdp: Sdp | None = None
    ) -> Response:
        return response_to(
            self._invite,
            status,
            reason,
            to_tag=self._dialog.dialog_id.local_tag,
            headers=headers,
            body=b"" if sdp is None else sdp.encode(),
            content_type=None if sdp is None else SDP,
        )

    def _terminate(self, q850: int | None) -> list[Action]:
        if self.state is not State.PROCEEDING:
            return []
        return [*self.reject(487, "Request Terminated", None), Notify(Cancelled(q850))]


def _expires(invite: Request) -> float | None:
    """Seconds after which the caller does not want the call any more, when it says so and before our own limit."""
    value = invite.headers.get("Expires") or ""
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        return None
    return float(value) if int(value) < RING_LIMIT else None
