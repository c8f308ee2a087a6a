"""What one dialog, early or confirmed, has agreed on, and the offer of the far end that waits in it.

RFC 3261 section 14.2, RFC 3262 section 5 (an offer in a PRACK), RFC 3311 section 5.2 (in an UPDATE). Does no I/O.
"""

from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Reoffered
from gateway.sip.core.actions import Action, Notify, Respond, Responder
from gateway.sip.core.capabilities import SDP, sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.description import says_the_same
from gateway.sip.core.dialog import Dialog
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.offer_answer import Move, OfferAnswer, Turn
from gateway.sip.core.session_timer import SessionTimer

UPDATE_LIMIT: Final = 15.0
"""Seconds that call control has for an UPDATE or PRACK with an offer; its sender gives up after 32 s (timer F)."""

REOFFER_LIMIT: Final = 30.0
"""Seconds that call control has for a re-INVITE of the far end; then it is refused with 500."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An offer of the far end, or an INVITE of its that asks for ours, that call control has not answered."""

    request: Request
    responder: Responder
    deadline: float


class Negotiation:
    """Offers, answers and the session timer of one dialog. It goes on when an early dialog is confirmed.

    Attributes:
        local_sdp, remote_sdp: what was agreed; None before.
        may_update, takes_info: whether the far end takes UPDATE and INFO, as its last Allow says (RFC 3311 section 5.1,
            RFC 3261 section 20.5).
        is_renegotiated: whether an UPDATE or PRACK has changed what the INVITE agreed on.
        is_confirmed: whether a 2xx has made the dialog; before, it has no session timer (RFC 4028 section 4).
    """

    def __init__(
        self,
        dialog: Dialog,
        context: Context,
        exchange: OfferAnswer,
        *,
        local_sdp: Sdp | None = None,
        remote_sdp: Sdp | None = None,
    ) -> None:
        self.dialog, self.exchange = dialog, exchange
        self.local_sdp, self.remote_sdp = local_sdp, remote_sdp
        self.timer = SessionTimer(context.session_expires)
        self.may_update = self.takes_info = False
        self.is_renegotiated = False
        self.is_confirmed = False
        self._context = context
        self._waiting: _Waiting | None = None

    @property
    def waiting(self) -> Request | None:
        """The request of the far end that call control has not answered."""
        return None if self._waiting is None else self._waiting.request

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        return None if self._waiting is None else self._waiting.deadline

    def handle_timeout(self, now: float) -> list[Action]:
        """Refuse what call control did not answer in time."""
        return [] if self._waiting is None or now < self._waiting.deadline else self.reject(500)

    # What the far end sends

    def find_glare(self, request: Request) -> Response | None:
        """Why an offer of the far end comes at the wrong time (RFC 3261 section 14.2, RFC 3311 section 5.2)."""
        if self._waiting is not None or self.exchange.turn is Turn.THEIRS_PENDING:
            return self.later(request)
        return response_to(request, 491) if self.exchange.turn is Turn.OURS_PENDING else None

    def later(self, request: Request) -> Response:
        """500 with a Retry-After of 0 to 10 s."""
        return response_to(request, 500, headers=(("Retry-After", str(int(self._context.random() * 11))),))

    def take(self, request: Request, responder: Responder, now: float) -> list[Action]:
        """An UPDATE, or a PRACK, in a dialog that is not in glare: a refresh is answered at once."""
        if (sdp := sdp_of(request)) is None:
            return [Respond(responder, self.success(request, None, now))]
        if (refusal := self.find_glare(request)) is not None:
            return [Respond(responder, refusal)]
        self.exchange.make(Move.THEY_OFFER)
        if self.is_known(sdp):
            self.exchange.make(Move.WE_ANSWER)
            return [Respond(responder, self.success(request, self.local_sdp, now))]
        return self.wait(request, responder, sdp, now + UPDATE_LIMIT)

    def is_known(self, offer: Sdp) -> bool:
        """Whether it only refreshes (RFC 4028 section 7.4): the same answer once more, and no word to call control."""
        return self.local_sdp is not None and says_the_same(offer, self.remote_sdp)

    def wait(self, request: Request, responder: Responder, sdp: Sdp | None, deadline: float) -> list[Action]:
        """Have call control answer."""
        self._waiting = _Waiting(request, responder, deadline)
        return [Notify(Reoffered(sdp))]

    # What call control says to it

    def release(self) -> tuple[Request, Responder] | None:
        """Nothing waits any more: what did is the caller's to answer."""
        waiting, self._waiting = self._waiting, None
        return None if waiting is None else (waiting.request, waiting.responder)

    def answer(self, sdp: Sdp, now: float) -> list[Action]:
        """200 to the UPDATE or PRACK that waits."""
        if (waiting := self.release()) is None:
            return []
        request, responder = waiting
        self.exchange.make(Move.WE_ANSWER)
        self.remote_sdp, self.is_renegotiated = sdp_of(request), True
        return [Respond(responder, self.success(request, sdp, now))]

    def reject(self, status: int) -> list[Action]:
        """Refuse what waits; the session goes on as it was."""
        if (waiting := self.release()) is None:
            return []
        request, responder = waiting
        if self.exchange.turn is Turn.THEIRS_PENDING:
            self.exchange.make(Move.REFUSED)
        return [Respond(responder, response_to(request, status))]

    def success(
        self,
        request: Request,
        sdp: Sdp | None,
        now: float,
        session_expires: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Response:
        """The 2xx to a request; moves the remote target and, in a confirmed dialog, begins the session timer anew."""
        self.local_sdp = sdp or self.local_sdp
        self.note_methods(request)
        if request.method != "PRACK":
            self.dialog.refresh_target(request)
        has_timer = self.is_confirmed and request.method in ("INVITE", "UPDATE")
        return response_to(
            request,
            200,
            to_tag=self.dialog.dialog_id.local_tag,
            headers=(
                *self._context.invite_headers,
                *(self.timer.answer(request, now, demanded=session_expires) if has_timer else ()),
                ("Server", self._context.user_agent),
                *headers,
            ),
            body=b"" if sdp is None else sdp.encode(),
            content_type=None if sdp is None else SDP,
        )

    def note_methods(self, message: Request | Response) -> None:
        """Look at its Allow, if it has one."""
        if methods := message.headers.get_all("Allow"):
            self.may_update, self.takes_info = "UPDATE" in methods, "INFO" in methods

    def established(self, response: Response, now: float) -> None:
        """A 2xx to an INVITE or UPDATE of ours: the session timer begins anew."""
        self.note_methods(response)
        self.timer.take(response, now)
