"""RFC 4028 on a clock that only exists in the arguments."""

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Ended, Rejected, Reoffered
from gateway.sip.core.actions import Action, ClientRequest, Notify, Report, Respond
from gateway.sip.core.context import Context
from gateway.sip.core.dialog import Dialog
from gateway.sip.core.invite_client import InviteClient
from gateway.sip.core.invite_server import InviteServer
from gateway.sip.core.message import Headers, Request, Response
from gateway.sip.core.negotiation import Negotiation
from gateway.sip.core.offer_answer import OfferAnswer
from gateway.sip.core.session import Session
from gateway.sip.core.session_timer import Due, SessionTimer, asking, raised
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
TIMER = ("Supported", "timer")
WITH_UPDATE = ("Allow", "INVITE, ACK, BYE, UPDATE")
CONTEXT = Context(contact="<sip:us@192.0.2.1>", user_agent="gw", timers=T, random=lambda: 0.5, session_expires=1800)

Lines = tuple[tuple[str, str], ...]


def expires(interval: int, refresher: str | None = None) -> tuple[str, str]:
    return ("Session-Expires", str(interval) if refresher is None else f"{interval};refresher={refresher}")


def answered(*lines: tuple[str, str], wanted: int = 0) -> tuple[SessionTimer, Lines]:
    """Our 2xx to an INVITE with those lines."""
    timer = SessionTimer(wanted)
    return timer, timer.answer(request("INVITE", more=lines), NOW)


def caller(*lines: tuple[str, str], invite: Request | None = None) -> Session:
    """A call of ours whose 2xx has those lines."""
    invite = invite or our_invite()
    response = reply(invite, 200, sdp=ANSWER, more=lines)
    dialog = Dialog.from_response(invite, response)
    negotiation = Negotiation(dialog, CONTEXT, OfferAnswer(), local_sdp=OFFER, remote_sdp=ANSWER)
    one = Session(negotiation, context=CONTEXT, is_call_id_owner=True)
    one.established(response, NOW)
    return one


def respond(
    one: Session, to: ClientRequest, code: int, *lines: tuple[str, str], sdp: Sdp | None = None
) -> list[Action]:
    return one.on_response(to, reply(to.request, code, more=lines, sdp=sdp), NOW)


def lines_of(message: Request | Response, name: str) -> str | None:
    return message.headers.get(name)


# The table of RFC 4028 section 9


@pytest.mark.parametrize(
    ("asked", "is_known", "answer"),
    [
        (None, False, "uas"),
        ("uac", False, "uas"),
        ("uas", False, "uas"),
        (None, True, "uac"),
        ("uac", True, "uac"),
        ("uas", True, "uas"),
    ],
)
def test_who_refreshes_follows_the_table_of_the_rfc(asked: str | None, is_known: bool, answer: str) -> None:
    timer, lines = answered(expires(120, asked), *((TIMER,) if is_known else ()))

    assert dict(lines)["Session-Expires"] == f"120;refresher={answer}"
    assert ("Require" in dict(lines)) is is_known
    assert timer.deadline == NOW + (60 if answer == "uas" else 120 - 32)


def test_without_a_wish_on_either_side_no_timer_runs() -> None:
    timer, lines = answered(TIMER)

    assert (lines, timer.deadline, timer.request_lines()) == ((), None, ())


def test_a_wish_of_ours_goes_into_the_2xx_only_for_a_far_end_that_knows_timers() -> None:
    timer, lines = answered(TIMER, ("Min-SE", "2000"), wanted=1800)

    assert lines == (("Session-Expires", "2000;refresher=uas"), ("Require", "timer"))
    assert timer.deadline == NOW + 1000
    assert answered(wanted=1800)[1] == ()


def test_an_interval_below_90_s_from_a_proxy_is_90_s() -> None:
    assert dict(answered(expires(30))[1])["Session-Expires"] == "90;refresher=uas"


def test_roles_stay_when_a_later_request_leaves_them_open() -> None:
    timer, _ = answered(expires(120, "uas"), TIMER)

    again = timer.answer(request("INVITE", more=(expires(120), TIMER)), NOW)

    assert dict(again)["Session-Expires"] == "120;refresher=uas"


