"""An INVITE of ours, from its first sending to the dialogs that it makes (RFC 3261 sections 9.1, 13.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Provisional, Rejected
from gateway.sip.core.actions import (
    Action,
    Cancel,
    ClientRequest,
    Failure,
    Notify,
    Respond,
    Responder,
    Send,
    SendAck,
)
from gateway.sip.core.authentication import Authentication, ack_headers
from gateway.sip.core.capabilities import sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, DialogId, Stage
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.offer_answer import Move, OfferAnswer, Turn
from gateway.sip.core.replies import answer_early, reason_headers, rejection
from gateway.sip.core.session import Session
from gateway.sip.core.session_timer import raised

MAX_FORKS: Final = 16
"""Dialogs that one INVITE may make; what a further fork sends is not looked at."""

RING_LIMIT: Final = 600.0
"""Seconds without a final response after which we give up by ourselves. Call control's ring timeout is shorter."""


class State(Enum):
    """Where the INVITE stands."""

    CALLING = "calling"
    """No response yet."""
    PROCEEDING = "proceeding"
    """A provisional response came."""
    CANCEL_HELD = "cancel_held"
    """Hung up, but a CANCEL may not go out before a provisional response (section 9.1)."""
    CANCELLING = "cancelling"
    """The CANCEL went out; 64*T1 for the final response."""
    ANSWERED = "answered"
    """A 2xx came: the rest happens in its session."""
    ENDED = "ended"
    """Refused, cancelled or given up."""


HUNG_UP: Final = frozenset({State.CANCEL_HELD, State.CANCELLING})
PENDING: Final = frozenset({State.CALLING, State.PROCEEDING, *HUNG_UP})

ON_PROVISIONAL: Final[Mapping[State, State]] = {
    State.CALLING: State.PROCEEDING,
    State.CANCEL_HELD: State.CANCELLING,
}
ON_HANGUP: Final[Mapping[State, State]] = {
    State.CALLING: State.CANCEL_HELD,
    State.PROCEEDING: State.CANCELLING,
}


@dataclass(slots=True)
class _Early:
    """A dialog that a provisional response made, and the answer in it, as far as there is one."""

    dialog: Dialog
    sdp: Sdp | None = None


