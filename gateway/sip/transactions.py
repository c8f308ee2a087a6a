"""The shells around the transaction machines: one flow, one timer, callbacks to the user agent."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_RETRANSMISSIONS, closed
from gateway.sip.core.message import Request, Response, serialize
from gateway.sip.core.methods import METHODS
from gateway.sip.core.transaction.invite_client import InviteClient
from gateway.sip.core.transaction.invite_server import InviteServer
from gateway.sip.core.transaction.machine import (
    AckPassed,
    CancelDue,
    Event,
    Outgoing,
    ResponsePassed,
    State,
    TransactionFailed,
)
from gateway.sip.core.transaction.matching import ClientKey, ServerKey
from gateway.sip.core.transaction.non_invite_client import NonInviteClient
from gateway.sip.core.transaction.non_invite_server import NonInviteServer
from gateway.sip.core.upward import unheard
from gateway.sip.tasks import TIMERS
from gateway.sip.transport.flow import Destination, Flow

_log = get_logger()


class Owner(Protocol):
    """Who holds the transactions. One object for all of them: hundreds a second live on for half a minute each."""

    def message_sent(self, data: bytes, message: Request | Response, flow: Flow) -> None:
        """A message has left, maybe once more: its octets, itself and the way."""

    def client_over(self, key: ClientKey) -> None:
        """Forget that one."""

    def server_over(self, key: ServerKey) -> None:
        """Forget that one."""

    def way_back(self, request: Request, source: Destination) -> Flow | None:
        """Another way to whoever sent that request, when its own is closed."""

    def ack_received(self, ack: Request, source: Destination) -> None:
        """The ACK of a 2xx."""

    def send_cancel(self, flow: Flow | None, invite: Request, headers: Iterable[tuple[str, str]]) -> None:
        """CANCEL that INVITE by that way."""


class _Machine(Protocol):
    @property
    def is_terminated(self) -> bool: ...
    def next_deadline(self) -> float | None: ...
    def handle_timeout(self, now: float) -> list[Event]: ...
    def transport_failed(self, now: float) -> list[Event]: ...
    def to_send(self) -> list[Outgoing]: ...


class _Shell(ABC):
    """Drains a machine after each input, sends by the flow, arms one timer, forgets itself at the end."""

    def __init__(self, machine: _Machine, flow: Flow | None, owner: Owner) -> None:
        self._machine, self._flow, self._owner = machine, flow, owner
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._sent: tuple[Request | Response, bytes] | None = None

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def end(self) -> None:
        """Forget it at once; nothing is sent or told any more. Idempotent."""
        if self._is_over:
            return
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go()

    @abstractmethod
    def _let_go(self) -> None:
        """Have the owner forget it, and forget who listens: they hold this transaction, and without a circle of
        references all of it is gone at once."""

    def flow_closed(self) -> None:
        """The connection that it was sent over is gone."""
        self._loop.call_soon(self._transport_failed)

    def _pump(self, events: Sequence[Event]) -> None:
        for outgoing in self._machine.to_send():
            self._transmit(outgoing)
        try:
            for event in events:
                if not self._is_over:
                    self._dispatch(event)
        finally:
            # Also when the user agent's callback raised: a transaction must end by its timers in any case.
            if self._machine.is_terminated:
                self.end()
            self._rearm()

    def _written(self, message: Request | Response) -> bytes:
        """Its octets: written once for the check, the sending and the repeats. Raises ValueError."""
        if self._sent is None or self._sent[0] is not message:
            self._sent = (message, serialize(message))
        return self._sent[1]

    def _transmit(self, outgoing: Outgoing) -> None:
        message = outgoing.message
        data = self._written(message)
        method = message.cseq.method
        if outgoing.is_repeat:
            SIP_RETRANSMISSIONS.labels(closed(method, METHODS)).inc()
        flow = self._find_flow()
        _log.debug(
            "sip_message_sent",
            method=method,
            status=message.status if isinstance(message, Response) else None,
            sip_call_id=message.call_id,
            peer=str(flow.remote) if flow is not None else None,
            is_repeat=outgoing.is_repeat,
        )
        if flow is None or not flow.send(data):
            # Not at once: the user agent must have got its transaction before it hears that it failed.
            self._loop.call_soon(self._transport_failed)
        else:
            self._owner.message_sent(data, message, flow)

    def _find_flow(self) -> Flow | None:
        return self._flow

    def _transport_failed(self) -> None:
        if not self._is_over:
            self._pump(self._machine.transport_failed(self.now()))

    @abstractmethod
    def _dispatch(self, event: Event) -> None:
        """Tell the user agent."""

    def _rearm(self) -> None:
        deadline = None if self._is_over else self._machine.next_deadline()
        if self._timer is not None:
            if deadline == self._timer.when():
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._on_timer, context=TIMERS)

    def _on_timer(self) -> None:
        self._timer = None
        # A timer may fire within the clock's resolution before its time; the machine wants its deadline reached.
        due = self._machine.next_deadline()
        now = self.now() if due is None else max(self.now(), due)
        self._pump(self._machine.handle_timeout(now))


class ServerTransaction(_Shell):
    """A request from a far end, as the user agent sees it.

    Attributes:
        request: with our `received` and `rport` in its top Via.
        source: where it really came from.
        to_tag: a fresh tag for the To of the responses; those that the endpoint makes itself have it as well.
        on_failure: may be set: `timeout` (no ACK for a non-2xx, timer H), `transport` (a response did not leave).
    """

    def __init__(
        self,
        machine: InviteServer | NonInviteServer,
        *,
        key: ServerKey,
        flow: Flow,
        source: Destination,
        to_tag: str,
        owner: Owner,
    ) -> None:
        super().__init__(machine, flow, owner)
        self._key = key
        self.machine, self.source, self.to_tag = machine, source, to_tag
        self.request = machine.request
        self.flow = flow
        self.on_failure: Callable[[str], None] | None = None

    @property
    def is_pending(self) -> bool:
        """Whether no final response has been given."""
        return self.machine.state in (State.TRYING, State.PROCEEDING)

    def start(self) -> None:
        """Send what the machine wants to send first: the 100 of an INVITE."""
        self._pump([])

    def receive(self, request: Request) -> None:
        """Take a retransmission, or the ACK of an INVITE."""
        self._pump(self.machine.receive(request, self.now()))

    def respond(self, response: Response) -> None:
        """Send a response; absorbed when a final one has been sent (but a 2xx to INVITE may be repeated).

        Raises:
            ValueError: a response that cannot be written down (our bug).
        """
        self._written(response)
        if not self._is_over:
            self._pump(self.machine.respond(response, self.now()))

    def ignore(self) -> None:
        """Never answer: forget the request. A retransmission of it counts as new."""
        self.end()

    def _let_go(self) -> None:
        self._owner.server_over(self._key)
        self.on_failure = None

    def _find_flow(self) -> Flow | None:
        # RFC 3261 section 18.2.2: back over the connection of the request; if that is gone, a new one to Via.
        if not self.flow.is_open and (other := self._owner.way_back(self.request, self.source)) is not None:
            self.flow = other
        return self.flow

    def _dispatch(self, event: Event) -> None:
        match event:
            case AckPassed(request=ack):
                self._owner.ack_received(ack, self.source)
            case TransactionFailed(reason=reason):
                _log.info("sip_response_failed", method=self.request.method, peer=str(self.source), reason=reason)
                if self.on_failure is not None:
                    self.on_failure(reason)
            case _:
                raise AssertionError(f"{event} comes from no server transaction")


class ClientTransaction(_Shell):
    """A request of ours. Raises ValueError for one that cannot be written down (our bug).

    Exactly one of a final response and a failure ends it, but after a 2xx to INVITE more of them may come (repeats
    and other forks).
    """

    def __init__(
        self,
        machine: InviteClient | NonInviteClient,
        *,
        key: ClientKey,
        flow: Flow | None,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
        owner: Owner,
    ) -> None:
        super().__init__(machine, flow, owner)
        self._key = key
        self.machine, self.flow = machine, flow
        self.request = machine.request
        self._on_response, self._on_failure = on_response, on_failure
        self._cancel_headers: tuple[tuple[str, str], ...] = ()
        self._has_final = False
        self._written(self.request)

    def start(self) -> None:
        """Send the request."""
        self._pump([])

    def receive(self, response: Response) -> None:
        """Take a response that matched."""
        self._pump(self.machine.receive(response, self.now()))

    def cancel(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """CANCEL an INVITE: at once after a provisional response, else as soon as one comes; once.

        Ignored after a final response. If the far end never ends the INVITE, it fails with `timeout` 64*T1 later.
        """
        if not isinstance(self.machine, InviteClient):
            raise ValueError(f"only an INVITE can be cancelled, not {self.request.method}")
        if not self._is_over:
            self._cancel_headers = tuple(headers)
            self._pump(self.machine.cancel(self.now()))

    def abandon(self) -> None:
        """Forget it at once: no callback comes any more, and what the far end still sends is dropped."""
        self.end()

    def _let_go(self) -> None:
        self._owner.client_over(self._key)
        self._on_response = self._on_failure = unheard

    def _dispatch(self, event: Event) -> None:
        match event:
            case ResponsePassed(response=response):
                self._has_final |= not response.is_provisional
                self._on_response(response)
            case TransactionFailed(reason=reason):
                # Figure 5 tells of an ACK that did not leave, too; by then the call is over for the user agent.
                if not self._has_final:
                    self._on_failure(reason)
            case CancelDue():
                self._owner.send_cancel(self.flow, self.request, self._cancel_headers)
            case _:
                raise AssertionError(f"{event} comes from no client transaction")
