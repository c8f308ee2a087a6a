"""A call as a state machine: two legs, one deadline, one way to end. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    Action,
    AddCandidate,
    AnswerReoffer,
    CloseMedia,
    ConnectMedia,
    Dial,
    FindRoute,
    GiveLeg,
    Hangup,
    KeepLeg,
    PrepareOffer,
    RejectReoffer,
    Renegotiate,
    Ring,
    SendDigits,
    SendEarlyMedia,
)
from gateway.b2bua.core.events import (
    AttachOfferReady,
    CandidateTrickled,
    DescriptionReady,
    DigitHeard,
    DigitsDialed,
    Event,
    HangupRequested,
    HoldRequested,
    JoinRequested,
    LegAnswered,
    LegAttached,
    LegConfirmed,
    LegDetached,
    LegEnded,
    LegGiven,
    LegHeardAttach,
    LegNotGiven,
    LegProgressed,
    LegReoffered,
    LegReturned,
    LegRinging,
    LegWanted,
    MediaDown,
    MediaProbed,
    MediaRefused,
    MediaUp,
    OfferReady,
    OfTarget,
    ReinviteAnswered,
    ReinviteReady,
    ReinviteRefused,
    ReofferAnswered,
    ReofferRefused,
    ReplacementCalled,
    Routed,
    TargetAnswerReady,
    TargetOfferReady,
    TargetReady,
    TargetRefused,
    TargetRouted,
    TargetUnroutable,
    TransferRequested,
    Unroutable,
)
from gateway.b2bua.core.hold import Hold, HoldPolicy
from gateway.b2bua.core.recovery import Recovery
from gateway.b2bua.core.transfer import MAX_TRANSFERS, Newcomer, Transfers
from gateway.domain.causes import (
    ATTENDED_TRANSFER,
    MEDIA_TIMEOUT,
    NO_ANSWER,
    NORMAL_CLEARING,
    NORMAL_TEMPORARY_FAILURE,
    ORIGINATOR_CANCEL,
    RECOVERY_ON_TIMER_EXPIRE,
    USER_BUSY,
    Cause,
)
from gateway.domain.ids import CallId, LegName, Sdp

SETUP_TIMEOUT: Final = 10.0
"""Seconds for routing and for making B's offer: both are our own work."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds from B's answer to A's description: our own work as well."""

ATTACH_TIMEOUT: Final = 15.0
"""Seconds that a client which returns has for its attach, unless a setting says otherwise."""


class State(Enum):
    """Where a call stands, in the order in which a good one passes through."""

    NEW = "new"
    ROUTING = "routing"
    PREPARING = "preparing"
    DIALING = "dialing"
    RINGING = "ringing"
    EARLY = "early"
    CONNECTING = "connecting"
    ACTIVE = "active"
    ENDED = "ended"


PROCEEDING: Final = (State.DIALING, State.RINGING, State.EARLY)
"""B was called and has not given its final word."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended. `by` is the leg that ended it, None for the gateway."""

    cause: Cause
    by: LegName | None
    sip_status: int | None = None
    sip_reason: str | None = None


