"""Transfer: somebody else takes the place of one far end, while the other one stays in the call. Pure; used by `Call`.

```
ROUTING ── route ──▶ PREPARING ── offer ──▶ DIALING ── answer ──▶ CONNECTING ──▶ done      blind
                                              └─ 183 ─▶ EARLY ── answer ──┘
JOINING ── the other call gave its far end ──▶ done                                        attended
CONNECTING (somebody called with a Replaces) ──▶ done                                      replaced
```

A client that transfers leaves as soon as there is a route; the one who remains hears ringing, and is hung up if it
comes to nothing. The far end of a trunk that sent a REFER stays until somebody has answered, and goes on talking if
nobody does (RFC 3515, RFC 5589 section 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

from gateway.b2bua.core.actions import (
    AcceptAnswer,
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
    FindTarget,
    LetGo,
    PrepareTarget,
    RefuseTransfer,
    ReportTransfer,
    RequestLeg,
    TakeTarget,
)
from gateway.b2bua.core.events import (
    CandidateTrickled,
    Event,
    JoinRequested,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegGiven,
    LegNotGiven,
    LegProgressed,
    LegReturned,
    LegRinging,
    OfTarget,
    ReplacementCalled,
    TargetAnswerReady,
    TargetOfferReady,
    TargetReady,
    TargetRefused,
    TargetRouted,
    TargetUnroutable,
    TransferRequested,
)
from gateway.domain.causes import (
    ATTENDED_TRANSFER,
    BLIND_TRANSFER,
    CALL_REJECTED,
    NO_ANSWER,
    NORMAL_CLEARING,
    NORMAL_TEMPORARY_FAILURE,
    ORIGINATOR_CANCEL,
    RECOVERY_ON_TIMER_EXPIRE,
    Cause,
)
from gateway.domain.facts import TransferKind
from gateway.domain.ids import LegName, Sdp

ROUTE_TIMEOUT: Final = 6.0
"""Seconds for routing: the client waits for its result, 8 s at most (`[verto] request_timeout`)."""

PREPARE_TIMEOUT: Final = 10.0
"""Seconds for making the target's offer, and from its answer to its place in media: both are our own work."""

JOIN_TIMEOUT: Final = 5.0
"""Seconds for getting the far end of the other call: it may be in the middle of a re-INVITE."""

JOIN_RETRY: Final = 0.2
"""Seconds until a call that was busy is asked again."""

LEAVING_GRACE: Final = 2.0
"""Seconds that a far end whose REFER has succeeded has for its BYE (RFC 5589 section 6.1); then it gets ours."""

MAX_TRANSFERS: Final = 10
"""Transfers of one call, unless a setting says otherwise: far ends that forward to each other must come to an end."""

MAX_DEFERRED: Final = 16
"""Events of the target that wait until it has its place; further ones are dropped."""

_CAUSES: Final = {
    TransferKind.BLIND: BLIND_TRANSFER,
    TransferKind.ATTENDED: ATTENDED_TRANSFER,
    TransferKind.REPLACED: NORMAL_CLEARING,
}

TransferEvent = (
    OfTarget
    | TargetRouted
    | TargetUnroutable
    | TargetOfferReady
    | TargetAnswerReady
    | TargetReady
    | TargetRefused
    | LegGiven
    | LegNotGiven
)


class Step(Enum):
    """See the module."""

    ROUTING = "routing"
    PREPARING = "preparing"
    DIALING = "dialing"
    EARLY = "early"
    CONNECTING = "connecting"
    JOINING = "joining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who takes a place; see `LegGiven`."""

    is_trunk: bool
    is_told: bool = False
    is_holding: bool = False


class Conversation(Protocol):
    """What a transfer needs of its call. What is returned is to be done, in order."""

    def is_live(self, leg: LegName) -> bool:
        """Whether that leg's far end is still there."""

    def part(self, leg: LegName, cause: Cause) -> Sequence[Action]:
        """That leg's far end leaves, or has left."""

    def ring(self, leg: LegName | None) -> Sequence[Action]:
        """That leg hears ringing from now on; None: nobody does."""

    def seat(self, leg: LegName, newcomer: Newcomer) -> Sequence[Action]:
        """Somebody else is on that leg now."""

    def fail(self, cause: Cause, sip_status: int | None, sip_reason: str | None) -> Sequence[Action]:
        """Nobody will be on that leg: the call ends."""

    def handle(self, event: Event, now: float) -> Sequence[Action]:
        """Take an event that had to wait."""


