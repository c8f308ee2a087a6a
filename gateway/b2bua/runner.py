"""One task owns one call: it feeds the state machine and performs what that asks for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar

import structlog

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    AcceptTransfer,
    Action,
    AddCandidate,
    AddTargetCandidate,
    AdoptMedia,
    Answer,
    AnswerReoffer,
    AnswerTarget,
    Attach,
    CloseMedia,
    ConnectMedia,
    ConnectTarget,
    DeclineLeg,
    DescribeToTarget,
    Dial,
    DialTarget,
    DropMedia,
    DropTarget,
    FindRoute,
    FindTarget,
    GiveLeg,
    Hangup,
    KeepLeg,
    LetGo,
    OfferAttach,
    Play,
    PrepareOffer,
    PrepareReinvite,
    PrepareTarget,
    ProbeMedia,
    RefuseTransfer,
    Reinvite,
    RejectReoffer,
    Renegotiate,
    ReportTransfer,
    RequestLeg,
    Ring,
    SendDigits,
    SendEarlyMedia,
    SetDirection,
    SetHold,
    TakeReinviteAnswer,
    TakeTarget,
)
from gateway.b2bua.core.call import Call, Ending, State
from gateway.b2bua.core.events import (
    Event,
    HangupRequested,
    LegAttached,
    LegDetached,
    LegGiven,
    LegNotGiven,
    LegReturned,
    LegWanted,
    MediaProbed,
    MediaUp,
    OfTarget,
    ReplacementCalled,
    Routed,
    TargetRouted,
    TargetUnroutable,
    Unroutable,
)
from gateway.b2bua.core.hold import HoldPolicy
from gateway.b2bua.legs.base import Leg
from gateway.b2bua.media_worker import MediaWorker, Spawn
from gateway.b2bua.routing import Refused, Route, ToTrunks
from gateway.b2bua.seats import Door, Handover, Seats, hang_up, renamed
from gateway.domain.causes import (
    CALL_REJECTED,
    NORMAL_CLEARING,
    NORMAL_TEMPORARY_FAILURE,
    RECOVERY_ON_TIMER_EXPIRE,
    Cause,
)
from gateway.domain.facts import (
    CallAnswered,
    CallEnded,
    CallHeld,
    CallRinging,
    CallTransferred,
    Fact,
    TransferKind,
)
from gateway.domain.ids import CallId, Direction, LegName, SipCallId
from gateway.media.engine import (
    LegStats,
    MediaEngine,
)
from gateway.observability import metrics
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger

INBOX_SIZE: Final = 256
"""Events that may wait for one call. Full: a peer floods it, and the call is ended."""

FIND_TIMEOUT: Final = 5.0
"""Seconds for finding the route of a transfer; less than the state machine waits for it."""

_T = TypeVar("_T")

STAGES: Final[Mapping[State, str]] = {
    State.DIALING: "dialed",
    State.RINGING: "ringing",
    State.EARLY: "early_media",
    State.CONNECTING: "answered",
    State.ACTIVE: "active",
    State.ENDED: "ended",
}


@dataclass(frozen=True, slots=True)
class Legs:
    """How the runner gets at what it does not know: the route, the leg that calls along it, and other calls."""

    a: Leg
    find_route: Callable[[], Awaitable[Route]]
    make_b: Callable[[Route], Leg]
    desk: "Desk"


class Desk(Protocol):
    """What a runner needs for transfers (`transfer_desk.TransferDesk`)."""

    async def find_target(self, transferor: Leg, destination: str) -> Route:
        """Where a transfer by that leg's far end goes: nowhere that it could not call itself."""

    def make_target(self, runner: "CallRunner", route: Route, *, transferor: Leg, remaining: Leg) -> Leg:
        """The leg that calls along that route, for the one who remains."""

    def find_call(self, asking: "CallRunner", transferor: Leg, other: str) -> "tuple[CallRunner, LegName] | None":
        """The other call of that leg's far end, by the name that it gave, and which leg it is there."""

    def runner_of(self, call_id: CallId) -> "CallRunner | None":
        """A live call."""

    def take_over(self, runner: "CallRunner", leg: Leg) -> None:
        """That leg belongs to that call from now on."""

    def let_go(self, runner: "CallRunner", leg: Leg) -> None:
        """That leg belongs to that call no longer."""

    def seat(self, runner: "CallRunner", name: LegName, leg: Leg) -> None:
        """That leg has that place in the call from now on."""


