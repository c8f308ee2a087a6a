"""Our calling core against our called core: transactions and usages of both, a manual clock, and a wire between them.

What `gateway.sip.endpoint`, `driver` and `ua` do with sockets and a loop is done here with lists, so that a call of
hours takes milliseconds and every loss can be chosen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.domain.ids import Sdp
from gateway.sip.call import SipCallEvent
from gateway.sip.core.actions import (
    Action,
    Cancel,
    ClientRequest,
    Notify,
    Report,
    ReportRefer,
    Respond,
    Send,
    SendAck,
)
from gateway.sip.core.capabilities import ALLOW, SUPPORTED, find_refusal
from gateway.sip.core.context import Context
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.via import MAGIC_COOKIE, Via
from gateway.sip.core.invite_client import InviteClient
from gateway.sip.core.invite_server import InviteServer
from gateway.sip.core.message import Headers, Request, Response, parse, response_to, serialize
from gateway.sip.core.reliability import Reliability, option_headers
from gateway.sip.core.session_timer import asking
from gateway.sip.core.transaction.invite_client import InviteClient as InviteClientTransaction
from gateway.sip.core.transaction.invite_client import cancel_of
from gateway.sip.core.transaction.invite_server import InviteServer as InviteServerTransaction
from gateway.sip.core.transaction.machine import (
    AckPassed,
    CancelDue,
    Event,
    ResponsePassed,
    State,
    TimerValues,
    TransactionFailed,
)
from gateway.sip.core.transaction.matching import ClientKey, ServerKey, cancelled_key_of, client_key_of, server_key_of
from gateway.sip.core.transaction.non_invite_client import NonInviteClient
from gateway.sip.core.transaction.non_invite_server import NonInviteServer
from tests.unit.sip.core.script import OFFER, T

Message = Request | Response

Fate = Callable[["Side", Message], list[float]]
"""What the wire does to a message of that side: the delays of its copies in seconds, none when it is lost."""

DELAY = 0.01

VALUES = TimerValues(T.t1, T.t2, 5.0)


def arrives(_sender: "Side", _message: Message) -> list[float]:
    """A wire without faults."""
    return [DELAY]


def label(message: Message) -> str:
    """A message in short: `INVITE`, `200 BYE`; the ACK of a refusal is no other word than that of a 2xx."""
    return message.method if isinstance(message, Request) else f"{message.status} {message.cseq_method}"


class Seat:
    """A server transaction, as a core sees it."""

    def __init__(self, side: "Side", machine: InviteServerTransaction | NonInviteServer) -> None:
        self._side, self.machine = side, machine

    def respond(self, response: Response) -> None:
        self._side.pump_server(self, self.machine.respond(response, self._side.world.now))

    @property
    def is_pending(self) -> bool:
        return self.machine.state in (State.TRYING, State.PROCEEDING)


@dataclass(slots=True)
class Client:
    """A client transaction and what it carries; None for a CANCEL."""

    machine: InviteClientTransaction | NonInviteClient
    client_request: ClientRequest | None


@dataclass(slots=True)
class Letter:
    """A message on the wire."""

    at: float
    to: "Side"
    data: bytes


class Side:
    """One user agent with one call."""

    def __init__(self, world: "World", name: str, *, reliability: Reliability) -> None:
        self.world, self.name, self.tag = world, name, f"{name}-tag"
        self.reliability: Reliability = reliability
        self.context = Context(
            contact=f"<sip:{name}@{name}.test>",
            user_agent=name,
            timers=T,
            random=world.random,
            session_expires=1800,
            reliability=reliability,
        )
        self.usage: InviteClient | InviteServer | None = None
        self.is_over = False
        self.heard: list[SipCallEvent] = []
        self.results: list[object] = []
        self.react: Callable[[SipCallEvent | None], None] = lambda _event: None
        """What call control does; None stands for the call that comes in."""
        self._clients: dict[ClientKey, Client] = {}
        self._servers: dict[ServerKey, Seat] = {}
        self._branches = 0

    @property
    def other(self) -> "Side":
        return self.world.callee if self is self.world.caller else self.world.caller

    @property
    def transactions(self) -> int:
        return len(self._clients) + len(self._servers)

    # Call control

    def call(self, sdp: Sdp = OFFER) -> None:
        headers = Headers(
            (
                ("From", f"<sip:{self.name}@{self.name}.test>;tag={self.tag}"),
                ("To", f"<sip:{self.other.name}@{self.other.name}.test>"),
                ("Call-ID", "one"),
                ("CSeq", "1 INVITE"),
                ("Contact", self.context.contact),
                ALLOW,
                *option_headers(SUPPORTED[1], self.reliability),
                *asking(self.context.session_expires),
                ("Content-Type", "application/sdp"),
            )
        )
        uri = f"sip:{self.other.name}@{self.other.name}.test"
        core = InviteClient(
            Request("INVITE", uri, headers, sdp.encode()),
            next_hop=uri,
            context=self.context,
            authentication=None,
            now=self.world.now,
        )
        self.usage = core
        self.perform(core.start())

    @property
    def caller_core(self) -> InviteClient:
        assert isinstance(self.usage, InviteClient)
        return self.usage

    @property
    def callee_core(self) -> InviteServer:
        assert isinstance(self.usage, InviteServer)
        return self.usage

    def hangup(self) -> None:
        if self.usage is not None:
            self.perform(self.usage.hangup(16, self.world.now))

    def reinvite(self, sdp: Sdp) -> None:
        if self.usage is not None and self.usage.session is not None:
            self.perform(self.usage.session.reinvite(sdp, self.results.append, self.world.now))

    def perform(self, actions: list[Action]) -> None:
        news: list[SipCallEvent] = []
        for action in actions:
            if isinstance(action, Notify):
                assert not self.is_over, f"{self.name} hears {action.event} after the end"
                news.append(action.event)
            else:
                self._perform(action)
        if self.usage is not None and self.usage.is_over and not self.is_over:
            self.is_over = True
            self._abandon_invites()
        for event in news:
            self.heard.append(event)
            self.react(event)

    def _perform(self, action: Action) -> None:
        match action:
            case Send(client_request=client_request):
                self._start(client_request.request, client_request)
            case SendAck(request=request):
                self.world.post(self, self._with_via(request))
            case Cancel(client_request=client_request):
                self._cancel(client_request)
            case Respond(responder=responder, response=response):
                responder.respond(response)
            case Report(on_result=on_result, result=result):
                on_result(result)
            case ReportRefer(on_progress=on_progress, progress=progress):
                on_progress(progress)
            case _:
                raise AssertionError(action)

    # Transactions

    def _start(self, request: Request, client_request: ClientRequest | None) -> None:
        prepared = request if "Via" in request.headers else self._with_via(request)
        kind = InviteClientTransaction if request.method == "INVITE" else NonInviteClient
        machine = kind(prepared, values=VALUES, is_reliable=False, now=self.world.now)
        key = client_key_of(prepared)
        assert key is not None
        self._clients[key] = Client(machine, client_request)
        self._pump_client(key, [])

    def _with_via(self, request: Request) -> Request:
        self._branches += 1
        headers = request.headers.copy()
        via = Via("UDP", f"{self.name}.test", 5060, Params((("branch", f"{MAGIC_COOKIE}{self._branches}"),)))
        headers.prepend("Via", str(via))
        return Request(request.method, request.uri, headers, request.body)

    def _cancel(self, client_request: ClientRequest) -> None:
        for key, client in list(self._clients.items()):
            if client.client_request is client_request and isinstance(client.machine, InviteClientTransaction):
                self._pump_client(key, client.machine.cancel(self.world.now))

    def _abandon_invites(self) -> None:
        """As the driver does: an INVITE without a final response would wait for ever."""
        for key, client in list(self._clients.items()):
            if client.machine.request.method == "INVITE" and client.machine.state in (State.CALLING, State.PROCEEDING):
                del self._clients[key]

    def _pump_client(self, key: ClientKey, events: list[Event]) -> None:
        client = self._clients[key]
        for outgoing in client.machine.to_send():
            self.world.post(self, outgoing.message)
        if client.machine.is_terminated:
            self._clients.pop(key, None)
        for event in events:
            self._tell(client, event)

    def _tell(self, client: Client, event: Event) -> None:
        if isinstance(event, CancelDue):
            self._start(cancel_of(client.machine.request), None)
        if client.client_request is None or self.usage is None:
            return
        match event:
            case ResponsePassed(response=response):
                self.perform(self.usage.on_response(client.client_request, response, self.world.now))
            case TransactionFailed():
                self.perform(self.usage.on_failure(client.client_request, "timeout", self.world.now))
            case _:
                return

    def pump_server(self, seat: Seat, events: list[Event]) -> None:
        for outgoing in seat.machine.to_send():
            self.world.post(self, outgoing.message)
        if seat.machine.is_terminated:
            self._servers = {key: one for key, one in self._servers.items() if one is not seat}
        for event in events:
            if isinstance(event, AckPassed):
                self._acknowledge(event.request)

    # What comes in

    def receive(self, data: bytes) -> None:
        message = parse(data)
        if isinstance(message, Response):
            key = client_key_of(message)
            if key is not None and (client := self._clients.get(key)) is not None:
                self._pump_client(key, client.machine.receive(message, self.world.now))
            return
        server_key = server_key_of(message)
        if (known := self._servers.get(server_key)) is not None:
            self.pump_server(known, known.machine.receive(message, self.world.now))
        elif message.method == "ACK":
            self._acknowledge(message)
        else:
            self._begin(server_key, message)

    def _acknowledge(self, ack: Request) -> None:
        if self.usage is not None and not self.is_over and ack.to.tag == self.tag:
            self.perform(self.usage.receive_ack(ack))

    def _begin(self, key: ServerKey, request: Request) -> None:
        kind = InviteServerTransaction if request.method == "INVITE" else NonInviteServer
        seat = Seat(self, kind(request, values=VALUES, is_reliable=False, now=self.world.now))
        self._servers[key] = seat
        self.pump_server(seat, [])
        if request.method == "CANCEL":
            self._receive_cancel(seat, request)
        elif (refusal := find_refusal(request, reliability=self.reliability)) is not None:
            seat.respond(response_to(request, refusal.status, to_tag=self.tag, headers=refusal.headers))
        elif self.usage is not None and not self.is_over and request.to.tag == self.tag:
            self.perform(self.usage.receive(request, seat, request.from_.tag or "", self.world.now))
        elif request.method == "INVITE" and request.to.tag is None and self.usage is None:
            self.usage = InviteServer(request, seat, local_tag=self.tag, context=self.context, now=self.world.now)
            self.react(None)
        else:
            seat.respond(response_to(request, 481, to_tag=self.tag))

    def _receive_cancel(self, seat: Seat, cancel: Request) -> None:
        invite = self._servers.get(cancelled_key_of(cancel))
        seat.respond(response_to(cancel, 481 if invite is None else 200, to_tag=self.tag))
        if invite is not None and invite.is_pending and self.usage is not None and not self.is_over:
            self.perform(self.usage.cancel(cancel))

    # Time

    def deadline(self) -> float | None:
        machines = [client.machine for client in self._clients.values()]
        deadlines = [
            machine.next_deadline() for machine in (*machines, *(one.machine for one in self._servers.values()))
        ]
        if self.usage is not None and not self.is_over:
            deadlines.append(self.usage.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self) -> None:
        now = self.world.now
        for key, client in list(self._clients.items()):
            due = client.machine.next_deadline()
            if due is not None and due <= now and key in self._clients:
                self._pump_client(key, client.machine.handle_timeout(now))
        for seat in list(self._servers.values()):
            due = seat.machine.next_deadline()
            if due is not None and due <= now:
                self.pump_server(seat, seat.machine.handle_timeout(now))
        if self.usage is not None and not self.is_over:
            due = self.usage.next_deadline()
            if due is not None and due <= now:
                self.perform(self.usage.handle_timeout(now))


@dataclass(slots=True)
class Plan:
    """Something that call control will do."""

    at: float
    act: Callable[[], None]


@dataclass
class World:
    """Two sides and the wire between them."""

    fate: Fate = arrives
    reliability: Reliability = "off"
    random: Callable[[], float] = lambda: 0.5
    now: float = 0.0
    log: list[tuple[float, str, str]] = field(default_factory=list)
    """When which side sent what, repeats and lost ones as well."""

    def __post_init__(self) -> None:
        self.caller = Side(self, "caller", reliability=self.reliability)
        self.callee = Side(self, "callee", reliability=self.reliability)
        self._letters: list[Letter] = []
        self._plans: list[Plan] = []

    def post(self, sender: Side, message: Message) -> None:
        self.log.append((self.now, sender.name, label(message)))
        data = serialize(message)
        self._letters += [Letter(self.now + delay, sender.other, data) for delay in self.fate(sender, message)]

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have call control do something later."""
        self._plans.append(Plan(self.now + seconds, act))

    def step(self) -> bool:
        """Let the next thing happen; False when nothing is left to happen."""
        times = [letter.at for letter in self._letters] + [plan.at for plan in self._plans]
        deadlines = (self.caller.deadline(), self.callee.deadline())
        times += [deadline for deadline in deadlines if deadline is not None]
        if not times:
            return False
        self.now = max(self.now, min(times))
        due = [letter for letter in self._letters if letter.at <= self.now]
        self._letters = [letter for letter in self._letters if letter.at > self.now]
        for letter in sorted(due, key=lambda one: one.at):
            letter.to.receive(letter.data)
        ready = [plan for plan in self._plans if plan.at <= self.now]
        self._plans = [plan for plan in self._plans if plan.at > self.now]
        for plan in ready:
            plan.act()
        self.caller.handle_timeout()
        self.callee.handle_timeout()
        return True

    def run(self, *, until: float = math.inf, steps: int = 100_000) -> None:
        """Let everything happen, up to that time."""
        for _ in range(steps):
            if self.now > until or not self.step():
                return
        raise AssertionError(f"no end after {steps} steps: {self.log[-20:]}")

    def assert_over(self) -> None:
        """Both calls have ended, and nothing of them is left."""
        for side in (self.caller, self.callee):
            assert side.usage is None or side.is_over, (side.name, side.heard)
            assert side.transactions == 0
