"""Performs what the core of one call asks for: transactions, the timer, events to call control."""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final, Protocol

from gateway.domain.ids import Sdp
from gateway.observability.logging import get_logger
from gateway.sip.call import SipCallEvent
from gateway.sip.core.actions import (
    Action,
    Cancel,
    ClientRequest,
    Failure,
    Notify,
    Report,
    ReportRefer,
    Respond,
    Responder,
    Send,
    SendAck,
)
from gateway.sip.core.description_keys import has_keys
from gateway.sip.core.dialog import DialogId, Stage
from gateway.sip.core.errors import SipError
from gateway.sip.core.message import Request, Response
from gateway.sip.core.session import Session
from gateway.sip.core.upward import unheard
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.failover import Attempts
from gateway.sip.tasks import TIMERS, TaskOwner
from gateway.sip.transport.flow import Flow

_log = get_logger()

MAX_UNHEARD: Final = 64
"""Events kept before `listen`; of more than these the oldest go, the last word of a call is the newest."""

WithDestinations = Callable[[tuple[Destination, ...]], None]
Prepare = Callable[[Request, Destination], Request]
"""Makes a request for the address that it goes to."""


class Phase(Enum):
    """How much a driver still does."""

    LIVE = "live"
    OVER = "over"
    """The call has ended; late 2xx are still acknowledged."""
    ABORTED = "aborted"
    """Nothing more: the user agent has stopped."""


class Usage(Protocol):
    """What the cores of both roles have in common (`InviteClient`, `InviteServer`)."""

    session: Session | None

    @property
    def is_over(self) -> bool: ...
    @property
    def dialog_count(self) -> int: ...
    @property
    def dialogs(self) -> list[tuple[DialogId, Stage]]: ...
    def hangup(self, q850: int | None, now: float, headers: tuple[tuple[str, str], ...] = ()) -> list[Action]: ...
    def receive(self, request: Request, responder: Responder, remote_tag: str, now: float) -> list[Action]: ...
    def receive_ack(self, ack: Request) -> list[Action]: ...
    def cancel(self, request: Request) -> list[Action]: ...
    def answer_reoffer(self, sdp: Sdp, now: float) -> list[Action]: ...
    def reject_reoffer(self, status: int) -> list[Action]: ...
    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]: ...
    def on_failure(self, client_request: ClientRequest, failure: Failure, now: float) -> list[Action]: ...
    def next_deadline(self) -> float | None: ...
    def handle_timeout(self, now: float) -> list[Action]: ...
    def retire(self) -> None: ...


