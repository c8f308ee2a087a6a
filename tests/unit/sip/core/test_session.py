from collections.abc import Callable

import pytest

from gateway.sip.call import Answered, Confirmed, Ended, InfoDtmf, Rejected, Reoffered
from gateway.sip.core.actions import Action, Cancel, ClientRequest, Notify, Report, Respond, SendAck
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog
from gateway.sip.core.negotiation import REOFFER_LIMIT, Negotiation
from gateway.sip.core.offer_answer import OfferAnswer
from gateway.sip.core.session import Session, State
from tests.unit.sip.core.script import (
    ANSWER,
    NOW,
    OFFER,
    OTHER,
    Seat,
    T,
    in_dialog,
    kinds,
    only,
    our_invite,
    reply,
    request,
    sent,
    status,
)

SEAT = Seat()
CHALLENGE = (("WWW-Authenticate", 'Digest realm="r", nonce="n1", qop="auth"'),)


def session(
    *, is_caller: bool = True, random: Callable[[], float] = lambda: 0.5, password: str | None = None
) -> Session:
    invite = our_invite()
    dialog = (
        Dialog.from_response(invite, reply(invite, 200))
        if is_caller
        else Dialog.from_invite(request("INVITE"), local_tag="ours")
    )
    authentication = None
    if password is not None:
        authentication = Authentication("user", password, hosts=("192.0.2.9",), new_cnonce=lambda: "c" * 16)
    context = Context(contact="<sip:us@192.0.2.1>", user_agent="gw", timers=T, random=random)
    return Session(
        Negotiation(dialog, context, OfferAnswer()),
        context=context,
        is_call_id_owner=is_caller,
        authentication=authentication,
    )


def drop(_result: object) -> None:
    raise AssertionError("a core calls nobody")


def reinvited(one: Session) -> ClientRequest:
    return sent(one.reinvite(OFFER, drop, NOW))


def result(actions: list[Action]) -> Answered | Rejected:
    return only(actions, Report).result


# Re-INVITE of the far end


def test_a_reoffer_is_answered() -> None:
    one = session()

    assert only(one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW), Notify).event == Reoffered(OFFER)
    response = only(one.answer_reoffer(ANSWER, NOW), Respond).response

    assert (response.status, response.body.decode()) == (200, ANSWER)
    assert response.headers.get("Contact") == "<sip:us@192.0.2.1>"
    assert one.receive_ack(in_dialog("ACK")) == []
    assert one.next_deadline() is None


def test_a_reoffer_moves_the_remote_target_once_it_is_accepted() -> None:
    one = session()
    moved = request("INVITE", cseq=2, to="<sip:us@x>;tag=ours", contact="<sip:peer@192.0.2.10>", sdp=OFFER)

    one.receive(moved, SEAT, NOW)
    assert one.dialog.remote_target == "sip:peer@192.0.2.9:5070"
    one.answer_reoffer(ANSWER, NOW)

    assert one.dialog.remote_target == "sip:peer@192.0.2.10"


def test_a_reinvite_without_sdp_gets_our_offer_and_its_ack_the_answer() -> None:
    one = session()

    assert only(one.receive(in_dialog("INVITE"), SEAT, NOW), Notify).event == Reoffered(None)
    assert status(one.answer_reoffer(OFFER, NOW)) == 200

    assert only(one.receive_ack(in_dialog("ACK", sdp=ANSWER)), Notify).event == Confirmed(ANSWER)


def test_a_refused_reoffer_leaves_the_session_as_it_was() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)

    assert status(one.reject_reoffer(488)) == 488
    assert kinds(one.receive(in_dialog("INVITE", cseq=3, sdp=OFFER), SEAT, NOW)) == ["Reoffered"]


def test_a_refused_reinvite_without_sdp_leaves_the_session_as_it_was() -> None:
    one = session()
    one.receive(in_dialog("INVITE"), SEAT, NOW)

    assert status(one.reject_reoffer(488)) == 488
    assert kinds(one.reinvite(OFFER, drop, NOW)) == ["INVITE"]