class InviteClient:
    """The client's side of one INVITE that carries an offer. Does no I/O.

    Args:
        invite: complete but for Via.
        next_hop: the URI that the shell resolved for it.
    """

    def __init__(
        self,
        invite: Request,
        *,
        next_hop: str,
        context: Context,
        authentication: Authentication | None,
        now: float,
    ) -> None:
        self.state = State.CALLING
        self.session: Session | None = None
        self._client_request = ClientRequest(invite, next_hop)
        self._context, self._authentication = context, authentication
        self._early: dict[str, _Early] = {}
        self._forks: dict[str, Session] = {}
        self._acks: dict[str, SendAck] = {}
        self._deadline: float | None = now + RING_LIMIT
        self._hangup_q850: int | None = None
        self._is_raised = False
        """Whether a 422 has been answered with a longer session interval."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen, but for late 2xx, which `on_response` still takes."""
        return self.state not in PENDING and (self.session is None or self.session.is_over)

    @property
    def dialog_count(self) -> int:
        """Dialogs that live."""
        sessions = [session for session in self._all_sessions() if not session.is_over]
        return len(sessions) + len(self._early)

    @property
    def dialogs(self) -> list[tuple[DialogId, Stage]]:
        """The dialogs that call control has to do with: those that ring, then the one that was answered."""
        if self.session is not None:
            return [(self.session.dialog.dialog_id, self.session.stage)]
        return [(early.dialog.dialog_id, Stage.EARLY_OURS) for early in self._early.values()]

    def start(self) -> list[Action]:
        """Send the INVITE."""
        return [Send(self._client_request)]

    # What call control asks for

    def hangup(self, q850: int | None, now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        """CANCEL, as soon as it is allowed, or BYE, which alone takes `headers`."""
        if self.session is not None:
            return self.session.hangup(q850, headers)
        if self.state not in ON_HANGUP:
            return []
        self.state, self._hangup_q850 = ON_HANGUP[self.state], q850
        return self._cancel(now) if self.state is State.CANCELLING else []

    # Responses

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to the INVITE, or to a request in one of its dialogs."""
        if client_request.remote_tag is not None:
            session = self._session_of(client_request.remote_tag)
            return [] if session is None else self._of(session, session.on_response(client_request, response, now))
        if response.status < 200:
            return self._on_provisional(response, now)
        if response.status < 300:
            return self._on_success(response, now)
        return self._on_refused(response) if self.state in PENDING else []

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No final response: timer B or F ran out, or the transport failed."""
        if client_request.remote_tag is not None:
            session = self._session_of(client_request.remote_tag)
            return [] if session is None else self._of(session, session.on_failure(client_request, failure))
        if self.state not in PENDING:
            return []
        if self.state in HUNG_UP:
            return self._end(Rejected(487, "Request Terminated"))
        if failure == "transport":
            return self._end(Rejected(503, "Service Unavailable"))
        return self._end(Rejected(408, "Request Timeout"))

    def _on_provisional(self, response: Response, now: float) -> list[Action]:
        if self.state not in PENDING:
            return []
        is_first = self.state in ON_PROVISIONAL
        self.state = ON_PROVISIONAL.get(self.state, self.state)
        if self.state is State.CANCELLING:
            return self._cancel(now) if is_first else []
        if response.status == 100:
            return []
        sdp = sdp_of(response)
        self._remember_early(response, sdp)
        return [Notify(Provisional(response.status, response.reason, sdp))]

    def _remember_early(self, response: Response, sdp: Sdp | None) -> None:
        try:
            dialog = Dialog.from_response(self._client_request.request, response)
        except SipError:
            return  # a provisional response that makes no dialog is still a sign of life
        tag = dialog.dialog_id.remote_tag
        if tag and (tag in self._early or len(self._early) < MAX_FORKS):
            early = self._early.setdefault(tag, _Early(dialog))
            early.sdp = sdp or early.sdp

    def _on_success(self, response: Response, now: float) -> list[Action]:
        try:
            dialog = Dialog.from_response(self._client_request.request, response)
        except SipError:
            # No dialog can be made of it, so there is nobody to acknowledge it to.
            return self._end(Rejected(502, "Bad Gateway")) if self.state in PENDING else []
        tag = dialog.dialog_id.remote_tag
        if (ack := self._acks.get(tag)) is not None:
            return [ack]  # a retransmission: the ACK was lost
        if len(self._acks) >= MAX_FORKS:
            return []
        invite = self._client_request.request
        credentials = ack_headers(self._authentication, invite, dialog.next_hop)
        ack = self._acks[tag] = SendAck(dialog.ack(invite, credentials), dialog.next_hop)
        early = self._early.pop(tag, None)
        if early is not None:
            dialog.remote_seq = early.dialog.remote_seq
        return [ack, *self._take(dialog, response, early, now)]

    def _take(self, dialog: Dialog, response: Response, early: _Early | None, now: float) -> list[Action]:
        """The first 2xx is the call. One after a hang-up, or of another fork, is hung up (section 13.2.2.4)."""
        sdp = sdp_of(response) or (early.sdp if early is not None else None)
        exchange = OfferAnswer(Turn.OURS_PENDING)
        exchange.make(Move.REFUSED if sdp is None else Move.THEY_ANSWER)
        session = Session(
            dialog,
            context=self._context,
            exchange=exchange,
            is_call_id_owner=True,
            authentication=self._authentication,
            local_sdp=sdp_of(self._client_request.request),
            remote_sdp=sdp,
        )
        session.established(response, now)
        if self.state not in PENDING:
            self._forks[dialog.dialog_id.remote_tag] = session
            return self._of(session, session.hangup(None))
        is_hung_up = self.state in HUNG_UP
        self.session, self.state, self._deadline = session, State.ANSWERED, None
        self._early.clear()
        if is_hung_up:
            return [*session.hangup(self._hangup_q850), Notify(Rejected(487, "Request Terminated"))]
        if sdp is None:
            return [*session.hangup(None), Notify(Rejected(488, "No Answer In 2xx"))]
        return [Notify(Answered(sdp, dict(response.headers.items())))]

    def _on_refused(self, response: Response) -> list[Action]:
        retry = None if self.state in HUNG_UP else self._retry(response)
        if retry is None:
            return self._end(rejection(response))
        self.state, self._client_request = State.CALLING, retry
        self._early.clear()
        return [Send(retry)]

    def _retry(self, response: Response) -> ClientRequest | None:
        """The INVITE once more: with credentials, or with the session interval that somebody insists on."""
        if response.status != 422:
            return None if self._authentication is None else self._authentication.retry(self._client_request, response)
        headers = None if self._is_raised else raised(self._client_request.request.headers, response)
        if headers is None:
            return None
        self._is_raised = True
        for field in ("Authorization", "Proxy-Authorization"):  # used once: the challenge comes again
            headers.remove(field)
        invite = self._client_request.request
        headers.set("CSeq", str(CSeq(invite.cseq.number + 1, "INVITE")))
        return ClientRequest(Request("INVITE", invite.uri, headers, invite.body), self._client_request.next_hop)

    # Requests of the far end

    def receive(self, request: Request, responder: Responder, remote_tag: str, now: float) -> list[Action]:
        """A request within one of the dialogs."""
        if (session := self._session_of(remote_tag)) is not None:
            return self._of(session, session.receive(request, responder, now))
        early = self._early.get(remote_tag)
        if early is None:
            return [Respond(responder, response_to(request, 481))]
        if not early.dialog.is_in_order(request):
            return [Respond(responder, response_to(request, 500, "CSeq Out Of Order"))]
        return self._receive_early(request, responder, remote_tag, now)

    def _receive_early(self, request: Request, responder: Responder, remote_tag: str, now: float) -> list[Action]:
        if request.method == "INVITE":  # ours is under way (section 14.2)
            return [Respond(responder, response_to(request, 491))]
        if request.method != "BYE":
            self._early[remote_tag].dialog.refresh_target(request)
            return answer_early(request, responder, headers=self._context.invite_headers, offer_refusal=491)
        # A callee may not hang up an early dialog (section 15), but one whose 200 got lost does.
        del self._early[remote_tag]
        actions: list[Action] = [Respond(responder, response_to(request, 200))]
        return actions if self._early else [*actions, *self.hangup(None, now)]

    def receive_ack(self, ack: Request) -> list[Action]:
        """The ACK of a 2xx to a re-INVITE."""
        return [] if self.session is None else self.session.receive_ack(ack)

    def cancel(self, request: Request) -> list[Action]:
        """A CANCEL of a re-INVITE."""
        return [] if self.session is None else self.session.cancel(request)

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        return self._deadline if self.session is None else self.session.next_deadline()

    def handle_timeout(self, now: float) -> list[Action]:
        """Cancel what rings for ever; give up what does not end after a CANCEL."""
        if self.session is not None:
            return self.session.handle_timeout(now)
        if self._deadline is None or now < self._deadline:
            return []
        if self.state is State.PROCEEDING:
            return self.hangup(None, now)
        return self._end(Rejected(487, "Request Terminated"))

    # Helpers

    def _cancel(self, now: float) -> list[Action]:
        self._deadline = now + self._context.timers.limit
        return [Cancel(self._client_request, reason_headers(self._hangup_q850))]

    def _end(self, rejected: Rejected) -> list[Action]:
        self.state, self._deadline = State.ENDED, None
        self._early.clear()
        return [Notify(rejected)]

    def _all_sessions(self) -> list[Session]:
        return [*self._forks.values(), *([] if self.session is None else [self.session])]

    def _session_of(self, remote_tag: str) -> Session | None:
        if self.session is not None and self.session.dialog.dialog_id.remote_tag == remote_tag:
            return self.session
        return self._forks.get(remote_tag)

    def _of(self, session: Session, actions: list[Action]) -> list[Action]:
        """Call control hears nothing of the forks that it was never told of."""
        if session is self.session:
            return actions
        return [action for action in actions if not isinstance(action, Notify)]
