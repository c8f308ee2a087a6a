"""The non-INVITE client transaction (RFC 3261 section 17.1.2, figure 6)."""

from typing import Final

from gateway.sip.core.message import Request, Response
from gateway.sip.core.transaction.machine import (
    Action,
    Event,
    Input,
    Machine,
    ResponsePassed,
    State,
    Table,
    TimerValues,
    class_of,
)

TABLE: Final[Table] = {
    (State.TRYING, Input.TIMER_E): (State.TRYING, (Action.REPEAT_REQUEST,)),
    (State.TRYING, Input.TIMER_F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.TRYING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.TRYING, Input.R1XX): (State.PROCEEDING, (Action.SLOW_E, Action.PASS_UP)),
    (State.TRYING, Input.R2XX): (State.COMPLETED, (Action.START_K, Action.PASS_UP)),
    (State.TRYING, Input.R3XX_6XX): (State.COMPLETED, (Action.START_K, Action.PASS_UP)),
    (State.PROCEEDING, Input.TIMER_E): (State.PROCEEDING, (Action.REPEAT_REQUEST,)),
    (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, (Action.PASS_UP,)),
    (State.PROCEEDING, Input.R2XX): (State.COMPLETED, (Action.START_K, Action.PASS_UP)),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, (Action.START_K, Action.PASS_UP)),
    (State.COMPLETED, Input.TIMER_K): (State.TERMINATED, ()),
}


class NonInviteClient(Machine):
    """One request of ours other than INVITE and ACK."""

    TABLE = TABLE

    def __init__(self, request: Request, *, values: TimerValues, is_reliable: bool, now: float) -> None:
        """`request` carries our Via already."""
        super().__init__(State.TRYING, values=values, is_reliable=is_reliable, now=now)
        self.request = request
        self._response: Response | None = None
        self._interval = values.t1
        if not is_reliable:
            self._start(Input.TIMER_E, self._interval)
        self._start(Input.TIMER_F, values.transaction_timeout)
        self._send(request)

    def receive(self, response: Response, now: float) -> list[Event]:
        """Take a response that matched."""
        self._response = response
        self._step(class_of(response), now)
        return self._drain_events()

    def _leave(self, entered: State) -> None:
        if entered is not State.PROCEEDING:
            super()._leave(entered)

    def _perform(self, action: Action) -> None:
        match action:
            case Action.REPEAT_REQUEST:
                is_trying = self.state is State.TRYING
                self._interval = min(2 * self._interval, self._values.t2) if is_trying else self._values.t2
                self._start(Input.TIMER_E, self._interval)
                self._send(self.request, is_repeat=True)
            case Action.SLOW_E:
                self._interval = self._values.t2
            case Action.PASS_UP:
                assert self._response is not None
                self._emit(ResponsePassed(self._response))
            case Action.START_K:
                self._start(Input.TIMER_K, 0.0 if self._is_reliable else self._values.t4)
            case _:
                super()._perform(action)
