"""What a transfer does to a call: legs that come, leave or change places, and its dealings with other calls."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from gateway.b2bua.core.actions import (
    AcceptTransfer,
    Action,
    AddTargetCandidate,
    AdoptMedia,
    AnswerTarget,
    ConnectTarget,
    DeclineLeg,
    DescribeToTarget,
    DialTarget,
    DropMedia,
    DropTarget,
    GiveLeg,
    KeepLeg,
    LetGo,
    PrepareTarget,
    RefuseTransfer,
    ReportTransfer,
    RequestLeg,
    TakeTarget,
)
from gateway.b2bua.core.call import Call, State
from gateway.b2bua.core.events import (
    Event,
    LegGiven,
    LegNotGiven,
    LegWanted,
    OfTarget,
    ReplacementCalled,
    TargetRouted,
    TargetUnroutable,
)
from gateway.b2bua.encryption import demand
from gateway.b2bua.inbox import Door, Inbox
from gateway.b2bua.journal import Journal
from gateway.b2bua.legs.base import Leg, may_meet
from gateway.b2bua.legs.sip import SipLeg
from gateway.b2bua.media_worker import MediaWorker
from gateway.b2bua.routing import Refused, Route, ToPhones, ToTrunks
from gateway.b2bua.seats import Handover, Seats, hang_up, renamed
from gateway.domain.causes import (
    CALL_REJECTED,
    NORMAL_CLEARING,
    RECOVERY_ON_TIMER_EXPIRE,
    REJECTIONS,
    Cause,
)
from gateway.domain.facts import TransferKind
from gateway.domain.ids import CallId, LegName
from gateway.observability.logging import get_logger

FIND_TIMEOUT: Final = 5.0
"""Seconds for finding the route of a transfer; less than the state machine waits for it."""


class OtherCall(Protocol):
    """What one call does to another (`runner.CallRunner`)."""

    @property
    def awaited_leg(self) -> LegName | None:
        """The leg whose place the far end of the call that asks would take now."""

    def leg_opposite(self, name: LegName) -> Leg | None:
        """Who is on the other side of that leg there."""

    def post(self, event: Event) -> None:
        """Put an event into its inbox."""

    def receive(self, given: Handover) -> None:
        """Give it a far end."""


class Desk(Protocol):
    """What a call needs for transfers (`transfer_desk.TransferDesk`)."""

    async def find_target(self, call_id: CallId, transferor: Leg, destination: str, *, remaining: Leg) -> Route:
        """Where a transfer by that leg's far end goes: nowhere that it could not call itself, nor the one who stays."""

    def make_target(self, call_id: CallId, door: Door, route: Route, *, transferor: Leg, remaining: Leg) -> Leg:
        """The leg that calls along that route, for the one who remains."""

    def find_call(self, asking: CallId, transferor: Leg, other: str) -> tuple[OtherCall, LegName] | None:
        """The other call of that leg's far end, by the name that it gave, and which leg it is there."""

    def call(self, call_id: CallId) -> OtherCall | None:
        """A live call."""

    def take_over(self, call_id: CallId, leg: Leg) -> None:
        """That leg belongs to that call from now on."""

    def let_go(self, call_id: CallId, leg: Leg) -> None:
        """That leg belongs to that call no longer."""

    def seat(self, call_id: CallId, name: LegName, leg: Leg) -> None:
        """That leg has that place in the call from now on."""