def test_what_call_control_demands_goes_before_what_was_asked() -> None:
    timer = SessionTimer(1800)

    lines = timer.answer(request("INVITE", more=(expires(1800, "uas"), TIMER)), NOW, demanded=90)

    assert lines == (("Session-Expires", "90;refresher=uac"), ("Require", "timer"))
    assert timer.deadline == NOW + 60
    old = SessionTimer(0)
    assert old.answer(request("INVITE"), NOW, demanded=90) == (("Session-Expires", "90;refresher=uas"),)


def test_an_invite_of_ours_asks_for_what_the_settings_say() -> None:
    assert asking(1800) == (("Session-Expires", "1800"), ("Min-SE", "90"))
    assert asking(0) == ()


def test_a_2xx_binds_us_to_its_interval_and_one_without_stops_the_timer() -> None:
    timer = SessionTimer(1800)

    timer.take(reply(our_invite(), 200, more=(expires(90, "uac"),)), NOW)
    assert timer.deadline == NOW + 45
    assert timer.request_lines() == (("Session-Expires", "90;refresher=uac"), ("Min-SE", "90"))
    timer.take(reply(our_invite(), 200, more=(expires(90, "uas"),)), NOW)
    assert timer.deadline == NOW + 60
    assert timer.request_lines()[0] == ("Session-Expires", "90;refresher=uas")
    timer.take(reply(our_invite(), 200), NOW)
    assert timer.deadline is None


def test_an_absurdly_short_interval_in_a_2xx_makes_no_storm() -> None:
    timer = SessionTimer(0)

    timer.take(reply(our_invite(), 200, more=(expires(0, "uac"),)), NOW)

    assert timer.deadline == NOW + 1


def test_a_refresh_that_fails_is_tried_in_the_middle_of_what_is_left_until_the_end() -> None:
    timer = SessionTimer(0)
    timer.take(reply(our_invite(), 200, more=(expires(90, "uac"),)), NOW)
    tries = []

    while timer.due(timer.deadline or 0.0) is Due.REFRESH:
        tries.append(timer.tried_at - NOW)
        timer.try_again()

    assert tries == [45.0, 52.5, 56.25]
    assert not timer.is_running


def test_a_422_raises_the_interval_once() -> None:
    timer = SessionTimer(0)
    timer.take(reply(our_invite(), 200, more=(expires(90, "uac"),)), NOW)

    assert timer.raise_to(reply(our_invite(), 422, more=(("Min-SE", "300"),)))
    assert timer.request_lines() == (("Session-Expires", "300;refresher=uac"), ("Min-SE", "300"))
    assert not timer.raise_to(reply(our_invite(), 422, more=(("Min-SE", "900"),)))


@pytest.mark.parametrize("lines", [(), (("Min-SE", "90"),), (("Min-SE", "soon"),)])
def test_a_422_that_asks_for_no_more_raises_nothing(lines: Lines) -> None:
    headers = Headers((expires(1800),))

    assert raised(headers, reply(our_invite(), 422, more=lines)) is None


# A call of ours


def test_the_call_is_refreshed_by_update_at_half_of_the_interval_and_again_after_it() -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)

    assert one.next_deadline() == NOW + 45
    assert one.handle_timeout(NOW + 44.9) == []
    update = sent(one.handle_timeout(NOW + 45))
    assert (update.request.method, update.request.body) == ("UPDATE", b"")
    assert lines_of(update.request, "Session-Expires") == "90;refresher=uac"
    assert one.on_response(update, reply(update.request, 200, more=(expires(90, "uac"),)), NOW + 46) == []

    assert one.next_deadline() == NOW + 46 + 45


def test_without_update_the_call_is_refreshed_by_the_same_description_once_more() -> None:
    one = caller(expires(90, "uac"))

    invite = sent(one.handle_timeout(NOW + 45))
    assert (invite.request.method, invite.request.body.decode()) == ("INVITE", OFFER)
    assert lines_of(invite.request, "Session-Expires") == "90;refresher=uac"
    actions = one.on_response(invite, reply(invite.request, 200, sdp=ANSWER, more=(expires(90, "uac"),)), NOW + 45)

    assert kinds(actions) == ["ACK"], "call control hears nothing of it"
    assert one.next_deadline() == NOW + 90


