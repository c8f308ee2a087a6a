"""The call, read aloud: events in, actions out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    AddCandidate,
    Answer,
    AnswerReoffer,
    CloseMedia,
    ConnectMedia,
    Dial,
    FindRoute,
    Hangup,
    Play,
    PrepareOffer,
    RejectReoffer,
    Renegotiate,
    Ring,
    SendDigits,
    SendEarlyMedia,
    SetHold,
)
from gateway.b2bua.core.call import CONNECT_TIMEOUT, SETUP_TIMEOUT, Call, State
from gateway.b2bua.core.events import (
    CandidateTrickled,
    DescriptionReady,
    DigitHeard,
    DigitsDialed,
    Event,
    HangupRequested,
    HoldRequested,
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegProgressed,
    LegReoffered,
    LegRinging,
    MediaDown,
    MediaRefused,
    MediaUp,
    OfferReady,
    ReofferAnswered,
    ReofferRefused,
    Routed,
    Unroutable,
)
from gateway.b2bua.core.recovery import BYE_GRACE
from gateway.domain.causes import (
    CALL_REJECTED,
    INCOMPATIBLE_DESTINATION,
    MEDIA_TIMEOUT,
    NO_ANSWER,
    NO_ROUTE_DESTINATION,
    NORMAL_CLEARING,
    NORMAL_TEMPORARY_FAILURE,
    ORIGINATOR_CANCEL,
    RECOVERY_ON_TIMER_EXPIRE,
    SYSTEM_SHUTDOWN,
    USER_BUSY,
)
from gateway.domain.ids import LegName, Sdp
from gateway.media.engine import Sound

A, B = LegName.A, LegName.B
OFFER, ANSWER, EARLY, TO_A = Sdp("offer to b"), Sdp("answer of b"), Sdp("early answer of b"), Sdp("answer to a")


def dialing(*, targets: int = 1, ring_timeout: float = 30.0) -> Call:
    call = Call(now=0.0, ring_timeout=ring_timeout)
    call.start()
    call.handle(Routed(targets), 0.1)
    call.handle(OfferReady(OFFER), 0.2)
    return call


def active() -> Call:
    call = dialing()
    call.handle(LegAnswered(ANSWER), 1.0)
    call.handle(DescriptionReady(TO_A), 1.0)
    return call


def test_outbound_call_goes_from_route_to_offer_to_invite() -> None:
    call = Call(now=0.0, ring_timeout=30.0)

    assert call.start() == [FindRoute()]
    assert call.handle(Routed(1), 0.0) == [PrepareOffer()]
    assert call.handle(OfferReady(OFFER), 0.0) == [Dial(0, OFFER)]
    assert call.state is State.DIALING


def test_ringing_callee_rings_caller_once() -> None:
    call = dialing()

    assert call.handle(LegRinging(), 1.0) == [Ring()]
    assert call.handle(LegRinging(), 2.0) == []


def test_answer_without_early_media_carries_the_description() -> None:
    call = dialing()

    assert call.handle(LegAnswered(ANSWER), 1.0) == [ConnectMedia(ANSWER)]
    assert call.handle(DescriptionReady(TO_A), 1.0) == [Answer(TO_A)]
    assert call.state is State.ACTIVE
    assert call.deadline is None


def test_early_media_gives_caller_the_description_and_answer_none() -> None:
    call = dialing()

    assert call.handle(LegProgressed(EARLY), 1.0) == [ConnectMedia(EARLY)]
    assert call.handle(DescriptionReady(TO_A), 1.0) == [SendEarlyMedia(TO_A)]
    assert call.handle(LegAnswered(ANSWER), 2.0) == [AcceptAnswer(B, ANSWER), Answer(None)]


def test_second_early_answer_of_another_fork_does_not_reach_caller_again() -> None:
    call = dialing()
    call.handle(LegProgressed(EARLY), 1.0)
    call.handle(DescriptionReady(TO_A), 1.0)

    assert call.handle(LegProgressed(Sdp("fork")), 1.5) == [AcceptAnswer(B, Sdp("fork"))]


def test_answer_that_overtakes_the_early_description_is_sent_with_it() -> None:
    call = dialing()
    call.handle(LegProgressed(EARLY), 1.0)

    assert call.handle(LegAnswered(None), 1.1) == []
    assert call.handle(DescriptionReady(TO_A), 1.2) == [Answer(TO_A)]


def test_answer_without_any_description_of_callee_fails_the_call() -> None:
    call = dialing()

    actions = call.handle(LegAnswered(None), 1.0)

    assert actions == [Hangup(A, NORMAL_TEMPORARY_FAILURE), Hangup(B, NORMAL_TEMPORARY_FAILURE), CloseMedia()]


def test_busy_callee_hangs_up_caller_with_same_cause_and_sip_status() -> None:
    call = dialing()

    actions = call.handle(LegEnded(B, USER_BUSY, 486, "Busy Here"), 1.0)

    assert actions == [Hangup(A, USER_BUSY, 486, "Busy Here"), CloseMedia()]


def test_caller_who_gives_up_cancels_callee_whatever_he_said() -> None:
    call = dialing()

    actions = call.handle(LegEnded(A, USER_BUSY), 1.0)

    assert actions == [Hangup(B, ORIGINATOR_CANCEL, 487, "Request Terminated"), CloseMedia()]


def test_hangup_of_either_side_ends_the_other_with_its_cause() -> None:
    assert active().handle(LegEnded(A, NORMAL_CLEARING), 5.0) == [Hangup(B, NORMAL_CLEARING), CloseMedia()]
    assert active().handle(LegEnded(B, CALL_REJECTED), 5.0) == [Hangup(A, CALL_REJECTED), CloseMedia()]


def test_answered_call_that_ends_busy_ended_normally() -> None:
    call = active()

    assert call.handle(LegEnded(A, USER_BUSY), 5.0) == [Hangup(B, NORMAL_CLEARING), CloseMedia()]
    assert call.ending is not None
    assert call.ending.cause is NORMAL_CLEARING


def test_bye_that_crosses_our_hangup_is_ignored() -> None:
    call = active()
    call.handle(HangupRequested(SYSTEM_SHUTDOWN), 5.0)

    assert call.handle(LegEnded(B, NORMAL_CLEARING), 5.0) == []
    assert call.ending is not None
    assert call.ending.cause is SYSTEM_SHUTDOWN


def test_cancel_that_crosses_the_answer_ends_the_call_while_media_connects() -> None:
    call = dialing()
    call.handle(LegAnswered(ANSWER), 1.0)

    actions = call.handle(LegEnded(A, CALL_REJECTED), 1.0)

    assert actions == [Hangup(B, CALL_REJECTED), CloseMedia()]
    assert call.handle(DescriptionReady(TO_A), 1.1) == []


def test_unanswered_call_ends_exactly_at_ring_timeout() -> None:
    call = dialing(ring_timeout=30.0)
    call.handle(LegRinging(), 1.0)

    assert call.deadline == pytest.approx(30.2)
    assert call.handle_timeout(30.1) == []
    assert call.handle_timeout(30.2) == [Hangup(A, NO_ANSWER), Hangup(B, NO_ANSWER), CloseMedia()]


def test_our_own_slow_work_has_a_deadline_as_well() -> None:
    call = Call(now=0.0, ring_timeout=30.0)
    call.start()
    assert call.handle_timeout(SETUP_TIMEOUT) == [Hangup(A, RECOVERY_ON_TIMER_EXPIRE), CloseMedia()]

    call = dialing()
    call.handle(LegAnswered(ANSWER), 1.0)
    assert call.deadline == 1.0 + CONNECT_TIMEOUT


def test_refused_route_hangs_up_caller_and_calls_nobody() -> None:
    call = Call(now=0.0, ring_timeout=30.0)
    call.start()

    actions = call.handle(Unroutable(NO_ROUTE_DESTINATION), 0.0)

    assert actions == [Hangup(A, NO_ROUTE_DESTINATION, 404, "Not Found"), CloseMedia()]


def test_media_that_refuses_the_offer_ends_the_call_as_incompatible() -> None:
    call = Call(now=0.0, ring_timeout=30.0)
    call.start()
    call.handle(Routed(1), 0.0)

    actions = call.handle(MediaRefused(A, INCOMPATIBLE_DESTINATION, "no_common_codec"), 0.0)

    assert actions == [Hangup(A, INCOMPATIBLE_DESTINATION, 488, "Not Acceptable Here"), CloseMedia()]


def test_media_that_dies_ends_both_legs() -> None:
    actions = active().handle(MediaDown(A, "ice_failed"), 9.0)

    assert actions == [Hangup(A, MEDIA_TIMEOUT), Hangup(B, MEDIA_TIMEOUT), CloseMedia()]


def test_browser_that_closes_its_media_has_a_second_to_say_bye() -> None:
    call = active()
    assert call.handle(MediaDown(A, "dtls_closed"), 9.0) == []
    assert call.handle(LegEnded(A, NORMAL_CLEARING), 9.5) == [Hangup(B, NORMAL_CLEARING), CloseMedia()]

    call = active()
    call.handle(MediaDown(A, "dtls_closed"), 9.0)
    assert call.deadline == 9.0 + BYE_GRACE
    assert call.handle_timeout(9.0 + BYE_GRACE) == [Hangup(A, MEDIA_TIMEOUT), Hangup(B, MEDIA_TIMEOUT), CloseMedia()]


def test_answer_does_not_save_a_call_whose_caller_has_closed_its_media() -> None:
    call = dialing()
    call.handle(MediaDown(A, "dtls_closed"), 9.0)
    call.handle(LegAnswered(ANSWER), 9.2)
    call.handle(DescriptionReady(TO_A), 9.3)

    assert call.deadline == 9.0 + BYE_GRACE
    assert call.handle_timeout(9.0 + BYE_GRACE)[0] == Hangup(A, MEDIA_TIMEOUT)


def test_dead_trunk_is_left_for_the_next_one_until_none_is_left() -> None:
    call = dialing(targets=2)

    assert call.handle(LegEnded(B, NORMAL_TEMPORARY_FAILURE, 503, "Busy", True), 1.0) == [Dial(1, OFFER)]
    assert call.handle(LegEnded(B, NORMAL_TEMPORARY_FAILURE, 503, "Busy", True), 2.0) == [
        Hangup(A, NORMAL_TEMPORARY_FAILURE, 503, "Busy"),
        CloseMedia(),
    ]


def test_trunk_that_already_rang_is_not_left_for_the_next_one() -> None:
    call = dialing(targets=2)
    call.handle(LegRinging(), 0.5)

    actions = call.handle(LegEnded(B, NORMAL_TEMPORARY_FAILURE, 503, "Busy", True), 1.0)

    assert actions == [Hangup(A, NORMAL_TEMPORARY_FAILURE, 503, "Busy"), CloseMedia()]


def test_busy_is_a_final_word_and_no_reason_to_try_the_next_trunk() -> None:
    call = dialing(targets=2)

    assert call.handle(LegEnded(B, USER_BUSY, 486, "Busy Here"), 1.0)[0] == Hangup(A, USER_BUSY, 486, "Busy Here")


def test_delayed_offer_of_a_trunk_is_answered_in_its_ack() -> None:
    call = active()

    assert call.handle(LegConfirmed(Sdp("answer in ACK")), 1.5) == [AcceptAnswer(A, Sdp("answer in ACK"))]
    assert call.handle(LegConfirmed(None), 1.5) == []


def test_reinvite_of_trunk_is_taken_by_media_and_answered() -> None:
    call = active()

    assert call.handle(LegReoffered(B, Sdp("hold")), 3.0) == [Renegotiate(B, Sdp("hold"))]
    assert call.handle(ReofferAnswered(B, Sdp("held")), 3.0) == [AnswerReoffer(B, Sdp("held"))]


def test_reinvite_that_media_refuses_leaves_the_call_as_it_was() -> None:
    call = active()
    call.handle(LegReoffered(B, Sdp("video only")), 3.0)

    assert call.handle(ReofferRefused(B, 488), 3.0) == [RejectReoffer(B, 488)]
    assert call.state is State.ACTIVE


def test_second_reoffer_while_one_is_pending_meets_491() -> None:
    call = active()
    call.handle(LegReoffered(B, Sdp("one")), 3.0)

    assert call.handle(LegReoffered(B, Sdp("two")), 3.0) == [RejectReoffer(B, 491)]
    assert call.handle(LegReoffered(A, Sdp("restart")), 3.0) == [Renegotiate(A, Sdp("restart"))]


def test_ice_restart_before_the_caller_has_a_description_is_refused() -> None:
    assert dialing().handle(LegReoffered(A, Sdp("restart")), 1.0) == [RejectReoffer(A, 491)]


def test_hold_toggles_and_is_told_to_the_leg() -> None:
    call = active()

    assert call.handle(HoldRequested(A, True), 2.0) == [SetHold(A, True), Play(B, Sound.MUSIC)]
    assert call.held() == {A}
    assert call.handle(HoldRequested(A, None), 3.0) == [SetHold(A, False), Play(B, None)]
    assert call.held() == frozenset()


def test_digits_cross_to_the_other_leg_once_it_can_hear() -> None:
    assert dialing().handle(DigitsDialed(A, "1"), 1.0) == []
    assert active().handle(DigitsDialed(A, "1"), 2.0) == [SendDigits(B, "1")]
    assert active().handle(DigitsDialed(B, "2", 0.3), 2.0) == [SendDigits(A, "2", 0.3)]


def test_digit_in_the_media_of_a_leg_is_told_to_the_other_as_one_that_media_has_passed_on() -> None:
    assert dialing().handle(DigitHeard(A, "1", 0.2), 1.0) == []
    assert active().handle(DigitHeard(B, "1", 0.2), 2.0) == [SendDigits(A, "1", 0.2, is_from_media=True)]


def test_trickled_candidates_go_to_media_in_every_state() -> None:
    assert dialing().handle(CandidateTrickled(A, "candidate:1"), 1.0) == [AddCandidate(A, "candidate:1")]
    assert active().handle(CandidateTrickled(A, None), 2.0) == [AddCandidate(A, None)]


LEGS = st.sampled_from(list(LegName))
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Routed, st.integers(1, 3)),
    st.just(Unroutable(NO_ROUTE_DESTINATION)),
    st.just(OfferReady(OFFER)),
    st.just(DescriptionReady(TO_A)),
    st.just(LegRinging()),
    st.just(LegProgressed(EARLY)),
    st.sampled_from([LegAnswered(ANSWER), LegAnswered(None)]),
    st.sampled_from([LegConfirmed(None), LegConfirmed(ANSWER)]),
    st.builds(MediaRefused, LEGS, st.just(INCOMPATIBLE_DESTINATION), st.just("bad_sdp")),
    st.builds(MediaUp, LEGS),
    st.builds(MediaDown, LEGS, st.sampled_from(["rtp_timeout", "dtls_closed"])),
    st.builds(LegEnded, LEGS, st.just(USER_BUSY), st.just(486), st.just("Busy"), st.booleans()),
    st.builds(LegReoffered, LEGS, st.just(Sdp("again"))),
    st.builds(ReofferAnswered, LEGS, st.just(Sdp("again"))),
    st.builds(ReofferRefused, LEGS, st.just(488)),
    st.builds(HoldRequested, LEGS, st.sampled_from([True, False, None])),
    st.builds(DigitsDialed, LEGS, st.just("5")),
    st.builds(DigitHeard, LEGS, st.just("5"), st.just(0.1)),
    st.builds(CandidateTrickled, LEGS, st.none()),
    st.just(HangupRequested(SYSTEM_SHUTDOWN)),
)


@settings(max_examples=400)
@given(st.lists(EVENTS, max_size=25))
def test_any_order_of_events_hangs_up_each_leg_at_most_once_and_answers_at_most_once(events: list[Event]) -> None:
    call = Call(now=0.0, ring_timeout=30.0)
    actions = call.start()
    gone: set[LegName] = set()
    for now, event in enumerate(events):
        if isinstance(event, LegEnded) and call.state is not State.ENDED:
            if event.leg in gone or (event.leg is B and not any(isinstance(action, Dial) for action in actions)):
                continue  # a leg ends once, and only after it began
            gone.add(event.leg)
        new = call.handle(event, float(now))
        if any(isinstance(action, Dial) for action in new):
            gone.discard(B)
        actions += new
    ended = [call.handle(HangupRequested(NORMAL_CLEARING), 99.0), call.handle(HangupRequested(NORMAL_CLEARING), 99.0)]
    actions += ended[0]

    hangups = [action.leg for action in actions if isinstance(action, Hangup)]
    assert len(hangups) == len(set(hangups))
    assert not gone & set(hangups)
    assert sum(isinstance(action, Answer) for action in actions) <= 1
    assert sum(isinstance(action, SendEarlyMedia) for action in actions) <= 1
    assert sum(isinstance(action, CloseMedia) for action in actions) == 1
    assert ended[1] == []
    assert call.deadline is None
