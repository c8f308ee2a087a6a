"""A confirmed dialog of an INVITE, the same for both roles: re-INVITE, INFO, REFER, BYE (RFC 3261 sections 14, 15)."""

from enum import Enum
from functools import partial

from gateway.domain.ids import Sdp
from gateway.sip.call import Confirmed, Ended, OnReferProgress, ReferProgress, Rejected, Replaces
from gateway.sip.core.accepted import Accepted
from gateway.sip.core.actions import (
    Action,
    ClientRequest,
    Failure,
    Notify,
    OnResult,
    Report,
    ReportRefer,
    Respond,
    Responder,
    Send,
)
from gateway.sip.core.authentication import Authentication, retried
from gateway.sip.core.capabilities import sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, Stage
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.info_sender import InfoSender
from gateway.sip.core.keep_alive import KeepAlive
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.negotiation import REOFFER_LIMIT, Negotiation
from gateway.sip.core.offer_answer import Move, Turn
from gateway.sip.core.referee import Referee
from gateway.sip.core.referrer import Referrer
from gateway.sip.core.reinvite import Reinviter
from gateway.sip.core.replies import answer_info, answer_options, custom_headers, q850_of, reason_headers
from gateway.sip.core.session_timer import Due
from gateway.sip.core.upward import upward


class State(Enum):
    """The life of a confirmed dialog."""

    CONFIRMED = "confirmed"
    CLOSING = "closing"
    """Hung up by us, but the ACK of the first 2xx is still to come, so no BYE yet (section 15)."""
    BYE_SENT = "bye_sent"
    OVER = "over"