def test_answers_to_no_reoffer_are_ignored() -> None:
    one = session()

    assert (one.answer_reoffer(ANSWER, NOW), one.reject_reoffer(488)) == ([], [])


def test_a_second_reinvite_while_one_waits_gets_500_and_retry_after() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)

    response = only(one.receive(in_dialog("INVITE", cseq=3, sdp=OTHER), SEAT, NOW), Respond).response

    assert (response.status, response.headers.get("Retry-After")) == (500, "5")


def test_a_reinvite_before_the_ack_of_the_last_gets_491() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)
    one.answer_reoffer(ANSWER, NOW)

    assert status(one.receive(in_dialog("INVITE", cseq=3, sdp=OTHER), SEAT, NOW)) == 491


def test_a_reoffer_that_nobody_answers_gets_500() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)

    assert one.next_deadline() == NOW + REOFFER_LIMIT
    assert status(one.handle_timeout(NOW + REOFFER_LIMIT)) == 500


def test_a_cancelled_reoffer_gets_487_and_its_late_answer_is_ignored() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)

    assert one.cancel(in_dialog("CANCEL", cseq=1)) == []
    assert status(one.cancel(in_dialog("CANCEL", cseq=2))) == 487
    assert one.answer_reoffer(ANSWER, NOW) == []
    assert one.cancel(in_dialog("CANCEL", cseq=2)) == []


def test_a_missing_ack_of_a_reinvite_ends_the_call() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)
    one.answer_reoffer(ANSWER, NOW)

    assert kinds(one.handle_timeout(NOW + 0.5)) == ["200"]
    assert kinds(one.handle_timeout(NOW + 32)) == ["BYE", "Ended"]


# Re-INVITE of ours


def test_our_reinvite_is_acknowledged_and_its_answer_reported() -> None:
    one = session()
    invite = reinvited(one)

    answer = reply(invite.request, 200, contact="<sip:peer@192.0.2.11>", sdp=ANSWER)
    actions = one.on_response(invite, answer, NOW)

    assert (invite.request.body.decode(), invite.request.content_type) == (OFFER, "application/sdp")
    assert kinds(actions) == ["ACK", "Report"]
    assert only(actions, SendAck).request.uri == "sip:peer@192.0.2.11"
    assert result(actions) == Answered(ANSWER, dict(answer.headers.items()))
    assert one.next_deadline() is None


def test_a_repeated_200_to_our_reinvite_is_acknowledged_again() -> None:
    one = session()
    invite = reinvited(one)
    one.on_response(invite, reply(invite.request, 200, sdp=ANSWER), NOW)

    assert kinds(one.on_response(invite, reply(invite.request, 200, sdp=ANSWER), NOW)) == ["ACK"]


def test_a_200_without_an_answer_ends_the_call() -> None:
    one = session()
    invite = reinvited(one)

    actions = one.on_response(invite, reply(invite.request, 200), NOW)

    assert kinds(actions) == ["ACK", "Report", "BYE", "Ended"]


def test_a_reoffer_while_ours_is_under_way_gets_491() -> None:
    one = session()
    reinvited(one)

    assert status(one.receive(in_dialog("INVITE", sdp=OTHER), SEAT, NOW)) == 491


@pytest.mark.parametrize(("is_caller", "delay"), [(True, 3.05), (False, 1.0)])
def test_a_491_is_retried_once_after_the_time_of_section_14_1(is_caller: bool, delay: float) -> None:
    one = session(is_caller=is_caller)
    first = reinvited(one)

    assert one.on_response(first, reply(first.request, 491), NOW) == []
    assert one.next_deadline() == NOW + delay
    assert one.handle_timeout(NOW + delay - 0.01) == []
    second = sent(one.handle_timeout(NOW + delay))
    actions = one.on_response(second, reply(second.request, 491), NOW + delay)

    assert second.request.cseq.number == first.request.cseq.number + 1
    assert result(actions) == Rejected(491, "Request Pending")
    assert one.next_deadline() is None


def test_a_reoffer_that_comes_while_we_wait_after_a_491_is_served() -> None:
    one = session()
    first = reinvited(one)
    one.on_response(first, reply(first.request, 491), NOW)

    assert kinds(one.receive(in_dialog("INVITE", sdp=OTHER), SEAT, NOW)) == ["Reoffered"]
    assert result(one.handle_timeout(NOW + 4)) == Rejected(491, "Request Pending")


