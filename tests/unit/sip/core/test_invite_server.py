import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Cancelled, Confirmed, Ended, InfoDtmf
from gateway.sip.core.actions import Action, Notify, Respond
from gateway.sip.core.invite_server import REFRESH_INTERVAL, RING_LIMIT, InviteServer, State
from tests.unit.sip.core.script import (
    ANSWER,
    CONTEXT,
    NOW,
    OFFER,
    Seat,
    in_dialog,
    kinds,
    only,
    reply,
    request,
    sent,
    status,
)

SEAT = Seat()


def server(sdp: Sdp | None = OFFER) -> InviteServer:
    return InviteServer(request("INVITE", sdp=sdp), SEAT, local_tag="ours", context=CONTEXT, now=NOW)


def answered(sdp: Sdp | None = OFFER) -> InviteServer:
    call = server(sdp)
    call.answer(ANSWER, NOW)
    return call


def test_ringing_has_our_tag_and_contact_and_no_sdp() -> None:
    response = only(server().ring(NOW), Respond).response

    assert (response.status, response.body) == (180, b"")
    assert response.to.tag == "ours"
    assert response.headers.get("Contact") == "<sip:us@192.0.2.1>"


def test_early_media_goes_out_with_183() -> None:
    response = only(server().progress(ANSWER, NOW), Respond).response

    assert (response.status, response.body.decode(), response.content_type) == (183, ANSWER, "application/sdp")


def test_early_media_for_a_delayed_offer_goes_out_without_sdp() -> None:
    response = only(server(None).progress(OFFER, NOW), Respond).response

    assert (response.status, response.body) == (183, b"")


def test_the_answer_is_repeated_until_the_ack() -> None:
    call = answered()

    assert kinds(call.handle_timeout(NOW + 0.5)) == ["200"]
    assert kinds(call.receive_ack(in_dialog("ACK", cseq=1))) == ["Confirmed"]
    assert call.next_deadline() is None
    assert call.handle_timeout(NOW + 99) == []


def test_the_answer_carries_the_header_fields_of_call_control() -> None:
    actions = server().answer(ANSWER, NOW, headers=(("X-Agent", "7"),))

    assert only(actions, Respond).response.headers.get("X-Agent") == "7"


def test_the_ack_of_another_invite_confirms_nothing() -> None:
    assert answered().receive_ack(in_dialog("ACK", cseq=9)) == []


def test_a_second_ack_is_absorbed() -> None:
    call = answered()
    call.receive_ack(in_dialog("ACK", cseq=1))

    assert call.receive_ack(in_dialog("ACK", cseq=1)) == []


def test_no_ack_for_64_t1_ends_the_call_with_a_bye() -> None:
    call = answered()

    actions = call.handle_timeout(NOW + 32.0)

    assert kinds(actions) == ["BYE", "Ended"]
    assert only(actions, Notify).event == Ended(None, "no_ack")
    assert not call.is_over
    call.on_response(sent(actions), reply(sent(actions).request, 200), NOW + 33)
    assert call.is_over


def test_delayed_offer_brings_the_answer_in_the_ack() -> None:
    call = answered(None)

    actions = call.receive_ack(in_dialog("ACK", cseq=1, sdp=ANSWER))

    assert only(actions, Notify).event == Confirmed(ANSWER)


def test_delayed_offer_without_an_answer_in_the_ack_ends_the_call() -> None:
    call = answered(None)

    actions = call.receive_ack(in_dialog("ACK", cseq=1))

    assert kinds(actions) == ["BYE", "Ended"]
    assert only(actions, Notify).event == Ended(None, "no_answer")


def test_cancel_before_the_answer_gets_487() -> None:
    call = server()
    call.ring(NOW)

    actions = call.cancel(request("CANCEL", more=(("Reason", 'Q.850;cause=26, SIP;cause=200;text="elsewhere"'),)))

    assert kinds(actions) == ["487", "Cancelled"]
    assert only(actions, Notify).event == Cancelled(26)
    assert call.is_over


def test_cancel_that_crosses_our_200_changes_nothing() -> None:
    call = answered()

    assert call.cancel(request("CANCEL")) == []
    assert kinds(call.receive_ack(in_dialog("ACK", cseq=1))) == ["Confirmed"]
    assert not call.is_over


def test_a_second_cancel_is_absorbed() -> None:
    call = server()
    call.cancel(request("CANCEL"))

    assert call.cancel(request("CANCEL")) == []


def test_a_caller_may_hang_up_an_early_dialog_with_bye() -> None:
    call = server()
    call.ring(NOW)

    assert kinds(call.receive(in_dialog("BYE"), SEAT, "theirs", NOW)) == ["200", "487", "Cancelled"]


