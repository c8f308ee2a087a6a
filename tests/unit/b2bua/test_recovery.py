"""A call whose clients lose their sockets, read aloud: events in, actions out."""

from gateway.b2bua.core.actions import (
    AcceptAnswer,
    Action,
    Answer,
    AskClient,
    Attach,
    CloseMedia,
    Dial,
    Hangup,
    OfferAttach,
    ProbeMedia,
    RejectReoffer,
    Ring,
    SendEarlyMedia,
)
from gateway.b2bua.core.call import Call, State
from gateway.b2bua.core.events import (
    AttachOfferReady,
    DescriptionReady,
    LegAnswered,
    LegAttached,
    LegDetached,
    LegEnded,
    LegHeardAttach,
    LegProgressed,
    LegReoffered,
    LegReturned,
    LegRinging,
    MediaDown,
    MediaProbed,
    MediaUp,
    OfferReady,
    Routed,
)
from gateway.b2bua.core.presence import SETTLE_TIMEOUT
from gateway.b2bua.core.recovery import BYE_GRACE, SILENCE_GRACE
from gateway.domain.causes import MEDIA_TIMEOUT, NO_ANSWER, NORMAL_CLEARING, RECOVERY_ON_TIMER_EXPIRE
from gateway.domain.ids import LegName, Sdp

A, B = LegName.A, LegName.B
OFFER, ANSWER, TO_A, FRESH = Sdp("offer to b"), Sdp("answer of b"), Sdp("answer to a"), Sdp("fresh offer")
ATTACH_TIMEOUT = 15.0


def dialing() -> Call:
    call = Call(now=0.0, ring_timeout=30.0, attach_timeout=ATTACH_TIMEOUT)
    call.start()
    call.handle(Routed(1), 0.0)
    call.handle(OfferReady(OFFER), 0.0)
    return call


def active() -> Call:
    call = dialing()
    call.handle(LegAnswered(ANSWER), 1.0)
    call.handle(DescriptionReady(TO_A), 1.0)
    call.handle(MediaUp(A), 1.0)
    return call


def deadline(call: Call) -> float | None:
    """When the call wants to be asked again."""
    return call.deadline


def ended(actions: list[Action]) -> list[object]:
    """The causes with which the legs are hung up."""
    return [action.cause for action in actions if isinstance(action, Hangup)]


def test_answered_call_is_offered_afresh_and_its_answer_goes_to_media() -> None:
    call = active()
    assert call.handle(LegDetached(A), 5.0) == []
    assert deadline(call) is None, "the session's window is what runs"
    assert call.handle(LegReturned(A), 20.0) == [OfferAttach(A, 1)]
    assert call.handle(AttachOfferReady(A, 1, FRESH), 20.1) == [Attach(A, FRESH)]
    assert call.handle(LegHeardAttach(A), 20.2) == []
    assert deadline(call) == 20.2 + ATTACH_TIMEOUT
    assert call.handle(LegAttached(A, Sdp("fresh answer")), 21.0) == [AcceptAnswer(A, Sdp("fresh answer"))]
    assert deadline(call) == 21.0 + SETTLE_TIMEOUT
    assert call.handle(MediaUp(A), 21.2) == []
    assert deadline(call) is None


def test_media_says_nothing_about_a_client_that_is_away_or_on_its_way_back() -> None:
    call = active()
    call.handle(LegDetached(A), 5.0)
    assert call.handle(MediaDown(A, "consent_lost"), 6.0) == []
    call.handle(LegReturned(A), 20.0)
    assert call.handle(MediaDown(A, "dtls_closed"), 20.0) == []
    call.handle(AttachOfferReady(A, 1, FRESH), 20.1)
    call.handle(LegAttached(A, Sdp("fresh answer")), 20.2)
    assert call.handle(MediaDown(A, "ice_failed"), 20.2) == []

    assert call.state is State.ACTIVE


def test_page_that_closes_its_media_before_its_socket_is_away_and_not_gone() -> None:
    call = active()
    call.handle(MediaDown(A, "dtls_closed"), 5.0)
    assert deadline(call) == 5.0 + BYE_GRACE
    call.handle(LegDetached(A), 5.0 + BYE_GRACE / 2)

    assert deadline(call) is None


def test_far_end_that_hangs_up_ends_a_call_whose_client_is_away() -> None:
    call = active()
    call.handle(LegDetached(A), 5.0)

    assert call.handle(LegEnded(B, NORMAL_CLEARING), 6.0) == [Hangup(A, NORMAL_CLEARING), CloseMedia()]


def test_attach_that_is_heard_and_not_answered_ends_the_call() -> None:
    call = active()
    call.handle(LegReturned(A), 20.0)
    call.handle(AttachOfferReady(A, 1, FRESH), 20.0)
    assert deadline(call) is None, "nobody has heard it yet: the socket may be dead"
    call.handle(LegHeardAttach(A), 20.0)

    assert call.handle_timeout(20.0 + ATTACH_TIMEOUT - 0.1) == []
    assert ended(call.handle_timeout(20.0 + ATTACH_TIMEOUT)) == [RECOVERY_ON_TIMER_EXPIRE] * 2


def test_attach_whose_media_never_comes_up_ends_the_call() -> None:
    call = active()
    call.handle(LegReturned(A), 20.0)
    call.handle(AttachOfferReady(A, 1, FRESH), 20.0)
    call.handle(LegAttached(A, Sdp("fresh answer")), 20.0)

    assert ended(call.handle_timeout(20.0 + SETTLE_TIMEOUT)) == [MEDIA_TIMEOUT] * 2