def test_our_reinvite_waits_while_theirs_is_under_way() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OTHER), SEAT, NOW)

    assert one.reinvite(OFFER, drop, NOW) == []
    one.answer_reoffer(ANSWER, NOW)
    one.receive_ack(in_dialog("ACK"))

    assert kinds(one.handle_timeout(NOW + 4)) == ["INVITE"]


def test_a_second_reinvite_of_ours_is_refused_at_once() -> None:
    one = session()
    reinvited(one)

    assert result(one.reinvite(OTHER, drop, NOW)) == Rejected(491, "Request Pending")


def test_a_refused_reinvite_leaves_the_session_as_it_was() -> None:
    one = session()
    invite = reinvited(one)

    actions = one.on_response(invite, reply(invite.request, 488, more=(("Reason", "Q.850;cause=88"),)), NOW)

    assert result(actions) == Rejected(488, "Not Acceptable Here", 88)
    assert kinds(one.reinvite(OTHER, drop, NOW)) == ["INVITE"]


@pytest.mark.parametrize("final", [408, 481])
def test_a_final_that_denies_the_dialog_ends_it(final: int) -> None:
    one = session()
    invite = reinvited(one)

    actions = one.on_response(invite, reply(invite.request, final), NOW)

    assert kinds(actions) == ["Report", "BYE", "Ended"]
    assert only(actions, Notify).event == Ended(None, "dialog_lost")


def test_a_reinvite_that_gets_no_response_ends_the_dialog() -> None:
    one = session()
    invite = reinvited(one)

    assert kinds(one.on_failure(invite, "timeout")) == ["Report", "BYE", "Ended"]


def test_a_reinvite_that_cannot_be_sent_leaves_the_session_as_it_was() -> None:
    one = session()
    invite = reinvited(one)

    actions = one.on_failure(invite, "transport")

    assert result(actions) == Rejected(503, "Service Unavailable")
    assert one.state is State.CONFIRMED


def test_a_reinvite_that_only_rings_is_cancelled_and_then_given_up() -> None:
    one = session()
    invite = reinvited(one)
    assert one.next_deadline() is None
    one.on_response(invite, reply(invite.request, 180), NOW)
    one.on_response(invite, reply(invite.request, 180), NOW + 1)

    assert only(one.handle_timeout(NOW + 32), Cancel).client_request is invite
    assert kinds(one.handle_timeout(NOW + 64)) == ["Report", "BYE", "Ended"]


def test_a_challenged_reinvite_goes_out_again_with_credentials_in_it_and_in_its_ack() -> None:
    one = session(password="secret")
    first = reinvited(one)

    second = sent(one.on_response(first, reply(first.request, 401, more=CHALLENGE), NOW))
    actions = one.on_response(second, reply(second.request, 200, sdp=ANSWER), NOW)

    authorization = second.request.headers.get("Authorization")
    assert authorization is not None
    assert second.request.cseq.number == first.request.cseq.number + 1
    assert only(actions, SendAck).request.headers.get("Authorization") == authorization
    assert only(actions, SendAck).request.cseq.number == second.request.cseq.number


def test_a_challenge_without_credentials_is_a_refusal() -> None:
    one = session()
    invite = reinvited(one)

    assert result(one.on_response(invite, reply(invite.request, 401, more=CHALLENGE), NOW)) == Rejected(
        401, "Unauthorized"
    )


def test_a_late_final_of_an_old_reinvite_is_absorbed() -> None:
    one = session()
    first = reinvited(one)
    one.on_response(first, reply(first.request, 488), NOW)

    assert one.on_response(first, reply(first.request, 486), NOW) == []
    assert one.on_failure(first, "timeout") == []


# The end


def test_our_bye_ends_it_with_its_response() -> None:
    one = session()

    actions = one.hangup(16)
    bye = sent(actions)

    assert bye.request.headers.get("Reason") == "Q.850;cause=16"
    assert one.on_response(bye, reply(bye.request, 100), NOW) == []
    assert not one.is_over
    assert one.on_response(bye, reply(bye.request, 200), NOW) == []
    assert one.is_over


