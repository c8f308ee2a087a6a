"""Every order of losses, logins, answers, byes and timers: no call is lost that the rules keep, none survives that they
end.

The number of orders walked is `RECOVERY_EXAMPLES` in the environment, 200 without it; the same ones each time.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from gateway.b2bua.call_index import CallSnapshot
from gateway.domain.ids import CallId, Sdp, SessionId, SipCallId
from gateway.observability import logging as logs
from gateway.sip.call import Answered, Cancelled, Ended, Provisional, Rejected
from tests.fakes.clients import RecordingIncomingCall, RecordingOutgoingCall
from tests.unit.b2bua.recovery_world import (
    ATTACH_TIMEOUT,
    IDLE_TIMEOUT,
    RING_TIMEOUT,
    SETTLE_TIMEOUT,
    SLACK,
    WINDOW,
    Tab,
    World,
)

MAX_CALLS: Final = 3
EXAMPLES: Final = int(os.environ.get("RECOVERY_EXAMPLES", "200"))


class Walk:
    """A world, the steps through it, and what must hold after each."""

    def __init__(self, *, keeps_media: bool) -> None:
        self.world = World(keeps_media=keeps_media)
        self.sessions: dict[CallId, SessionId] = {}
        self.names: dict[CallId, str] = {}
        """Under which id a client knows or knew each call."""
        self.began: dict[CallId, float] = {}
        self.muted: dict[CallId, float] = {}
        self.ended_by_trunk: set[SipCallId] = set()

    @property
    def tab(self) -> Tab:
        return self.world.tab

    def take(self, step: str, which: int, seconds: float) -> None:
        """One step; `which` chooses among the live calls."""
        moves: dict[str, Callable[[], None]] = {
            "connect": self._connect,
            "race": self._race,
            "drop": self.tab.drop,
            "abandon": self.tab.abandon,
            "reload": self._reload,
            "duplicate": self._duplicate,
            "dial": self._dial,
            "ring_in": self._ring_in,
            "path_breaks": self._path_breaks,
            "renew": self._renew,
            "steal": self._steal,
            "wait": lambda: self.world.pass_time(seconds),
        }
        if step in moves:
            moves[step]()
        elif live := self.world.live():
            self._take_on(step, live[which % len(live)])
        self.world.pass_time()
        self.check()

    def finish(self) -> None:
        """Nobody comes back: in the end nothing is left."""
        self.tab.drop()
        self.world.pass_time(IDLE_TIMEOUT + WINDOW + RING_TIMEOUT + SETTLE_TIMEOUT)
        self.check()
        assert self.world.live() == []
        assert len(self.world.registry) == 0
        for call in self.world.trunk_calls():
            hangups = [entry for entry in call.log if entry[0] in ("hangup", "reject")]
            assert len(hangups) + (call.sip_call_id in self.ended_by_trunk) == 1, "each far end ends once"
        self.world.check_nothing_is_left()

    # ---- steps

    def _connect(self) -> None:
        self.world.attach_sent.clear()
        self.tab.connect()

    def _race(self) -> None:
        """Two logins at once: the client took the first of these sockets for dead, too."""
        self._connect()
        self.tab.abandon()
        self.tab.connect()

    def _duplicate(self) -> None:
        self.world.attach_sent.clear()
        self.world.duplicate_tab()

    def _reload(self) -> None:
        self.tab.reload()
        self.world.pass_time()
        if self.world.is_connected:  # a half-dead socket: to the server the client is here, and closed its media
            for call in self.world.live():
                self.world.excuse(call, "media")

    def _path_breaks(self) -> None:
        """No consent comes any more. With the network the socket is gone as well, unnoticed."""
        for call in self.world.live():
            self.world.engine.by_call[call.call_id].break_down("consent_lost")
            if self.tab.socket is not None:
                self.world.excuse(call, "media")

    def _dial(self) -> None:
        if self.tab.is_ready and len(self.world.live()) < MAX_CALLS:
            self.tab.dial()

    def _ring_in(self) -> None:
        if len(self.world.live()) < MAX_CALLS:
            self.world.ring_in()

    def _take_on(self, step: str, call: CallSnapshot) -> None:
        """A step of one call."""
        call_id = str(call.verto_call_id)
        match step:
            case "answer":
                self.tab.answer(call_id)
            case "attach":
                self.tab.attach(call_id, "good")
            case "attach_badly":
                if self.tab.attach(call_id, "bad"):
                    self.world.excuse(call, "bad attach")
            case "attach_mutely":
                if self.tab.attach(call_id, "mute"):
                    self.muted[call.call_id] = self.world.loop.time()
            case "hang_up":
                self._hang_up(call, call_id)
            case "hold":
                self.tab.hold(call_id)
            case "trunk_ends":
                self._trunk_ends(call)
            case _:
                self._trunk_proceeds(step, call)

    def _trunk_proceeds(self, step: str, call: CallSnapshot) -> None:
        trunk = self.world.trunk_of(call)
        is_final = not isinstance(trunk, RecordingOutgoingCall) or call.state not in ("dialing", "ringing", "early")
        if is_final:
            return
        assert isinstance(trunk, RecordingOutgoingCall)
        if step == "trunk_answers":
            trunk.say(Answered(Sdp("answer of trunk"), {}))
        elif step == "trunk_early":
            trunk.say(Provisional(183, "Session Progress", Sdp("early")))
        else:
            trunk.say(Provisional(180, "Ringing", None))

    def _hang_up(self, call: CallSnapshot, call_id: str) -> None:
        is_heard = self.tab.is_ready and call_id in self.tab.calls
        self.tab.hang_up(call_id)
        if is_heard:
            self.world.excuse(call, "client bye")
        elif self.world.is_connected:
            self.world.excuse(call, "media")  # behind a half-dead socket

    def _trunk_ends(self, call: CallSnapshot) -> None:
        trunk = self.world.trunk_of(call)
        self.world.excuse(call, "trunk")
        if trunk is not None:
            self.ended_by_trunk.add(trunk.sip_call_id)
        if isinstance(trunk, RecordingOutgoingCall):
            is_answered = call.state in ("connecting", "active", "held")
            trunk.say(Ended(None, "bye") if is_answered else Rejected(486, "Busy Here"))
        elif isinstance(trunk, RecordingIncomingCall):
            is_answered = any(entry[0] == "answer" for entry in trunk.log)
            trunk.say(Ended(None, "bye") if is_answered else Cancelled())

    def _renew(self) -> None:
        if self.tab.is_ready:
            heard = len(self.tab.heard)
            self.tab.renew()
            self.world.pass_time()
            assert "telnyx_rtc.clientReady" not in {message.get("method") for message in self.tab.heard[heard:]}, "V-45"

    def _steal(self) -> None:
        """Somebody else logs in with the session id of the tab's user."""
        thief = Tab(self.world, "mallory")
        thief.session_id = self.tab.session_id
        thief.connect()
        self.world.pass_time()
        assert thief.session_id is not None
        assert thief.session_id != self.tab.session_id, "V-43"
        told = [message["params"] for message in thief.heard if message.get("method") == "telnyx_rtc.clientReady"]
        assert told == [{"reattached_sessions": []}]
        thief.drop()

    # ---- what must hold

    def check(self) -> None:
        self._check_endings()
        now = self.world.loop.time()
        for call in self.world.live():
            self.began.setdefault(call.call_id, now)
            self.names[call.call_id] = str(call.verto_call_id)
            if call.session_id is not None:
                self.sessions[call.call_id] = call.session_id
            self._check_survivor(call, now)
        if self.tab.is_ready:
            self._check_agreement()

    def _check_endings(self) -> None:
        """No call is lost that the rules keep."""
        for ended, at in self.world.ended:
            excuses = self.world.excuses.get(ended.call_id, set())
            is_hung_up = bool(excuses & {"client bye", "trunk"})
            reasons = {
                "RECOVERY_ON_TIMER_EXPIRE": self._has_waited(ended.call_id, at),
                "NO_ANSWER": at - self.began.get(ended.call_id, at) >= RING_TIMEOUT - SLACK and not ended.billed_s,
                "NO_ROUTE_DESTINATION": ended.call_id not in self.names and not self.world.is_connected,
                "MEDIA_TIMEOUT": "media" in excuses or self._is_due(self.muted.get(ended.call_id), SETTLE_TIMEOUT, at),
                "INCOMPATIBLE_DESTINATION": "bad attach" in excuses,
            }
            assert is_hung_up or reasons.get(ended.cause.name), f"{ended.cause.name} without a reason: {excuses}"
        self.world.ended.clear()

    def _has_waited(self, call_id: CallId, at: float) -> bool:
        """Whether the window or the deadline of an attach was over."""
        attach_sent = self.world.attach_sent.get(self.names.get(call_id, ""))
        return self._is_due(self._away_since(call_id), WINDOW, at) or self._is_due(attach_sent, ATTACH_TIMEOUT, at)

    def _away_since(self, call_id: CallId) -> float | None:
        session_id = self.sessions.get(call_id)
        return None if session_id is None else self.world.directory.away_since.get(session_id)

    @staticmethod
    def _is_due(since: float | None, patience: float, now: float) -> bool:
        return since is not None and now - since >= patience - SLACK

    def _check_survivor(self, call: CallSnapshot, now: float) -> None:
        """No call survives that the rules end."""
        excuses = self.world.excuses.get(call.call_id, set())
        assert not excuses & {"client bye", "trunk", "bad attach"}
        away_since = self._away_since(call.call_id)
        assert away_since is None or now - away_since <= WINDOW + SLACK, "the window is over"
        attach_sent = self.world.attach_sent.get(str(call.verto_call_id))
        assert attach_sent is None or away_since is not None or now - attach_sent <= ATTACH_TIMEOUT + SLACK, (
            "the attach took too long"
        )
        if call.state in ("dialing", "ringing", "early"):
            assert now - self.began[call.call_id] <= RING_TIMEOUT + SLACK, "it rang for too long"

    def _check_agreement(self) -> None:
        """The tab, its session and call control speak of the same calls."""
        assert self.tab.session_id is not None
        client = self.world.registry.find(SessionId(self.tab.session_id))
        assert client is not None
        live = set(self.world.live_ids())
        assert set(client.live_calls) == live
        assert set(self.tab.calls) <= live, "the client talks to nobody"
        if not live:
            self.tab.has_forgotten = False
        if not self.tab.has_forgotten:
            assert set(self.tab.calls) == live, "the client does not know a call that lives"


