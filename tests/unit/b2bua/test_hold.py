"""Hold, read aloud: who hears what, and what a far end behind a trunk is told."""

from itertools import permutations

import pytest

from gateway.b2bua.core.actions import (
    Action,
    Answer,
    AnswerReoffer,
    Play,
    PrepareReinvite,
    Reinvite,
    RejectReoffer,
    Renegotiate,
    SetDirection,
    SetHold,
    TakeReinviteAnswer,
)
from gateway.b2bua.core.call import Call, State
from gateway.b2bua.core.events import (
    DescriptionReady,
    HoldRequested,
    LegAnswered,
    LegEnded,
    LegReoffered,
    OfferReady,
    ReinviteAnswered,
    ReinviteReady,
    ReinviteRefused,
    ReofferAnswered,
    Routed,
)
from gateway.b2bua.core.hold import MAX_TRIES, RETRY_AFTER, HoldPolicy
from gateway.domain.causes import RECOVERY_ON_TIMER_EXPIRE
from gateway.domain.ids import LegName, Sdp
from gateway.media.engine import Sound

A, B = LegName.A, LegName.B
MUSIC = Sound.MUSIC
OFFER, ANSWER = Sdp("offer of ours"), Sdp("answer of the trunk")
MINUTES_12 = 12 * 60.0


def ringing(policy: HoldPolicy | None = None, *, is_trunk: bool = True, is_from_trunk: bool = False) -> Call:
    call = Call(now=0.0, ring_timeout=30.0, hold=policy or HoldPolicy())
    call.start(is_from_trunk=is_from_trunk)
    call.handle(Routed(1, is_trunk=is_trunk), 0.1)
    call.handle(OfferReady(Sdp("offer to b")), 0.2)
    return call


def active(policy: HoldPolicy | None = None, *, is_trunk: bool = True, is_from_trunk: bool = False) -> Call:
    call = ringing(policy, is_trunk=is_trunk, is_from_trunk=is_from_trunk)
    answer(call)
    return call


def answer(call: Call) -> list[Action]:
    call.handle(LegAnswered(ANSWER), 0.5)
    return call.handle(DescriptionReady(Sdp("to a")), 0.5)


def told(call: Call, leg: LegName, now: float) -> None:
    """Its far end takes the re-INVITE."""
    assert call.handle(ReinviteReady(leg, OFFER), now) == [Reinvite(leg, OFFER)]
    assert call.handle(ReinviteAnswered(leg, ANSWER), now)[0] == TakeReinviteAnswer(leg, ANSWER)


def test_hold_plays_music_to_the_trunk_and_tells_it_sendonly() -> None:
    call = active()

    assert call.handle(HoldRequested(A, True), 2.0) == [
        SetHold(A, True),
        Play(B, MUSIC),
        PrepareReinvite(B, True, False),
    ]
    assert call.handle(ReinviteReady(B, OFFER), 2.1) == [Reinvite(B, OFFER)]
    assert call.handle(ReinviteAnswered(B, ANSWER), 2.2) == [TakeReinviteAnswer(B, ANSWER)]
    assert call.deadline is None


def test_resume_after_twelve_minutes_ends_the_music_and_tells_the_trunk_sendrecv() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    told(call, B, 2.1)

    actions = call.handle(HoldRequested(A, False), 2.0 + MINUTES_12)

    assert actions == [SetHold(A, False), Play(B, None), PrepareReinvite(B, True, True)]


def test_hold_with_silence_is_inactive_and_plays_nothing() -> None:
    call = active(HoldPolicy(sound=None))

    assert call.handle(HoldRequested(A, True), 2.0) == [SetHold(A, True), PrepareReinvite(B, False, False)]


def test_hold_without_reinvite_plays_and_tells_nothing() -> None:
    call = active(HoldPolicy(tells_trunk=False))

    assert call.handle(HoldRequested(A, True), 2.0) == [SetHold(A, True), Play(B, MUSIC)]


def test_client_on_the_other_side_hears_music_and_is_never_offered_anything() -> None:
    call = active(is_trunk=False)

    assert call.handle(HoldRequested(B, True), 2.0) == [SetHold(B, True), Play(A, MUSIC)]


def test_trunk_that_called_us_is_told_as_well() -> None:
    call = active(is_trunk=False, is_from_trunk=True)

    assert PrepareReinvite(A, True, False) in call.handle(HoldRequested(B, True), 2.0)


def test_two_clients_that_hold_each_other_hear_silence_and_each_release_gives_the_other_music() -> None:
    call = active(is_trunk=False)

    assert call.handle(HoldRequested(A, True), 2.0) == [SetHold(A, True), Play(B, MUSIC)]
    assert call.handle(HoldRequested(B, True), 3.0) == [SetHold(B, True), Play(B, None)]
    assert call.handle(HoldRequested(A, False), 4.0) == [SetHold(A, False), Play(A, MUSIC)]
    assert call.handle(HoldRequested(B, False), 5.0) == [SetHold(B, False), Play(A, None)]


def test_hold_again_changes_nothing_at_the_trunk() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    told(call, B, 2.1)

    assert call.handle(HoldRequested(A, True), 3.0) == [SetHold(A, True)]


def test_hold_before_the_answer_is_told_right_after_it() -> None:
    call = ringing()

    assert call.handle(HoldRequested(A, True), 0.3) == [SetHold(A, True), Play(B, MUSIC)]
    assert answer(call) == [Answer(Sdp("to a")), PrepareReinvite(B, True, False)]


