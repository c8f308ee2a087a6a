"""An INVITE to us from the 100 to the dialog that it makes (RFC 3261 sections 9.2, 13.3)."""

from enum import Enum
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Cancelled
from gateway.sip.core.actions import Action, ClientRequest, Failure, Notify, Respond, Responder
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.capabilities import SDP, sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, DialogId, Stage
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.offer_answer import OfferAnswer, Turn
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
        self._last_provisional: Response | None = None
        self._refresh_at: float | None = None
        self._expires = _expires(invite)
        self._give_up_at = now + (RING_LIMIT if self._expires is None else self._expires)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state is State.ENDED or (self.session is not None and self.session.is_over)

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
        return self._provisional(183, sdp if self.offer is not None else None, now)

    def answer(
        self, sdp: Sdp, now: float, session_expires: int | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> list[Action]:
        """200 with our answer, or with our offer if the INVITE had none.

        Args:
            session_expires: seconds of a session timer that call control wants, whatever the INVITE says.
            headers: header fields of call control's own.
        """
        if self.state is not State.PROCEEDING:
            return []
        self.state = State.ANSWERED
        self.session = Session(
            self._dialog,
            context=self._context,
            exchange=OfferAnswer(Turn.IDLE if self.offer is None else Turn.THEIRS_PENDING),
            is_call_id_owner=False,
            authentication=self._authentication,
        )
        return self.session.accept(
            self._invite, self._responder, sdp, now, is_first=True, session_expires=session_expires, headers=headers
        )

    def reject(self, status: int, reason: str, q850: int | None, retry_after: int | None = None) -> list[Action]:
        """A final 3xx to 6xx."""
        if self.state is not State.PROCEEDING:
            return []
        self.state = State.ENDED
        later = () if retry_after is None else (("Retry-After", str(retry_after)),)
        headers = (("Server", self._context.user_agent), *reason_headers(q850), *later)
        return [Respond(self._responder, self._response(status, reason, headers))]

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
        if self.session is not None:
            return self.session.receive(request, responder, now)
        if not self._dialog.is_in_order(request):
            return [Respond(responder, response_to(request, 500, "CSeq Out Of Order"))]
        if request.method == "BYE":  # a caller may hang up an early dialog so (section 15)
            goodbye = Respond(responder, response_to(request, 200))
            return [goodbye, *self._terminate(q850_of(request))]
        if request.method == "INVITE":  # section 14.2: before the final response to the first
            retry_after = ("Retry-After", str(int(self._context.random() * 11)))
            return [Respond(responder, response_to(request, 500, headers=(retry_after,)))]
        self._dialog.refresh_target(request)
        headers = (*self._context.invite_headers, ("Retry-After", str(int(self._context.random() * 11))))
        return answer_early(request, responder, headers=headers, offer_refusal=500)

    def receive_ack(self, ack: Request) -> list[Action]:
        """The ACK of a 2xx."""
        return [] if self.session is None else self.session.receive_ack(ack)

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to a request of ours in the dialog."""
        return [] if self.session is None else self.session.on_response(client_request, response, now)

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No final response to a request of ours in the dialog."""
        return [] if self.session is None else self.session.on_failure(client_request, failure)

    # Time

    def next_deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        if self.session is not None:
            return self.session.next_deadline()
        if self.state is State.ENDED:
            return None
        return self._give_up_at if self._refresh_at is None else min(self._refresh_at, self._give_up_at)

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
        if self._refresh_at is None or self._last_provisional is None or now < self._refresh_at:
            return []
        self._refresh_at = now + REFRESH_INTERVAL
        return [Respond(self._responder, self._last_provisional)]

    # Helpers

    def _provisional(self, status: int, sdp: Sdp | None, now: float) -> list[Action]:
        if self.state is not State.PROCEEDING:
            return []
        self._last_provisional = self._response(
            status, None, (*self._context.invite_headers, ("Server", self._context.user_agent)), sdp
        )
        self._refresh_at = now + REFRESH_INTERVAL
        return [Respond(self._responder, self._last_provisional)]

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
