"""A confirmed dialog of an INVITE, the same for both roles: re-INVITE, INFO, REFER, BYE (RFC 3261 sections 14, 15)."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import (
    Answered,
    Confirmed,
    Ended,
    OnReferProgress,
    ReferProgress,
    Rejected,
    Reoffered,
    Replaces,
)
from gateway.sip.core.accepted import Accepted
from gateway.sip.core.actions import (
    Action,
    Cancel,
    ClientRequest,
    Failure,
    Notify,
    OnResult,
    Report,
    ReportRefer,
    Respond,
    Responder,
    Send,
    SendAck,
)
from gateway.sip.core.authentication import Authentication, ack_headers
from gateway.sip.core.capabilities import SDP, sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, Stage
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.offer_answer import Move, OfferAnswer, Turn
from gateway.sip.core.referee import Referee
from gateway.sip.core.referrer import Referrer
from gateway.sip.core.reinvite import Reinvite, ReinviteState, glare_delay
from gateway.sip.core.replies import answer_info, answer_options, custom_headers, q850_of, reason_headers, rejection
from gateway.sip.core.session_timer import Due, SessionTimer, allows_update

UPDATE_LIMIT: Final = 15.0
"""Seconds that call control has for an UPDATE with an offer; its sender gives up after 32 s (timer F)."""

REOFFER_LIMIT: Final = 30.0
"""Seconds that call control has for a re-INVITE of the far end; then it is refused with 500."""


class State(Enum):
    """The life of a confirmed dialog."""

    CONFIRMED = "confirmed"
    CLOSING = "closing"
    """Hung up by us, but the ACK of the first 2xx is still to come, so no BYE yet (section 15)."""
    BYE_SENT = "bye_sent"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class _Reoffer:
    """A re-INVITE of the far end that call control has not answered yet."""

    request: Request
    responder: Responder
    deadline: float


class Session:
    """What happens in one confirmed dialog. Does no I/O: every method returns the actions that it leads to.

    Args:
        exchange: the state of offer and answer at the moment when the dialog was confirmed.
        authentication: answers challenges to our requests; None when we have no credentials.
        local_sdp, remote_sdp: what was agreed; None where the first 2xx is still to be sent by `accept`.
        is_call_id_owner: we sent the INVITE that made the dialog (for the waiting time after a 491).
    """

    def __init__(
        self,
        dialog: Dialog,
        *,
        context: Context,
        exchange: OfferAnswer,
        is_call_id_owner: bool,
        authentication: Authentication | None = None,
        local_sdp: Sdp | None = None,
        remote_sdp: Sdp | None = None,
    ) -> None:
        self.dialog = dialog
        self.state = State.CONFIRMED
        self._context, self._exchange = context, exchange
        self._authentication, self._is_call_id_owner = authentication, is_call_id_owner
        self._accepted: Accepted | None = None
        self._reoffer: _Reoffer | None = None
        self._reinvite: Reinvite | None = None
        self._queued: Reinvite | None = None
        """One that waits for the end of a re-INVITE that only refreshes."""
        self._update: ClientRequest | None = None
        self._may_update = False
        self._local_sdp, self._remote_sdp = local_sdp, remote_sdp
        self._timer = SessionTimer(context.session_expires)
        self._bye_headers: tuple[tuple[str, str], ...] = ()
        self._referee = Referee(context, self._send_new)
        self._referrer = Referrer(context, self._send_new, identity=f"<{NameAddr.parse(dialog.local).uri}>")

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
        self._note_update(response)
        self._timer.take(response, now)

    # What call control asks for

    def accept(
        self,
        invite: Request,
        responder: Responder,
        sdp: Sdp,
        now: float,
        *,
        is_first: bool = False,
        session_expires: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> list[Action]:
        """Send the 2xx to an INVITE: with our answer, or with our offer if it had none."""
        wants_answer = self._exchange.turn is Turn.IDLE
        self._exchange.make(Move.WE_OFFER if wants_answer else Move.WE_ANSWER)
        if not wants_answer:
            self._remote_sdp = sdp_of(invite)
        response = self._success(invite, sdp, now, session_expires, headers)
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
        """200 to the re-INVITE or UPDATE that waits."""
        if (reoffer := self._reoffer) is None:
            return []
        self._reoffer = None
        if reoffer.request.method == "INVITE":
            return self.accept(reoffer.request, reoffer.responder, sdp, now)
        self._exchange.make(Move.WE_ANSWER)
        self._remote_sdp = sdp_of(reoffer.request)
        return [Respond(reoffer.responder, self._success(reoffer.request, sdp, now))]

    def reject_reoffer(self, status: int) -> list[Action]:
        """Refuse the re-INVITE or UPDATE that waits; the session goes on as it was."""
        if (reoffer := self._reoffer) is None:
            return []
        self._reoffer = None
        if self._exchange.turn is Turn.THEIRS_PENDING:
            self._exchange.make(Move.REFUSED)
        return [Respond(reoffer.responder, response_to(reoffer.request, status))]

    def reinvite(self, sdp: Sdp, on_result: OnResult, now: float) -> list[Action]:
        """Offer again. While an INVITE of the far end is under way it waits once, as after a 491."""
        if self.state is not State.CONFIRMED:
            return [Report(on_result, Rejected(481, "Call/Transaction Does Not Exist"))]
        if self._reinvite is not None and self._reinvite.on_result is None and self._queued is None:
            self._queued = Reinvite(sdp, on_result)
            return []
        if self._reinvite is not None:
            return [Report(on_result, Rejected(491, "Request Pending"))]
        self._reinvite = Reinvite(sdp, on_result)
        return self._try_reinvite(self._reinvite, now)

    def hangup(self, q850: int | None, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        """BYE, but not before the ACK of the first 2xx. A re-INVITE of ours under way gets no result any more.

        Args:
            headers: header fields of call control's own for the BYE.
        """
        if self.state is not State.CONFIRMED:
            return []
        self._reinvite = self._queued = None
        self._timer.stop()
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
        """A request within the dialog that `capabilities.find_refusal` let pass; not ACK, not CANCEL."""
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
            case _:  # a REFER that crossed our hang-up
                return [Respond(responder, response_to(request, 481))]

    def receive_ack(self, ack: Request) -> list[Action]:
        """The ACK of a 2xx of ours."""
        accepted = self._accepted
        if accepted is None or accepted.cseq != ack.cseq.number:
            return []  # for a 2xx that was acknowledged before
        self._accepted = None
        sdp = sdp_of(ack) if accepted.wants_answer else None
        self._remote_sdp = sdp or self._remote_sdp
        if accepted.wants_answer:
            self._exchange.make(Move.REFUSED if sdp is None else Move.THEY_ANSWER)
        if self.state is State.CLOSING:
            return [self._bye()]
        if accepted.wants_answer and sdp is None:
            return self._lose("no_answer")
        return [Notify(Confirmed(sdp))] if accepted.is_first or accepted.wants_answer else []

    def cancel(self, request: Request) -> list[Action]:
        """A CANCEL of the far end's re-INVITE; it comes to nothing when we answered before."""
        reoffer = self._reoffer
        if reoffer is None or reoffer.request.cseq.number != request.cseq.number:
            return []
        return self.reject_reoffer(487)

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to a request of ours in the dialog."""
        method = client_request.request.method
        if method == "INVITE":
            return self._on_reinvite_response(client_request, response, now)
        if response.status < 200:
            return []
        retry = self._authenticated(client_request, response)
        if method == "REFER":
            return self._referrer.on_response(client_request, response, retry)
        if method == "NOTIFY":
            return self._referee.on_response(client_request, response, retry)
        if method == "UPDATE":
            return self._on_update_response(client_request, response, retry, now)
        if retry is not None:
            return [Send(retry)]
        self.state = State.OVER
        return []

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No final response to a request of ours in the dialog (sections 8.1.3.1 and 12.2.1.2)."""
        method = client_request.request.method
        if method == "REFER":
            return self._referrer.on_failure(client_request, failure)
        if method == "NOTIFY":
            return self._referee.on_failure(client_request)
        if method == "UPDATE":
            return self._on_update_failure(client_request, failure)
        if method == "BYE":
            self.state = State.OVER
            return []
        reinvite = self._reinvite
        if reinvite is None or reinvite.client_request is not client_request:
            return []
        if failure == "transport":
            return self._finish_reinvite(Rejected(503, "Service Unavailable"), Move.REFUSED)
        return self._lose_by_reinvite(Rejected(408, "Request Timeout"))

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        waiting = (self._accepted, self._reoffer, self._reinvite, self._referee, self._referrer, self._timer)
        deadlines = [one.deadline for one in waiting if one is not None and one.deadline is not None]
        return min(deadlines, default=None)

    def handle_timeout(self, now: float) -> list[Action]:
        """Repeat a 2xx; give up an ACK, a re-INVITE or a REFER, of ours or of theirs."""
        actions = [*self._referee.handle_timeout(now), *self._referrer.handle_timeout(now)]
        if self._accepted is not None:
            actions += self._give_up_ack() if now >= self._accepted.give_up_at else self._accepted.resend(now)
        if self._reoffer is not None and now >= self._reoffer.deadline:
            actions += self.reject_reoffer(500)
        reinvite = self._reinvite
        if reinvite is not None and reinvite.deadline is not None and now >= reinvite.deadline:
            actions += self._press_reinvite(reinvite, now)
        return actions if self.state is not State.CONFIRMED else [*actions, *self._keep_alive(now)]

    # The session timer

    def _keep_alive(self, now: float) -> list[Action]:
        due = self._timer.due(now)
        if due is Due.END and self._accepted is not None and self._accepted.is_first:
            return [*self.hangup(None), Notify(Ended(None, "session_expired"))]  # a BYE, but not before the ACK
        if due is Due.END:
            return self._lose("session_expired")
        return self._refresh(now) if due is Due.REFRESH else []

    def _refresh(self, now: float) -> list[Action]:
        """By UPDATE where the far end takes it, else by a re-INVITE that says the same once more (RFC 4028 7.4)."""
        if self._may_update:
            headers = (
                *self._context.invite_headers,
                *self._timer.request_lines(),
                ("User-Agent", self._context.user_agent),
            )
            send = self._send_new("UPDATE", headers, b"")
            self._update = send.client_request
            return [send]
        if self._reinvite is not None or self._local_sdp is None:
            return []  # the re-INVITE that is under way refreshes as well
        self._reinvite = Reinvite(self._local_sdp, None)
        return self._try_reinvite(self._reinvite, now)

    def _on_update_response(
        self, client_request: ClientRequest, response: Response, retry: ClientRequest | None, now: float
    ) -> list[Action]:
        if client_request is not self._update or self.state is not State.CONFIRMED:
            return []
        self._update = retry
        if retry is not None:
            return [Send(retry)]
        if response.status < 300:
            self.dialog.refresh_target(response)
            self.established(response, now)
            return []
        if response.status in (408, 481):
            return self._lose("dialog_lost")
        if response.status in (405, 501):
            self._may_update = False
            return self._refresh(now)
        if response.status == 422 and self._timer.raise_to(response):
            return self._refresh(now)
        self._timer.try_again()
        return []

    def _on_update_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        if client_request is not self._update or self.state is not State.CONFIRMED:
            return []
        self._update = None
        if failure == "timeout":
            return self._lose("dialog_lost")
        self._timer.try_again()
        return []

    # Requests of the far end

    def _on_reinvite(self, request: Request, responder: Responder, now: float) -> list[Action]:
        if (refusal := self._find_glare(request)) is not None:
            return [Respond(responder, refusal)]
        if (sdp := sdp_of(request)) is not None:
            self._exchange.make(Move.THEY_OFFER)
            if sdp == self._remote_sdp and self._local_sdp is not None:
                # Only a refresh (RFC 4028 section 7.4): the same once more, and call control is left alone.
                return self.accept(request, responder, self._local_sdp, now)
        self._reoffer = _Reoffer(request, responder, now + REOFFER_LIMIT)
        return [Notify(Reoffered(sdp))]

    def _on_update(self, request: Request, responder: Responder, now: float) -> list[Action]:
        """RFC 3311 section 5.2: a refresh is answered at once, an offer goes the way of a re-INVITE."""
        sdp = sdp_of(request)
        if sdp is not None and (refusal := self._find_glare(request)) is not None:
            return [Respond(responder, refusal)]
        if sdp is None:
            return [Respond(responder, self._success(request, None, now))]
        self._exchange.make(Move.THEY_OFFER)
        if sdp == self._remote_sdp and self._local_sdp is not None:
            self._exchange.make(Move.WE_ANSWER)
            return [Respond(responder, self._success(request, self._local_sdp, now))]
        self._reoffer = _Reoffer(request, responder, now + UPDATE_LIMIT)
        return [Notify(Reoffered(sdp))]

    def _find_glare(self, request: Request) -> Response | None:
        """Why an offer of the far end comes at the wrong time (section 14.2, RFC 3311 section 5.2)."""
        if self._reoffer is not None:  # a second one before the final response to the first
            retry_after = ("Retry-After", str(int(self._context.random() * 11)))
            return response_to(request, 500, headers=(retry_after,))
        is_ours_sent = self._reinvite is not None and self._reinvite.state is not ReinviteState.WAITING
        is_glare = is_ours_sent or self._accepted is not None or self.state is not State.CONFIRMED
        return response_to(request, 491) if is_glare else None

    def _success(
        self,
        request: Request,
        sdp: Sdp | None,
        now: float,
        session_expires: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """The 2xx to an INVITE or UPDATE; it moves the remote target and begins the session timer anew."""
        self._local_sdp = sdp or self._local_sdp
        self._note_update(request)
        self.dialog.refresh_target(request)
        return response_to(
            request,
            200,
            to_tag=self.dialog.dialog_id.local_tag,
            headers=(
                *self._context.invite_headers,
                *self._timer.answer(request, now, demanded=session_expires),
                ("Server", self._context.user_agent),
                *headers,
            ),
            body=b"" if sdp is None else sdp.encode(),
            content_type=None if sdp is None else SDP,
        )

    def _note_update(self, message: Request | Response) -> None:
        may_update = allows_update(message.headers)
        self._may_update = self._may_update if may_update is None else may_update

    def _give_up_ack(self) -> list[Action]:
        self._accepted = None
        if self.state is State.CLOSING:
            return [self._bye()]
        return self._lose("no_ack")

    # Requests of ours

    def _bye(self) -> Send:
        self.state = State.BYE_SENT
        headers = (("User-Agent", self._context.user_agent), *self._bye_headers)
        return self._send(self.dialog.request("BYE", headers))

    def _send_new(self, method: str, headers: tuple[tuple[str, str], ...], body: bytes) -> Send:
        return self._send(self.dialog.request(method, headers, body))

    def _send(self, request: Request) -> Send:
        return Send(ClientRequest(request, self.dialog.next_hop, self.dialog.dialog_id.remote_tag))

    def _try_reinvite(self, reinvite: Reinvite, now: float) -> list[Action]:
        """Send it, or wait once when an INVITE of the far end is under way (section 14.1)."""
        if self._accepted is not None or self._reoffer is not None:
            return self._wait_once(reinvite, now)
        self._exchange.make(Move.WE_OFFER)
        headers = (
            *self._context.invite_headers,
            *self._timer.request_lines(),
            ("User-Agent", self._context.user_agent),
            ("Content-Type", SDP),
        )
        send = self._send(self.dialog.request("INVITE", headers, reinvite.sdp.encode()))
        reinvite.state, reinvite.client_request, reinvite.deadline = ReinviteState.SENT, send.client_request, None
        return [send]

    def _wait_once(self, reinvite: Reinvite, now: float) -> list[Action]:
        if reinvite.is_retry:
            return self._finish_reinvite(Rejected(491, "Request Pending"))
        reinvite.is_retry, reinvite.state, reinvite.client_request = True, ReinviteState.WAITING, None
        reinvite.deadline = now + glare_delay(self._context.random(), is_call_id_owner=self._is_call_id_owner)
        return []

    def _press_reinvite(self, reinvite: Reinvite, now: float) -> list[Action]:
        if reinvite.state is ReinviteState.WAITING:
            return self._try_reinvite(reinvite, now)
        assert reinvite.client_request is not None
        if reinvite.state is ReinviteState.PROCEEDING:
            reinvite.state, reinvite.deadline = ReinviteState.CANCELLING, now + self._context.timers.limit
            return [Cancel(reinvite.client_request)]
        return self._lose_by_reinvite(Rejected(408, "Request Timeout"))

    def _on_reinvite_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        reinvite = self._reinvite
        is_current = reinvite is not None and reinvite.client_request is client_request
        if 200 <= response.status < 300:
            actions = self._acknowledge(client_request, response)
            return [*actions, *self._take_answer(response, now)] if is_current else actions
        if reinvite is None or not is_current:
            return []  # of a re-INVITE that a hang-up has overtaken
        if response.status >= 300:
            return self._on_reinvite_refused(reinvite, response, now)
        if reinvite.state is ReinviteState.SENT:
            reinvite.state, reinvite.deadline = ReinviteState.PROCEEDING, now + self._context.timers.limit
        return []

    def _on_reinvite_refused(self, reinvite: Reinvite, response: Response, now: float) -> list[Action]:
        assert reinvite.client_request is not None
        if (retry := self._authenticated(reinvite.client_request, response)) is not None:
            reinvite.client_request, reinvite.state, reinvite.deadline = retry, ReinviteState.SENT, None
            return [Send(retry)]
        if response.status in (408, 481):
            return self._lose_by_reinvite(rejection(response))
        if response.status == 422 and self._timer.raise_to(response):
            self._exchange.make(Move.REFUSED)
            return self._try_reinvite(reinvite, now)
        if response.status != 491:
            return self._finish_reinvite(rejection(response), Move.REFUSED)
        self._exchange.make(Move.REFUSED)
        return self._wait_once(reinvite, now)

    def _acknowledge(self, client_request: ClientRequest, response: Response) -> list[Action]:
        if client_request.ack is None:
            self.dialog.refresh_target(response)
            invite = client_request.request
            credentials = ack_headers(self._authentication, invite, self.dialog.next_hop)
            client_request.ack = self.dialog.ack(invite, credentials)
        return [SendAck(client_request.ack, self.dialog.next_hop)]

    def _take_answer(self, response: Response, now: float) -> list[Action]:
        assert self._reinvite is not None
        if (sdp := sdp_of(response)) is None:  # RFC 3261 section 13.2.1: the 2xx must carry it
            return [*self._finish_reinvite(Rejected(488, "No Answer In 2xx"), Move.REFUSED), *self._lose("no_answer")]
        self.established(response, now)
        self._local_sdp, self._remote_sdp = self._reinvite.sdp, sdp
        return self._finish_reinvite(Answered(sdp, dict(response.headers.items())), Move.THEY_ANSWER)

    def _authenticated(self, client_request: ClientRequest, response: Response) -> ClientRequest | None:
        if self._authentication is None:
            return None
        return self._authentication.retry(client_request, response, self.dialog)

    # The end of things

    def _finish_reinvite(self, result: Answered | Rejected, move: Move | None = None) -> list[Action]:
        reinvite, self._reinvite, self._queued = self._reinvite, self._queued, None
        assert reinvite is not None
        if self._reinvite is not None:
            self._reinvite.deadline = self._timer.tried_at  # which has passed: at once
        if move is not None:
            self._exchange.make(move)
        if isinstance(result, Rejected):
            self._timer.try_again()
        return [] if reinvite.on_result is None else [Report(reinvite.on_result, result)]

    def _lose_by_reinvite(self, result: Rejected) -> list[Action]:
        """408 and 481 to a request end the dialog (section 12.2.1.2)."""
        return [*self._finish_reinvite(result, Move.REFUSED), *self._lose("dialog_lost")]

    def _lose(self, reason: str) -> list[Action]:
        """End the dialog from our side although call control did not ask for it: BYE, and tell it."""
        ended = self._end(reason, None)
        return [self._bye(), *ended]

    def _end(self, reason: str, q850: int | None, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        was_closing, self._accepted = self.state is not State.CONFIRMED, None
        self._timer.stop()
        actions = [*self.reject_reoffer(487), *self._referee.end(), *self._referrer.end()]
        while self._reinvite is not None:
            actions += self._finish_reinvite(Rejected(487, "Request Terminated"))
        if self.state is not State.BYE_SENT:  # else the BYEs crossed, and ours waits for its own response
            self.state = State.OVER
        return actions if was_closing else [*actions, Notify(Ended(q850, reason, headers))]