def test_resume_during_the_reinvite_of_the_hold_is_told_after_it() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    call.handle(ReinviteReady(B, OFFER), 2.0)

    assert call.handle(HoldRequested(A, False), 2.1) == [SetHold(A, False), Play(B, None)]
    assert call.handle(ReinviteAnswered(B, ANSWER), 2.2) == [
        TakeReinviteAnswer(B, ANSWER),
        PrepareReinvite(B, True, True),
    ]


def test_hold_and_resume_and_hold_during_one_reinvite_tell_nothing_more() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    call.handle(HoldRequested(A, None), 2.1)
    call.handle(HoldRequested(A, None), 2.2)

    assert call.handle(ReinviteReady(B, OFFER), 2.3) == [Reinvite(B, OFFER)]
    assert call.handle(ReinviteAnswered(B, ANSWER), 2.4) == [TakeReinviteAnswer(B, ANSWER)]


@pytest.mark.parametrize("sip_status", [488, 403, 606])
def test_refusal_ends_neither_call_nor_hold_and_our_answers_say_again_what_the_trunk_believes(sip_status: int) -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    call.handle(ReinviteReady(B, OFFER), 2.0)

    assert call.handle(ReinviteRefused(B, sip_status), 2.1) == [SetDirection(B, True, True)]
    assert call.state is State.ACTIVE
    assert call.held() == {A}
    assert call.deadline is None
    assert call.handle(HoldRequested(A, False), 3.0) == [SetHold(A, False), Play(B, None)]  # it never knew


def test_refused_resume_is_tried_again_by_the_next_hold_and_resume() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    told(call, B, 2.0)
    call.handle(HoldRequested(A, False), 3.0)
    call.handle(ReinviteRefused(B, 488), 3.1)

    call.handle(HoldRequested(A, True), 4.0)

    assert PrepareReinvite(B, True, True) in call.handle(HoldRequested(A, False), 5.0)


@pytest.mark.parametrize("sip_status", [491, 500, 503, 504])
def test_passing_refusal_is_tried_again_but_not_for_ever(sip_status: int) -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    now = 2.0
    for _ in range(MAX_TRIES - 1):
        call.handle(ReinviteRefused(B, sip_status), now)
        assert call.deadline == now + RETRY_AFTER
        assert call.handle_timeout(now + RETRY_AFTER - 0.1) == []
        now += RETRY_AFTER
        assert call.handle_timeout(now) == [PrepareReinvite(B, True, False)]

    call.handle(ReinviteRefused(B, sip_status), now)

    assert call.deadline is None
    assert call.state is State.ACTIVE


def test_reinvite_without_an_answer_ends_the_call_as_the_dialog_has_ended() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)
    call.handle(ReinviteReady(B, OFFER), 2.0)
    call.handle(ReinviteRefused(B, 408), 34.0)

    call.handle(LegEnded(B, RECOVERY_ON_TIMER_EXPIRE), 34.0)

    assert call.state is State.ENDED
    assert call.deadline is None


def test_reinvite_of_the_trunk_meets_ours_with_491() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)

    assert call.handle(LegReoffered(B, Sdp("sendonly")), 2.0) == [RejectReoffer(B, 491)]
    told(call, B, 2.1)
    assert call.handle(LegReoffered(B, Sdp("sendonly")), 2.2) == [Renegotiate(B, Sdp("sendonly"))]


def test_our_reinvite_waits_for_the_answer_to_the_trunks() -> None:
    call = active()
    call.handle(LegReoffered(B, Sdp("sendonly")), 2.0)

    assert call.handle(HoldRequested(A, True), 2.0) == [SetHold(A, True), Play(B, MUSIC)]
    assert call.handle(ReofferAnswered(B, Sdp("inactive")), 2.1) == [
        AnswerReoffer(B, Sdp("inactive")),
        PrepareReinvite(B, True, False),
    ]


def test_ice_restart_of_the_holding_client_goes_on_beside_the_hold() -> None:
    call = active()
    call.handle(HoldRequested(A, True), 2.0)

    assert call.handle(LegReoffered(A, Sdp("restart")), 2.0) == [Renegotiate(A, Sdp("restart"))]
    assert call.handle(ReofferAnswered(A, Sdp("new path")), 2.1) == [AnswerReoffer(A, Sdp("new path"))]
    assert call.held() == {A}


def test_hold_from_both_sides_ends_right_in_every_order_of_release() -> None:
    for releases in permutations(["client", "trunk"]):
        call = active()
        call.handle(HoldRequested(A, True), 2.0)
        told(call, B, 2.0)
        call.handle(LegReoffered(B, Sdp("sendonly")), 3.0)
        call.handle(ReofferAnswered(B, Sdp("inactive")), 3.0)
        for side in releases:
            if side == "client":
                assert PrepareReinvite(B, True, True) in call.handle(HoldRequested(A, False), 4.0)
                told(call, B, 4.0)
            else:
                assert call.handle(LegReoffered(B, Sdp("sendrecv")), 5.0) == [Renegotiate(B, Sdp("sendrecv"))]
                call.handle(ReofferAnswered(B, Sdp("sendrecv")), 5.0)
        assert call.held() == frozenset()
        assert call.state is State.ACTIVE
        assert call.deadline is None


@pytest.mark.parametrize("late", [ReinviteReady(B, OFFER), ReinviteAnswered(B, ANSWER), ReinviteRefused(B, 500)])
def test_late_news_of_a_reinvite_change_nothing(late: ReinviteReady | ReinviteAnswered | ReinviteRefused) -> None:
    assert ringing().handle(late, 1.0) == []
    assert active().handle(late, 1.0) == []
    assert active(is_trunk=False).handle(late, 1.0) == []
