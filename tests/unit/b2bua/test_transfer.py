"""Transfer, read aloud: who leaves when, who is told what, and that nobody is left over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    AcceptTransfer,
    Action,
    AddTargetCandidate,
    AdoptMedia,
    AnswerTarget,
    CloseMedia,
    ConnectTarget,
    DeclineLeg,
    DescribeToTarget,
    DialTarget,
    DropMedia,
    DropTarget,
    FindTarget,
    GiveLeg,
    Hangup,
    KeepLeg,
    LetGo,
    Play,
    PrepareReinvite,
    PrepareTarget,
    RefuseTransfer,
    ReportTransfer,
    RequestLeg,
    SetHold,
    TakeTarget,
)
from gateway.b2bua.core.call import Call, State
from gateway.b2bua.core.events import (
    CandidateTrickled,
    DescriptionReady,
    DigitsDialed,
    Event,
    HangupRequested,
    HoldRequested,
    JoinRequested,
    LegAnswered,
    LegConfirmed,
    LegDetached,
    LegEnded,
    LegGiven,
    LegNotGiven,
    LegProgressed,
    LegReoffered,
    LegReturned,
    LegRinging,
    LegWanted,
    MediaDown,
    OfferReady,
    OfTarget,
    ReinviteAnswered,
    ReinviteReady,
    ReofferAnswered,
    ReplacementCalled,
    Routed,
    TargetAnswerReady,
    TargetOfferReady,
    TargetReady,
    TargetRefused,
    TargetRouted,
    TargetUnroutable,
    TransferRequested,
)
from gateway.b2bua.core.transfer import (
    JOIN_RETRY,
    JOIN_TIMEOUT,
    LEAVING_GRACE,
    MAX_DEFERRED,
    PREPARE_TIMEOUT,
    ROUTE_TIMEOUT,
)
from gateway.domain.causes import (
    ATTENDED_TRANSFER,
    BLIND_TRANSFER,
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
from gateway.domain.facts import TransferKind
from gateway.domain.ids import CallId, LegName, Sdp
from gateway.media.engine import Sound

A, B = LegName.A, LegName.B
BLIND, ATTENDED, REPLACED = TransferKind.BLIND, TransferKind.ATTENDED, TransferKind.REPLACED
OFFER, ANSWER, EARLY = Sdp("offer to the target"), Sdp("answer of the target"), Sdp("early answer")
RING = 30.0
OTHER = CallId("the other call")


def active(*, is_trunk: bool = True, max_transfers: int = 10) -> Call:
    call = Call(now=0.0, ring_timeout=RING, max_transfers=max_transfers)
    call.start()
    call.handle(Routed(1, is_trunk=is_trunk), 0.0)
    call.handle(OfferReady(Sdp("offer")), 0.0)
    call.handle(LegAnswered(Sdp("answer")), 0.0)
    call.handle(DescriptionReady(Sdp("to a")), 0.0)
    assert call.state is State.ACTIVE
    return call


def play(call: Call, *events: Event | OfTarget, now: float = 1.0) -> list[Action]:
    """What the last of these events leads to."""
    actions: list[Action] = []
    for event in events:
        actions = call.handle(event, now)
    return actions


def dialing(*, stays: bool = False, targets: int = 1, leg: LegName = A, call: Call | None = None) -> Call:
    """A transfer by that leg whose target has been called."""
    call = call or active()
    actions = play(
        call, TransferRequested(leg, "carol", stays), TargetRouted(targets, is_trunk=True), TargetOfferReady(OFFER)
    )
    assert actions == [DialTarget(0, OFFER)]
    return call


# ---- blind


def test_client_leaves_with_the_route_and_its_far_end_hears_ringing() -> None:
    call = active()

    assert play(call, TransferRequested(A, "carol")) == [FindTarget(A, "carol")]
    assert play(call, TargetRouted(1)) == [
        AcceptTransfer(A),
        Hangup(A, BLIND_TRANSFER),
        DropMedia(A),
        Play(B, Sound.RINGBACK),
        PrepareTarget(A),
    ]
    assert play(call, TargetOfferReady(OFFER)) == [DialTarget(0, OFFER)]
    assert call.deadline == 1.0 + RING


def test_target_that_answers_takes_the_place_and_the_ringing_ends() -> None:
    call = dialing()

    assert play(call, OfTarget(LegRinging())) == []
    assert play(call, OfTarget(LegAnswered(ANSWER))) == [ConnectTarget(ANSWER)]
    assert play(call, TargetReady()) == [TakeTarget(A, BLIND), Play(B, None)]
    assert call.deadline is None
    assert call.handle(LegEnded(A, NORMAL_CLEARING), 2.0) == [Hangup(B, NORMAL_CLEARING), CloseMedia()]


def test_early_media_of_the_target_is_heard_by_the_one_who_remains() -> None:
    call = dialing()

    assert play(call, OfTarget(LegProgressed(EARLY))) == [ConnectTarget(EARLY)]
    assert play(call, OfTarget(LegProgressed(Sdp("fork")))) == [AcceptAnswer(A, Sdp("fork"))]
    assert play(call, TargetReady()) == [Play(B, None)]
    assert play(call, OfTarget(LegAnswered(ANSWER))) == [AcceptAnswer(A, ANSWER), TakeTarget(A, BLIND)]


def test_answer_that_overtakes_the_early_media_is_taken_with_it() -> None:
    call = dialing()
    play(call, OfTarget(LegProgressed(EARLY)))

    assert play(call, OfTarget(LegAnswered(None))) == []
    assert play(call, TargetReady())[0] == TakeTarget(A, BLIND)


def test_hold_of_the_client_ends_with_its_leaving_and_the_trunk_is_told() -> None:
    call = active()
    play(call, HoldRequested(A, True), ReinviteReady(B, Sdp("o")), ReinviteAnswered(B, Sdp("a")))

    actions = play(call, TransferRequested(A, "carol"), TargetRouted(1))

    assert SetHold(A, False) in actions
    assert PrepareReinvite(B, True, True) in actions
    assert actions.index(Play(B, Sound.RINGBACK)) > actions.index(SetHold(A, False))


def test_one_who_remains_and_holds_hears_silence_and_the_target_music() -> None:
    call = active(is_trunk=False)
    play(call, HoldRequested(B, True))
    actions = play(call, TransferRequested(A, "carol"), TargetRouted(1, is_trunk=True))
    assert Play(B, Sound.RINGBACK) not in actions

    play(call, TargetOfferReady(OFFER), OfTarget(LegAnswered(ANSWER)))

    assert play(call, TargetReady()) == [TakeTarget(A, BLIND), PrepareReinvite(A, True, False)]


def test_no_route_is_told_and_everything_goes_on() -> None:
    call = active()
    play(call, TransferRequested(A, "nobody"))

    assert play(call, TargetUnroutable(NO_ROUTE_DESTINATION, "no route")) == [
        RefuseTransfer(A, NO_ROUTE_DESTINATION, "no route")
    ]
    assert call.state is State.ACTIVE
    assert call.deadline is None


def test_busy_target_ends_the_call_of_the_one_who_remains_with_its_cause() -> None:
    assert play(dialing(), OfTarget(LegEnded(A, USER_BUSY, 486, "Busy Here"))) == [
        DropTarget(USER_BUSY),
        Hangup(B, USER_BUSY, 486, "Busy Here"),
        CloseMedia(),
    ]


def test_next_trunk_is_tried_but_only_after_a_failure_that_is_no_word_of_the_target() -> None:
    call = dialing(targets=2)

    assert play(call, OfTarget(LegEnded(A, NORMAL_TEMPORARY_FAILURE, 503, "No", True))) == [DialTarget(1, OFFER)]
    assert DropTarget(NORMAL_TEMPORARY_FAILURE) in play(
        call, OfTarget(LegEnded(A, NORMAL_TEMPORARY_FAILURE, 503, "No", True))
    )
    assert call.state is State.ENDED


def test_unanswered_target_is_dropped_at_the_ring_timeout() -> None:
    call = dialing()

    assert call.handle_timeout(1.0 + RING - 0.1) == []
    actions = call.handle_timeout(1.0 + RING)

    assert actions == [DropTarget(NO_ANSWER), Hangup(B, NO_ANSWER, 480, "Temporarily Unavailable"), CloseMedia()]


def test_one_who_remains_hangs_up_and_the_target_is_cancelled() -> None:
    assert play(dialing(), LegEnded(B, NORMAL_CLEARING)) == [DropTarget(ORIGINATOR_CANCEL), CloseMedia()]


def test_transferor_that_hangs_up_before_its_result_is_not_hung_up_again() -> None:
    call = active()

    assert play(call, TransferRequested(A, "carol"), LegEnded(A, NORMAL_CLEARING)) == [
        DropMedia(A),
        Play(B, Sound.RINGBACK),
    ]
    assert play(call, TargetRouted(1)) == [PrepareTarget(A)]


def test_transferor_that_hung_up_without_a_route_ends_the_call() -> None:
    call = active()
    play(call, TransferRequested(A, "nobody"), LegEnded(A, NORMAL_CLEARING))

    assert Hangup(B, NO_ROUTE_DESTINATION, 404, "no") in play(call, TargetUnroutable(NO_ROUTE_DESTINATION, "no"))
    assert call.state is State.ENDED


@pytest.mark.parametrize("when", ["routing", "preparing", "connecting"])
def test_our_own_work_has_its_time(when: str) -> None:
    call = active()
    play(call, TransferRequested(A, "carol", stays=True))
    if when != "routing":
        play(call, TargetRouted(1))
    if when == "connecting":
        play(call, TargetOfferReady(OFFER), OfTarget(LegAnswered(ANSWER)))
    limit = ROUTE_TIMEOUT if when == "routing" else PREPARE_TIMEOUT
    assert call.deadline == 1.0 + limit

    actions = call.handle_timeout(1.0 + limit)

    told = [action for action in actions if isinstance(action, RefuseTransfer | ReportTransfer)]
    assert len(told) == 1
    assert call.state is State.ACTIVE


def test_media_that_cannot_describe_the_target_ends_what_nobody_else_is_left_of() -> None:
    call = active()
    play(call, TransferRequested(A, "carol"), TargetRouted(1))

    assert play(call, TargetRefused(INCOMPATIBLE_DESTINATION))[0] == DropTarget(INCOMPATIBLE_DESTINATION)
    assert call.state is State.ENDED


def test_answer_without_a_description_fails() -> None:
    assert play(dialing(), OfTarget(LegAnswered(None)))[0] == DropTarget(NORMAL_TEMPORARY_FAILURE)


def test_media_of_one_who_left_may_go() -> None:
    assert play(dialing(), MediaDown(A, "dtls_closed")) == []
    assert play(dialing(), MediaDown(B, "rtp_timeout"))[-1] == CloseMedia()


def test_target_that_trickles_and_one_that_returns_on_another_socket() -> None:
    call = dialing()

    assert play(call, OfTarget(CandidateTrickled(A, "candidate:1"))) == [AddTargetCandidate("candidate:1")]
    assert play(call, OfTarget(LegDetached(A))) == []
    assert play(call, OfTarget(LegReturned(A))) == [DialTarget(0, OFFER)]


def test_what_the_target_wants_before_it_has_its_place_is_done_then() -> None:
    call = dialing()
    play(call, OfTarget(LegAnswered(ANSWER)), OfTarget(HoldRequested(A, True)))

    assert SetHold(A, True) in play(call, TargetReady())
    assert call.held() == {A}


def test_what_waits_for_the_place_is_bounded() -> None:
    call = dialing()
    play(call, OfTarget(LegAnswered(ANSWER)), *[OfTarget(DigitsDialed(A, "1"))] * (MAX_DEFERRED + 5))

    assert sum(type(action).__name__ == "SendDigits" for action in play(call, TargetReady())) == MAX_DEFERRED


def test_digits_for_one_who_has_left_go_nowhere() -> None:
    assert play(dialing(), DigitsDialed(B, "1")) == []


# ---- the trunk's REFER


def test_trunk_that_refers_stays_until_the_target_has_answered() -> None:
    call = active()

    assert play(call, TransferRequested(B, "sip:carol@x", stays=True), TargetRouted(1)) == [
        AcceptTransfer(B),
        PrepareTarget(B),
    ]
    play(call, TargetOfferReady(OFFER))
    assert play(call, OfTarget(LegRinging())) == [ReportTransfer(B, 180, "Ringing")]
    assert play(call, OfTarget(LegRinging())) == []
    assert play(call, OfTarget(LegProgressed(EARLY))) == []
    assert play(call, OfTarget(LegAnswered(None))) == [ConnectTarget(EARLY)]
    assert play(call, TargetReady()) == [ReportTransfer(B, 200, "OK"), TakeTarget(B, BLIND, keeps_former=True)]
    assert call.handle_timeout(1.0 + LEAVING_GRACE) == [LetGo(BLIND_TRANSFER)]
    assert call.deadline is None


def test_call_that_ends_within_the_grace_lets_the_transferor_go_too() -> None:
    call = dialing(stays=True, leg=B)
    play(call, OfTarget(LegAnswered(ANSWER)), TargetReady())

    assert play(call, LegEnded(A, NORMAL_CLEARING))[0] == LetGo(BLIND_TRANSFER)


def test_trunk_whose_target_is_busy_learns_of_it_and_talks_on() -> None:
    call = dialing(stays=True, leg=B)

    assert play(call, OfTarget(LegEnded(B, USER_BUSY, 486, "Busy Here"))) == [
        DropTarget(USER_BUSY),
        ReportTransfer(B, 486, "Busy Here"),
    ]
    assert call.state is State.ACTIVE
    assert play(call, TransferRequested(B, "dave", stays=True)) == [FindTarget(B, "dave")]


def test_trunk_that_hangs_up_while_it_rings_leaves_its_far_end_to_the_ringing() -> None:
    call = dialing(stays=True, leg=B)

    assert play(call, LegEnded(B, NORMAL_CLEARING)) == [DropMedia(B), Play(A, Sound.RINGBACK)]
    assert play(call, OfTarget(LegAnswered(ANSWER))) == [ConnectTarget(ANSWER)]
    assert play(call, TargetReady()) == [TakeTarget(B, BLIND), Play(A, None)]


def test_trunk_that_hangs_up_while_its_place_is_being_taken_does_not_take_it_along() -> None:
    call = dialing(stays=True, leg=B)
    play(call, OfTarget(LegAnswered(ANSWER)))

    assert play(call, LegEnded(B, NORMAL_CLEARING)) == []
    assert play(call, TargetReady()) == [TakeTarget(B, BLIND)]


def test_target_whose_media_fails_before_it_has_the_place_is_dropped() -> None:
    call = dialing(stays=True, leg=B)
    play(call, OfTarget(LegAnswered(ANSWER)))

    assert play(call, TargetRefused(MEDIA_TIMEOUT)) == [
        DropTarget(MEDIA_TIMEOUT),
        ReportTransfer(B, 500, "Media Timeout"),
    ]


# ---- attended


def test_attended_transfer_takes_the_far_end_of_the_other_call() -> None:
    call = active()
    play(call, HoldRequested(A, True), ReinviteReady(B, Sdp("o")), ReinviteAnswered(B, Sdp("a")))

    assert play(call, JoinRequested(A, "call-2")) == [RequestLeg(A, "call-2")]
    assert call.awaited_leg is A
    assert play(call, LegGiven(is_trunk=True, is_told=True, is_holding=False)) == [
        AcceptTransfer(A),
        Hangup(A, ATTENDED_TRANSFER),
        SetHold(A, False),
        Play(B, None),
        PrepareReinvite(B, True, True),
        TakeTarget(A, ATTENDED),
        AdoptMedia(A),
        PrepareReinvite(A, True, True),
    ]
    assert call.awaited_leg is None


def test_far_end_that_comes_holding_goes_on_holding() -> None:
    call = active(is_trunk=False)
    play(call, JoinRequested(B, "call-2"))

    actions = play(call, LegGiven(is_trunk=False, is_told=False, is_holding=True))

    assert SetHold(B, True) in actions
    assert Play(A, Sound.MUSIC) in actions


def test_trunk_that_refers_to_its_own_other_call_is_told_and_let_go() -> None:
    call = active()
    play(call, JoinRequested(B, "call-2", stays=True))

    assert play(call, LegGiven(is_trunk=False, is_told=False, is_holding=False)) == [
        AcceptTransfer(B),
        ReportTransfer(B, 200, "OK"),
        TakeTarget(B, ATTENDED, keeps_former=True),
        AdoptMedia(B),
    ]
    assert call.handle_timeout(1.0 + LEAVING_GRACE) == [LetGo(ATTENDED_TRANSFER)]


def test_call_that_is_not_to_be_had_is_told_why() -> None:
    call = active()
    play(call, JoinRequested(A, "call-2"))

    assert play(call, LegNotGiven("no")) == [RefuseTransfer(A, CALL_REJECTED, "no")]
    assert play(call, LegNotGiven("late")) == []


def test_busy_call_is_asked_again_until_the_time_is_up() -> None:
    call = active()
    play(call, JoinRequested(A, "call-2"), LegNotGiven("busy", is_busy=True))

    assert call.handle_timeout(1.0 + JOIN_RETRY) == [RequestLeg(A, "call-2")]
    play(call, LegNotGiven("busy", is_busy=True))
    actions = call.handle_timeout(1.0 + JOIN_TIMEOUT)
    assert [type(action) for action in actions] == [RefuseTransfer]
    assert call.deadline is None


@pytest.mark.parametrize("moment", ["none", "another"])
def test_leg_that_comes_too_late_is_not_kept(moment: str) -> None:
    call = active()
    if moment == "another":
        play(call, TransferRequested(A, "carol"))

    assert play(call, LegGiven(is_trunk=True, is_told=False, is_holding=False)) == [DeclineLeg()]
    assert play(call, LegNotGiven("busy", is_busy=True)) == []


def test_transferor_that_hangs_up_while_the_other_call_is_asked_is_replaced_all_the_same() -> None:
    call = active()
    play(call, JoinRequested(A, "call-2"), LegEnded(A, NORMAL_CLEARING))

    assert play(call, LegGiven(is_trunk=False, is_told=False, is_holding=False)) == [
        TakeTarget(A, ATTENDED),
        AdoptMedia(A),
    ]


def test_wanted_leg_is_given_and_the_call_ends_by_it() -> None:
    call = active()
    play(call, HoldRequested(A, True), ReinviteReady(B, Sdp("o")), ReinviteAnswered(B, Sdp("a")))

    assert play(call, LegWanted(A, OTHER)) == [
        GiveLeg(B, OTHER, is_told=True, is_holding=False),
        Hangup(A, ATTENDED_TRANSFER),
        CloseMedia(),
    ]
    assert call.ending is not None
    assert (call.ending.cause, call.ending.by) == (ATTENDED_TRANSFER, A)


def test_leg_in_the_middle_of_something_is_not_given() -> None:
    call = active()
    play(call, LegReoffered(B, Sdp("offer")))
    assert [action.is_busy for action in play(call, LegWanted(A, OTHER)) if isinstance(action, KeepLeg)] == [True]
    play(call, ReofferAnswered(B, Sdp("answer")), HoldRequested(A, True))
    assert [action.is_busy for action in play(call, LegWanted(A, OTHER)) if isinstance(action, KeepLeg)] == [True]
    play(call, ReinviteReady(B, Sdp("o")), ReinviteAnswered(B, Sdp("a")), LegDetached(B))
    assert [action.is_busy for action in play(call, LegWanted(A, OTHER)) if isinstance(action, KeepLeg)] == [True]


def test_leg_of_a_call_that_is_being_transferred_or_rings_is_not_given() -> None:
    ringing = Call(now=0.0, ring_timeout=RING)
    ringing.start()

    for call in (ringing, dialing(stays=True, leg=B)):
        (kept,) = play(call, LegWanted(A, OTHER))
        assert isinstance(kept, KeepLeg)
        assert not kept.is_busy


# ---- INVITE with Replaces


def test_one_who_calls_with_replaces_takes_the_place_at_once() -> None:
    call = active()

    assert play(call, ReplacementCalled(B, OFFER)) == [DescribeToTarget(B, OFFER)]
    assert play(call, TargetAnswerReady(ANSWER, is_offer=False)) == [
        AnswerTarget(ANSWER),
        Hangup(B, NORMAL_CLEARING),
        TakeTarget(B, REPLACED),
    ]


def test_one_who_calls_with_replaces_without_an_offer_gets_ours() -> None:
    call = active()
    play(call, ReplacementCalled(B, None))

    assert play(call, TargetAnswerReady(OFFER, is_offer=True)) == [AnswerTarget(OFFER)]
    assert play(call, OfTarget(LegConfirmed(None))) == []
    assert play(call, OfTarget(LegConfirmed(ANSWER))) == [ConnectTarget(ANSWER)]
    assert play(call, TargetReady()) == [Hangup(B, NORMAL_CLEARING), TakeTarget(B, REPLACED)]


def test_one_who_calls_with_replaces_and_cannot_be_described_changes_nothing() -> None:
    call = active()
    play(call, ReplacementCalled(B, OFFER))

    assert play(call, TargetRefused(INCOMPATIBLE_DESTINATION)) == [DropTarget(INCOMPATIBLE_DESTINATION)]
    assert call.state is State.ACTIVE


def test_replacement_during_a_transfer_is_declined() -> None:
    call = active()
    play(call, TransferRequested(A, "carol", stays=True))

    assert play(call, ReplacementCalled(B, OFFER)) == [DropTarget(CALL_REJECTED)]


# ---- bounds


def test_second_transfer_during_the_first_is_refused() -> None:
    call = dialing(stays=True, leg=B)

    (refused,) = play(call, TransferRequested(A, "dave"))
    assert isinstance(refused, RefuseTransfer)
    assert refused.leg is A


def test_transfer_before_the_answer_is_refused() -> None:
    call = Call(now=0.0, ring_timeout=RING)
    call.start()

    assert [type(action) for action in play(call, TransferRequested(A, "carol"))] == [RefuseTransfer]


def test_transfers_of_one_call_are_bounded() -> None:
    call = active(max_transfers=2)
    for _ in range(2):
        dialing(call=call)
        play(call, OfTarget(LegAnswered(ANSWER)), TargetReady())

    assert [type(action) for action in play(call, TransferRequested(A, "dave"))] == [RefuseTransfer]
    assert call.state is State.ACTIVE


def test_end_of_the_program_drops_the_target() -> None:
    assert play(dialing(), HangupRequested(SYSTEM_SHUTDOWN)) == [
        DropTarget(ORIGINATOR_CANCEL),
        Hangup(B, SYSTEM_SHUTDOWN),
        CloseMedia(),
    ]


LEGS = st.sampled_from(list(LegName))
OF_A_LEG: st.SearchStrategy[Event] = st.one_of(
    st.just(LegRinging()),
    st.just(LegProgressed(EARLY)),
    st.just(LegAnswered(ANSWER)),
    st.just(LegAnswered(None)),
    st.just(LegConfirmed(ANSWER)),
    st.builds(LegEnded, LEGS, st.just(USER_BUSY), st.none(), st.none(), st.booleans()),
    st.builds(HoldRequested, LEGS, st.booleans()),
    st.builds(LegReoffered, LEGS, st.just(Sdp("again"))),
    st.builds(LegDetached, LEGS),
    st.builds(LegReturned, LEGS),
    st.builds(CandidateTrickled, LEGS, st.none()),
)
NEWS: st.SearchStrategy[Event | OfTarget] = st.one_of(
    OF_A_LEG.filter(lambda event: not isinstance(event, LegAnswered | LegProgressed)),
    OF_A_LEG.map(OfTarget),
    st.builds(TransferRequested, LEGS, st.just("carol"), st.booleans()),
    st.builds(JoinRequested, LEGS, st.just("call-2"), st.booleans()),
    st.builds(ReplacementCalled, LEGS, st.just(OFFER) | st.none()),
    st.builds(TargetRouted, st.integers(1, 2), st.booleans()),
    st.just(TargetUnroutable(NO_ROUTE_DESTINATION, "no")),
    st.just(TargetOfferReady(OFFER)),
    st.builds(TargetAnswerReady, st.just(ANSWER), st.booleans()),
    st.just(TargetReady()),
    st.just(TargetRefused(MEDIA_TIMEOUT)),
    st.builds(LegWanted, LEGS, st.just(OTHER)),
    st.builds(LegGiven, st.booleans(), st.booleans(), st.booleans()),
    st.builds(LegNotGiven, st.just("no"), st.booleans()),
    st.builds(MediaDown, LEGS, st.sampled_from(["dtls_closed", "consent_lost"])),
    st.just(HangupRequested(RECOVERY_ON_TIMER_EXPIRE)),
)


class Watch:
    """Counts what a runner would hold: a target, a leg from another call, those that leave."""

    def __init__(self) -> None:
        self.has_target = self.is_given = self.is_over = False
        self.leaving = 0

    def before(self, event: Event | OfTarget) -> None:
        if isinstance(event, TargetRouted | ReplacementCalled):
            self.has_target = True  # the runner has made the leg before it tells the call
        if isinstance(event, LegGiven):
            self.is_given = True

    def take(self, actions: list[Action]) -> None:
        for action in actions:
            assert not self.is_over, "nothing comes after the end of media"
            match action:
                case TakeTarget(_, kind, keeps_former):
                    if kind is ATTENDED:
                        assert self.is_given
                        self.is_given = False
                    else:
                        self.has_target = False
                    self.leaving += keeps_former
                case DropTarget():
                    self.has_target = False
                case DeclineLeg():
                    self.is_given = False
                case LetGo():
                    self.leaving = 0
                case CloseMedia():
                    self.is_over = True
                case _:
                    pass


@settings(max_examples=400)
@given(st.lists(st.tuples(NEWS, st.floats(0.0, 20.0)), max_size=40))
def test_whatever_happens_in_whatever_order_nobody_is_left_over(news: list[tuple[Event | OfTarget, float]]) -> None:
    call, watch, now = active(), Watch(), 1.0
    for event, pause in news:
        if isinstance(event, OfTarget) and not watch.has_target:
            continue  # the runner knows whose news they are
        if isinstance(event, LegGiven) and call.awaited_leg is None:
            continue  # another call looks before it gives
        if isinstance(event, TargetRouted | ReplacementCalled) and watch.has_target:
            continue  # there is one at a time
        if call.state is State.ENDED:
            break  # the runner reads no more
        watch.before(event)
        watch.take(call.handle(event, now))
        now += pause
        while call.deadline is not None and call.deadline <= now:
            watch.take(call.handle_timeout(call.deadline))
    watch.take(call.handle(HangupRequested(SYSTEM_SHUTDOWN), now))

    assert call.state is State.ENDED
    assert call.deadline is None
    assert watch.is_over
    assert (watch.has_target, watch.leaving) == (False, 0)
