"""The early dialogs that one INVITE of ours has made, a fork each (RFC 3261 section 12.1; RFC 3262 section 4).

Reliable provisional responses are taken in order and acknowledged; UPDATEs of the far end are answered (RFC 3311).
Does no I/O.
"""

from dataclasses import dataclass, field
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Provisional
from gateway.sip.core.actions import Action, ClientRequest, Notify, Respond, Responder, Send
from gateway.sip.core.authentication import Authentication, retried
from gateway.sip.core.capabilities import sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog, DialogId
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.rack import RAck
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.negotiation import Negotiation
from gateway.sip.core.offer_answer import Move, OfferAnswer, Turn
from gateway.sip.core.reliable import InOrder, reliable_number
from gateway.sip.core.replies import answer_early

MAX_FORKS: Final = 16
"""Dialogs that one INVITE may make; what a further fork sends is not looked at."""


@dataclass(slots=True)
class Early:
    """One early dialog.

    Attributes:
        preview: the description in an unreliable response, which is no answer yet but will be the same as it.
        prack: our PRACK that has no final response yet.
    """

    negotiation: Negotiation
    order: InOrder = field(default_factory=InOrder)
    preview: Sdp | None = None
    prack: ClientRequest | None = None

    @property
    def dialog(self) -> Dialog:
        """The dialog itself."""
        return self.negotiation.dialog


class EarlyDialogs:
    """The early dialogs of one INVITE by remote tag, and what happens in them."""

    def __init__(self, context: Context, authentication: Authentication | None) -> None:
        self._context, self._authentication = context, authentication
        self._by_tag: dict[str, Early] = {}

    def __len__(self) -> int:
        return len(self._by_tag)

    def __contains__(self, tag: str) -> bool:
        return tag in self._by_tag

    @property
    def ids(self) -> list[DialogId]:
        """Their names."""
        return [early.dialog.dialog_id for early in self._by_tag.values()]

    def pop(self, tag: str) -> Early | None:
        """The dialog of that tag is early no longer."""
        return self._by_tag.pop(tag, None)

    def end(self) -> list[Action]:
        """All of them are over: the INVITE has its final response."""
        actions = [action for early in self._by_tag.values() for action in early.negotiation.reject(487)]
        self._by_tag.clear()
        return actions

    # Provisional responses

    def take(self, invite: Request, response: Response) -> list[Action]:
        """A 101 to 199: acknowledged when it is reliable, then told; nothing when it is a repeat or out of order."""
        early = self._remember(invite, response)
        number = None if self._context.reliability == "off" else reliable_number(response)
        if number is None:
            return [Notify(Provisional(response.status, response.reason, self._preview(early, response)))]
        if early is None or not early.order.take(number):
            return []
        sdp = sdp_of(response)
        if early.negotiation.exchange.turn is not Turn.OURS_PENDING:
            sdp = None  # RFC 3261 section 13.2.1: the first description was the answer
        if sdp is not None:
            early.negotiation.exchange.make(Move.THEY_ANSWER)
            early.negotiation.remote_sdp = sdp
        prack = self._prack(early, RAck(number, response.cseq))
        return [prack, Notify(Provisional(response.status, response.reason, sdp))]

    def _remember(self, invite: Request, response: Response) -> Early | None:
        try:
            dialog = Dialog.from_response(invite, response)
        except SipError:
            return None  # a provisional response that makes no dialog is still a sign of life
        tag = dialog.dialog_id.remote_tag
        if not tag or (tag not in self._by_tag and len(self._by_tag) >= MAX_FORKS):
            return None
        if tag not in self._by_tag:
            exchange = OfferAnswer(Turn.OURS_PENDING)
            self._by_tag[tag] = Early(Negotiation(dialog, self._context, exchange, local_sdp=sdp_of(invite)))
        early = self._by_tag[tag]
        early.negotiation.note_methods(response)
        return early

    @staticmethod
    def _preview(early: Early | None, response: Response) -> Sdp | None:
        """The description in an unreliable response; nothing once a reliable one has brought the answer."""
        sdp = sdp_of(response)
        if early is None:
            return sdp
        if early.negotiation.exchange.turn is not Turn.OURS_PENDING:
            return None
        early.preview = sdp or early.preview
        return sdp

    def _prack(self, early: Early, rack: RAck) -> Send:
        headers = (("RAck", str(rack)), ("User-Agent", self._context.user_agent))
        request = early.dialog.request("PRACK", headers)
        early.prack = ClientRequest(request, early.dialog.next_hop, early.dialog.dialog_id.remote_tag)
        return Send(early.prack)

    def on_response(self, client_request: ClientRequest, response: Response) -> list[Action] | None:
        """A response to a PRACK of ours; None when the far end does not know the dialog any more."""
        early = self._by_tag.get(client_request.remote_tag or "")
        if early is None or early.prack is not client_request or response.status < 200:
            return []
        early.prack = retried(self._authentication, client_request, response, early.dialog)
        if early.prack is not None:
            return [Send(early.prack)]
        return None if response.status in (408, 481) else []

    # Requests of the far end

    def receive(self, request: Request, responder: Responder, tag: str, now: float) -> list[Action]:
        """A request in one of them; a BYE ends it."""
        early = self._by_tag.get(tag)
        if early is None:
            return [Respond(responder, response_to(request, 481))]
        if not early.dialog.is_in_order(request):
            return [Respond(responder, response_to(request, 500, "CSeq Out Of Order"))]
        match request.method:
            case "INVITE":  # ours is under way (RFC 3261 section 14.2)
                return [Respond(responder, response_to(request, 491))]
            case "BYE":  # not the callee's to send (section 15), but one whose 200 got lost does
                del self._by_tag[tag]
                return [*early.negotiation.reject(487), Respond(responder, response_to(request, 200))]
            case "UPDATE" if request.body and self._waiting() is not None:
                return [Respond(responder, early.negotiation.later(request))]
            case "UPDATE":
                return early.negotiation.take(request, responder, now)
            case _:
                return answer_early(request, responder)

    def answer_reoffer(self, sdp: Sdp, now: float) -> list[Action]:
        """200 to the UPDATE that waits."""
        return [] if (waiting := self._waiting()) is None else waiting.answer(sdp, now)

    def reject_reoffer(self, status: int) -> list[Action]:
        """Refuse the UPDATE that waits."""
        return [] if (waiting := self._waiting()) is None else waiting.reject(status)

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        return None if (waiting := self._waiting()) is None else waiting.deadline

    def handle_timeout(self, now: float) -> list[Action]:
        """Refuse an UPDATE that call control did not answer in time."""
        return [] if (waiting := self._waiting()) is None else waiting.handle_timeout(now)

    def _waiting(self) -> Negotiation | None:
        """The one with an offer that call control has not answered: one at a time, for it cannot tell forks apart."""
        return next((one.negotiation for one in self._by_tag.values() if one.negotiation.waiting is not None), None)
