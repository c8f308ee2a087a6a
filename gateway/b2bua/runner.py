"""One task owns one call: it feeds the state machine and has performed what that asks for."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TypeVar

import structlog

from gateway.b2bua.core.actions import Action, Hangup
from gateway.b2bua.core.call import Call, Ending, State
from gateway.b2bua.core.events import Event, HangupRequested
from gateway.b2bua.core.hold import HoldPolicy
from gateway.b2bua.inbox import Door, Inbox
from gateway.b2bua.journal import Journal
from gateway.b2bua.legs.base import Leg
from gateway.b2bua.legs.sip import SipLeg
from gateway.b2bua.media_worker import MediaWorker, Spawn
from gateway.b2bua.performer import Legs, Performer
from gateway.b2bua.seats import Handover, Seats
from gateway.b2bua.transfer_performer import Desk, TransferPerformer
from gateway.domain.causes import NORMAL_TEMPORARY_FAILURE, Cause
from gateway.domain.facts import Fact
from gateway.domain.ids import CallId, Direction, LegName, SipCallId
from gateway.media.engine import LegStats, MediaEngine
from gateway.media.quality import Sample
from gateway.observability import metrics
from gateway.observability.logging import get_logger

_T = TypeVar("_T")


class CallRunner:
    """Owns one call from its first action to the last fact. Everybody else posts to its inbox.

    Attributes:
        journal: what is told about the call.
    """

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
        desk: Desk,
        emit: Callable[[Fact], None],
        on_state: Callable[[CallId, State], None] = lambda call_id, state: None,
    ) -> None:
        """
        Args:
            on_state: told where the call stands after each event, whether that changed it or not.
        """
        self.call_id = call_id
        self._on_state = on_state
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox()
        self._seats = Seats()
        self._media = MediaWorker(call_id, engine, self.post)
        self.journal = Journal(call_id, direction, emit=emit, stats=self._media.stats, quality=self._media.quality)
        self._call = Call(
            now=self._loop.time(),
            ring_timeout=ring_timeout,
            attach_timeout=attach_timeout,
            hold=hold,
            max_transfers=max_transfers,
        )
        self._transfers = TransferPerformer(
            call_id,
            call=self._call,
            seats=self._seats,
            media=self._media,
            desk=desk,
            inbox=self._inbox,
            journal=self.journal,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = get_logger()

    # ---- what others see

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

    @property
    def awaited_leg(self) -> LegName | None:
        """The leg whose place the far end of another call would take now."""
        return self._call.awaited_leg

    def stats(self) -> Mapping[LegName, LegStats]:
        """Media totals of the legs so far."""
        return self._media.stats()

    def history(self) -> Mapping[LegName, Sequence[Sample]]:
        """How good the legs were in their last seconds."""
        return self._media.history()

    def leg_at(self, name: LegName) -> Leg:
        """The leg that has that place now."""
        return self._seats[name]

    def leg_opposite(self, name: LegName) -> Leg | None:
        """The leg on the other side, if there is one yet."""
        return self._seats.get(name.other)

    def find_leg(self, is_it: Callable[[Leg], bool]) -> LegName | None:
        """The place of the leg that is meant."""
        for name in LegName:
            leg = self._seats.get(name)
            if leg is not None and is_it(leg):
                return name
        return None

    def _one_of(self, read: Callable[[Leg], _T | None]) -> _T | None:
        legs = (self._seats.get(name) for name in LegName)
        return next((value for leg in legs if leg is not None and (value := read(leg)) is not None), None)

    # ---- what others do

    def post(self, event: Event) -> None:
        """Put an event into the inbox; never blocks."""
        self._inbox.post(event)

    def door(self) -> Door:
        """The way into the inbox of a leg of this call. Each leg has its own: it may be replaced."""
        return self._inbox.door()

    def swap(self, former: Leg, successor: Leg) -> None:
        """One of several clients that rang has answered: it alone has their place."""
        self._seats.swap(former, successor)

    def take_replacement(self, make_leg: Callable[[LegName, Door], Leg], name: LegName) -> None:
        """Somebody has called to take that leg's place (RFC 3891); a call that is busy with another refuses it."""
        self._transfers.take_replacement(make_leg, name)

    def receive(self, given: Handover) -> None:
        """Another call gives its far end to this one."""
        self._transfers.receive(given)

    # ---- the task

    async def run(self, legs: Legs) -> Ending:
        """Live the call. Returns when both legs are gone and media is closed; never raises but when cancelled."""
        structlog.contextvars.bind_contextvars(call_id=self.call_id)
        self._seats.put(LegName.A, legs.a)
        try:
            async with asyncio.TaskGroup() as group:
                self._media.start(self._spawner(group))
                await self._pump(legs, self._spawner(group))
                for task in self._tasks:
                    task.cancel()
        except Exception:  # the one place: a defect in one call must not reach another
            self._crash()
        finally:
            await self._media.close()
            await self._transfers.dispose()
        ending = self._call.ending or Ending(NORMAL_TEMPORARY_FAILURE, None)
        self.journal.ended(ending, trunk=self.trunk, sip_call_id=self.sip_call_id)
        return ending

    def _spawner(self, group: asyncio.TaskGroup) -> Spawn:
        def spawn(work: Coroutine[None, None, None], name: str) -> None:
            task = group.create_task(work, name=f"{name}-{self.call_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return spawn

    async def _pump(self, legs: Legs, spawn: Spawn) -> None:
        performer = self._performer(legs)

        def perform_all(actions: list[Action]) -> None:
            for action in actions:
                performer.perform(action, spawn)
            self.journal.stands_at(self._call.state)
            self._on_state(self.call_id, self._call.state)
            if self._call.state is State.ACTIVE:
                self._media.answered()

        perform_all(self._call.start(is_from_trunk=isinstance(legs.a, SipLeg)))
        while self._call.state is not State.ENDED:
            try:
                async with asyncio.timeout_at(self._call.deadline):
                    door, news = await self._inbox.get()
            except TimeoutError:
                actions = self._call.handle_timeout(self._loop.time())
            else:
                event = self._seats.placed(door, news)
                if event is None or self._transfers.is_unwanted(event):
                    continue
                self.journal.note(event)
                actions = self._call.handle(event, self._loop.time())
            perform_all(actions)

    def _performer(self, legs: Legs) -> Performer:
        return Performer(
            legs,
            call=self._call,
            seats=self._seats,
            media=self._media,
            transfers=self._transfers,
            journal=self.journal,
            post=self.post,
        )

    # ---- a defect

    def _crash(self) -> None:
        """A defect of ours: the traceback once, both legs hung up, the other calls untouched."""
        self._log.exception("call_crashed")
        metrics.CALL_CRASHES.inc()
        for action in self._call.handle(HangupRequested(NORMAL_TEMPORARY_FAILURE), self._loop.time()):
            if isinstance(action, Hangup):
                self._hangup_after_crash(action.leg, action.cause)

    def _hangup_after_crash(self, leg: LegName, cause: Cause) -> None:
        try:
            self._seats[leg].hangup(cause, cause.sip_status, cause.sip_reason, ())
        except Exception:  # still the same defect: the other leg must go all the same
            self._log.exception("call_crashed", leg=leg.value)


__all__ = ["CallRunner"]
