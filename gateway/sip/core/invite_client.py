"""An INVITE of ours, from its first sending to the dialogs that it makes (RFC 3261 sections 9.1, 13.2; RFC 3262)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Rejected
from gateway.sip.core.actions import (
    Action,
    Cancel,
    ClientRequest,
    Failure,
    Notify,
    Responder,
    Send,
    SendAck,
)
from gateway.sip.core.authentication import Authentication, ack_headers
from gateway.sip.core.capabilities import sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, DialogId, Stage
from gateway.sip.core.early import MAX_FORKS, Early, EarlyDialogs
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.message import Headers, Request, Response
from gateway.sip.core.negotiation import Negotiation
from gateway.sip.core.offer_answer import Move, OfferAnswer, Turn
from gateway.sip.core.redirects import Redirects
from gateway.sip.core.replies import reason_headers, rejection
from gateway.sip.core.session import Session
from gateway.sip.core.session_timer import raised

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


class InviteClient:
    """The client's side of one INVITE that carries an offer. Does no I/O.

    Args:
        invite: complete but for Via.
        next_hop: the URI that the shell resolved for it.
        follows_redirects: whether a 3xx sends the call elsewhere, or ends it.
        silence_limit: seconds without any response after which call control hears of a 408, so that it tries another
            way; what still comes is cancelled or hung up. None: timer B.
    """

    def __init__(
        self,
        invite: Request,
        *,
        next_hop: str,
        context: Context,
        authentication: Authentication | None,
        follows_redirects: bool = False,
        silence_limit: float | None = None,
        now: float,
    ) -> None:
        self.state = State.CALLING
        self.session: Session | None = None
        self._client_request = ClientRequest(invite, next_hop)
        self._context, self._authentication = context, authentication
        self._early = EarlyDialogs(context, authentication)
        self._redirects = Redirects(invite.uri, is_allowed=follows_redirects)
        self._forks: dict[str, Session] = {}
        self._acks: dict[str, SendAck] = {}
        self._deadline: float | None = now + RING_LIMIT
        self._silence_ends: float | None = None if silence_limit is None else now + silence_limit
        self._is_told = False
        """Whether call control knows the outcome already."""
        self._hangup_q850: int | None = None
        self._lost: Rejected | None = None
        """Why we gave the INVITE up by ourselves: the outcome, whatever the far end says to our CANCEL."""
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
        return [(dialog_id, Stage.EARLY_OURS) for dialog_id in self._early.ids]

    def retire(self) -> None:
        """It is over. For late 2xx its transaction keeps this for another half a minute, but not the session."""
        self.session = None

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
            if (session := self._session_of(client_request.remote_tag)) is not None:
                return self._of(session, session.on_response(client_request, response, now))
            return self._on_early_response(client_request, response, now)
        self._silence_ends = None
        if response.status < 200:
            return self._on_provisional(response, now)
        if response.status < 300:
            return self._on_success(response, now)
        return self._on_refused(response) if self.state in PENDING else []

    def on_failure(self, client_request: ClientRequest, failure: Failure, now: float) -> list[Action]:
        """No final response: timer B or F ran out, or the transport failed."""
        if client_request.remote_tag is not None:
            if (session := self._session_of(client_request.remote_tag)) is not None:
                return self._of(session, session.on_failure(client_request, failure))
            return self._lose_early(client_request, now)
        if self.state not in PENDING:
            return []
        if self.state in HUNG_UP:
            return self._end(Rejected(487, "Request Terminated"))
        if (retry := self._redirected()) is not None:
            return self._send_again(retry)
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
        return [] if response.status == 100 else self._early.take(self._client_request.request, response)

    def _on_early_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        actions = self._early.on_response(client_request, response)
        return self._lose_early(client_request, now) if actions is None else actions

    def _lose_early(self, client_request: ClientRequest, now: float) -> list[Action]:
        """The far end does not know the dialog of our PRACK: without another one the INVITE is given up."""
        early = self._early.pop(client_request.remote_tag or "")
        if early is None or len(self._early):
            return [] if early is None else early.negotiation.reject(487)
        self._lost = Rejected(408, "No Answer To PRACK")
        return [*early.negotiation.reject(487), *self.hangup(None, now)]

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
        return [ack, *self._take(dialog, response, now)]

    def _take(self, dialog: Dialog, response: Response, now: float) -> list[Action]:
        """The first 2xx is the call. One after a hang-up, or of another fork, is hung up (section 13.2.2.4)."""
        early = self._early.pop(dialog.dialog_id.remote_tag)
        negotiation = self._negotiation(dialog, early)
        sdp = _answer_in(response, negotiation, early)
        session = Session(
            negotiation, context=self._context, is_call_id_owner=True, authentication=self._authentication
        )
        session.established(response, now)
        if self.state not in PENDING:
            self._forks[dialog.dialog_id.remote_tag] = session
            return self._of(session, session.hangup(None))
        is_hung_up = self.state in HUNG_UP
        self.session, self.state, self._deadline = session, State.ANSWERED, None
        actions = self._early.end()
        if is_hung_up:
            outcome = self._lost or Rejected(487, "Request Terminated")
            return [*actions, *session.hangup(self._hangup_q850), *self._tell(outcome)]
        if sdp is None and not negotiation.is_renegotiated:
            return [*actions, *session.hangup(None), Notify(Rejected(488, "No Answer In 2xx"))]
        return [*actions, Notify(Answered(sdp, dict(response.headers.items())))]

    def _negotiation(self, dialog: Dialog, early: Early | None) -> Negotiation:
        """What the early dialog, if there was one, has agreed on, in the dialog that the 2xx makes anew."""
        if early is None:
            exchange = OfferAnswer(Turn.OURS_PENDING)
            return Negotiation(dialog, self._context, exchange, local_sdp=sdp_of(self._client_request.request))
        dialog.remote_seq, dialog.local_seq = early.dialog.remote_seq, early.dialog.local_seq
        early.negotiation.dialog = dialog
        return early.negotiation

    def _on_refused(self, response: Response) -> list[Action]:
        if self.state in HUNG_UP:
            return self._end(rejection(response))
        self._redirects.take(response)
        retry = self._retry(response)
        if retry is None and response.status < 600:  # a 6xx speaks for all places (section 21.6)
            retry = self._redirected()
        return self._end(rejection(response)) if retry is None else self._send_again(retry)

    def _send_again(self, retry: ClientRequest) -> list[Action]:
        self.state, self._client_request = State.CALLING, retry
        return [*self._early.end(), Send(retry)]

    def _retry(self, response: Response) -> ClientRequest | None:
        """The INVITE once more: with credentials, or with the session interval that somebody insists on."""
        if response.status != 422:
            return None if self._authentication is None else self._authentication.retry(self._client_request, response)
        headers = None if self._is_raised else raised(self._client_request.request.headers, response)
        if headers is None:
            return None
        self._is_raised = True
        return self._again(headers, self._client_request.request.uri, self._client_request.next_hop)

    def _redirected(self) -> ClientRequest | None:
        """The INVITE to the next place that a 3xx has named: the same call, so the same Call-ID and tag (8.1.3.4)."""
        if (uri := self._redirects.next()) is None:
            return None
        return self._again(self._client_request.request.headers.copy(), uri, uri)

    def _again(self, headers: Headers, uri: str, next_hop: str) -> ClientRequest:
        for field in ("Authorization", "Proxy-Authorization"):  # used once: the challenge comes again
            headers.remove(field)
        invite = self._client_request.request
        headers.set("CSeq", str(CSeq(invite.cseq.number + 1, "INVITE")))
        return ClientRequest(Request("INVITE", uri, headers, invite.body), next_hop)

    # Requests of the far end

    def receive(self, request: Request, responder: Responder, remote_tag: str, now: float) -> list[Action]:
        """A request within one of the dialogs."""
        if (session := self._session_of(remote_tag)) is not None:
            return self._of(session, session.receive(request, responder, now))
        before = len(self._early)
        actions = self._early.receive(request, responder, remote_tag, now)
        return actions if len(self._early) or not before else [*actions, *self.hangup(None, now)]

    def answer_reoffer(self, sdp: Sdp, now: float) -> list[Action]:
        """200 to the re-INVITE or UPDATE that waits."""
        return self._early.answer_reoffer(sdp, now) if self.session is None else self.session.answer_reoffer(sdp, now)

    def reject_reoffer(self, status: int) -> list[Action]:
        """Refuse the re-INVITE or UPDATE that waits."""
        return self._early.reject_reoffer(status) if self.session is None else self.session.reject_reoffer(status)

    def receive_ack(self, ack: Request) -> list[Action]:
        """The ACK of a 2xx to a re-INVITE."""
        return [] if self.session is None else self.session.receive_ack(ack)

    def cancel(self, request: Request) -> list[Action]:
        """A CANCEL of a re-INVITE."""
        return [] if self.session is None else self.session.cancel(request)

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        if self.session is not None:
            return self.session.next_deadline()
        deadlines = (self._deadline, self._early.deadline, self._silence_ends)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> list[Action]:
        """Cancel what rings for ever; give up what does not end after a CANCEL."""
        if self.session is not None:
            return self.session.handle_timeout(now)
        actions = self._early.handle_timeout(now)
        if self._silence_ends is not None and now >= self._silence_ends:
            actions += self._give_up_silence()
        if self._deadline is None or now < self._deadline:
            return actions
        if self.state is State.PROCEEDING:
            return [*actions, *self.hangup(None, now)]
        return [*actions, *self._end(Rejected(487, "Request Terminated"))]

    def _give_up_silence(self) -> list[Action]:
        self._silence_ends = None
        if self.state is not State.CALLING:
            return []
        self.state, self._is_told = State.CANCEL_HELD, True
        return [Notify(Rejected(408, "Request Timeout"))]

    # Helpers

    def _tell(self, outcome: Rejected) -> list[Action]:
        return [] if self._is_told else [Notify(outcome)]

    def _cancel(self, now: float) -> list[Action]:
        self._deadline = now + self._context.timers.limit
        return [Cancel(self._client_request, reason_headers(self._hangup_q850))]

    def _end(self, rejected: Rejected) -> list[Action]:
        self.state, self._deadline = State.ENDED, None
        return [*self._early.end(), *self._tell(self._lost or rejected)]

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


def _answer_in(response: Response, negotiation: Negotiation, early: Early | None) -> Sdp | None:
    """The answer to our offer, at the latest in this 2xx. None: there is none, or more has been agreed on since."""
    if negotiation.exchange.turn is Turn.OURS_PENDING:
        sdp = sdp_of(response) or (None if early is None else early.preview)
        negotiation.exchange.make(Move.REFUSED if sdp is None else Move.THEY_ANSWER)
        negotiation.remote_sdp = sdp
        return sdp
    return None if negotiation.is_renegotiated else negotiation.remote_sdp