class CallRunner:
    """Owns one call from its first action to the last fact. Everybody else posts to its inbox."""

    def __init__(
        self,
        call_id: CallId,
        direction: Direction,
        *,
        ring_timeout: float,
        hold: HoldPolicy,
        attach_timeout: float,
        max_transfers: int,
        engine: MediaEngine,
        emit: Callable[[Fact], None],
    ) -> None:
        self.call_id, self.direction = call_id, direction
        self.started_at = utc_now()
        self.answered_at: datetime | None = None
        self.transfers: tuple[CallTransferred, ...] = ()
        self._seats = Seats()
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._call = Call(
            now=self._started,
            ring_timeout=ring_timeout,
            attach_timeout=attach_timeout,
            hold=hold,
            max_transfers=max_transfers,
        )
        self._emit = emit
        self._media = MediaWorker(call_id, engine, self.post)
        self._inbox: asyncio.Queue[tuple[Door | None, Event]] = asyncio.Queue(INBOX_SIZE)
        self._stages: dict[str, float] = {}
        self._media_up: set[LegName] = set()
        self._legs: Legs | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = get_logger()

    @property
    def state(self) -> State:
        """Where the call stands."""
        return self._call.state

    @property
    def trunk(self) -> str | None:
        """The trunk on either side of the call."""
        return self._one_of(lambda leg: leg.trunk_name)

    @property
    def sip_call_id(self) -> SipCallId | None:
        """The SIP Call-ID on either side of the call."""
        return self._one_of(lambda leg: leg.sip_call_id)

    @property
    def is_held(self) -> bool:
        """Whether any leg is on hold."""
        return bool(self._call.held())

    def leg_at(self, name: LegName) -> Leg:
        """The leg that has that place now."""
        return self._seats[name]

    def swap(self, former: Leg, successor: Leg) -> None:
        """One of several clients that rang has answered: it alone has their place."""
        self._seats.swap(former, successor)

    def find_leg(self, is_it: Callable[[Leg], bool]) -> LegName | None:
        """The place of the leg that is meant."""
        for name in LegName:
            leg = self._seats.get(name)
            if leg is not None and is_it(leg):
                return name
        return None

    def stats(self) -> Mapping[LegName, LegStats]:
        """Media totals of the legs so far."""
        return self._media.stats()

    def post(self, event: Event) -> None:
        """Put an event into the inbox; never blocks."""
        self._put(None, event)

    def door(self) -> Door:
        """The way into the inbox of a leg of this call. Each leg has its own: it may be replaced."""
        return Door(self._put)

    def _put(self, door: Door | None, event: Event) -> None:
        try:
            self._inbox.put_nowait((door, event))
        except asyncio.QueueFull:
            self._inbox.get_nowait()
            self._inbox.put_nowait((None, HangupRequested(NORMAL_TEMPORARY_FAILURE)))
            self._log.warning("call_inbox_overflowed", size=INBOX_SIZE)

    async def run(self, legs: Legs) -> Ending:
        """Live the call. Returns when both legs are gone and media is closed; never raises but when cancelled."""
        structlog.contextvars.bind_contextvars(call_id=self.call_id)
        self._legs = legs
        self._seats.put(LegName.A, legs.a)
        try:
            async with asyncio.TaskGroup() as group:
                self._media.start(self._spawner(group))
                await self._pump(self._spawner(group))
                for task in self._tasks:
                    task.cancel()
        except Exception:  # the one place: a defect in one call must not reach another
            self._crash()
        finally:
            await self._media.close()
            await self._dispose()
        ending = self._call.ending or Ending(NORMAL_TEMPORARY_FAILURE, None)
        self._emit(self._ended_fact(ending))
        return ending

    def _spawner(self, group: asyncio.TaskGroup) -> Spawn:
        def spawn(work: Coroutine[None, None, None], name: str) -> None:
            task = group.create_task(work, name=f"{name}-{self.call_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return spawn

    async def _pump(self, spawn: Spawn) -> None:
        assert self._legs is not None
        self._perform_all(self._call.start(is_from_trunk=self._legs.a.trunk_name is not None), spawn)
        while self._call.state is not State.ENDED:
            try:
                async with asyncio.timeout_at(self._call.deadline):
                    door, news = await self._inbox.get()
            except TimeoutError:
                actions = self._call.handle_timeout(self._loop.time())
            else:
                event = self._seats.placed(door, news)
                if event is None or self._is_unwanted(event):
                    continue
                self._note(event)
                actions = self._call.handle(event, self._loop.time())
            self._perform_all(actions, spawn)

    def _perform_all(self, actions: list[Action], spawn: Spawn) -> None:
        for action in actions:
            self._perform(action, spawn)
        stage = STAGES.get(self._call.state)
        if stage is not None and stage not in self._stages:
            self._stages[stage] = round(self._loop.time() - self._started, 6)
            self._tell_stage(self._call.state)

    def _perform(self, action: Action, spawn: Spawn) -> None:
        """Start the work, never wait for it: a BYE must get in."""
        legs = self._legs
        assert legs is not None
        match action:
            case FindRoute():
                spawn(self._find_route(legs), "route")
            case PrepareOffer():
                spawn(self._media.prepare_offer(legs.a, self._leg(LegName.B)), "offer")
            case ProbeMedia(leg, attempt):
                spawn(self._media.probe(leg, attempt), "probe")
            case CloseMedia():
                pass  # the pump ends with this action; `run` closes media whatever ended it
            case PrepareReinvite() | TakeReinviteAnswer() | SetDirection() | Play():
                self._redirect_media(action)
            case ConnectMedia() | AcceptAnswer() | Renegotiate() | OfferAttach() | AddCandidate() | SendDigits():
                self._ask_media(action, legs)
            case FindTarget(leg, destination):
                spawn(self._find_target(legs.desk, leg, destination), "target")
            case _:
                self._tell_leg(action, legs)

    def _ask_media(
        self,
        action: ConnectMedia | AcceptAnswer | Renegotiate | OfferAttach | AddCandidate | SendDigits,
        legs: Legs,
    ) -> None:
        match action:
            case ConnectMedia(answer):
                self._media.connect(legs.a, answer)
            case AcceptAnswer(leg, answer):
                self._media.accept(leg, answer)
            case Renegotiate(leg, offer_sdp):
                self._media.renegotiate(leg, offer_sdp)
            case OfferAttach(leg, attempt):
                self._media.offer_attach(leg, attempt)
            case AddCandidate(leg, candidate):
                self._media.add_candidate(leg, candidate)
            case SendDigits(leg, digits):
                self._media.send_digits(leg, digits)

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

    def _tell_leg(self, action: Action, legs: Legs) -> None:
        match action:
            case Dial(target, offer):
                self._leg(LegName.B).dial(target, offer)
            case Ring() | SendEarlyMedia() | Answer():
                self._tell_caller(action, legs.a)
            case Attach(leg, sdp):
                self._leg(leg).attach(sdp)
            case SetHold(leg, is_held):
                self._set_hold(leg, is_held)
            case Reinvite(leg, sdp):
                self._leg(leg).reinvite(sdp)
            case AnswerReoffer(leg, sdp):
                self._leg(leg).answer_reoffer(sdp)
            case RejectReoffer(leg, sip_status):
                self._leg(leg).reject_reoffer(sip_status)
            case Hangup(leg, cause, sip_status, sip_reason):
                self._hang_up(legs, leg, cause, sip_status, sip_reason)
            case _:
                self._transfer(action, legs.desk)

    def _tell_caller(self, action: Ring | SendEarlyMedia | Answer, caller: Leg) -> None:
        match action:
            case Ring():
                caller.ring()
            case SendEarlyMedia(sdp):
                caller.early_media(sdp)
            case Answer(sdp):
                caller.answer(sdp, self._call.answer_headers)

    def _hang_up(self, legs: Legs, name: LegName, cause: Cause, sip_status: int | None, sip_reason: str | None) -> None:
        leg = self._leg(name)
        is_over = self._call.state is State.ENDED
        leg.hangup(cause, sip_status, sip_reason, self._call.bye_headers if is_over else ())
        if not is_over:
            legs.desk.let_go(self, leg)

    # ---- transfer

    def _transfer(self, action: Action, desk: Desk) -> None:
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
                self._take_target(desk, leg, kind, keeps_former=keeps_former)
            case DropTarget() | DeclineLeg() | RequestLeg() | GiveLeg() | KeepLeg():
                self._change_calls(action, desk)
            case _:
                self._transfer_media(action)

    def _transfer_media(self, action: Action) -> None:
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

    def _change_calls(self, action: DropTarget | DeclineLeg | RequestLeg | GiveLeg | KeepLeg, desk: Desk) -> None:
        match action:
            case DropTarget(cause):
                self._drop_target(desk, cause)
                self._media.drop_target()
            case DeclineLeg():
                self._decline(desk)
            case RequestLeg(leg, other):
                self._request_leg(desk, leg, other)
            case GiveLeg(leg, to, is_told, is_holding):
                self._give(desk, leg, to, is_told=is_told, is_holding=is_holding)
            case KeepLeg(to, reason, is_busy):
                self._keep(desk, to, reason, is_busy=is_busy)

    async def _find_target(self, desk: Desk, leg: LegName, destination: str) -> None:
        transferor = self._seats[leg]
        try:
            async with asyncio.timeout(FIND_TIMEOUT):
                route = await desk.find_target(transferor, destination)
        except TimeoutError:
            route = Refused(RECOVERY_ON_TIMER_EXPIRE, "the route took too long")
        if isinstance(route, Refused):
            self.post(TargetUnroutable(route.cause, route.sip_reason or route.cause.sip_reason))
            return
        self._seats.target = desk.make_target(self, route, transferor=transferor, remaining=self._seats[leg.other])
        is_trunk = isinstance(route, ToTrunks)
        self.post(TargetRouted(len(route.trunks) if isinstance(route, ToTrunks) else 1, is_trunk=is_trunk))

    def take_replacement(self, make_leg: Callable[[LegName, Door], Leg], name: LegName) -> None:
        """Somebody has called to take that leg's place (RFC 3891); a call that is busy with another refuses it."""
        leg = make_leg(name, self.door())
        if self._seats.target is not None or self._call.state is State.ENDED:
            hang_up(leg, CALL_REJECTED)
            return
        self._seats.target = leg
        self.post(ReplacementCalled(name, leg.offer))

    def _take_target(self, desk: Desk, name: LegName, kind: TransferKind, *, keeps_former: bool) -> None:
        given = self._seats.given
        successor = given.leg if kind is TransferKind.ATTENDED and given is not None else self._seats.target
        assert successor is not None
        if kind is not TransferKind.ATTENDED:
            self._seats.target = None
        former = self._seats.put(name, successor)
        assert former is not None
        if keeps_former:
            self._seats.keep_leaving(former)
            desk.let_go(self, former)
        self._seats[name.other].show(successor.party)
        if kind is not TransferKind.BLIND:
            successor.show(self._seats[name.other].party)
        desk.seat(self, name, successor)
        self._log.info("call_transferred", kind=kind.value, leg=name.value)
        transferred = CallTransferred(
            call_id=self.call_id,
            at=utc_now(),
            kind=kind,
            leg=name,
            former=former.party.number,
            successor=successor.party.number,
        )
        self.transfers += (transferred,)
        self._emit(transferred)

    def _drop_target(self, desk: Desk, cause: Cause) -> None:
        target, self._seats.target = self._seats.target, None
        if target is not None:
            hang_up(target, cause)
            desk.let_go(self, target)

    def _request_leg(self, desk: Desk, leg: LegName, other: str) -> None:
        found = desk.find_call(self, self._seats[leg], other)
        if found is None:
            self.post(LegNotGiven("there is no such other call"))
            return
        runner, name = found
        runner.post(LegWanted(name, self.call_id))

    def _is_unwanted(self, event: Event | OfTarget) -> bool:
        """Whether that is a wish of another call that has changed its mind, or cannot be granted at this moment."""
        if not isinstance(event, LegWanted) or self._legs is None:
            return False
        asking = self._legs.desk.runner_of(event.by)
        if asking is None or asking.awaited_leg is None:
            return True
        if self._call.state is State.ACTIVE and not self._media.may_detach(event.leg.other):
            asking.post(LegNotGiven("the other call's media is being changed", is_busy=True))
            return True
        return False

    @property
    def awaited_leg(self) -> LegName | None:
        """The leg whose place the far end of another call would take now."""
        return self._call.awaited_leg

    def _give(self, desk: Desk, name: LegName, to: CallId, *, is_told: bool, is_holding: bool) -> None:
        """Nothing has happened since `_is_unwanted` looked: it is still awaited there."""
        leg, asking = self._seats[name], desk.runner_of(to)
        assert asking is not None
        unheard = tuple(event for door, event in self._drained() if door is leg.post)
        media = self._media.detach(name)
        asking.receive(Handover(leg=leg, media=media, is_told=is_told, is_holding=is_holding, unheard=unheard))

    def _drained(self) -> list[tuple[Door | None, Event]]:
        """What nobody will read here any more."""
        return [self._inbox.get_nowait() for _ in range(self._inbox.qsize())]

    def _keep(self, desk: Desk, to: CallId, reason: str, *, is_busy: bool) -> None:
        asking = desk.runner_of(to)
        if asking is not None:
            asking.post(LegNotGiven(reason, is_busy))

    def receive(self, given: Handover) -> None:
        """Another call gives its far end to this one."""
        name, door = self.awaited_leg, self.door()
        assert name is not None and self._legs is not None
        given.leg.move(name, door)
        self._seats.given = given
        self._legs.desk.take_over(self, given.leg)
        is_trunk = given.leg.trunk_name is not None
        self.post(LegGiven(is_trunk, is_told=given.is_told, is_holding=given.is_holding))
        for event in given.unheard:
            door(renamed(event, name))

    def _decline(self, desk: Desk) -> None:
        given = self._seats.given
        if given is not None and not self._is_seated(given.leg):
            hang_up(given.leg, NORMAL_CLEARING)
            desk.let_go(self, given.leg)

    def _is_seated(self, leg: Leg) -> bool:
        return any(self._seats.get(name) is leg for name in LegName)

    async def _dispose(self) -> None:
        """Whoever came too late for this call must not stay behind."""
        if self._legs is None:
            return
        self._drop_target(self._legs.desk, NORMAL_CLEARING)
        self._decline(self._legs.desk)
        for leaving in self._seats.take_leaving():
            hang_up(leaving, NORMAL_CLEARING)
        if self._seats.given is not None:
            await self._seats.given.media.close()

    # ---- the rest

    def _one_of(self, read: Callable[[Leg], _T | None]) -> _T | None:
        legs = (self._seats.get(name) for name in LegName)
        return next((value for leg in legs if leg is not None and (value := read(leg)) is not None), None)

    def _leg(self, name: LegName) -> Leg:
        return self._seats[name]

    async def _find_route(self, legs: Legs) -> None:
        route = await legs.find_route()
        if isinstance(route, Refused):
            self.post(Unroutable(route.cause, route.sip_reason))
            return
        self._seats.put(LegName.B, legs.make_b(route))
        self.post(Routed(len(route.trunks), is_trunk=True) if isinstance(route, ToTrunks) else Routed(1))

    def _set_hold(self, leg: LegName, is_held: bool) -> None:
        self._media.set_hold(leg, is_held)
        self._leg(leg).set_hold(is_held)
        self._emit(CallHeld(call_id=self.call_id, at=utc_now(), leg=leg, is_held=is_held))

    def _note(self, event: Event | OfTarget) -> None:
        """What is no state of the call: when media is up, and how clients come and go."""
        match event:
            case MediaUp(leg):
                self._media_up.add(leg)
                if len(self._media_up) == len(LegName):
                    self._stages.setdefault("media", round(self._loop.time() - self._started, 6))
            case LegDetached(leg):
                self._log.info("leg_detached", leg=leg.value)
            case LegReturned(leg):
                self._log.info("leg_returned", leg=leg.value)
            case LegAttached(leg):
                self._log.info("leg_attached", leg=leg.value)
                metrics.LEGS_RECOVERED.labels(how="attach").inc()
            case MediaProbed(leg, is_alive=True):
                self._log.info("leg_kept", leg=leg.value)
                metrics.LEGS_RECOVERED.labels(how="kept").inc()
            case _:
                pass

    def _tell_stage(self, state: State) -> None:
        match state:
            case State.RINGING:
                self._log.info("call_ringing")
                self._emit(CallRinging(call_id=self.call_id, at=utc_now()))
            case State.ACTIVE:
                self.answered_at = utc_now()
                stats = self.stats()
                codecs = {leg: stats[leg].codec if leg in stats else "" for leg in LegName}
                self._log.info("call_answered", codec_a=codecs[LegName.A], codec_b=codecs[LegName.B])
                self._emit(
                    CallAnswered(
                        call_id=self.call_id,
                        at=self.answered_at,
                        codec_a=codecs[LegName.A],
                        codec_b=codecs[LegName.B],
                    )
                )
            case _:
                pass

    def _crash(self) -> None:
        """A defect of ours: the traceback once, both legs hung up, the other calls untouched."""
        self._log.exception("call_crashed")
        metrics.CALL_CRASHES.inc()
        for action in self._call.handle(HangupRequested(NORMAL_TEMPORARY_FAILURE), self._loop.time()):
            if isinstance(action, Hangup):
                self._hangup_after_crash(action.leg, action.cause)

    def _hangup_after_crash(self, leg: LegName, cause: Cause) -> None:
        try:
            self._leg(leg).hangup(cause, cause.sip_status, cause.sip_reason, ())
        except Exception:  # still the same defect: the other leg must go all the same
            self._log.exception("call_crashed", leg=leg.value)

    def _ended_fact(self, ending: Ending) -> CallEnded:
        at = utc_now()
        answered_at = self.answered_at
        self._stages.setdefault("ended", round(self._loop.time() - self._started, 6))
        return CallEnded(
            call_id=self.call_id,
            at=at,
            direction=self.direction,
            cause=ending.cause,
            ended_by=ending.by,
            sip_status=ending.sip_status,
            sip_reason=ending.sip_reason,
            duration_s=(at - self.started_at).total_seconds(),
            billed_s=0.0 if answered_at is None else (at - answered_at).total_seconds(),
            trunk=self.trunk,
            sip_call_id=self.sip_call_id,
            stages=dict(self._stages),
            media=_media_totals(self.stats()),
        )


def _media_totals(stats: Mapping[LegName, LegStats]) -> dict[str, float]:
    """The figures of a call record, `leg_figure`."""
    totals: dict[str, float] = {}
    for leg, figures in stats.items():
        totals |= {
            f"{leg.value}_packets_received": figures.packets_received,
            f"{leg.value}_packets_sent": figures.packets_sent,
            f"{leg.value}_packets_lost": figures.packets_lost,
            f"{leg.value}_packets_rejected": figures.packets_rejected,
            f"{leg.value}_jitter_s": round(figures.jitter, 6),
        }
    return totals