class Session:
    """What happens in one confirmed dialog. Does no I/O: every method returns the actions that it leads to.

    Args:
        negotiation: the dialog, and the state of offer and answer at the moment when it was confirmed.
        authentication: answers challenges to our requests; None when we have no credentials.
        is_call_id_owner: we sent the INVITE that made the dialog.
    """

    def __init__(
        self,
        negotiation: Negotiation,
        *,
        context: Context,
        is_call_id_owner: bool,
        authentication: Authentication | None = None,
    ) -> None:
        self.negotiation, self.dialog = negotiation, negotiation.dialog
        negotiation.is_confirmed = True
        self.state = State.CONFIRMED
        self._context, self._authentication = context, authentication
        self._accepted: Accepted | None = None
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        self._send_new = partial(_send_new, self.dialog)
        lose = upward(self._lose)
        self._referee = Referee(context, self._send_new)
        self._referrer = Referrer(context, self._send_new, identity=f"<{NameAddr.parse(self.dialog.local).uri}>")
        self._info_sender = InfoSender(context, send=self._send_new, lose=lose)
        self._reinviter = Reinviter(
            negotiation,
            context=context,
            authentication=authentication,
            send=self._send_new,
            lose=lose,
            is_call_id_owner=is_call_id_owner,
            is_blocked=upward(self._is_blocked),
        )
        self._keep_alive = KeepAlive(
            negotiation,
            context=context,
            authentication=authentication,
            reinviter=self._reinviter,
            send=self._send_new,
            lose=lose,
        )

    def _is_blocked(self) -> bool:
        """Whether an INVITE of the far end is under way."""
        return self._accepted is not None or self.negotiation.waiting is not None

    @property
    def stage(self) -> Stage:
        """Whether the dialog can still be replaced."""
        return Stage.CONFIRMED if self.state in (State.CONFIRMED, State.CLOSING) else Stage.OVER

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.state is State.OVER

    def established(self, response: Response, now: float) -> None:
        """The 2xx to an INVITE of ours has made the dialog: its session timer begins."""
        self.negotiation.established(response, now)

    # What call control asks for

    def accept(
        self,
        invite: Request,
        responder: Responder,
        sdp: Sdp | None,
        now: float,
        *,
        is_first: bool = False,
        session_expires: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> list[Action]:
        """Send the 2xx to an INVITE: with our answer, or with our offer if it had none.

        Args:
            sdp: None when a reliable provisional response has brought the answer.
        """
        exchange = self.negotiation.exchange
        wants_answer = sdp is not None and exchange.turn is Turn.IDLE
        if sdp is not None:
            exchange.make(Move.WE_OFFER if wants_answer else Move.WE_ANSWER)
            self.negotiation.remote_sdp = sdp_of(invite) or self.negotiation.remote_sdp
        response = self.negotiation.success(invite, sdp, now, session_expires, headers)
        self._accepted = Accepted(
            responder,
            response,
            cseq=invite.cseq.number,
            wants_answer=wants_answer,
            is_first=is_first,
            timers=self._context.timers,
            now=now,
        )
        return [self._accepted.send()]

    def answer_reoffer(self, sdp: Sdp, now: float) -> list[Action]:
        """200 to the re-INVITE, UPDATE or PRACK that waits."""
        waiting = self.negotiation.waiting
        if waiting is None or waiting.method != "INVITE":
            return self.negotiation.answer(sdp, now)
        released = self.negotiation.release()
        assert released is not None
        return self.accept(*released, sdp, now)

    def reject_reoffer(self, status: int) -> list[Action]:
        """Refuse the re-INVITE, UPDATE or PRACK that waits; the session goes on as it was."""
        return self.negotiation.reject(status)

    def reinvite(self, sdp: Sdp, on_result: OnResult, now: float) -> list[Action]:
        """Offer again."""
        if self.state is not State.CONFIRMED:
            return [Report(on_result, Rejected(481, "Call/Transaction Does Not Exist"))]
        return self._reinviter.offer(sdp, on_result, now)

    def send_digits(self, digits: str, duration: float | None) -> list[Action]:
        """Give the far end digits by INFO, each of so many seconds; None for the usual."""
        return self._info_sender.press(digits, duration) if self.state is State.CONFIRMED else []

    def hangup(self, q850: int | None, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        """BYE, but not before the ACK of the first 2xx. A re-INVITE of ours under way gets no result any more.

        Args:
            headers: header fields of call control's own for the BYE.
        """
        if self.state is not State.CONFIRMED:
            return []
        self._reinviter.forget()
        self._info_sender.forget()
        self.negotiation.timer.stop()
        self._referrer.forget()
        actions = [*self.reject_reoffer(487), *self._referee.end()]
        self._bye_headers = (*reason_headers(q850), *headers)
        if self._accepted is not None and self._accepted.is_first:
            self.state = State.CLOSING
            return actions
        return [*actions, self._bye()]

    def accept_refer(self, now: float) -> list[Action]:
        """202 to the REFER that waits."""
        return self._referee.accept(now)

    def reject_refer(self, status: int) -> list[Action]:
        """Refuse the REFER that waits."""
        return self._referee.reject(status)

    def notify_refer(self, status: int, reason: str, now: float) -> list[Action]:
        """Tell the far end how its REFER goes."""
        return self._referee.notify(status, reason, now)

    def refer(self, uri: str, on_progress: OnReferProgress, replaces: Replaces | None, now: float) -> list[Action]:
        """Ask the far end to call somebody."""
        if self.state is not State.CONFIRMED:
            return [ReportRefer(on_progress, ReferProgress(481, "Call/Transaction Does Not Exist", True))]
        return self._referrer.refer(uri, on_progress, replaces, now)

    # What the far end sends

    def receive(self, request: Request, responder: Responder, now: float) -> list[Action]:
        """A request within the dialog that `capabilities.find_refusal` let pass; not ACK, not CANCEL, not PRACK."""
        if not self.dialog.is_in_order(request):
            return [Respond(responder, response_to(request, 500, "CSeq Out Of Order"))]
        if request.method == "BYE":
            return [
                Respond(responder, response_to(request, 200)),
                *self._end("bye", q850_of(request), custom_headers(request)),
            ]
        if self.state in (State.BYE_SENT, State.OVER):
            return [Respond(responder, response_to(request, 481))]
        match request.method:
            case "INVITE":
                return self._on_reinvite(request, responder, now)
            case "UPDATE":
                return self._on_update(request, responder, now)
            case "INFO":
                return answer_info(request, responder)
            case "REFER" if self.state is State.CONFIRMED:
                return self._referee.receive(request, responder, now)
            case "NOTIFY":
                return self._referrer.receive(request, responder)
            case "OPTIONS":
                return [Respond(responder, answer_options(request))]
            case _:  # a REFER that crossed our hang-up, a PRACK for nothing
                return [Respond(responder, response_to(request, 481))]

    def receive_ack(self, ack: Request) -> list[Action]:
        """The ACK of a 2xx of ours."""
        accepted = self._accepted
        if accepted is None or accepted.cseq != ack.cseq.number:
            return []  # for a 2xx that was acknowledged before
        self._accepted = None
        sdp = sdp_of(ack) if accepted.wants_answer else None
        self.negotiation.remote_sdp = sdp or self.negotiation.remote_sdp
        if accepted.wants_answer:
            self.negotiation.exchange.make(Move.REFUSED if sdp is None else Move.THEY_ANSWER)
        if self.state is State.CLOSING:
            return [self._bye()]
        if accepted.wants_answer and sdp is None:
            return self._lose("no_answer")
        return [Notify(Confirmed(sdp))] if accepted.is_first or accepted.wants_answer else []

    def cancel(self, request: Request) -> list[Action]:
        """A CANCEL of the far end's re-INVITE; it comes to nothing when we answered before."""
        waiting = self.negotiation.waiting
        if waiting is None or str(waiting.cseq) != f"{request.cseq.number} INVITE":
            return []
        return self.reject_reoffer(487)

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to a request of ours in the dialog."""
        method = client_request.request.method
        if method == "INVITE":
            return self._reinviter.on_response(client_request, response, now)
        if method == "UPDATE" and self.state is State.CONFIRMED:
            return self._keep_alive.on_response(client_request, response, now)
        if response.status < 200 or method in ("UPDATE", "PRACK"):
            return []  # a PRACK that the 2xx has overtaken: whatever became of it, the call is answered
        retry = retried(self._authentication, client_request, response, self.dialog)
        if method == "INFO":
            return self._info_sender.on_response(client_request, response, retry)
        if method == "REFER":
            return self._referrer.on_response(client_request, response, retry)
        if method == "NOTIFY":
            return self._referee.on_response(client_request, response, retry)
        if retry is not None:
            return [Send(retry)]
        self.state = State.OVER
        return []

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No final response to a request of ours in the dialog (sections 8.1.3.1 and 12.2.1.2)."""
        match client_request.request.method:
            case "INVITE":
                return self._reinviter.on_failure(client_request, failure)
            case "INFO":
                return self._info_sender.on_failure(client_request, failure)
            case "REFER":
                return self._referrer.on_failure(client_request, failure)
            case "NOTIFY":
                return self._referee.on_failure(client_request)
            case "UPDATE" if self.state is State.CONFIRMED:
                return self._keep_alive.on_failure(client_request, failure)
            case "BYE":
                self.state = State.OVER
        return []

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        accepted = () if self._accepted is None else (self._accepted,)
        waiting = (*accepted, self.negotiation, self._reinviter, self._referee, self._referrer, self.negotiation.timer)
        return min((one.deadline for one in waiting if one.deadline is not None), default=None)

    def handle_timeout(self, now: float) -> list[Action]:
        """Repeat a 2xx; give up an ACK, a re-INVITE or a REFER, of ours or of theirs."""
        actions = [*self._referee.handle_timeout(now), *self._referrer.handle_timeout(now)]
        if self._accepted is not None:
            actions += self._give_up_ack() if now >= self._accepted.give_up_at else self._accepted.resend(now)
        actions += self.negotiation.handle_timeout(now)
        actions += self._reinviter.handle_timeout(now)
        return actions if self.state is not State.CONFIRMED else [*actions, *self._keep(now)]

    def _keep(self, now: float) -> list[Action]:
        due = self.negotiation.timer.due(now)
        if due is Due.END and self._accepted is not None and self._accepted.is_first:
            return [*self.hangup(None), Notify(Ended(None, "session_expired"))]  # a BYE, but not before the ACK
        if due is Due.END:
            return self._lose("session_expired")
        return self._keep_alive.refresh(now) if due is Due.REFRESH else []

    # Requests of the far end

    def _on_reinvite(self, request: Request, responder: Responder, now: float) -> list[Action]:
        if (refusal := self._find_glare(request)) is not None:
            return [Respond(responder, refusal)]
        if (sdp := sdp_of(request)) is not None:
            self.negotiation.exchange.make(Move.THEY_OFFER)
            if self.negotiation.is_known(sdp):
                return self.accept(request, responder, self.negotiation.local_sdp, now)
        return self.negotiation.wait(request, responder, sdp, now + REOFFER_LIMIT)

    def _on_update(self, request: Request, responder: Responder, now: float) -> list[Action]:
        """RFC 3311 section 5.2: a refresh is answered at once, an offer goes the way of a re-INVITE."""
        if sdp_of(request) is not None and (refusal := self._find_glare(request)) is not None:
            return [Respond(responder, refusal)]
        return self.negotiation.take(request, responder, now)

    def _find_glare(self, request: Request) -> Response | None:
        """Why an offer of the far end comes at the wrong time."""
        if (refusal := self.negotiation.find_glare(request)) is not None:
            return refusal
        is_glare = self._reinviter.is_sent or self._accepted is not None or self.state is not State.CONFIRMED
        return response_to(request, 491) if is_glare else None

    def _give_up_ack(self) -> list[Action]:
        self._accepted = None
        if self.state is State.CLOSING:
            return [self._bye()]
        return self._lose("no_ack")

    # Requests of ours

    def _bye(self) -> Send:
        self.state = State.BYE_SENT
        return self._send_new("BYE", (("User-Agent", self._context.user_agent), *self._bye_headers), b"")

    # The end of things

    def _lose(self, reason: str) -> list[Action]:
        """End the dialog from our side although call control did not ask for it: BYE, and tell it."""
        ended = self._end(reason, None)
        return [self._bye(), *ended]

    def _end(self, reason: str, q850: int | None, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        was_closing, self._accepted = self.state is not State.CONFIRMED, None
        self.negotiation.timer.stop()
        self._info_sender.forget()
        actions = [*self.reject_reoffer(487), *self._referee.end(), *self._referrer.end(), *self._reinviter.end()]
        if self.state is not State.BYE_SENT:  # else the BYEs crossed, and ours waits for its own response
            self.state = State.OVER
        return actions if was_closing else [*actions, Notify(Ended(q850, reason, headers))]


def _send_new(dialog: Dialog, method: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Send:
    """A request of ours within the dialog."""
    return Send(ClientRequest(dialog.request(method, headers, body), dialog.next_hop, dialog.dialog_id.remote_tag))