def test_a_reinvite_of_call_control_waits_for_a_refresh_and_is_sent_after_it() -> None:
    one = caller(expires(90, "uac"))
    refresh = sent(one.handle_timeout(NOW + 45))

    assert one.reinvite(OTHER, lambda _: None, NOW + 45) == []
    assert only(one.reinvite(OTHER, lambda _: None, NOW + 45), Report).result == Rejected(491, "Request Pending")
    assert kinds(respond(one, refresh, 200, expires(90, "uac"), sdp=ANSWER)) == ["ACK"]
    due = one.next_deadline()
    assert due is not None
    assert due <= NOW + 45
    held = sent(one.handle_timeout(NOW + 45))
    assert held.request.body.decode() == OTHER
    assert isinstance(only(respond(one, held, 200, expires(90, "uac"), sdp=ANSWER), Report).result, Answered)

    again = sent(one.handle_timeout(NOW + 45))
    assert again.request.body.decode() == OTHER, "the refresh says what was agreed last"


def test_a_reinvite_of_call_control_refreshes_as_well() -> None:
    one = caller(expires(90, "uac"))
    held = sent(one.reinvite(OTHER, lambda _: None, NOW + 44))

    assert lines_of(held.request, "Session-Expires") == "90;refresher=uac"
    assert one.handle_timeout(NOW + 45) == []
    one.on_response(held, reply(held.request, 200, sdp=ANSWER, more=(expires(90, "uac"),)), NOW + 46)

    assert one.next_deadline() == NOW + 46 + 45


def test_a_session_that_nobody_refreshes_ends_with_bye_32_s_or_a_third_before_its_time() -> None:
    one = caller(expires(1800, "uas"))

    assert one.next_deadline() == NOW + 1768
    actions = one.handle_timeout(NOW + 1768)

    assert kinds(actions) == ["BYE", "Ended"]
    assert only(actions, Notify).event == Ended(None, "session_expired")
    assert caller(expires(90, "uas")).next_deadline() == NOW + 60


def test_a_refresh_without_an_answer_ends_the_call() -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)

    assert kinds(one.on_failure(sent(one.handle_timeout(NOW + 45)), "timeout")) == ["BYE", "Ended"]


@pytest.mark.parametrize("code", [408, 481])
def test_a_refresh_into_a_lost_dialog_ends_the_call(code: int) -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)

    actions = respond(one, sent(one.handle_timeout(NOW + 45)), code)

    assert only(actions, Notify).event == Ended(None, "dialog_lost")


@pytest.mark.parametrize("code", [405, 501])
def test_a_far_end_that_does_not_know_update_after_all_gets_a_reinvite(code: int) -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)

    assert sent(respond(one, sent(one.handle_timeout(NOW + 45)), code)).request.method == "INVITE"


def test_a_refresh_that_is_refused_for_now_is_tried_again() -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)

    assert respond(one, sent(one.handle_timeout(NOW + 45)), 500) == []
    assert one.next_deadline() == NOW + 52.5
    assert one.on_failure(sent(one.handle_timeout(NOW + 52.5)), "transport") == []
    assert one.next_deadline() == NOW + 56.25


def test_a_refresh_that_is_too_short_is_sent_again_with_the_interval_of_the_422() -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)

    again = sent(respond(one, sent(one.handle_timeout(NOW + 45)), 422, ("Min-SE", "600")))
    assert (again.request.method, lines_of(again.request, "Session-Expires")) == ("UPDATE", "600;refresher=uac")
    other = caller(expires(90, "uac"))
    again = sent(respond(other, sent(other.handle_timeout(NOW + 45)), 422, ("Min-SE", "600")))
    assert (again.request.method, lines_of(again.request, "Session-Expires")) == ("INVITE", "600;refresher=uac")


