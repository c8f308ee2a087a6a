"""Whatever a far end sends and call control asks for, in any order: no exception, one last event, an end."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.ids import Sdp
from gateway.sip.call import Cancelled, Ended, Rejected
from gateway.sip.core.actions import Action, ClientRequest, Notify, Send
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.invite_client import InviteClient
from gateway.sip.core.invite_server import InviteServer
from gateway.sip.core.message import Response
from tests.unit.sip.core.script import ANSWER, CONTEXT, NOW, OFFER, OTHER, Seat, in_dialog, our_invite, reply, request

SEAT = Seat()
LAST = (Rejected, Ended, Cancelled)
CHALLENGE = (("WWW-Authenticate", 'Digest realm="r", nonce="n", stale=true'),)

STATUSES = st.sampled_from([100, 180, 183, 200, 200, 200, 302, 401, 408, 481, 486, 487, 491, 503, 603])
TAGS = st.sampled_from(["theirs", "theirs", "fork"])
SDPS = st.sampled_from([None, OFFER, ANSWER])
METHODS = st.sampled_from(["INVITE", "INFO", "BYE", "OPTIONS"])


class Walk:
    """One core under a hail of inputs."""

    def __init__(self, core: InviteClient | InviteServer) -> None:
        self.core, self.now = core, NOW
        self.under_way: list[ClientRequest] = []
        self.last_events = 0
        self.cseq = 1

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.under_way.append(action.client_request)
            if isinstance(action, Notify):
                assert self.last_events == 0, f"{action.event} after the last event"
                self.last_events += isinstance(action.event, LAST)

    def respond(self, data: st.DataObject) -> None:
        if not self.under_way:
            return
        client_request = self.under_way[data.draw(st.integers(0, len(self.under_way) - 1))]
        self.take(self.core.on_response(client_request, self.response(client_request, data), self.now))

    def response(self, client_request: ClientRequest, data: st.DataObject) -> Response:
        return reply(
            client_request.request, data.draw(STATUSES), tag=data.draw(TAGS), sdp=data.draw(SDPS), more=CHALLENGE
        )

    def fail(self, data: st.DataObject) -> None:
        if self.under_way:
            failed = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
            self.take(self.core.on_failure(failed, data.draw(st.sampled_from(["timeout", "transport"])), self.now))

    def receive(self, data: st.DataObject) -> None:
        self.cseq += data.draw(st.integers(-1, 2))
        method, sdp = data.draw(METHODS), data.draw(SDPS)
        received = in_dialog(method, cseq=max(self.cseq, 0), sdp=sdp if method == "INVITE" else None)
        self.take(self.core.receive(received, SEAT, data.draw(TAGS), self.now))

    def acknowledge(self, data: st.DataObject) -> None:
        self.take(self.core.receive_ack(in_dialog("ACK", cseq=max(self.cseq, 0), sdp=data.draw(SDPS))))

    def cancel(self, _data: st.DataObject) -> None:
        self.take(self.core.cancel(in_dialog("CANCEL", cseq=max(self.cseq, 0))))

    def wait(self, data: st.DataObject) -> None:
        deadline = self.core.next_deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.take(self.core.handle_timeout(self.now))
        else:
            self.now += data.draw(st.floats(0, 10))

    def reoffer(self, data: st.DataObject) -> None:
        if (session := self.core.session) is None:
            return
        choice = data.draw(st.integers(0, 2))
        if choice == 0:
            self.take(session.answer_reoffer(ANSWER, self.now))
        elif choice == 1:
            self.take(session.reject_reoffer(488))
        else:
            self.take(session.reinvite(OTHER, lambda _result: None, self.now))

    def end(self) -> None:
        """Hang up, let everything that is under way fail and all timers run out."""
        self.take(self.core.hangup(None, self.now))
        for _ in range(200):
            if self.core.is_over:
                break
            while self.under_way:
                self.take(self.core.on_failure(self.under_way.pop(), "timeout", self.now))
            if (deadline := self.core.next_deadline()) is not None:
                self.now = max(self.now, deadline)
                self.take(self.core.handle_timeout(self.now))
        assert self.core.is_over
        assert self.last_events <= 1


Step = Callable[[Walk, st.DataObject], None]
COMMON: tuple[Step, ...] = (Walk.receive, Walk.acknowledge, Walk.cancel, Walk.wait, Walk.reoffer, Walk.respond)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_call_of_ours_survives_any_order_of_events(data: st.DataObject) -> None:
    authentication = Authentication("u", "p", hosts=("trunk.test", "192.0.2.9"), new_cnonce=lambda: "c" * 16)
    core = InviteClient(
        our_invite(), next_hop="sip:peer@trunk.test", context=CONTEXT, authentication=authentication, now=NOW
    )
    walk = Walk(core)
    walk.take(core.start())
    hangup: Step = lambda one, _data: one.take(core.hangup(16, one.now))  # noqa: E731 -- one of many steps

    for step in data.draw(st.lists(st.sampled_from([*COMMON, Walk.respond, Walk.fail, hangup]), max_size=25)):
        step(walk, data)
    walk.end()

    assert core.dialog_count <= 2


@settings(max_examples=300, deadline=None)
@given(st.data(), SDPS)
def test_a_call_to_us_survives_any_order_of_events(data: st.DataObject, offer: Sdp | None) -> None:
    core = InviteServer(request("INVITE", sdp=offer), SEAT, local_tag="ours", context=CONTEXT, now=NOW)
    walk = Walk(core)

    def control(one: Walk, data: st.DataObject) -> None:
        commands: list[Callable[[], list[Action]]] = [
            lambda: core.ring(one.now),
            lambda: core.progress(ANSWER, one.now),
            lambda: core.answer(ANSWER, one.now),
            lambda: core.answer(ANSWER, one.now),
            lambda: core.hangup(16, one.now),
        ]
        one.take(data.draw(st.sampled_from(commands))())

    for step in data.draw(st.lists(st.sampled_from([*COMMON, control, control, Walk.fail]), max_size=25)):
        step(walk, data)
    walk.end()