@dataclass(slots=True)
class _Transfer:
    """One that is under way.

    Attributes:
        stays: the transferor keeps its place until the target has answered.
        early: the description that came with the target's early media.
        has_target: there is a leg for the target.
        is_joined: it has the place in media already.
        has_rung: the transferor has been told that the target rings.
    """

    leg: LegName
    kind: TransferKind
    step: Step
    deadline: float
    stays: bool = False
    other: str = ""
    retry_at: float | None = None
    targets: int = 1
    target: int = 0
    is_trunk: bool = True
    offer: Sdp | None = None
    early: Sdp | None = None
    has_target: bool = False
    is_joined: bool = False
    has_rung: bool = False
    deferred: list[Event] = field(default_factory=list)


class Transfers:
    """The transfers of one call, one after the other."""

    def __init__(self, conversation: Conversation, *, ring_timeout: float, most: int) -> None:
        """
        Args:
            ring_timeout: seconds that a target may ring.
            most: transfers that the call may have; further ones are refused.
        """
        self._conversation = conversation
        self._ring_timeout, self._left = ring_timeout, most
        self._current: _Transfer | None = None
        self._leaving: tuple[float, Cause] | None = None

    @property
    def leg(self) -> LegName | None:
        """The leg that is being replaced."""
        return None if self._current is None else self._current.leg

    @property
    def awaits_leg(self) -> bool:
        """Whether the far end of another call would be welcome now."""
        return self._current is not None and self._current.step is Step.JOINING

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        deadlines = [] if self._leaving is None else [self._leaving[0]]
        if self._current is not None:
            deadlines += [at for at in (self._current.deadline, self._current.retry_at) if at is not None]
        return min(deadlines, default=None)

    # ---- the beginning

    def begin(
        self, event: TransferRequested | JoinRequested | ReplacementCalled, now: float, *, is_active: bool
    ) -> list[Action]:
        """Somebody wants another far end in that leg's place."""
        if (refusal := self._refusal(is_active=is_active)) is not None:
            if isinstance(event, ReplacementCalled):
                return [DropTarget(CALL_REJECTED)]
            return [RefuseTransfer(event.leg, CALL_REJECTED, refusal)]
        match event:
            case TransferRequested(leg, destination, stays):
                step, deadline = Step.ROUTING, now + ROUTE_TIMEOUT
                self._current = _Transfer(leg, TransferKind.BLIND, step, deadline, stays)
                return [FindTarget(leg, destination)]
            case JoinRequested(leg, other, stays):
                step, deadline = Step.JOINING, now + JOIN_TIMEOUT
                self._current = _Transfer(leg, TransferKind.ATTENDED, step, deadline, stays, other)
                return [RequestLeg(leg, other)]
            case ReplacementCalled(leg, offer):
                step, deadline = Step.CONNECTING, now + PREPARE_TIMEOUT
                self._current = _Transfer(leg, TransferKind.REPLACED, step, deadline, has_target=True)
                return [DescribeToTarget(leg, offer)]

    def _refusal(self, *, is_active: bool) -> str | None:
        if not is_active:
            return "the call is not answered yet"
        if self._current is not None:
            return "another transfer of this call is under way"
        return None if self._left > 0 else "this call has been transferred too often"

    # ---- news

    def handle(self, event: TransferEvent, now: float) -> list[Action]:
        """Take one event; late ones are absorbed, but a leg that comes too late must not stay."""
        current = self._current
        if current is None:
            return self._turn_away(event)
        match event:
            case OfTarget(news):
                return self._hear(current, news, now)
            case TargetRefused(cause):
                return self._fail(current, cause, cause.sip_status, cause.sip_reason)
            case LegGiven() if current.step is not Step.JOINING:
                return [DeclineLeg()]
            case LegGiven() | LegNotGiven():
                return self._join(current, event, now)
            case _:
                return self._advance(current, event, now)

    def _turn_away(self, event: TransferEvent) -> list[Action]:
        """Somebody comes to a transfer that is over."""
        match event:
            case LegGiven():
                return [DeclineLeg()]
            case TargetRouted():
                return [DropTarget(NORMAL_CLEARING)]
            case _:
                return []

    def _advance(
        self,
        current: _Transfer,
        event: TargetRouted | TargetUnroutable | TargetOfferReady | TargetAnswerReady | TargetReady,
        now: float,
    ) -> list[Action]:
        """Routing and media have done what they were asked for."""
        match current.step, event:
            case Step.ROUTING, TargetRouted(targets, is_trunk):
                current.targets, current.is_trunk, current.has_target = targets, is_trunk, True
                current.step, current.deadline = Step.PREPARING, now + PREPARE_TIMEOUT
                return [*self._accept(current), PrepareTarget(current.leg)]
            case Step.ROUTING, TargetUnroutable(cause, reason):
                return self._refuse(current, cause, reason)
            case Step.PREPARING, TargetOfferReady(sdp):
                current.offer = sdp
                return self._dial(current, now)
            case Step.EARLY, TargetReady():
                current.is_joined = True
                return [*self._conversation.ring(None)]
            case Step.CONNECTING, TargetReady():
                return self._complete(current, now)
            case Step.CONNECTING, TargetAnswerReady(sdp, is_offer):
                return [AnswerTarget(sdp), *([] if is_offer else self._complete(current, now))]
            case _, TargetRouted() if not current.has_target:
                return self._turn_away(event)  # it was looked for by a transfer before this one
            case _:
                return []

    def _hear(self, current: _Transfer, event: Event, now: float) -> list[Action]:
        """Take what comes from the target."""
        match current.step, event:
            case _, CandidateTrickled(candidate=candidate):
                return [AddTargetCandidate(candidate)]
            case ((Step.DIALING | Step.EARLY), LegRinging()):
                return self._report_ringing(current)
            case Step.DIALING, LegReturned():
                return self._redial(current)
            case ((Step.DIALING | Step.EARLY), LegProgressed(sdp)):
                return self._progress(current, sdp)
            case ((Step.DIALING | Step.EARLY), LegAnswered(sdp)):
                return self._connect(current, sdp, now)
            case Step.CONNECTING, LegConfirmed(sdp):
                return [] if sdp is None else [ConnectTarget(sdp)]
            case _, LegEnded():
                return self._target_ended(current, event, now)
            case Step.CONNECTING, _:
                current.deferred += [event] if len(current.deferred) < MAX_DEFERRED else []
                return []
            case _:
                return []

    def _accept(self, current: _Transfer) -> list[Action]:
        """The transfer will be tried: who does not stay leaves with that word."""
        if not self._conversation.is_live(current.leg):
            return []
        accepted = AcceptTransfer(current.leg)
        if current.stays:
            return [accepted]
        return [accepted, *self._leave(current, BLIND_TRANSFER)]

    def _leave(self, current: _Transfer, cause: Cause) -> list[Action]:
        """The transferor goes before anybody has answered."""
        conversation, leg = self._conversation, current.leg
        return [*conversation.part(leg, cause), DropMedia(leg), *conversation.ring(leg.other)]

    def _dial(self, current: _Transfer, now: float) -> list[Action]:
        current.step, current.deadline = Step.DIALING, now + self._ring_timeout
        return self._redial(current)

    def _redial(self, current: _Transfer) -> list[Action]:
        assert current.offer is not None
        return [DialTarget(current.target, current.offer)]

    def _report_ringing(self, current: _Transfer) -> list[Action]:
        if current.has_rung or not self._is_watched(current):
            return []
        current.has_rung = True
        return [ReportTransfer(current.leg, 180, "Ringing")]

    def _is_watched(self, current: _Transfer) -> bool:
        """Whether the transferor is still there, to be told."""
        return current.stays and self._conversation.is_live(current.leg)

    def _progress(self, current: _Transfer, sdp: Sdp) -> list[Action]:
        """Early media: for the one who remains, unless it still talks with the transferor."""
        if current.step is Step.EARLY:
            return [AcceptAnswer(current.leg, sdp)]  # of another fork, once the first has its place
        current.early = sdp
        if self._is_watched(current):
            return self._report_ringing(current)
        current.step = Step.EARLY
        return [ConnectTarget(sdp)]

    def _connect(self, current: _Transfer, sdp: Sdp | None, now: float) -> list[Action]:
        """The target answered."""
        was_early = current.step is Step.EARLY
        current.step, current.deadline = Step.CONNECTING, now + PREPARE_TIMEOUT
        if was_early:
            accepted: list[Action] = [] if sdp is None else [AcceptAnswer(current.leg, sdp)]
            return [*accepted, *(self._complete(current, now) if current.is_joined else [])]
        answer = sdp or current.early
        if answer is None:  # RFC 3261 13.2.1: a 2xx must answer the offer
            return self._fail(current, NORMAL_TEMPORARY_FAILURE, None, None)
        return [ConnectTarget(answer)]

    def _join(self, current: _Transfer, event: LegGiven | LegNotGiven, now: float) -> list[Action]:
        match event:
            case LegGiven(is_trunk, is_told, is_holding):
                newcomer = Newcomer(is_trunk=is_trunk, is_told=is_told, is_holding=is_holding)
                accepted = [AcceptTransfer(current.leg)] if self._conversation.is_live(current.leg) else []
                return [*accepted, *self._complete(current, now, newcomer)]
            case LegNotGiven(is_busy=True) if current.step is Step.JOINING:
                current.retry_at = now + JOIN_RETRY
                return []
            case LegNotGiven(reason):
                is_due = current.step is Step.JOINING
                return self._refuse(current, CALL_REJECTED, reason) if is_due else []

    # ---- the end

    def _complete(self, current: _Transfer, now: float, newcomer: Newcomer | None = None) -> list[Action]:
        """The place is taken."""
        self._current, self._left = None, self._left - 1
        conversation, leg, cause = self._conversation, current.leg, _CAUSES[current.kind]
        actions: list[Action] = []
        keeps_former = self._is_watched(current)
        if keeps_former:
            actions.append(ReportTransfer(leg, 200, "OK"))
            self._leaving = now + LEAVING_GRACE, cause
        elif conversation.is_live(leg):
            actions += conversation.part(leg, cause)
        actions.append(TakeTarget(leg, current.kind, keeps_former))
        if current.kind is TransferKind.ATTENDED:
            actions.append(AdoptMedia(leg))
        actions += conversation.ring(None)
        actions += conversation.seat(leg, newcomer or Newcomer(is_trunk=current.is_trunk))
        for event in current.deferred:
            actions += conversation.handle(event, now)
        return actions

    def _target_ended(self, current: _Transfer, event: LegEnded, now: float) -> list[Action]:
        is_untried = current.step is Step.DIALING and current.target + 1 < current.targets
        if is_untried and event.is_retryable:
            current.target += 1
            return self._dial(current, now)
        return self._fail(current, event.cause, event.sip_status, event.sip_reason)

    def _fail(self, current: _Transfer, cause: Cause, sip_status: int | None, sip_reason: str | None) -> list[Action]:
        """Nobody takes the place. Whoever stayed in it goes on."""
        self._current = None
        dropped = DropTarget(cause)
        if not self._conversation.is_live(current.leg):
            return [dropped, *self._conversation.fail(cause, sip_status, sip_reason)]
        if not current.stays:
            return [dropped]  # who called with a Replaces; nobody else has asked for anything
        return [
            dropped,
            ReportTransfer(current.leg, sip_status or cause.sip_status, sip_reason or cause.sip_reason),
        ]

    def _refuse(self, current: _Transfer, cause: Cause, reason: str) -> list[Action]:
        """It is not even tried."""
        self._current = None
        if not self._conversation.is_live(current.leg):
            return [*self._conversation.fail(cause, cause.sip_status, reason)]
        return [RefuseTransfer(current.leg, cause, reason)]

    def transferor_left(self) -> list[Action]:
        """The far end of the leg that is being replaced hung up by itself: its transfer goes on all the same."""
        assert self._current is not None
        if self._current.kind is TransferKind.BLIND and self._current.step is not Step.CONNECTING:
            return self._leave(self._current, NORMAL_CLEARING)
        return [*self._conversation.part(self._current.leg, NORMAL_CLEARING)]  # its place is about to be taken

    def end(self, cause: Cause) -> list[Action]:
        """The call ends: nobody may be left over."""
        current, self._current = self._current, None
        leaving, self._leaving = self._leaving, None
        actions: list[Action] = [] if leaving is None else [LetGo(leaving[1])]
        if current is not None and current.has_target:
            is_unanswered = current.step in (Step.PREPARING, Step.DIALING, Step.EARLY)
            actions.append(DropTarget(ORIGINATOR_CANCEL if is_unanswered else cause))
        return actions

    def handle_timeout(self, now: float) -> list[Action]:
        """Do what is due."""
        actions: list[Action] = []
        if self._leaving is not None and now >= self._leaving[0]:
            actions.append(LetGo(self._leaving[1]))
            self._leaving = None
        current = self._current
        if current is None:
            return actions
        if now >= current.deadline:
            return [*actions, *self._give_up(current)]
        if current.retry_at is not None and now >= current.retry_at:
            current.retry_at = None
            actions.append(RequestLeg(current.leg, current.other))
        return actions

    def _give_up(self, current: _Transfer) -> list[Action]:
        if current.step in (Step.ROUTING, Step.JOINING):
            return self._refuse(current, RECOVERY_ON_TIMER_EXPIRE, "the transfer took too long")
        cause = NO_ANSWER if current.step in (Step.DIALING, Step.EARLY) else RECOVERY_ON_TIMER_EXPIRE
        return self._fail(current, cause, cause.sip_status, cause.sip_reason)