def test_a_bye_without_a_response_ends_it_too() -> None:
    one = session()

    assert one.on_failure(sent(one.hangup(None)), "timeout") == []
    assert one.is_over


def test_a_challenged_bye_goes_out_again_once() -> None:
    one = session(password="secret")
    bye = sent(one.hangup(None))

    again = sent(one.on_response(bye, reply(bye.request, 401, more=CHALLENGE), NOW))
    assert again.request.headers.get("Authorization") is not None
    assert one.on_response(again, reply(again.request, 401, more=CHALLENGE), NOW) == []

    assert one.is_over


def test_a_hangup_twice_sends_one_bye() -> None:
    one = session()
    one.hangup(None)

    assert one.hangup(None) == []
    assert result(one.reinvite(OFFER, drop, NOW)) == Rejected(481, "Call/Transaction Does Not Exist")


def test_byes_that_cross_are_both_answered() -> None:
    one = session()
    bye = sent(one.hangup(None))

    assert kinds(one.receive(in_dialog("BYE"), SEAT, NOW)) == ["200"]
    assert not one.is_over
    one.on_response(bye, reply(bye.request, 481), NOW)
    assert one.is_over


def test_after_our_bye_other_requests_get_481() -> None:
    one = session()
    one.hangup(None)

    assert status(one.receive(in_dialog("INVITE", sdp=OFFER), SEAT, NOW)) == 481


def test_a_bye_ends_what_is_pending_on_both_sides() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OTHER), SEAT, NOW)
    one.reinvite(OFFER, drop, NOW)

    actions = one.receive(in_dialog("BYE", cseq=3), SEAT, NOW)

    assert kinds(actions) == ["200", "487", "Report", "Ended"]
    assert result(actions) == Rejected(487, "Request Terminated")
    assert one.next_deadline() is None


def test_a_hangup_refuses_the_reoffer_that_waits() -> None:
    one = session()
    one.receive(in_dialog("INVITE", sdp=OTHER), SEAT, NOW)

    assert kinds(one.hangup(None)) == ["487", "BYE"]


def test_a_200_to_a_reinvite_that_a_hangup_overtook_is_acknowledged_and_not_reported() -> None:
    one = session()
    invite = reinvited(one)
    one.hangup(None)

    assert kinds(one.on_response(invite, reply(invite.request, 200, sdp=ANSWER), NOW)) == ["ACK"]
    assert one.on_response(invite, reply(invite.request, 487), NOW) == []


def test_a_bye_of_the_far_end_after_our_hangup_without_ack_tells_nothing() -> None:
    one = session(is_caller=False)
    one.accept(request("INVITE"), SEAT, OFFER, NOW, is_first=True)
    one.hangup(None)

    assert one.state is State.CLOSING
    assert kinds(one.receive(in_dialog("BYE"), SEAT, NOW)) == ["200"]
    assert one.is_over


# Other requests


def test_a_lower_number_gets_500() -> None:
    one = session()
    one.receive(in_dialog("INFO", cseq=5), SEAT, NOW)

    assert status(one.receive(in_dialog("INFO", cseq=4), SEAT, NOW)) == 500


def test_a_digit_in_an_info_is_told() -> None:
    info = in_dialog("INFO", Content_Type="application/dtmf-relay")
    info.body = b"Signal=9\r\nDuration=200\r\n"

    actions = session().receive(info, SEAT, NOW)

    assert kinds(actions) == ["200", "InfoDtmf"]
    assert only(actions, Notify).event == InfoDtmf("9", 0.2)


def test_an_empty_info_and_an_options_get_200() -> None:
    one = session()

    assert kinds(one.receive(in_dialog("INFO"), SEAT, NOW)) == ["200"]
    options = only(one.receive(in_dialog("OPTIONS", cseq=3), SEAT, NOW), Respond).response
    assert options.headers.get("Allow") == "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY"
    assert options.headers.get("Supported") == "timer, replaces, norefersub"
