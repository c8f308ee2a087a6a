"""The INVITE client transaction (RFC 3261 section 17.1.1, figure 5, as amended by RFC 6026 section 7.2)."""

from collections.abc import Iterable
from enum import Enum
from typing import Final

from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.message import Request, Response
from gateway.sip.core.transaction.machine import (
    Action,
    CancelDue,
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
    (State.CALLING, Input.TIMER_A): (State.CALLING, (Action.REPEAT_REQUEST,)),
    (State.CALLING, Input.TIMER_B): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.CALLING, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.CALLING, Input.R1XX): (State.PROCEEDING, (Action.PASS_UP,)),
    (State.CALLING, Input.R2XX): (State.ACCEPTED, (Action.START_M, Action.PASS_UP)),
    (State.CALLING, Input.R3XX_6XX): (State.COMPLETED, (Action.START_D, Action.SEND_ACK, Action.PASS_UP)),
    (State.PROCEEDING, Input.R1XX): (State.PROCEEDING, (Action.PASS_UP,)),
    (State.PROCEEDING, Input.R2XX): (State.ACCEPTED, (Action.START_M, Action.PASS_UP)),
    (State.PROCEEDING, Input.R3XX_6XX): (State.COMPLETED, (Action.START_D, Action.SEND_ACK, Action.PASS_UP)),
    # RFC 3261 section 9.1: 64*T1 after the CANCEL the transaction counts as cancelled, whatever the server does.
    (State.PROCEEDING, Input.TIMER_CANCEL): (State.TERMINATED, (Action.REPORT_TIMEOUT,)),
    (State.COMPLETED, Input.R3XX_6XX): (State.COMPLETED, (Action.SEND_ACK,)),
    (State.COMPLETED, Input.TRANSPORT_ERROR): (State.TERMINATED, (Action.REPORT_TRANSPORT_ERROR,)),
    (State.COMPLETED, Input.TIMER_D): (State.TERMINATED, ()),
    # RFC 6026: not terminated by a 2xx, so that its repeats and those of other forks reach the user agent.
    (State.ACCEPTED, Input.R2XX): (State.ACCEPTED, (Action.PASS_UP,)),
    (State.ACCEPTED, Input.TIMER_M): (State.TERMINATED, ()),
}


class Cancel(Enum):
    """How far our CANCEL is. It must not overtake the INVITE, so it waits for a provisional response."""

    NOT_WANTED = "not_wanted"
    WANTED = "wanted"
    SENT = "sent"


class InviteClient(Machine):
    """One INVITE of ours. The ACK of a non-2xx is made here; the one of a 2xx is the user agent's."""

    TABLE = TABLE

    def __init__(self, request: Request, *, values: TimerValues, is_reliable: bool, now: float) -> None:
        """`request` carries our Via already."""
        super().__init__(State.CALLING, values=values, is_reliable=is_reliable, now=now)
        self.request = request
        self._cancel = Cancel.NOT_WANTED
        self._response: Response | None = None
        self._interval = values.t1
        if not is_reliable:
            self._start(Input.TIMER_A, self._interval)
        self._start(Input.TIMER_B, values.transaction_timeout)
        self._send(request)

    def receive(self, response: Response, now: float) -> list[Event]:
        """Take a response that matched."""
        self._response = response
        self._step(class_of(response), now)
        if self.state is State.PROCEEDING and self._cancel is Cancel.WANTED:
            self._release_cancel()
        return self._drain_events()

    def cancel(self, now: float) -> list[Event]:
        """Ask for a CANCEL: `CancelDue` at once, after the first provisional response, or never after a final one."""
        self._now = now
        if self._cancel is Cancel.NOT_WANTED and self.state is State.CALLING:
            self._cancel = Cancel.WANTED
        elif self._cancel is Cancel.NOT_WANTED and self.state is State.PROCEEDING:
            self._release_cancel()
        return self._drain_events()

    def _release_cancel(self) -> None:
        self._cancel = Cancel.SENT
        self._start(Input.TIMER_CANCEL, self._values.transaction_timeout)
        self._emit(CancelDue())

    def _perform(self, action: Action) -> None:
        match action:
            case Action.REPEAT_REQUEST:
                self._interval *= 2
                self._start(Input.TIMER_A, self._interval)
                self._send(self.request, is_repeat=True)
            case Action.SEND_ACK:
                assert self._response is not None
                self._send(ack_of_failure(self.request, self._response))
            case Action.PASS_UP:
                assert self._response is not None
                self._emit(ResponsePassed(self._response))
            case Action.START_D:
                self._start(Input.TIMER_D, 0.0 if self._is_reliable else self._values.transaction_timeout)
            case Action.START_M:
                self._start(Input.TIMER_M, self._values.transaction_timeout)
            case _:
                super()._perform(action)


def ack_of_failure(invite: Request, response: Response) -> Request:
    """The ACK of a 3xx-6xx: in the INVITE's transaction, to where the INVITE went (RFC 3261 section 17.1.1.3)."""
    headers = _of_same_transaction(invite, "ACK")
    headers.set("To", response.headers.get("To") or invite.headers.get("To") or "")
    return Request("ACK", invite.uri, headers)


def cancel_of(invite: Request, headers: Iterable[tuple[str, str]] = ()) -> Request:
    """The CANCEL of a pending INVITE, with its branch, CSeq number and route (RFC 3261 section 9.1)."""
    fields = _of_same_transaction(invite, "CANCEL")
    for name, value in headers:
        fields.add(name, value)
    return Request("CANCEL", invite.uri, fields)


def _of_same_transaction(invite: Request, method: str) -> Headers:
    headers = Headers()
    headers.add("Via", invite.headers.get_all("Via")[0])
    for name, value in invite.headers.items():
        if name.lower() in ("route", "from", "to", "call-id"):
            headers.add(name, value)
    headers.add("CSeq", str(CSeq(invite.cseq.number, method)))
    headers.add("Max-Forwards", "70")
    return headers
