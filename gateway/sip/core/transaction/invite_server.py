"""The INVITE server transaction (RFC 3261 section 17.2.1, figure 7, as amended by RFC 6026 section 7.1)."""

from typing import Final

from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.transaction.machine import (
    AckPassed,
    Action,
    Event,
    Input,
    Machine,
    State,
    Table,
    TimerValues,
    class_of,
)

TABLE: Final[Table] = {
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.REPEAT_RESPONSE,)),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.PROCEEDING, Input.R2XX): (State.ACCEPTED, (Action.START_L, Action.SEND_RESPONSE)),
    (State.PROCEEDING, Input.R3XX_6XX): (
        State.COMPLETED,
        (Action.START_G, Action.START_H, Action.SEND_RESPONSE),
    ),
    # RFC 6026: a broken transport is told and changes no state; the peer's repeat may find another way.
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.PROCEEDING, (Action.REPORT_TRANSPORT_ERROR,)),
    # RFC 6026: repeats of the INVITE are absorbed, the 2xx is repeated by the user agent and passes through.
    (State.ACCEPTED, Input.REQUEST): (State.ACCEPTED, ()),
    (State.ACCEPTED, Input.R2XX): (State.ACCEPTED, (Action.SEND_RESPONSE,)),
    (State.ACCEPTED, Input.ACK): (State.ACCEPTED, (Action.PASS_UP,)),
    (State.ACCEPTED, Input.TRANSPORT_ERROR): (State.ACCEPTED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.ACCEPTED, Input.TIMER_L): (State.TERMINATED, ()),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.REPEAT_RESPONSE,)),
    (State.COMPLETED, Input.TIMER_G): (State.COMPLETED, (Action.START_G, Action.REPEAT_RESPONSE)),
    (State.COMPLETED, Input.TIMER_H): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.COMPLETED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Input.ACK): (State.CONFIRMED, (Action.START_I,)),
    (State.CONFIRMED, Input.TIMER_I): (State.TERMINATED, ()),
}


class InviteServer(Machine):
    """One INVITE to us. Answers 100 at once, so that the peer stops repeating while the call is being routed."""

    TABLE = TABLE

    def __init__(self, request: Request, *, values: TimerValues, is_reliable: bool, now: float) -> None:
        """`request` has its top Via stamped already."""
        super().__init__(State.PROCEEDING, values=values, is_reliable=is_reliable, now=now)
        self.request = request
        self._ack: Request | None = None
        self._interval = values.t1
        self._response = response_to(request, 100)
        self._send(self._response)

    @property
    def last_response(self) -> Response:
        """What was sent last: the 100, or the user agent's."""
        return self._response

    def receive(self, request: Request, now: float) -> list[Event]:
        """Take a retransmitted INVITE, or an ACK that matched."""
        if request.method == "ACK":
            self._ack = request
            self._step(Input.ACK, now)
        else:
            self._step(Input.REQUEST, now)
        return self._drain_events()

    def respond(self, response: Response, now: float) -> list[Event]:
        """Send the user agent's response; absorbed once a final one went out, save that a 2xx may be repeated."""
        stimulus = class_of(response)
        if (self.state, stimulus) in self.TABLE:
            self._response = response
            self._step(stimulus, now)
        return self._drain_events()

    def _perform(self, action: Action) -> None:
        match action:
            case Action.SEND_RESPONSE:
                self._send(self._response)
            case Action.REPEAT_RESPONSE:
                self._send(self._response, is_repeat=True)
            case Action.PASS_UP:
                assert self._ack is not None
                self._emit(AckPassed(self._ack))
            case Action.START_G:
                if not self._is_reliable:
                    self._start(Input.TIMER_G, self._interval)
                    self._interval = min(2 * self._interval, self._values.t2)
            case Action.START_H:
                self._start(Input.TIMER_H, self._values.transaction_timeout)
            case Action.START_I:
                self._start(Input.TIMER_I, 0.0 if self._is_reliable else self._values.t4)
            case Action.START_L:
                self._start(Input.TIMER_L, self._values.transaction_timeout)
            case _:
                super()._perform(action)
