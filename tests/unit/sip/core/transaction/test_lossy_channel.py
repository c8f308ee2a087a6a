"""Client and server joined by a channel that loses, doubles and delays: both always end, and agree."""

import heapq
import itertools
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.message import Request, Response
from gateway.sip.core.transaction.invite_client import InviteClient
from gateway.sip.core.transaction.invite_server import InviteServer
from gateway.sip.core.transaction.machine import Event, ResponsePassed, TimerValues, TransactionFailed
from gateway.sip.core.transaction.non_invite_client import NonInviteClient
from gateway.sip.core.transaction.non_invite_server import NonInviteServer
from tests.unit.sip.core.messages import request, response

VALUES = TimerValues(t1=0.5, t2=4.0, t4=5.0)


@dataclass
class Channel:
    """Each message takes the next fate: the delays of its copies, none when it is lost; later ones take 10 ms."""

    fates: list[list[float]]
    answer: int
    answer_after: float
    method: str
    now: float = 0.0
    seen: list[Event] = field(default_factory=list)
    server: InviteServer | NonInviteServer | None = None
    count: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        first = request(self.method)
        kind = InviteClient if self.method == "INVITE" else NonInviteClient
        self.client = kind(first, values=VALUES, is_reliable=False, now=0.0)
        self.flying: list[tuple[float, int, Request | Response | None]] = []

    def run(self) -> None:
        for _ in range(2000):
            self._send()
            machines = [self.client] if self.server is None else [self.client, self.server]
            deadlines = [at for machine in machines if (at := machine.next_deadline()) is not None]
            if not deadlines and not self.flying:
                return
            arrival = self.flying[0][0] if self.flying else float("inf")
            if arrival <= min(deadlines, default=float("inf")):
                self.now, _, message = heapq.heappop(self.flying)
                self._deliver(message)
            else:
                self.now = min(deadlines)
                for machine in machines:
                    events = machine.handle_timeout(self.now)
                    if machine is self.client:
                        self.seen += events
        raise AssertionError("never came to rest")

    def _send(self) -> None:
        for machine in (self.client, self.server):
            for outgoing in [] if machine is None else machine.to_send():
                fate = self.fates.pop() if self.fates else [0.01]
                for delay in fate:
                    heapq.heappush(self.flying, (self.now + delay, next(self.count), outgoing.message))

    def _deliver(self, message: Request | Response | None) -> None:
        if message is None:
            assert self.server is not None
            self.server.respond(response(self.answer, self.server.request), self.now)
        elif isinstance(message, Response):
            self.seen += self.client.receive(message, self.now)
        elif self.server is not None:
            self.server.receive(message, self.now)
        elif message.method != "ACK":
            kind = InviteServer if self.method == "INVITE" else NonInviteServer
            self.server = kind(message, values=VALUES, is_reliable=False, now=self.now)
            heapq.heappush(self.flying, (self.now + self.answer_after, next(self.count), None))


@given(
    st.lists(st.lists(st.floats(0.001, 3.0), max_size=2), max_size=30),
    st.sampled_from(["INVITE", "OPTIONS"]),
    st.sampled_from([200, 302, 486, 500, 603]),
    st.floats(0.0, 60.0),
)
def test_both_sides_always_end_and_the_client_hears_one_outcome(
    fates: list[list[float]], method: str, answer: int, answer_after: float
) -> None:
    channel = Channel(fates, answer, answer_after, method)

    channel.run()

    assert channel.client.is_terminated or method == "INVITE"
    assert channel.server is None or channel.server.is_terminated
    finals = [event.response.status for event in channel.seen if isinstance(event, ResponsePassed)]
    finals = [status for status in finals if status >= 200]
    failures = [event for event in channel.seen if isinstance(event, TransactionFailed)]
    assert set(finals) <= {answer}
    if method != "INVITE" or answer >= 300:
        assert len(finals) + len(failures) <= 1


@given(st.sampled_from(["INVITE", "OPTIONS"]), st.sampled_from([200, 486]), st.floats(0.0, 30.0))
def test_perfect_channel_always_gives_the_answer(method: str, answer: int, answer_after: float) -> None:
    channel = Channel([], answer, answer_after, method)

    channel.run()

    passed = [event.response.status for event in channel.seen if isinstance(event, ResponsePassed)]
    assert passed[-1] == answer
    assert channel.client.is_terminated
    assert channel.server is not None
    assert channel.server.is_terminated