SCENES: Final = (
    "connect", "drop", "abandon", "reload", "duplicate", "drop connect", "abandon connect", "reload connect",
    "dial trunk_rings", "dial trunk_early", "dial trunk_answers", "dial trunk_answers", "dial", "ring_in answer",
    "ring_in answer", "ring_in", "trunk_rings", "trunk_early", "trunk_answers", "trunk_ends", "answer",
    "connect wait attach", "drop connect wait attach", "reload connect wait attach", "attach", "connect connect",
    "attach_badly", "attach_mutely", "race wait attach",
    "path_breaks", "abandon path_breaks wait connect wait attach", "hang_up",
    "hold", "renew", "steal", "wait", "wait", "wait", "wait",
)  # fmt: skip
"""Steps in a row about one call, so that a walk gets somewhere."""
NEWEST: Final = -1
SHORT, LONG = (0.1, 0.9, 1.1, 5.0), (ATTACH_TIMEOUT - 0.1, ATTACH_TIMEOUT, RING_TIMEOUT, WINDOW - 0.1, WINDOW)
WAITS: Final = (*SHORT, *SHORT, *LONG)

Step = tuple[str, int, float]


@pytest.fixture(scope="module", autouse=True)
def quiet() -> None:
    """Thousands of calls need no lines."""
    logs.configure(level="error", format="json")