class Driver:
    """The shell around one `Usage`.

    Args:
        flow: the connection that the far end opened to us, used again for our requests to the same address: many
            peers listen nowhere else. None when we called.
        is_bound_to_flow: whether every request goes that way while it is open, whatever the far end's Contact says: a
            registered phone's is often an address behind a NAT (RFC 5626 section 5.3).
        on_over: called once, when nothing more will happen.
        prepare: what has to be done to a request for each address that it is tried at; None: nothing.
        may_open_keys: see `Target`.
    """

    def __init__(
        self,
        usage: Usage,
        *,
        endpoint: Endpoint,
        tasks: TaskOwner,
        flow: Flow | None,
        on_over: Callable[[], None],
        prepare: Prepare | None = None,
        is_bound_to_flow: bool = False,
        may_open_keys: bool = False,
    ) -> None:
        self.usage = usage
        self._may_open_keys = may_open_keys
        self._prepare = prepare
        self._endpoint, self._tasks, self._flow = endpoint, tasks, flow
        self._is_bound_to_flow = is_bound_to_flow
        self._listener: Callable[[SipCallEvent], None] | None = None
        self._unheard: tuple[SipCallEvent, ...] = ()
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._open: dict[ClientRequest, Attempts | None] = {}
        self._destinations: dict[str, tuple[Destination, ...]] = {}
        self._held: dict[Destination, Callable[[], None]] = {}
        self._unsent: deque[tuple[str, WithDestinations, Callable[[], None]]] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._news: deque[Notify | Report | ReportRefer] = deque()
        self._phase = Phase.LIVE
        self._is_delivering = False

    def now(self) -> float:
        """The loop's clock."""
        return self._loop.time()

    def listen(self, listener: Callable[[SipCallEvent], None]) -> None:
        """Set who takes the events, one after the other and never nested; what it missed is told at once."""
        missed, self._unheard = self._unheard, ()
        for event in missed:
            listener(event)
        if self._phase is Phase.LIVE:
            self._listener = listener

    def _tell(self, event: SipCallEvent) -> None:
        if self._listener is None:
            self._unheard = (*self._unheard, event)[-MAX_UNHEARD:]
        else:
            self._listener(event)

    def know(self, next_hop: str, destinations: tuple[Destination, ...]) -> None:
        """Spare the resolution of a URI that is resolved already."""
        self._destinations[next_hop] = destinations

    def run(self, actions: list[Action]) -> None:
        """Perform actions in order; events go out last, when everything else has happened."""
        if self._phase is Phase.ABORTED:
            return
        for action in actions:
            self._perform(action)
        self._rearm()
        if self.usage.is_over and self._phase is Phase.LIVE:
            self._phase = Phase.OVER
            self._abandon_invites()
            self._release_connections()
            self._on_over()
            self._on_over = unheard
        self._deliver_news()

    def stay(self) -> None:
        """Hung up: requests under way are tried at no further address."""
        for attempts in self._open.values():
            if attempts is not None:
                attempts.stay()

    def abort(self) -> None:
        """Let everything go at once; nothing is sent and nothing is told any more."""
        self._phase = Phase.ABORTED
        self._listener, self._on_over = None, unheard
        self._unsent.clear()
        self._news.clear()
        self._abandon_invites()
        self._release_connections()
        if self._timer is not None:
            self._timer.cancel()

    def _perform(self, action: Action) -> None:
        match action:
            case Send(client_request=client_request):
                self._open[client_request] = None
                failed = partial(self._on_failure, client_request, "transport")
                self._with_destinations(client_request.next_hop, partial(self._send, client_request), failed)
            case SendAck(request=request, next_hop=next_hop):
                lost = partial(_log.warning, "sip_ack_unsent", sip_call_id=request.call_id)
                self._with_destinations(next_hop, partial(self._send_ack, request), lost)
            case Cancel(client_request=client_request, headers=headers):
                if (transaction := self._open.get(client_request)) is not None:
                    transaction.cancel(headers)
            case Respond(responder=responder, response=response):
                responder.respond(response)
            case Notify() | Report() | ReportRefer():
                self._news.append(action)

    # Requests

    def _with_destinations(self, next_hop: str, act: WithDestinations, fail: Callable[[], None]) -> None:
        """Act at once if the destination is known, but never before what waits already: an ACK precedes its BYE."""
        flow = self._bound_flow()
        destinations = self._destinations.get(next_hop) if flow is None else (flow.remote,)
        if destinations is not None and self._sender is None:
            act(self._by_flow(destinations))
            return
        self._unsent.append((next_hop, act, fail))
        if self._sender is None:
            self._sender = self._tasks.start(self._send_unsent())

    async def _send_unsent(self) -> None:
        try:
            while self._unsent:
                next_hop, act, fail = self._unsent.popleft()
                try:
                    destinations = self._destinations.get(next_hop) or await self._endpoint.resolve_all(next_hop)
                except SipError:
                    fail()
                    continue
                self._destinations[next_hop] = destinations
                act(self._by_flow(destinations))
        finally:
            self._sender = None

    def _bound_flow(self) -> Flow | None:
        """The one way that all of it goes."""
        is_usable = self._is_bound_to_flow and self._flow is not None and self._flow.is_open
        return self._flow if is_usable else None

    def _by_flow(self, destinations: tuple[Destination, ...]) -> tuple[Destination, ...]:
        flow = self._flow
        if flow is None or not flow.is_open or not flow.is_reliable:
            return tuple(map(self._as_proved, destinations))
        remote = flow.remote
        return tuple(
            remote if (remote.transport, remote.host) == (one.transport, one.host) else self._as_proved(one)
            for one in destinations
        )

    def _keeping_keys(self, request: Request, destinations: tuple[Destination, ...]) -> tuple[Destination, ...]:
        """The destinations that may see what the request holds: keys of media go over TLS (RFC 4568 section 7.1)."""
        if self._may_open_keys or not has_keys(request.body):
            return destinations
        kept = tuple(destination for destination in destinations if destination.transport == "tls")
        if not kept:
            _log.warning("srtp_keys_not_sent", method=request.method, peer=str(destinations[0]))
        return kept

    def _as_proved(self, destination: Destination) -> Destination:
        """The same address as one that this call has used over TLS: its certificate was checked for the trunk's name.

        A Contact or Record-Route often has a bare address, for which a certificate is hardly ever good.
        """
        place = (destination.transport, destination.host, destination.port)
        if destination.transport == "tls":
            for known in self._held:
                if (known.transport, known.host, known.port) == place:
                    return known
        return destination

    def _send_ack(self, ack: Request, destinations: tuple[Destination, ...]) -> None:
        if not (destinations := self._keeping_keys(ack, destinations)):
            return
        self._endpoint.send_stateless(ack, destinations[0], self._bound_flow())

    def _send(self, client_request: ClientRequest, destinations: tuple[Destination, ...]) -> None:
        if not (destinations := self._keeping_keys(client_request.request, destinations)):
            self._loop.call_soon(self._on_failure, client_request, "transport")
            return
        transaction = self._endpoint.send_to_any(
            client_request.request,
            destinations,
            on_response=partial(self._on_response, client_request),
            on_failure=partial(self._on_failure, client_request),
            prepare=self._prepare,
            on_proved=partial(self._on_proved, client_request.next_hop),
            flow=self._bound_flow(),
        )
        if client_request in self._open:  # else it has failed already
            self._open[client_request] = transaction

    def _on_proved(self, next_hop: str, destination: Destination) -> None:
        """What follows goes to the address that has answered, and to the others only if that fails later."""
        if self._is_bound_to_flow:
            return  # the far end keeps its flow alive
        if destination not in self._held and self._phase is Phase.LIVE:
            self._held[destination] = self._endpoint.hold(destination)
        known = self._destinations.get(next_hop, ())
        if destination in known:
            self._destinations[next_hop] = (destination, *(one for one in known if one != destination))

    def _on_response(self, client_request: ClientRequest, response: Response) -> None:
        if response.status >= 200:
            self._open.pop(client_request, None)
        self.run(self.usage.on_response(client_request, response, self.now()))

    def _on_failure(self, client_request: ClientRequest, failure: Failure) -> None:
        self._open.pop(client_request, None)
        self.run(self.usage.on_failure(client_request, failure, self.now()))

    def _abandon_invites(self) -> None:
        """An INVITE without a final response would wait for ever: nobody is left who wants it."""
        for client_request, transaction in list(self._open.items()):
            if transaction is not None and client_request.request.method == "INVITE":
                transaction.abandon()
                del self._open[client_request]

    def _release_connections(self) -> None:
        while self._held:
            _, release = self._held.popitem()
            release()

    # Time and events

    def _rearm(self) -> None:
        deadline = None if self.usage.is_over else self.usage.next_deadline()
        if self._timer is not None:
            if deadline == self._timer.when():
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._on_timer, context=TIMERS)

    def _on_timer(self) -> None:
        self._timer = None
        # The loop may call within its clock's resolution before the time; the core wants its deadline reached.
        due = self.usage.next_deadline()
        self.run(self.usage.handle_timeout(self.now() if due is None else max(self.now(), due)))

    def _deliver_news(self) -> None:
        if self._is_delivering:
            return  # call control asked for something inside its callback: the outer call goes on with the queue
        self._is_delivering = True
        try:
            while self._news:
                match self._news.popleft():
                    case Notify(event=event):
                        self._tell(event)
                    case Report(on_result=on_result, result=result):
                        on_result(result)
                    case ReportRefer(on_progress=on_progress, progress=progress):
                        on_progress(progress)
        finally:
            self._is_delivering = False
        if self._phase is not Phase.LIVE:
            self.usage.retire()
            self._prepare = None  # of the first INVITE only
            self._listener = None  # the last event was told: whoever listens holds the call, and the call holds this