def test_a_bye_before_the_ack_ends_the_call_and_the_repeating() -> None:
    call = answered()

    actions = call.receive(in_dialog("BYE", Reason="Q.850;cause=16"), SEAT, "theirs", NOW)

    assert kinds(actions) == ["200", "Ended"]
    assert only(actions, Notify).event == Ended(16, "bye")
    assert call.is_over
    assert call.next_deadline() is None


def test_hangup_before_the_ack_waits_for_it() -> None:
    call = answered()

    assert call.hangup(16, NOW) == []
    assert kinds(call.handle_timeout(NOW + 0.5)) == ["200"]
    actions = call.receive_ack(in_dialog("ACK", cseq=1))
    assert kinds(actions) == ["BYE"]
    assert sent(actions).request.headers.get("Reason") == "Q.850;cause=16"


def test_hangup_without_an_ack_ends_after_64_t1_and_tells_nothing() -> None:
    call = answered()
    call.hangup(None, NOW)

    assert kinds(call.handle_timeout(NOW + 32.0)) == ["BYE"]


def test_hangup_before_the_answer_is_480() -> None:
    call = server()

    assert status(call.hangup(None, NOW)) == 480
    assert call.is_over


def test_a_refusal_names_its_cause() -> None:
    response = only(server().reject(603, "No Way", 21), Respond).response

    assert (response.status, response.reason, response.headers.get("Reason")) == (603, "No Way", "Q.850;cause=21")


def test_commands_after_the_end_are_ignored() -> None:
    call = server()
    call.reject(486, "Busy Here", None)

    late = [call.ring(NOW), call.progress(ANSWER, NOW), call.answer(ANSWER, NOW), call.reject(603, "", None)]

    assert late == [[], [], [], []]
    assert call.hangup(None, NOW) == []
    assert (call.next_deadline(), call.handle_timeout(NOW + 9999), call.dialog_count) == (None, [], 0)


def test_a_long_ringing_is_said_again_every_minute() -> None:
    call = server()
    call.ring(NOW)

    assert call.next_deadline() == NOW + REFRESH_INTERVAL
    assert call.handle_timeout(NOW + 1) == []
    assert kinds(call.handle_timeout(NOW + REFRESH_INTERVAL)) == ["180"]
    assert call.next_deadline() == NOW + 2 * REFRESH_INTERVAL


def test_an_invite_that_nobody_answers_is_given_up() -> None:
    call = server()

    assert call.next_deadline() == NOW + RING_LIMIT
    assert kinds(call.handle_timeout(NOW + RING_LIMIT)) == ["480", "Cancelled"]
    assert call.state is State.ENDED


@pytest.mark.parametrize(
    ("expires", "limit", "expected"),
    [("60", 60.0, "487"), ("3600", RING_LIMIT, "480"), ("soon", RING_LIMIT, "480"), ("0", 0.0, "487")],
)
def test_an_invite_that_expires_is_terminated(expires: str, limit: float, expected: str) -> None:
    invite = request("INVITE", sdp=OFFER, more=(("Expires", expires),))
    call = InviteServer(invite, SEAT, local_tag="ours", context=CONTEXT, now=NOW)

    assert call.next_deadline() == NOW + limit
    assert kinds(call.handle_timeout(NOW + limit)) == [expected, "Cancelled"]


@pytest.mark.parametrize(("method", "expected"), [("INVITE", 500), ("OPTIONS", 200), ("INFO", 200)])
def test_requests_in_the_early_dialog_are_answered(method: str, expected: int) -> None:
    assert status(server().receive(in_dialog(method), SEAT, "theirs", NOW)) == expected


def test_a_digit_in_the_early_dialog_is_heard() -> None:
    info = in_dialog("INFO", Content_Type="application/dtmf")
    info.body = b"5"

    assert only(server().receive(info, SEAT, "theirs", NOW), Notify).event == InfoDtmf("5", 0.1)


def test_a_lower_number_in_the_early_dialog_gets_500() -> None:
    assert status(server().receive(in_dialog("INFO", cseq=0), SEAT, "theirs", NOW)) == 500


def test_a_wrong_tag_gets_481() -> None:
    assert status(answered().receive(in_dialog("BYE"), SEAT, "stranger", NOW)) == 481


def test_without_a_session_nothing_of_it_matters() -> None:
    call = server()
    bye = sent(_over_with_bye())

    assert call.receive_ack(in_dialog("ACK", cseq=1)) == []
    assert call.on_response(bye, reply(bye.request, 200), NOW) == []
    assert call.on_failure(bye, "timeout", NOW) == []


def _over_with_bye() -> list[Action]:
    call = answered()
    call.receive_ack(in_dialog("ACK", cseq=1))
    return call.hangup(None, NOW)
