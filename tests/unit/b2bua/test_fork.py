"""Several clients of one user: who rings, who wins, who hears what."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.b2bua.core.events import (
    CandidateTrickled,
    Event,
    HoldRequested,
    LegAnswered,
    LegEnded,
    LegRinging,
)
from gateway.b2bua.legs.base import Party, Post
from gateway.b2bua.legs.fork import MAX_BRANCHES, Fork
from gateway.b2bua.legs.verto import TelnyxIds, VertoLeg
from gateway.domain.causes import (
    CALL_REJECTED,
    NETWORK_OUT_OF_ORDER,
    NO_ANSWER,
    NORMAL_CLEARING,
    ORIGINATOR_CANCEL,
    PICKED_OFF,
    USER_BUSY,
    Cause,
)
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA
from gateway.domain.ids import LegName, Sdp, VertoCallId
from gateway.vsp.control import (
    ClientAnswer,
    ClientBye,
    ClientCandidate,
    ClientHold,
    ClientRinging,
    ClientSession,
    SocketLost,
)
from tests.fakes.clients import RecordingSession

OFFER = Sdp("offer")
CALL = VertoCallId("push-1")


def answer(sdp: str = "answer") -> ClientAnswer:
    return ClientAnswer(sdp=Sdp(sdp), is_trickle=False, custom_headers=())


def bye(cause: Cause) -> ClientBye:
    return ClientBye(cause=cause, sip_code=None, custom_headers=())


class Ringing:
    """A fork towards `names`, and everything that it says."""

    def __init__(self, *names: str, is_pushed: bool = False) -> None:
        self.sessions = {name: RecordingSession("alice", name) for name in names}
        self.legs: dict[str, VertoLeg] = {}
        self.posted: list[Event] = []
        self.over: list[tuple[VertoLeg | None, str]] = []
        self.losers: set[str] = set()
        self.later: list[Callable[[], None]] = []
        self.fork = Fork(
            LegName.B,
            party=Party(name="alice", number="alice"),
            codecs=("opus",),
            media=DEFAULT_CLIENT_MEDIA,
            make_branch=self._make,
            post=self.posted.append,
            on_dial=lambda: is_pushed,
            on_over=self._note_over,
            later=self.later.append,
        )
        for session in self.sessions.values():
            self.fork.add(session)
        self.fork.dial(0, OFFER)

    def _make(self, session: ClientSession, post: Post) -> VertoLeg:
        leg = VertoLeg(
            LegName.B,
            session,
            CALL,
            offer=None,
            codecs=("opus",),
            caller=Party(name="Bob", number="+1"),
            callee=Party(name="alice", number="alice"),
            ids=TelnyxIds(session_id="s", leg_id="l"),
            headers=(),
            post=post,
        )
        self.legs[str(session.session_id)] = leg
        return leg

    def _note_over(self, winner: VertoLeg | None, cause: Cause, losers: tuple[VertoLeg, ...]) -> None:
        self.over.append((winner, cause.name))
        self.losers = {str(leg.session.session_id) for leg in losers}

    def arrive(self, name: str) -> None:
        """One more client logs in."""
        self.sessions[name] = RecordingSession("alice", name)
        self.fork.add(self.sessions[name])

    def says(self, name: str, message: Any) -> None:
        self.legs[name].receive(message)

    def heard(self, name: str) -> list[object]:
        return [message[0] for message in self.sessions[name].sent]


def test_all_clients_get_the_same_offer_once() -> None:
    ringing = Ringing("one", "two")

    ringing.fork.dial(0, OFFER)

    assert [session.sent[0][:2] for session in ringing.sessions.values()] == [("invite", OFFER)] * 2
    assert ringing.heard("one") == ["invite"]


def test_the_call_rings_once_however_many_ring() -> None:
    ringing = Ringing("one", "two")

    ringing.says("one", ClientRinging())
    ringing.says("two", ClientRinging())

    assert ringing.posted == [LegRinging()]


def test_m70_the_first_answer_wins_and_the_others_hear_that_it_was_picked_up() -> None:
    ringing = Ringing("one", "two", "three")

    ringing.says("two", answer())
    ringing.says("one", answer("late"))

    assert ringing.posted == [LegAnswered(Sdp("answer"))]
    assert ringing.sessions["one"].sent[-1] == ("bye", "PICKED_OFF", 487, "Request Terminated")
    assert ringing.sessions["three"].sent[-1] == ("bye", "PICKED_OFF", 487, "Request Terminated")
    assert ringing.heard("two") == ["invite"]
    assert ringing.over == [(ringing.legs["two"], "PICKED_OFF")]
    assert ringing.losers == {"one", "three"}


def test_the_leg_that_answered_speaks_for_itself_and_the_fork_is_out_of_it() -> None:
    ringing = Ringing("one", "two")
    ringing.says("one", answer())
    ringing.posted.clear()

    ringing.says("one", ClientHold("h1", is_held=True))
    ringing.says("two", bye(NORMAL_CLEARING))
    ringing.fork.hangup(NORMAL_CLEARING, None, None, ())

    assert ringing.posted == [HoldRequested(LegName.B, True)]
    assert ringing.heard("one") == ["invite"]
    assert ringing.heard("two") == ["invite", "bye"]
    assert len(ringing.over) == 1


def test_a_fork_that_has_moved_answers_from_its_new_place() -> None:
    ringing = Ringing("one")
    elsewhere: list[Event] = []

    ringing.fork.move(LegName.A, elsewhere.append)
    ringing.says("one", answer())
    ringing.says("one", bye(NORMAL_CLEARING))

    assert ringing.posted == []
    assert elsewhere == [LegAnswered(Sdp("answer")), LegEnded(LegName.A, NORMAL_CLEARING)]


def test_the_end_of_the_leg_that_answered_ends_the_call() -> None:
    ringing = Ringing("one", "two")
    ringing.says("one", answer())

    ringing.says("one", bye(NORMAL_CLEARING))

    assert ringing.posted[-1] == LegEnded(LegName.B, NORMAL_CLEARING)


def test_candidates_before_the_answer_follow_it_and_those_of_losers_are_dropped() -> None:
    ringing = Ringing("one", "two")
    ringing.says("one", ClientCandidate("a"))
    ringing.says("two", ClientCandidate("b"))
    assert ringing.posted == []

    ringing.says("two", answer())
    ringing.says("two", ClientCandidate("c"))

    assert ringing.posted == [
        LegAnswered(Sdp("answer")),
        CandidateTrickled(LegName.B, "b"),
        CandidateTrickled(LegName.B, "c"),
    ]


def test_a_client_that_rejects_leaves_the_others_ringing_and_the_last_one_ends_the_call() -> None:
    ringing = Ringing("one", "two")

    ringing.says("one", bye(USER_BUSY))
    assert ringing.posted == []
    ringing.says("two", bye(CALL_REJECTED))

    assert ringing.posted == [LegEnded(LegName.B, USER_BUSY)]
    assert ringing.over == [(None, "USER_BUSY")]


def test_a_lost_client_says_less_than_one_that_rejected() -> None:
    ringing = Ringing("one", "two")

    ringing.says("one", bye(USER_BUSY))
    ringing.says("two", SocketLost())

    assert ringing.posted == [LegEnded(LegName.B, USER_BUSY)]


def test_all_lost_ends_the_call_as_lost() -> None:
    ringing = Ringing("one")

    ringing.says("one", SocketLost())

    assert ringing.posted == [LegEnded(LegName.B, NETWORK_OUT_OF_ORDER)]


def test_a_caller_who_gives_up_ends_all() -> None:
    ringing = Ringing("one", "two")

    ringing.fork.hangup(ORIGINATOR_CANCEL, 487, "Request Terminated", ())
    ringing.says("one", answer())

    for name in ("one", "two"):
        assert ringing.sessions[name].sent[-1] == ("bye", "ORIGINATOR_CANCEL", 487, "Request Terminated")
    assert ringing.posted == []
    assert ringing.over == [(None, "ORIGINATOR_CANCEL")]


def test_a_client_that_comes_back_rings_again() -> None:
    ringing = Ringing("one", "two")
    ringing.legs["one"].detach()
    assert ringing.posted == []
    again = RecordingSession("alice", "one")

    ringing.legs["one"].come_back(again, VertoCallId("spare"))
    assert again.sent == []  # its login has no answer yet
    ringing.later[0]()

    assert again.sent[0][:2] == ("invite", OFFER)
    assert again.calls == ["spare"]
    ringing.says("one", answer())
    assert ringing.posted == [LegAnswered(Sdp("answer"))]


def test_a_client_that_comes_back_twice_at_once_rings_once() -> None:
    ringing = Ringing("one", "two")
    first, second = RecordingSession("alice", "one"), RecordingSession("alice", "one")

    ringing.legs["one"].come_back(first, VertoCallId("spare"))
    ringing.legs["one"].come_back(second, VertoCallId("another spare"))
    for ring in ringing.later:
        ring()

    assert first.sent == []
    assert second.calls == ["another spare"]


def test_a_fork_has_a_bound_and_takes_each_session_once() -> None:
    ringing = Ringing(*(f"c{number}" for number in range(MAX_BRANCHES + 5)))
    ringing.fork.add(ringing.sessions["c0"])

    assert sum(bool(session.sent) for session in ringing.sessions.values()) == MAX_BRANCHES
    assert ringing.heard("c0") == ["invite"]


# ---- waiting for a device


def test_m65_a_pushed_call_rings_and_waits_for_a_client() -> None:
    ringing = Ringing(is_pushed=True)
    assert ringing.posted == [LegRinging()]

    ringing.arrive("phone")
    ringing.arrive("phone")

    assert ringing.sessions["phone"].sent == []  # the second object of the same session
    assert list(ringing.legs) == ["phone"]
    ringing.says("phone", answer())
    assert ringing.posted[-1] == LegAnswered(Sdp("answer"))


def test_a_pushed_call_without_a_client_ends_when_its_time_is_over() -> None:
    ringing = Ringing(is_pushed=True)

    ringing.fork.give_up()
    ringing.fork.give_up()
    ringing.arrive("late")

    assert ringing.posted == [LegRinging(), LegEnded(LegName.B, NO_ANSWER, 480, "Temporarily Unavailable")]
    assert ringing.over == [(None, "NO_ANSWER")]
    assert ringing.legs == {}


def test_a_client_that_rings_when_the_time_is_over_goes_on_ringing() -> None:
    ringing = Ringing(is_pushed=True)
    ringing.arrive("phone")

    ringing.fork.give_up()

    assert ringing.over == []
    ringing.says("phone", SocketLost())
    assert ringing.posted[-1] == LegEnded(LegName.B, NETWORK_OUT_OF_ORDER)


def test_a_lost_phone_may_come_back_while_the_call_waits() -> None:
    ringing = Ringing(is_pushed=True)
    ringing.arrive("phone")

    ringing.says("phone", SocketLost())
    assert ringing.over == []
    ringing.arrive("phone-2")
    ringing.says("phone-2", answer())

    assert ringing.posted[-1] == LegAnswered(Sdp("answer"))


def test_m69_a_decline_rejects_a_call_that_nobody_else_rings() -> None:
    ringing = Ringing(is_pushed=True)

    ringing.fork.decline()

    assert ringing.posted[-1] == LegEnded(LegName.B, CALL_REJECTED, 603, "Decline")


def test_m69_a_decline_does_not_disturb_other_clients() -> None:
    ringing = Ringing("browser", is_pushed=True)

    ringing.fork.decline()

    assert ringing.over == []
    assert ringing.heard("browser") == ["invite"]


def test_nobody_to_ring_at_all_ends_the_call() -> None:
    assert Ringing().posted == [LegEnded(LegName.B, NO_ANSWER, 480, "Temporarily Unavailable")]


@pytest.mark.parametrize("name", ["one", "two"])
def test_picked_off_is_805(name: str) -> None:
    assert (PICKED_OFF.code, PICKED_OFF.sip_status) == (805, 487)