def test_offer_for_a_socket_that_was_lost_meanwhile_is_not_sent() -> None:
    call = active()
    call.handle(LegReturned(A), 20.0)
    assert call.handle(LegReturned(A), 20.1) == [OfferAttach(A, 2)]

    assert call.handle(AttachOfferReady(A, 1, FRESH), 20.2) == []
    assert call.handle(AttachOfferReady(A, 2, Sdp("newest")), 20.3) == [Attach(A, Sdp("newest"))]


def test_attach_names_the_socket_that_its_offer_was_made_for() -> None:
    call = active()
    call.handle(LegReturned(A, socket=1), 20.0)
    call.handle(LegReturned(A, socket=2), 20.1)

    assert call.handle(AttachOfferReady(A, 2, FRESH), 20.2) == [Attach(A, FRESH, socket=2)]


def test_client_that_keeps_its_media_is_probed_and_left_alone() -> None:
    call = active()
    call.handle(LegDetached(A), 5.0)

    assert call.handle(LegReturned(A, keeps_media=True), 6.0) == [ProbeMedia(A, 1)]
    assert call.handle(MediaProbed(A, 1, is_alive=True), 6.1) == [Answer(None)]
    assert deadline(call) is None


def test_client_that_meant_to_keep_its_media_is_attached_when_nothing_comes_in() -> None:
    call = active()
    call.handle(LegReturned(A, keeps_media=True), 6.0)

    assert call.handle(MediaProbed(A, 1, is_alive=False), 6.3) == [OfferAttach(A, 2)]


def test_called_client_that_rang_rings_again() -> None:
    call = dialing()
    call.handle(LegRinging(), 1.0)
    call.handle(LegDetached(B), 2.0)

    assert call.handle(LegReturned(B), 3.0) == [Dial(0, OFFER)]
    assert ended(call.handle_timeout(30.0)) == [NO_ANSWER] * 2, "its time does not begin anew"


def test_called_client_that_has_answered_is_attached_even_before_the_caller_knows() -> None:
    call = dialing()
    call.handle(LegAnswered(ANSWER), 1.0)

    assert call.handle(LegReturned(B), 1.1) == [OfferAttach(B, 1)]


def test_caller_is_told_again_what_it_may_have_missed() -> None:
    ringing = dialing()
    ringing.handle(LegRinging(), 1.0)
    early = dialing()
    early.handle(LegProgressed(ANSWER), 1.0)
    early.handle(DescriptionReady(TO_A), 1.0)

    assert dialing().handle(LegReturned(A), 2.0) == []
    assert ringing.handle(LegReturned(A), 2.0) == [Ring()]
    assert early.handle(LegReturned(A), 2.0) == [SendEarlyMedia(TO_A)]


def test_answer_finds_a_caller_that_is_away_when_it_returns() -> None:
    call = dialing()
    call.handle(LegDetached(A), 1.0)
    call.handle(LegAnswered(ANSWER), 2.0)
    assert call.handle(DescriptionReady(TO_A), 2.0) == []

    assert call.handle(LegReturned(A, keeps_media=True), 3.0) == [OfferAttach(A, 1)], "it was never described"


def test_answer_after_a_return_attaches_whichever_page_is_there() -> None:
    call = dialing()
    call.handle(LegReturned(A), 1.0)
    call.handle(LegAnswered(ANSWER), 2.0)

    assert call.handle(DescriptionReady(TO_A), 2.0) == [OfferAttach(A, 1)]


def test_answer_after_a_return_is_plain_where_early_media_still_comes_in() -> None:
    call = dialing()
    call.handle(LegProgressed(ANSWER), 1.0)
    call.handle(DescriptionReady(TO_A), 1.0)
    call.handle(LegReturned(A), 2.0)

    assert call.handle(LegAnswered(None), 3.0) == [ProbeMedia(A, 1)]
    assert call.handle(MediaProbed(A, 1, is_alive=True), 3.1) == [Answer(None)]


def test_page_that_reloads_before_the_answer_may_lose_its_media() -> None:
    call = dialing()
    call.handle(LegProgressed(ANSWER), 1.0)
    call.handle(DescriptionReady(TO_A), 1.0)
    call.handle(LegReturned(A), 2.0)

    assert call.handle(MediaDown(A, "ice_failed"), 3.0) == []


def test_restart_of_a_client_that_is_being_attached_meets_491() -> None:
    call = active()
    call.handle(LegReturned(A), 20.0)

    assert call.handle(LegReoffered(A, Sdp("restart")), 20.1) == [RejectReoffer(A, 491)]


def test_lost_consent_has_the_client_asked_and_a_silent_one_is_away() -> None:
    call = active()

    assert call.handle(MediaDown(A, "consent_lost"), 40.0) == [AskClient(A)]
    call.handle(LegDetached(A), 45.0)
    assert deadline(call) is None


def test_lost_consent_of_a_client_that_is_there_ends_the_call() -> None:
    call = active()
    call.handle(MediaDown(A, "consent_lost"), 40.0)

    assert ended(call.handle_timeout(40.0 + SILENCE_GRACE)) == [MEDIA_TIMEOUT] * 2


def test_ice_restart_saves_a_call_without_consent() -> None:
    call = active()
    call.handle(MediaDown(A, "consent_lost"), 40.0)
    call.handle(MediaUp(A), 43.0)

    assert deadline(call) is None