class TransferPerformer:
    """Does what the state machine of one call asks for when it is transferred, and what other calls want of it."""

    def __init__(
        self,
        call_id: CallId,
        *,
        call: Call,
        seats: Seats,
        media: MediaWorker,
        desk: Desk,
        inbox: Inbox,
        journal: Journal,
    ) -> None:
        self._call_id, self._call, self._seats, self._media = call_id, call, seats, media
        self._desk, self._inbox, self._journal = desk, inbox, journal
        self._log = get_logger()

    def perform(self, action: Action) -> None:
        """Tell the legs; what concerns media and other calls is below."""
        seats = self._seats
        match action:
            case AcceptTransfer(leg):
                seats[leg].accept_transfer()
            case RefuseTransfer(leg, cause, reason):
                seats[leg].refuse_transfer(cause, reason)
                self._log.info("transfer_refused", leg=leg.value, cause=cause.name, reason=reason)
            case ReportTransfer(leg, sip_status, sip_reason):
                seats[leg].report_transfer(sip_status, sip_reason)
            case DialTarget(number, offer) if seats.target is not None:
                seats.target.dial(number, offer)
            case AnswerTarget(sdp) if seats.target is not None:
                seats.target.answer(sdp, ())
            case LetGo(cause):
                for leaving in seats.take_leaving():
                    hang_up(leaving, cause)
            case TakeTarget(leg, kind, keeps_former):
                self._take_target(leg, kind, keeps_former=keeps_former)
            case DropTarget() | DeclineLeg() | RequestLeg() | GiveLeg() | KeepLeg():
                self._change_calls(action)
            case _:
                self._change_media(action)

    def _change_media(self, action: Action) -> None:
        media, target = self._media, self._seats.target
        match action:
            case PrepareTarget(leg) if target is not None:
                media.prepare_target(leg, target)
            case DescribeToTarget(leg) if target is not None:
                media.describe_to_target(leg, target)
            case ConnectTarget(answer):
                media.connect_target(answer)
            case AddTargetCandidate(candidate):
                media.add_target_candidate(candidate)
            case DropMedia(leg):
                media.drop(leg)
            case AdoptMedia(leg) if self._seats.given is not None:
                media.adopt(leg, self._seats.given.media)
            case _:
                raise ValueError(f"unknown action {type(action).__name__}")

    def _change_calls(self, action: DropTarget | DeclineLeg | RequestLeg | GiveLeg | KeepLeg) -> None:
        match action:
            case DropTarget(cause):
                self._drop_target(cause)
                self._media.drop_target()
            case DeclineLeg():
                self._decline()
            case RequestLeg(leg, other):
                self._request_leg(leg, other)
            case GiveLeg(leg, to, is_told, is_holding):
                self._give(leg, to, is_told=is_told, is_holding=is_holding)
            case KeepLeg(to, reason, is_busy):
                self._keep(to, reason, is_busy=is_busy)

    # ---- a target

    async def find_target(self, leg: LegName, destination: str) -> None:
        """Find the route of a transfer and make the leg that calls along it."""
        transferor, remaining = self._seats[leg], self._seats[leg.other]
        try:
            async with asyncio.timeout(FIND_TIMEOUT):
                route = await self._desk.find_target(self._call_id, transferor, destination, remaining=remaining)
        except TimeoutError:
            route = Refused(RECOVERY_ON_TIMER_EXPIRE, "the route took too long")
        if isinstance(route, Refused):
            self._inbox.post(TargetUnroutable(route.cause, route.sip_reason or route.cause.sip_reason))
            return
        self._seats.target = self._desk.make_target(
            self._call_id, self._inbox.door(), route, transferor=transferor, remaining=remaining
        )
        is_trunk = isinstance(route, ToTrunks | ToPhones)
        self._inbox.post(TargetRouted(len(route.trunks) if isinstance(route, ToTrunks) else 1, is_trunk=is_trunk))

    def take_replacement(self, make_leg: Callable[[LegName, Door], Leg], name: LegName) -> None:
        """Somebody has called to take that leg's place (RFC 3891); a call that is busy with another refuses it."""
        leg = make_leg(name, self._inbox.door())
        if isinstance(leg, SipLeg) and self._seats[name.other].media.requires_encryption and not demand(leg):
            hang_up(leg, REJECTIONS["B3"])
            return
        if self._seats.target is not None or self._call.state is State.ENDED:
            hang_up(leg, CALL_REJECTED)
            return
        self._seats.target = leg
        self._inbox.post(ReplacementCalled(name, leg.offer))

    def _take_target(self, name: LegName, kind: TransferKind, *, keeps_former: bool) -> None:
        given = self._seats.given
        successor = given.leg if kind is TransferKind.ATTENDED and given is not None else self._seats.target
        assert successor is not None
        if kind is not TransferKind.ATTENDED:
            self._seats.target = None
        former = self._seats.put(name, successor)
        assert former is not None
        if keeps_former:
            self._seats.keep_leaving(former)
            self.let_go(former)
        self._seats[name.other].show(successor.party)
        if kind is not TransferKind.BLIND:
            successor.show(self._seats[name.other].party)
        self._desk.seat(self._call_id, name, successor)
        self._journal.transferred(kind, name, former, successor)

    def _drop_target(self, cause: Cause) -> None:
        target, self._seats.target = self._seats.target, None
        if target is not None:
            hang_up(target, cause)
            self.let_go(target)

    # ---- a leg of another call

    def _request_leg(self, leg: LegName, other: str) -> None:
        found = self._desk.find_call(self._call_id, self._seats[leg], other)
        if found is None:
            self._inbox.post(LegNotGiven("there is no such other call"))
            return
        call, name = found
        wanted = call.leg_opposite(name)
        if wanted is not None and not may_meet(self._seats[leg.other], wanted):
            self._inbox.post(LegNotGiven(REJECTIONS["B3"].sip_reason))
            return
        call.post(LegWanted(name, self._call_id))

    def receive(self, given: Handover) -> None:
        """Another call gives its far end to this one."""
        name, door = self._call.awaited_leg, self._inbox.door()
        assert name is not None
        given.leg.move(name, door)
        self._seats.given = given
        self._desk.take_over(self._call_id, given.leg)
        is_trunk = isinstance(given.leg, SipLeg)
        self._inbox.post(LegGiven(is_trunk, is_told=given.is_told, is_holding=given.is_holding))
        for event in given.unheard:
            door(renamed(event, name))

    def _decline(self) -> None:
        given = self._seats.given
        if given is not None and not self._is_seated(given.leg):
            hang_up(given.leg, NORMAL_CLEARING)
            self.let_go(given.leg)

    def _is_seated(self, leg: Leg) -> bool:
        return any(self._seats.get(name) is leg for name in LegName)

    # ---- a leg for another call

    def is_unwanted(self, event: Event | OfTarget) -> bool:
        """Whether that is a wish of another call that has changed its mind, or cannot be granted at this moment."""
        if not isinstance(event, LegWanted):
            return False
        asking = self._desk.call(event.by)
        if asking is None or asking.awaited_leg is None:
            return True
        if self._call.state is State.ACTIVE and not self._media.may_detach(event.leg.other):
            asking.post(LegNotGiven("the other call's media is being changed", is_busy=True))
            return True
        return False

    def _give(self, name: LegName, to: CallId, *, is_told: bool, is_holding: bool) -> None:
        """Nothing has happened since `is_unwanted` looked: it is still awaited there."""
        leg, asking = self._seats[name], self._desk.call(to)
        assert asking is not None
        unheard = tuple(event for door, event in self._inbox.drain() if door is leg.post)
        media = self._media.detach(name)
        asking.receive(Handover(leg=leg, media=media, is_told=is_told, is_holding=is_holding, unheard=unheard))

    def _keep(self, to: CallId, reason: str, *, is_busy: bool) -> None:
        asking = self._desk.call(to)
        if asking is not None:
            asking.post(LegNotGiven(reason, is_busy))

    # ---- the end

    def let_go(self, leg: Leg) -> None:
        """That leg belongs to the call no longer."""
        self._desk.let_go(self._call_id, leg)

    async def dispose(self) -> None:
        """Whoever came too late for this call must not stay behind."""
        self._drop_target(NORMAL_CLEARING)
        self._decline()
        for leaving in self._seats.take_leaving():
            hang_up(leaving, NORMAL_CLEARING)
        if self._seats.given is not None:
            await self._seats.given.media.close()


__all__ = ["Desk", "OtherCall", "TransferPerformer"]