class Call:
    """Two legs that become a conversation. Does no I/O and never reads a clock.

    Attributes:
        state: see `State`.
        answer_headers: custom header fields that B answered with.
        bye_headers: those with which a leg ended the call.
        ending: set when the state is ENDED.
    """

    def __init__(
        self,
        *,
        now: float,
        ring_timeout: float,
        attach_timeout: float = ATTACH_TIMEOUT,
        hold: HoldPolicy = HoldPolicy(),  # noqa: B008 - a value
        max_transfers: int = MAX_TRANSFERS,
    ) -> None:
        self.state = State.NEW
        self.ending: Ending | None = None
        self.is_answered = False
        self.answer_headers: tuple[tuple[str, str], ...] = ()
        self.bye_headers: tuple[tuple[str, str], ...] = ()
        self._now = now
        self._ring_timeout = ring_timeout
        self._offer: Sdp | None = None
        self._targets = 1
        self._target = 0
        self._has_described = False
        self._early_description: Sdp | None = None
        self._state_deadline: float | None = now + SETUP_TIMEOUT
        self._hold = Hold(hold)
        self._recovery = Recovery(attach_timeout=attach_timeout)
        self._transfers = Transfers(self, ring_timeout=ring_timeout, most=max_transfers)
        self._live = {LegName.A}
        self._renegotiating: set[LegName] = set()

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due, absolute, or None."""
        if self.state is State.ENDED:
            return None
        machines = (self._recovery, self._hold, self._transfers)
        deadlines = (self._state_deadline, *(machine.deadline for machine in machines))
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def start(self, *, is_from_trunk: bool = False) -> list[Action]:
        """The first action of the call."""
        self.state = State.ROUTING
        if is_from_trunk:
            self._hold.may_tell(LegName.A)
        return [FindRoute()]

    def held(self) -> frozenset[LegName]:
        """The legs that are on hold."""
        return self._hold.held

    def handle_timeout(self, now: float) -> list[Action]:
        """The deadline has passed: nobody answered, or our own work took too long."""
        self._now = now
        if self.deadline is None or now < self.deadline:
            return []
        cause = self._recovery.overdue(now)
        if cause is None and self._state_deadline is not None and now >= self._state_deadline:
            cause = NO_ANSWER if self.state in PROCEEDING else RECOVERY_ON_TIMER_EXPIRE
        if cause is not None:
            return self._end(Ending(cause, None))
        return [*self._transfers.handle_timeout(now), *self._tell_holds()]

    def handle(self, event: Event | OfTarget, now: float) -> list[Action]:
        """Take one event; return what is to be done, in order."""
        self._now = now
        if self.state is State.ENDED:
            return []  # late news of legs and media that we already let go
        match event:
            case LegEnded():
                return self._leg_ended(event)
            case HangupRequested(cause):
                return self._end(Ending(cause, None))
            case MediaRefused(cause=cause):
                return self._end(Ending(cause, None, cause.sip_status, cause.sip_reason))
            case MediaDown(leg, reason):
                return self._media_down(leg, reason)
            case (
                MediaUp()
                | LegDetached()
                | LegReturned()
                | MediaProbed()
                | AttachOfferReady()
                | LegHeardAttach()
                | LegAttached()
            ):
                return self._follow_client(event)
            case TransferRequested() | JoinRequested() | ReplacementCalled() | LegWanted():
                return self._change_legs(event)
        if self.state in (State.NEW, State.ROUTING, State.PREPARING):
            return self._handle_before_dialing(event)
        if self.state is State.ACTIVE:
            return self._handle_active(event)
        return self._handle_setup(event)

    def _handle_before_dialing(self, event: Event | OfTarget) -> list[Action]:
        match self.state, event:
            case State.ROUTING, Routed(targets, is_trunk):
                self._targets = targets
                if is_trunk:
                    self._hold.may_tell(LegName.B)
                self.state, self._state_deadline = State.PREPARING, self._now + SETUP_TIMEOUT
                return [PrepareOffer()]
            case State.ROUTING, Unroutable(cause, sip_reason):
                return self._end(Ending(cause, None, cause.sip_status, sip_reason or cause.sip_reason))
            case State.PREPARING, OfferReady(sdp):
                self._offer = sdp
                return self._dial()
            case _:
                return self._handle_always(event)

    def _handle_setup(self, event: Event | OfTarget) -> list[Action]:
        """B was called: DIALING, RINGING, EARLY, CONNECTING."""
        match self.state, event:
            case State.DIALING, LegRinging():
                self.state = State.RINGING
                return [Ring()]
            case ((State.DIALING | State.RINGING | State.EARLY), LegProgressed(sdp)):
                return self._progress(sdp)
            case State.EARLY, DescriptionReady(sdp):
                return self._send_early_media(sdp)
            case ((State.DIALING | State.RINGING | State.EARLY), LegAnswered(sdp, headers)):
                self.answer_headers = headers
                return self._connect(sdp)
            case State.CONNECTING, DescriptionReady(sdp):
                return self._activate(sdp)
            case _:
                return self._handle_always(event)

    def _handle_active(self, event: Event | OfTarget) -> list[Action]:
        match event:
            case LegConfirmed(sdp) if sdp is not None:
                return [AcceptAnswer(LegName.A, sdp)]
            case (
                OfTarget()
                | TargetRouted()
                | TargetUnroutable()
                | TargetOfferReady()
                | TargetAnswerReady()
                | TargetReady()
                | TargetRefused()
                | LegGiven()
                | LegNotGiven()
            ):
                return self._transfers.handle(event, self._now)
            case _:
                return self._handle_always(event)

    def _handle_always(self, event: Event | OfTarget) -> list[Action]:
        """What may come in any state. The rest is late or repeated (a 180 after the 200, MediaUp): absorbed."""
        match event:
            case HoldRequested(leg, is_held):
                return [*self._hold.request(leg, is_held), *self._tell_holds()]
            case ReinviteReady() | ReinviteAnswered() | ReinviteRefused():
                return [*self._hold.handle(event, self._now), *self._tell_holds()]
            case LegReoffered(leg, sdp):
                return self._renegotiate(leg, sdp)
            case ReofferAnswered(leg, sdp):
                self._renegotiating.discard(leg)
                return [AnswerReoffer(leg, sdp), *self._tell_holds()]
            case ReofferRefused(leg, sip_status):
                self._renegotiating.discard(leg)
                return [RejectReoffer(leg, sip_status), *self._tell_holds()]
            case CandidateTrickled(leg, candidate):
                return [AddCandidate(leg, candidate)]
            case DigitsDialed(leg) | DigitHeard(leg):
                return self._pass_digits(event) if self._has_described and leg.other in self._live else []
            case _:
                return []

    def _pass_digits(self, event: DigitsDialed | DigitHeard) -> list[Action]:
        match event:
            case DigitsDialed(leg, digits, duration):
                return [SendDigits(leg.other, digits, duration)]
            case DigitHeard(leg, digit, heard):
                return [SendDigits(leg.other, digit, heard, is_from_media=True)]

    def _dial(self) -> list[Action]:
        assert self._offer is not None
        self.state, self._state_deadline = State.DIALING, self._now + self._ring_timeout
        self._live.add(LegName.B)
        return [Dial(self._target, self._offer)]

    def _progress(self, sdp: Sdp) -> list[Action]:
        is_first = self.state is not State.EARLY
        self.state = State.EARLY
        # Only the first description reaches A (verto-js 4.4); another fork's moves our sending address alone.
        return [ConnectMedia(sdp)] if is_first else [AcceptAnswer(LegName.B, sdp)]

    def _send_early_media(self, sdp: Sdp) -> list[Action]:
        if self._early_description is not None:
            return []
        self._has_described, self._early_description = True, sdp
        if self._recovery.is_here(LegName.A):
            self._recovery.describe()
        return [SendEarlyMedia(sdp)]

    def _connect(self, sdp: Sdp | None) -> list[Action]:
        """B answered: its answer, if it is new, goes to media; A is told when media is through."""
        self.is_answered = True
        has_early_answer = self.state is State.EARLY
        self.state, self._state_deadline = State.CONNECTING, self._now + CONNECT_TIMEOUT
        if sdp is None and not has_early_answer:
            return self._end(Ending(NORMAL_TEMPORARY_FAILURE, None))  # RFC 3261 13.2.1: a 2xx must answer the offer
        if self._early_description is not None:
            return [*([] if sdp is None else [AcceptAnswer(LegName.B, sdp)]), *self._activate(None)]
        if sdp is None:
            return []  # the early answer is still with media: DescriptionReady will come
        return [ConnectMedia(sdp)]

    def _activate(self, sdp: Sdp | None) -> list[Action]:
        self._has_described = True
        self.state, self._state_deadline = State.ACTIVE, None
        return [*self._recovery.answer(sdp, self._now), *self._tell_holds()]

    def _tell_holds(self) -> list[Action]:
        """Re-INVITE whoever does not know yet that it is held, or no longer is: within an answered call only."""
        return self._hold.tell(self._now, busy=frozenset(self._renegotiating)) if self.state is State.ACTIVE else []

    def _renegotiate(self, leg: LegName, sdp: Sdp | None) -> list[Action]:
        is_early = leg is LegName.A and not self._has_described
        is_offering = self._hold.is_busy(leg) or self._recovery.is_attaching(leg)
        if is_early or leg in self._renegotiating or is_offering:
            return [RejectReoffer(leg, 491)]
        self._renegotiating.add(leg)
        return [Renegotiate(leg, sdp)]

    def _media_down(self, leg: LegName, reason: str) -> list[Action]:
        if leg not in self._live:
            return []  # of a far end that has left
        is_active = self.state is State.ACTIVE
        mending = self._recovery.media_down(leg, reason, self._now, is_active=is_active)
        return self._end(Ending(MEDIA_TIMEOUT, None)) if mending is None else mending

    def _follow_client(
        self,
        event: MediaUp | LegDetached | LegReturned | MediaProbed | AttachOfferReady | LegHeardAttach | LegAttached,
    ) -> list[Action]:
        """A client has lost its socket, is on its way back, or has arrived; see `recovery`."""
        match event:
            case MediaUp(leg):
                self._recovery.media_up(leg)
                return []
            case LegDetached(leg):
                self._recovery.detach(leg)
                return []
            case LegReturned():
                return self._leg_returned(event)
            case step:
                return self._recovery.handle(step, self._now)

    def _leg_returned(self, returned: LegReturned) -> list[Action]:
        leg = returned.leg
        if self.state is State.ACTIVE or (leg is LegName.B and self.state is State.CONNECTING):
            return self._recovery.take_up(returned, self._now)
        self._recovery.come_back(returned)
        if leg is LegName.B:
            return [Dial(self._target, self._offer)] if self._offer is not None and self.state in PROCEEDING else []
        if self._early_description is not None:
            self._recovery.describe()
            return [SendEarlyMedia(self._early_description)]  # which may have been lost with the socket
        return [Ring()] if self.state is State.RINGING else []

    # ---- for `transfer`

    def _change_legs(self, event: TransferRequested | JoinRequested | ReplacementCalled | LegWanted) -> list[Action]:
        if isinstance(event, LegWanted):
            return self._give(event.leg, event.by)
        return self._transfers.begin(event, self._now, is_active=self.state is State.ACTIVE)

    def is_live(self, leg: LegName) -> bool:
        """See `Conversation`."""
        return leg in self._live

    def part(self, leg: LegName, cause: Cause) -> list[Action]:
        """See `Conversation`."""
        hangup = [Hangup(leg, cause)] if leg in self._live else []
        self._live.discard(leg)
        self._recovery.renew(leg)
        return [*hangup, *self._hold.leave(leg), *self._tell_holds()]

    def ring(self, leg: LegName | None) -> list[Action]:
        """See `Conversation`."""
        return self._hold.ring(leg)

    def seat(self, leg: LegName, newcomer: Newcomer) -> list[Action]:
        """See `Conversation`."""
        self._live.add(leg)
        self._renegotiating.discard(leg)
        self._recovery.renew(leg)
        held = self._hold.seat(
            leg, is_trunk=newcomer.is_trunk, is_told=newcomer.is_told, is_holding=newcomer.is_holding
        )
        return [*held, *self._tell_holds()]

    def fail(self, cause: Cause, sip_status: int | None, sip_reason: str | None) -> list[Action]:
        """See `Conversation`."""
        return self._end(Ending(cause, None, sip_status, sip_reason))

    @property
    def awaited_leg(self) -> LegName | None:
        """The leg whose place another call's far end would take, if one is awaited."""
        return self._transfers.leg if self._transfers.awaits_leg else None

    def _give(self, leg: LegName, by: CallId) -> list[Action]:
        """Another call of that leg's far end wants the other one: this call ends by it."""
        wanted = leg.other
        if self.state is not State.ACTIVE or self._transfers.leg is not None or wanted not in self._live:
            return [KeepLeg(by, "the other call is not answered, or is being transferred itself", is_busy=False)]
        is_offering = wanted in self._renegotiating or self._hold.is_busy(wanted)
        if is_offering or not self._recovery.is_here(wanted):
            return [KeepLeg(by, "the other call is being renegotiated", is_busy=True)]
        given = GiveLeg(wanted, by, self._hold.is_told(wanted), wanted in self._hold.held)
        self._live.discard(wanted)
        return [given, *self._end(Ending(ATTENDED_TRANSFER, leg))]

    def _leg_ended(self, event: LegEnded) -> list[Action]:
        self._live.discard(event.leg)
        if event.leg is self._transfers.leg:
            return self._transfers.transferor_left()
        is_untried = event.leg is LegName.B and self.state is State.DIALING and self._target + 1 < self._targets
        if is_untried and event.is_retryable:
            self._target += 1
            return self._dial()
        self.bye_headers = event.headers
        # Nobody is busy in a conversation: React Native says so at every hang-up (verto-mobile 3.5, M-47).
        is_misnamed = self.is_answered and event.cause is USER_BUSY
        cause = NORMAL_CLEARING if is_misnamed else event.cause
        return self._end(Ending(cause, event.leg, event.sip_status, event.sip_reason))

    def _end(self, ending: Ending) -> list[Action]:
        """The one way to end. Idempotent: an ended call returns nothing."""
        if self.state is State.ENDED:
            return []
        self.state, self.ending = State.ENDED, ending
        hangups: list[Action] = [self._hangup(leg, ending) for leg in LegName if leg in self._live]
        self._live.clear()
        return [*self._transfers.end(ending.cause), *hangups, CloseMedia()]

    def _hangup(self, leg: LegName, ending: Ending) -> Hangup:
        if leg is LegName.B and not self.is_answered and ending.by is LegName.A:
            gave_up = ORIGINATOR_CANCEL  # whatever A said: to a ringing B the caller gave up (verto-js 5.2)
            return Hangup(leg, gave_up, gave_up.sip_status, gave_up.sip_reason)
        return Hangup(leg, ending.cause, ending.sip_status, ending.sip_reason)
