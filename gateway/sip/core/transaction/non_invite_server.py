"""The non-INVITE server transaction (RFC 3261 section 17.2.2, figure 8)."""

from typing import Final

from gateway.sip.core.message import Request, Response
from gateway.sip.core.transaction.machine import (
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
    (State.TRYING, Input.REQUEST): (State.TRYING, ()),
    (State.TRYING, Input.R1XX): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.TRYING, Input.R2XX): (State.COMPLETED, (Action.START_J, Action.SEND_RESPONSE)),
    (State.TRYING, Input.R3XX_6XX): (State.COMPLETED, (Action.START_J, Action.SEND_RESPONSE)),
    (State.PROCEEDING, Input.REQUEST): (State.PROCEEDING, (Action.REPEAT_RESPONSE,)),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, (Action.SEND_RESPONSE,)),
    (State.PROCEEDING, Input.R2XX): (State.COMPLETED, (Action.START_J, Action.SEND_RESPONSE)),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, (Action.START_J, Action.SEND_RESPONSE)),
    # RFC 6026 section 8 lets a server transaction live on after a broken transport.
    (State.PROCEEDING, Input.TRANSPORT_ERROR): (State.PROCEEDING, (Action.REPORT_TRANSPORT_ERROR,)),
    # Not in figure 8: a request that the user agent never answers must not stay for ever. By now the client gave up.
    (State.TRYING, Input.TIMER_F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.PROCEEDING, Input.TIMER_F): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.COMPLETED, Input.REQUEST): (State.COMPLETED, (Action.REPEAT_RESPONSE,)),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.COMPLETED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Input.TIMER_J): (State.TERMINATED, ()),
}


class NonInviteServer(Machine):
    """One request to us other than INVITE and ACK."""

    TABLE = TABLE

    def __init__(self, request: Request, *, values: TimerValues, is_reliable: bool, now: float) -> None:
        """`request` has its top Via stamped already."""
        super().__init__(State.TRYING, values=values, is_reliable=is_reliable, now=now)
        self.request = request
        self._response: Response | None = None
        self._start(Input.TIMER_F, values.transaction_timeout)

    @property
    def last_response(self) -> Response | None:
        """What was sent last, None before."""
        return self._response

    def receive(self, request: Request, now: float) -> list[Event]:
        """Take a retransmission."""
        self._step(Input.REQUEST, now)
        return self._drain_events()

    def respond(self, response: Response, now: float) -> list[Event]:
        """Send the user agent's response; absorbed once a final one went out."""
        stimulus = class_of(response)
        if (self.state, stimulus) in self.TABLE:
            self._response = response
            self._step(stimulus, now)
        return self._drain_events()

    def _leave(self, entered: State) -> None:
        if entered is not State.PROCEEDING:
            super()._leave(entered)

    def _perform(self, action: Action) -> None:
        match action:
            case Action.SEND_RESPONSE:
                assert self._response is not None
                self._send(self._response)
            case Action.REPEAT_RESPONSE:
                assert self._response is not None
                self._send(self._response, is_repeat=True)
            case Action.START_J:
                self._start(Input.TIMER_J, 0.0 if self._is_reliable else self._values.transaction_timeout)
            case _:
                super()._perform(action)
