"""What each action does to the legs and the media of a call. What a transfer asks for is in `transfer_performer`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    Action,
    AddCandidate,
    Answer,
    AnswerReoffer,
    AskClient,
    Attach,
    CloseMedia,
    ConnectMedia,
    Dial,
    FindRoute,
    FindTarget,
    Hangup,
    OfferAttach,
    Play,
    PrepareOffer,
    PrepareReinvite,
    ProbeMedia,
    Reinvite,
    RejectReoffer,
    Renegotiate,
    Ring,
    SendDigits,
    SendEarlyMedia,
    SetDirection,
    SetHold,
    TakeReinviteAnswer,
)
from gateway.b2bua.core.call import Call, State
from gateway.b2bua.core.events import Routed, Unroutable
from gateway.b2bua.journal import Journal
from gateway.b2bua.legs.base import Leg, Post
from gateway.b2bua.media_worker import MediaWorker, Spawn
from gateway.b2bua.routing import Refused, Route, ToPhones, ToTrunks
from gateway.b2bua.seats import Seats
from gateway.b2bua.transfer_performer import TransferPerformer
from gateway.domain.causes import Cause
from gateway.domain.ids import LegName


@dataclass(frozen=True, slots=True)
class Legs:
    """How a call gets at what it does not know: who calls, the route, and the leg that calls along it."""

    a: Leg
    find_route: Callable[[], Awaitable[Route]]
    make_b: Callable[[Route], Leg]


class Performer:
    """Does what the state machine of one call asks for. It never waits: a BYE must get in."""

    def __init__(
        self,
        legs: Legs,
        *,
        call: Call,
        seats: Seats,
        media: MediaWorker,
        transfers: TransferPerformer,
        journal: Journal,
        post: Post,
    ) -> None:
        self._legs, self._call, self._seats, self._media = legs, call, seats, media
        self._transfers, self._journal, self._post = transfers, journal, post

    def perform(self, action: Action, spawn: Spawn) -> None:
        """Start the work; what comes of it is posted."""
        match action:
            case FindRoute():
                spawn(self._find_route(), "route")
            case PrepareOffer():
                spawn(self._media.prepare_offer(self._legs.a, self._seats[LegName.B]), "offer")
            case ProbeMedia(leg, attempt):
                spawn(self._media.probe(leg, attempt), "probe")
            case CloseMedia():
                pass  # the pump ends with this action; `CallRunner.run` closes media whatever ended it
            case PrepareReinvite() | TakeReinviteAnswer() | SetDirection() | Play():
                self._redirect_media(action)
            case ConnectMedia() | AcceptAnswer() | Renegotiate() | OfferAttach() | AddCandidate():
                self._ask_media(action)
            case SendDigits():
                self._send_digits(action)
            case FindTarget(leg, destination):
                spawn(self._transfers.find_target(leg, destination), "target")
            case _:
                self._tell_leg(action)

    async def _find_route(self) -> None:
        route = await self._legs.find_route()
        if isinstance(route, Refused):
            self._post(Unroutable(route.cause, route.sip_reason))
            return
        self._seats.put(LegName.B, self._legs.make_b(route))
        count = len(route.trunks) if isinstance(route, ToTrunks) else 1
        self._post(Routed(count, is_trunk=isinstance(route, ToTrunks | ToPhones)))

    def _send_digits(self, action: SendDigits) -> None:
        """By signalling where that is the only way; what came in media, media has passed on where it can."""
        leg = self._seats[action.leg]
        if leg.takes_digits and not self._media.takes_digits(action.leg):
            leg.send_digits(action.digits, action.duration)
        elif not action.is_from_media:
            self._media.send_digits(action.leg, action.digits, action.duration)

    def _ask_media(self, action: ConnectMedia | AcceptAnswer | Renegotiate | OfferAttach | AddCandidate) -> None:
        match action:
            case ConnectMedia(answer):
                self._media.connect(self._legs.a, answer)
            case AcceptAnswer(leg, answer):
                self._media.accept(leg, answer)
            case Renegotiate(leg, offer_sdp):
                self._media.renegotiate(leg, offer_sdp)
            case OfferAttach(leg, attempt):
                self._media.offer_attach(leg, attempt)
            case AddCandidate(leg, candidate):
                self._media.add_candidate(leg, candidate)

    def _redirect_media(self, action: PrepareReinvite | TakeReinviteAnswer | SetDirection | Play) -> None:
        match action:
            case PrepareReinvite(leg, is_sending, is_receiving):
                self._media.prepare_reinvite(leg, is_sending=is_sending, is_receiving=is_receiving)
            case TakeReinviteAnswer(leg, answer):
                self._media.take_reinvite_answer(leg, answer)
            case SetDirection(leg, is_sending, is_receiving):
                self._media.set_direction(leg, is_sending=is_sending, is_receiving=is_receiving)
            case Play(leg, sound):
                self._media.play(leg, sound)

    def _tell_leg(self, action: Action) -> None:
        match action:
            case Dial(target, offer):
                self._seats[LegName.B].dial(target, offer)
            case Ring() | SendEarlyMedia() | Answer():
                self._tell_caller(action)
            case AskClient(leg):
                self._seats[leg].ask()
            case Attach(leg, sdp, socket):
                self._seats[leg].attach(sdp, socket)
            case SetHold(leg, is_held):
                self._set_hold(leg, is_held)
            case Reinvite(leg, sdp):
                self._seats[leg].reinvite(sdp)
            case AnswerReoffer(leg, sdp):
                self._seats[leg].answer_reoffer(sdp)
            case RejectReoffer(leg, sip_status):
                self._seats[leg].reject_reoffer(sip_status)
            case Hangup(leg, cause, sip_status, sip_reason):
                self._hang_up(leg, cause, sip_status, sip_reason)
            case _:
                self._transfers.perform(action)

    def _tell_caller(self, action: Ring | SendEarlyMedia | Answer) -> None:
        caller = self._legs.a
        match action:
            case Ring():
                caller.ring()
            case SendEarlyMedia(sdp):
                caller.early_media(sdp)
            case Answer(sdp):
                caller.answer(sdp, self._call.answer_headers)

    def _set_hold(self, name: LegName, is_held: bool) -> None:
        self._media.set_hold(name, is_held)
        self._seats[name].set_hold(is_held)
        self._journal.held(name, is_held)

    def _hang_up(self, name: LegName, cause: Cause, sip_status: int | None, sip_reason: str | None) -> None:
        leg = self._seats[name]
        is_over = self._call.state is State.ENDED
        leg.hangup(cause, sip_status, sip_reason, self._call.bye_headers if is_over else ())
        if not is_over:
            self._transfers.let_go(leg)


__all__ = ["Legs", "Performer"]