def test_a_refresh_that_meets_a_reinvite_of_the_far_end_waits_and_is_no_second_one() -> None:
    one = caller(expires(90, "uac"))
    one.receive(in_dialog("INVITE", sdp=OTHER), SEAT, NOW + 44)

    assert one.handle_timeout(NOW + 45) == []
    assert status(one.answer_reoffer(OFFER, NOW + 45)) == 200
    one.receive_ack(in_dialog("ACK"))

    assert kinds(one.handle_timeout(NOW + 49)) == ["INVITE"]


def test_after_a_hangup_nothing_is_refreshed() -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)
    update = sent(one.handle_timeout(NOW + 45))

    one.hangup(None)

    assert one.next_deadline() is None
    assert respond(one, update, 481) == one.on_failure(update, "timeout") == []


def test_an_update_that_crosses_the_bye_of_the_far_end_is_forgotten() -> None:
    one = caller(expires(90, "uac"), WITH_UPDATE)
    update = sent(one.handle_timeout(NOW + 45))
    one.receive(in_dialog("BYE"), SEAT, NOW + 45)

    assert respond(one, update, 481) == []
    assert one.is_over


# The far end refreshes


def test_a_reinvite_that_says_the_same_again_is_answered_with_the_same_and_disturbs_nobody() -> None:
    one = caller(expires(90, "uas"))

    actions = one.receive(
        in_dialog("INVITE", sdp=ANSWER, Session_Expires="90;refresher=uac", Supported="timer"), SEAT, NOW + 45
    )

    response = only(actions, Respond).response
    assert (kinds(actions), response.status, response.body.decode()) == (["200"], 200, OFFER)
    assert lines_of(response, "Session-Expires") == "90;refresher=uac"
    assert one.receive_ack(in_dialog("ACK")) == []
    assert one.next_deadline() == NOW + 45 + 60


def test_a_reinvite_that_says_something_else_goes_to_call_control_and_refreshes_too() -> None:
    one = caller(expires(90, "uas"))

    other = in_dialog("INVITE", sdp=OTHER, Session_Expires="90;refresher=uac", Supported="timer")
    assert kinds(one.receive(other, SEAT, NOW + 45)) == ["Reoffered"]
    response = only(one.answer_reoffer(OFFER, NOW + 46), Respond).response
    one.receive_ack(in_dialog("ACK"))

    assert lines_of(response, "Session-Expires") == "90;refresher=uac"
    assert one.next_deadline() == NOW + 46 + 60


def test_an_update_without_a_description_is_answered_at_once_and_refreshes() -> None:
    one = caller(expires(90, "uas"))
    update = request(
        "UPDATE", cseq=2, to="<sip:us@x>;tag=ours", contact="<sip:peer@192.0.2.10>", more=(expires(90, "uac"), TIMER)
    )

    response = only(one.receive(update, SEAT, NOW + 45), Respond).response

    assert (response.status, response.body) == (200, b"")
    assert lines_of(response, "Contact") == "<sip:us@192.0.2.1>"
    assert one.dialog.remote_target == "sip:peer@192.0.2.10"
    assert one.next_deadline() == NOW + 105


def test_an_update_with_an_offer_goes_the_way_of_a_reinvite_but_has_no_ack() -> None:
    one = caller()

    assert only(one.receive(in_dialog("UPDATE", sdp=OTHER), SEAT, NOW), Notify).event == Reoffered(OTHER)
    assert status(one.receive(in_dialog("UPDATE", cseq=3, sdp=OFFER), SEAT, NOW)) == 500
    response = only(one.answer_reoffer(OFFER, NOW), Respond).response

    assert (response.status, response.body.decode()) == (200, OFFER)
    assert one.next_deadline() is None
    assert kinds(one.receive(in_dialog("UPDATE", cseq=4, sdp=OTHER), SEAT, NOW)) == ["200"], "the same once more"
    one.receive(in_dialog("UPDATE", cseq=5, sdp=ANSWER), SEAT, NOW)
    assert status(one.reject_reoffer(488)) == 488
    assert kinds(one.reinvite(OTHER, lambda _: None, NOW)) == ["INVITE"]
    assert status(one.receive(in_dialog("UPDATE", cseq=6, sdp=OTHER), SEAT, NOW)) == 491
    assert status(one.receive(in_dialog("UPDATE", cseq=7), SEAT, NOW)) == 200


