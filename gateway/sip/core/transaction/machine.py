"""What the four machines share: a table, timers as data, a queue of messages (RFC 3261 section 17, RFC 6026).

No machine sends, waits or reads a clock. The shell feeds it, then drains `to_send`, acts on the events that came
back and arms one timer for `next_deadline`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar

from gateway.sip.core.message import Request, Response


class State(Enum):
    """Every state of figures 5 to 8 and of RFC 6026; a machine uses some of them."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(Enum):
    """What may happen to a transaction: messages of either side, timers, a broken transport."""

    REQUEST = auto()
    """The request again: a retransmission."""
    ACK = auto()
    R1XX = auto()
    R2XX = auto()
    R3XX_6XX = auto()
    TRANSPORT_ERROR = auto()
    TIMER_A = auto()
    TIMER_B = auto()
    TIMER_D = auto()
    TIMER_E = auto()
    TIMER_F = auto()
    TIMER_G = auto()
    TIMER_H = auto()
    TIMER_I = auto()
    TIMER_J = auto()
    TIMER_K = auto()
    TIMER_L = auto()
    TIMER_M = auto()
    TIMER_CANCEL = auto()
    """Not a letter of the RFC: 64*T1 after our CANCEL (section 9.1)."""


class Action(Enum):
    """What a row of a table asks for."""

    SEND_REQUEST = auto()
    REPEAT_REQUEST = auto()
    SEND_ACK = auto()
    SEND_RESPONSE = auto()
    REPEAT_RESPONSE = auto()
    PASS_UP = auto()
    REPORT_TIMEOUT = auto()
    REPORT_TRANSPORT_ERROR = auto()
    START_D = auto()
    START_G = auto()
    START_H = auto()
    START_I = auto()
    START_J = auto()
    START_K = auto()
    START_L = auto()
    START_M = auto()
    SLOW_E = auto()
    """From now on timer E waits T2 (section 17.1.2.2)."""


Row = tuple[State, tuple[Action, ...]]
Table = Mapping[tuple[State, Input], Row]


@dataclass(frozen=True, slots=True)
class TimerValues:
    """T1, T2 and T4 in seconds (RFC 3261 section 17.1.1.1 and table 4)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def transaction_timeout(self) -> float:
        """64*T1: timers B, F, H, J, L, M, and D, which the RFC wants to be at least 32 s with its T1."""
        return 64 * self.t1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to put on the wire; `is_repeat` for one that was there before."""

    message: Request | Response
    is_repeat: bool = False


@dataclass(frozen=True, slots=True)
class ResponsePassed:
    """A response for the user agent: each provisional, the final one, and every 2xx to an INVITE."""

    response: Response


@dataclass(frozen=True, slots=True)
class AckPassed:
    """An ACK that belongs to the user agent because we answered 2xx (RFC 6026 section 7.1)."""

    request: Request


@dataclass(frozen=True, slots=True)
class TransactionFailed:
    """It ended without what it waited for. `reason` is `timeout` or `transport`."""

    reason: str


@dataclass(frozen=True, slots=True)
class CancelDue:
    """A provisional response came: the CANCEL may go out now (RFC 3261 section 9.1)."""


Event = ResponsePassed | AckPassed | TransactionFailed | CancelDue


class Machine:
    """A transaction's state, timers and outgoing queue. Inputs that the table does not list are absorbed."""

    TABLE: ClassVar[Table]

    def __init__(self, state: State, *, values: TimerValues, is_reliable: bool, now: float) -> None:
        self.state = state
        self._values, self._is_reliable, self._now = values, is_reliable, now
        self._deadlines: dict[Input, float] = {}
        # Nearly always empty: tuples, of which Python has one, since a transaction lives on for half a minute.
        self._outgoing: tuple[Outgoing, ...] = ()
        self._events: tuple[Event, ...] = ()

    @property
    def is_terminated(self) -> bool:
        """True once it holds nothing any more and may be forgotten."""
        return self.state is State.TERMINATED

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called; None: never."""
        return min(self._deadlines.values(), default=None)

    def handle_timeout(self, now: float) -> list[Event]:
        """Fire every timer that is due at `now`, the earliest first."""
        while self._deadlines:
            timer = min(self._deadlines, key=self._deadlines.__getitem__)
            if self._deadlines[timer] > now:
                break
            del self._deadlines[timer]
            self._step(timer, now)
        return self._drain_events()

    def transport_failed(self, now: float) -> list[Event]:
        """The message sent last did not leave, or its connection broke."""
        self._step(Input.TRANSPORT_ERROR, now)
        return self._drain_events()

    def to_send(self) -> list[Outgoing]:
        """The messages to send now, in order; the queue is empty after it."""
        outgoing, self._outgoing = self._outgoing, ()
        return list(outgoing)

    def _start(self, timer: Input, after: float) -> None:
        self._deadlines[timer] = self._now + after

    def _send(self, message: Request | Response, *, is_repeat: bool = False) -> None:
        self._outgoing = (*self._outgoing, Outgoing(message, is_repeat))

    def _emit(self, event: Event) -> None:
        self._events = (*self._events, event)

    def _step(self, stimulus: Input, now: float) -> None:
        self._now = now
        row = self.TABLE.get((self.state, stimulus))
        if row is None:
            # Late or repeated: RFC 3261 leaves it out of its figures, so it changes nothing.
            return
        state, actions = row
        if state is not self.state:
            # No timer outlives the state that it was set in; a new state's actions set its own.
            self._leave(state)
            self.state = state
        for action in actions:
            self._perform(action)

    def _leave(self, entered: State) -> None:
        """Stop the timers of the state that is left; CALLING and TRYING hand some on to PROCEEDING."""
        self._deadlines.clear()

    def _perform(self, action: Action) -> None:
        """Do what a row asks for; each machine adds its own actions to these two."""
        match action:
            case Action.REPORT_TIMEOUT:
                self._emit(TransactionFailed("timeout"))
            case Action.REPORT_TRANSPORT_ERROR:
                self._emit(TransactionFailed("transport"))
            case _:
                raise AssertionError(f"{action} is not of this machine")

    def _drain_events(self) -> list[Event]:
        events, self._events = self._events, ()
        return list(events)


def class_of(response: Response) -> Input:
    """The input that a response is."""
    if response.is_provisional:
        return Input.R1XX
    return Input.R2XX if response.is_success else Input.R3XX_6XX