@pytest.mark.timeout(600)
@seed(3)
@settings(max_examples=EXAMPLES, database=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SCENES), st.integers(NEWEST, MAX_CALLS - 1), st.sampled_from(WAITS)),
        min_size=15,
        max_size=40,
    ),
    st.booleans(),
)
def test_no_call_is_lost_that_the_rules_keep_and_none_survives_that_they_end(
    story: list[Step], keeps_media: bool
) -> None:
    each = [(step, which, seconds) for scene, which, seconds in story for step in scene.split()]
    with walking([("connect", 0, 0.0), *each], keeps_media=keeps_media) as walk:
        walk.finish()


@contextmanager
def walking(steps: Sequence[Step], *, keeps_media: bool = False) -> Iterator[Walk]:
    """A walk of these steps."""
    walk = Walk(keeps_media=keeps_media)
    try:
        for step, which, seconds in steps:
            walk.take(step, which, seconds)
        yield walk
    finally:
        walk.world.close()


def steps(*names: str) -> list[Step]:
    """Steps by hand, all about the first call; `wait:5` lets 5 s pass."""
    found = []
    for name in names:
        step, _, seconds = name.partition(":")
        found.append((step, 0, float(seconds or 0)))
    return found


def test_the_walk_recovers_an_answered_call() -> None:
    story = steps(
        "connect", "dial", "trunk_rings", "trunk_answers", "drop", "wait:5", "connect", "wait:1", "attach", "wait:30"
    )
    with walking(story) as walk:
        (call,) = walk.world.live()
        assert call.state == "active"
        assert set(walk.tab.calls) == {call.verto_call_id}
        walk.finish()


def test_the_walk_rings_a_client_once_that_logs_in_twice_at_once() -> None:
    story = steps("connect", "ring_in", "drop", "race", "answer", "wait:30")
    with walking(story) as walk:
        (call,) = walk.world.live()
        assert call.state == "active"
        walk.finish()