def test_an_update_with_an_offer_that_nobody_answers_gets_500() -> None:
    one = caller()
    one.receive(in_dialog("UPDATE", sdp=OTHER), SEAT, NOW)

    due = one.next_deadline()
    assert due is not None
    assert due < NOW + 32
    assert status(one.handle_timeout(due)) == 500


# INVITEs


def test_a_422_to_our_invite_is_answered_with_the_interval_that_it_asks_for_once() -> None:
    invite = our_invite(more=(*asking(1800), ("Authorization", "Digest x=y")))
    one = InviteClient(invite, next_hop="sip:peer@trunk.test", context=CONTEXT, authentication=None, now=NOW)
    first = sent(one.start())

    second = sent(one.on_response(first, reply(first.request, 422, more=(("Min-SE", "3600"),)), NOW))
    assert (second.request.cseq.number, second.request.call_id) == (2, "c1")
    assert (lines_of(second.request, "Session-Expires"), lines_of(second.request, "Min-SE")) == ("3600", "3600")
    assert "Authorization" not in second.request.headers
    actions = one.on_response(second, reply(second.request, 422, more=(("Min-SE", "7200"),)), NOW)

    assert only(actions, Notify).event == Rejected(422, "Session Interval Too Small")


def test_a_call_of_ours_begins_its_timer_with_the_2xx() -> None:
    one = InviteClient(our_invite(), next_hop="sip:peer@trunk.test", context=CONTEXT, authentication=None, now=NOW)
    first = sent(one.start())

    one.on_response(first, reply(first.request, 200, sdp=ANSWER, more=(expires(90, "uac"), WITH_UPDATE)), NOW)

    assert one.next_deadline() == NOW + 45
    assert kinds(one.handle_timeout(NOW + 45)) == ["UPDATE"]


def called(*lines: tuple[str, str]) -> InviteServer:
    invite = request("INVITE", sdp=OFFER, more=lines)
    return InviteServer(invite, SEAT, local_tag="ours", context=CONTEXT, now=NOW)


def test_a_call_to_us_begins_its_timer_with_our_2xx_and_refreshes_when_it_is_to() -> None:
    one = called(expires(90, "uas"), TIMER, WITH_UPDATE)

    response = only(one.answer(ANSWER, NOW), Respond).response
    one.receive_ack(in_dialog("ACK", cseq=1))

    assert lines_of(response, "Session-Expires") == "90;refresher=uas"
    assert lines_of(response, "Require") == "timer"
    assert one.next_deadline() == NOW + 45
    assert kinds(one.handle_timeout(NOW + 45)) == ["UPDATE"]


def test_an_interval_that_ends_before_the_ack_lets_the_bye_wait_for_it() -> None:
    one = called()
    one.answer(ANSWER, NOW, session_expires=9)

    actions = [action for at in range(1, 7) for action in one.handle_timeout(NOW + at)]
    assert "BYE" not in kinds(actions)
    ended = [action for action in actions if isinstance(action, Notify)]
    assert [notify.event for notify in ended] == [Ended(None, "session_expired")]

    assert kinds(one.receive_ack(in_dialog("ACK", cseq=1))) == ["BYE"]


def test_an_update_before_the_answer_moves_the_target_and_may_not_offer() -> None:
    one = called()
    assert status(one.receive(in_dialog("UPDATE"), SEAT, "theirs", NOW)) == 200
    assert status(one.receive(in_dialog("UPDATE", cseq=3, sdp=OTHER), SEAT, "theirs", NOW)) == 500
    ours = InviteClient(our_invite(), next_hop="sip:peer@trunk.test", context=CONTEXT, authentication=None, now=NOW)
    first = sent(ours.start())
    ours.on_response(first, reply(first.request, 180), NOW)

    assert status(ours.receive(in_dialog("UPDATE"), SEAT, "theirs", NOW)) == 200
    assert status(ours.receive(in_dialog("UPDATE", cseq=3, sdp=OTHER), SEAT, "theirs", NOW)) == 491
