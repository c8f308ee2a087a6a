"""Our calling core against our called core over a wire that drops, doubles and reorders: both agree at the end."""

from functools import partial
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.domain.ids import Sdp
from gateway.sip.call import Cancelled, Ended, Rejected, SipCallEvent
from gateway.sip.core.offer_answer import Turn
from gateway.sip.core.session import Session, State
from tests.unit.sip.core.two_agents import DELAY, Message, Side, World

LAST: Final = (Rejected, Ended, Cancelled)

LATE: Final = 0.7
"""Seconds; longer than T1, so that a late message meets its own repeat, and what was sent after it."""

FATES = st.sampled_from([[DELAY], [DELAY], [DELAY], [], [DELAY, 3 * DELAY], [LATE], [DELAY, LATE]])
SELDOM = st.sampled_from([False] * 7 + [True])
SIDES = st.sampled_from(["caller", "callee"])


class TwoAgents(RuleBasedStateMachine):
    """One call. What call control does and when, and what becomes of each message, is drawn."""

    @initialize(
        reliability=st.sampled_from(["off", "supported", "required"]),
        fates=st.lists(FATES, max_size=12),
        habits=st.lists(st.sampled_from(["ring", "progress"]), max_size=3),
        answers=st.sampled_from([True, True, True, False]),
    )
    def begin(self, reliability: str, fates: list[list[float]], habits: list[str], answers: bool) -> None:
        self.fates, self.descriptions = fates, 0
        self.world = World(fate=self.fate, reliability=reliability)  # type: ignore[arg-type]
        self.habits = [*habits, *(["answer"] if answers else [])]
        self.world.callee.react = self.callee_reacts
        self.world.caller.call(self.description())

    def callee_reacts(self, event: SipCallEvent | None) -> None:
        if event is None:
            for number, habit in enumerate(self.habits):
                self.world.after(0.3 * number, partial(self.decide, habit))

    def fate(self, _sender: Side, _message: Message) -> list[float]:
        return self.fates.pop(0) if self.fates else [DELAY]

    def description(self) -> Sdp:
        self.descriptions += 1
        return Sdp(f"v=0\r\no=- 1 {self.descriptions} IN IP4 192.0.2.1\r\n")

    def side(self, name: str) -> Side:
        return self.world.caller if name == "caller" else self.world.callee

    @rule(fates=st.lists(FATES, max_size=12))
    def weather_changes(self, fates: list[list[float]]) -> None:
        self.fates = fates

    @precondition(lambda self: session_of(self.world.caller) is not None)
    @rule()
    def hours_pass(self) -> None:
        self.world.run(until=self.world.now + 4000)

    @rule(count=st.integers(1, 6))
    def things_happen(self, count: int) -> None:
        for _ in range(count):
            self.world.step()

    @rule(seconds=st.sampled_from([0.1, 0.1, 0.6, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.run(until=self.world.now + seconds)

    @rule(name=SIDES, means_it=SELDOM)
    def somebody_hangs_up(self, name: str, means_it: bool) -> None:
        if means_it:
            self.side(name).hangup()

    @rule(name=SIDES)
    def somebody_offers_again(self, name: str) -> None:
        self.side(name).reinvite(self.description())

    @rule(name=SIDES, accepts=st.booleans())
    def somebody_answers_an_offer(self, name: str, accepts: bool) -> None:
        side = self.side(name)
        if side.usage is None or side.is_over:
            return
        if accepts:
            side.perform(side.usage.answer_reoffer(self.description(), self.world.now))
        else:
            side.perform(side.usage.reject_reoffer(488))

    @precondition(lambda self: self.world.callee.usage is not None and not self.world.callee.is_over)
    @rule(what=st.sampled_from(["ring", "progress", *["answer"] * 7, "reject"]))
    def the_callee_decides(self, what: str) -> None:
        self.decide(what)

    def decide(self, what: str) -> None:
        if self.world.callee.is_over:
            return
        callee, now = self.world.callee, self.world.now
        match what:
            case "ring":
                callee.perform(callee.callee_core.ring(now))
            case "progress":
                callee.perform(callee.callee_core.progress(self.description(), now))
            case "answer":
                callee.perform(callee.callee_core.answer(self.description(), now))
            case _:
                callee.perform(callee.callee_core.reject(486, "Busy Here", None))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.fates = []
        self.world.run(until=self.world.now + 200)
        self.assert_that_they_agree()
        self.world.caller.hangup()
        self.world.callee.hangup()
        self.world.run()
        self.world.assert_over()
        for side in (self.world.caller, self.world.callee):
            assert sum(isinstance(event, LAST) for event in side.heard) <= 1

    def assert_that_they_agree(self) -> None:
        """With the weather fine and everything said, both are in the call, with the same descriptions, or neither."""
        ours, theirs = session_of(self.world.caller), session_of(self.world.callee)
        assert (ours is None) == (theirs is None), (self.world.caller.heard, self.world.callee.heard)
        if ours is not None and theirs is not None:
            one, other = ours.negotiation, theirs.negotiation
            assert (one.exchange.turn, other.exchange.turn) == (Turn.IDLE, Turn.IDLE)
            assert (one.local_sdp, one.remote_sdp) == (other.remote_sdp, other.local_sdp)


def session_of(side: Side) -> Session | None:
    session = None if side.usage is None or side.is_over else side.usage.session
    return session if session is not None and session.state is State.CONFIRMED else None


TestTwoAgents = TwoAgents.TestCase
TestTwoAgents.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
