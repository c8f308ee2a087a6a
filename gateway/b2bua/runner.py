"""One task owns one call: it feeds the state machine and performs what that asks for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import structlog

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    Action,
    AddCandidate,
    Answer,
    AnswerReoffer,
    Attach,
    CloseMedia,
    ConnectMedia,
    Dial,
    FindRoute,
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
from gateway.b2bua.core.call import Call, Ending, State
from gateway.b2bua.core.events import (
    Event,
    HangupRequested,
    LegAttached,
    LegDetached,
    LegReturned,
    MediaProbed,
    MediaUp,
    Routed,
    Unroutable,
)
from gateway.b2bua.core.hold import HoldPolicy
from gateway.b2bua.legs.base import Leg
from gateway.b2bua.media_worker import MediaWorker, Spawn
from gateway.b2bua.routing import Refused, Route, ToTrunks
from gateway.domain.causes import NORMAL_TEMPORARY_FAILURE, Cause
from gateway.domain.facts import CallAnswered, CallEnded, CallHeld, CallRinging, Fact
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
    """How the runner gets at what it does not know: the route, and the leg that calls along it."""

    a: Leg
    find_route: Callable[[], Awaitable[Route]]
    make_b: Callable[[Route], Leg]


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
        engine: MediaEngine,
        emit: Callable[[Fact], None],
    ) -> None:
        self.call_id, self.direction = call_id, direction
        self.started_at = utc_now()
        self.answered_at: datetime | None = None
        self.leg_b: Leg | None = None
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        self._call = Call(now=self._started, ring_timeout=ring_timeout, attach_timeout=attach_timeout, hold=hold)
        self._emit = emit
        self._media = MediaWorker(call_id, engine, self.post)
        self._inbox: asyncio.Queue[Event] = asyncio.Queue(INBOX_SIZE)
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

    def stats(self) -> Mapping[LegName, LegStats]:
        """Media totals of the legs so far."""
        return self._media.stats()

    def post(self, event: Event) -> None:
        """Put an event into the inbox; never blocks."""
        try:
            self._inbox.put_nowait(event)
        except asyncio.QueueFull:
            self._inbox.get_nowait()
            self._inbox.put_nowait(HangupRequested(NORMAL_TEMPORARY_FAILURE))
            self._log.warning("call_inbox_overflowed", size=INBOX_SIZE)

    async def run(self, legs: Legs) -> Ending:
        """Live the call. Returns when both legs are gone and media is closed; never raises but when cancelled."""
        structlog.contextvars.bind_contextvars(call_id=self.call_id)
        self._legs = legs
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
                    event = await self._inbox.get()
            except TimeoutError:
                actions = self._call.handle_timeout(self._loop.time())
            else:
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
            case Dial(target, offer) if self.leg_b is not None:
                self.leg_b.dial(target, offer)
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
                self._leg(leg).hangup(cause, sip_status, sip_reason, self._call.bye_headers)
            case _:
                raise ValueError(f"unknown action {type(action).__name__}")

    def _tell_caller(self, action: Ring | SendEarlyMedia | Answer, caller: Leg) -> None:
        match action:
            case Ring():
                caller.ring()
            case SendEarlyMedia(sdp):
                caller.early_media(sdp)
            case Answer(sdp):
                caller.answer(sdp, self._call.answer_headers)

    def _one_of(self, read: Callable[[Leg], _T | None]) -> _T | None:
        legs = (None if self._legs is None else self._legs.a, self.leg_b)
        return next((value for leg in legs if leg is not None and (value := read(leg)) is not None), None)

    def _leg(self, name: LegName) -> Leg:
        assert self._legs is not None
        leg = self._legs.a if name is LegName.A else self.leg_b
        assert leg is not None
        return leg

    async def _find_route(self, legs: Legs) -> None:
        route = await legs.find_route()
        if isinstance(route, Refused):
            self.post(Unroutable(route.cause, route.sip_reason))
            return
        self.leg_b = legs.make_b(route)
        self.post(Routed(len(route.trunks), is_trunk=True) if isinstance(route, ToTrunks) else Routed(1))

    def _set_hold(self, leg: LegName, is_held: bool) -> None:
        self._media.set_hold(leg, is_held)
        self._leg(leg).set_hold(is_held)
        self._emit(CallHeld(call_id=self.call_id, at=utc_now(), leg=leg, is_held=is_held))

    def _note(self, event: Event) -> None:
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
