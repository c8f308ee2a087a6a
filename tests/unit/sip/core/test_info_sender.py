"""Digits of ours by INFO: in order, one at a time, and what becomes of the rest when one is refused."""

import pytest

from gateway.sip.call import DigitsUnsent, Ended
from gateway.sip.core.actions import Action, ClientRequest, Failure, Notify
from gateway.sip.core.info_sender import MAX_WAITING
from gateway.sip.core.session import Session
from tests.unit.sip.core.script import NOW, OFFER, Seat, in_dialog, kinds, only, reply, sent
from tests.unit.sip.core.test_session import CHALLENGE, session


def pressed(one: Session, digits: str, duration: float | None = None) -> ClientRequest:
    return sent(one.send_digits(digits, duration))


def answered(one: Session, info: ClientRequest, status: int) -> list[Action]:
    return one.on_response(info, reply(info.request, status), NOW)


def all_of(one: Session, info: ClientRequest) -> str:
    """The digits of that INFO and of those that follow when each is taken, without its `Signal=`."""
    digits = ""
    while True:
        digits += info.request.body.decode()[len("Signal=")]
        if not (actions := answered(one, info, 200)):
            return digits
        info = sent(actions)


def test_a_digit_is_an_info_within_the_dialog() -> None:
    info = pressed(session(), "5", 0.16).request

    assert (info.method, info.uri) == ("INFO", "sip:peer@192.0.2.9:5070")
    assert info.content_type == "application/dtmf-relay"
    assert info.body == b"Signal=5\r\nDuration=160\r\n"


@pytest.mark.parametrize(("duration", "written"), [(None, 100), (0.001, 40), (0.2504, 250), (99.0, 8000)])
def test_durations_are_what_receivers_understand(duration: float | None, written: int) -> None:
    assert pressed(session(), "#", duration).request.body == f"Signal=#\r\nDuration={written}\r\n".encode()


def test_digits_go_out_in_their_order_each_when_the_one_before_was_taken() -> None:
    one = session()
    first = pressed(one, "12")

    assert one.send_digits("3", None) == []
    assert one.on_response(first, reply(first.request, 100), NOW) == []
    assert all_of(one, first) == "123"
    assert all_of(one, pressed(one, "4")) == "4"


def test_more_digits_than_may_wait_are_left_out_and_told_of_once() -> None:
    one = session()
    actions = one.send_digits("1" * (MAX_WAITING + 3), None)

    assert (kinds(actions)[0], only(actions, Notify).event) == ("INFO", DigitsUnsent(2, None))
    assert only(one.send_digits("23", None), Notify).event == DigitsUnsent(2, None)
    assert all_of(one, sent(actions[:1])) == "1" * (MAX_WAITING + 1)


@pytest.mark.parametrize("status", [405, 415, 491, 500, 603])
def test_a_refusal_drops_the_digits_that_wait_and_leaves_the_call(status: int) -> None:
    one = session()
    info = pressed(one, "123")

    assert only(answered(one, info, status), Notify).event == DigitsUnsent(3, status)
    assert all_of(one, pressed(one, "4")) == "4"


@pytest.mark.parametrize("status", [408, 481])
def test_a_far_end_that_does_not_know_the_dialog_ends_it(status: int) -> None:
    one = session()
    info = pressed(one, "123")
    actions = answered(one, info, status)

    assert kinds(actions)[0] == "BYE"
    assert only(actions, Notify).event == Ended(None, "dialog_lost")
    assert one.send_digits("4", None) == []


@pytest.mark.parametrize(
    ("failure", "event"), [("timeout", Ended(None, "dialog_lost")), ("transport", DigitsUnsent(2, 503))]
)
def test_an_info_without_an_answer_ends_the_call_and_one_that_cannot_be_sent_does_not(
    failure: Failure, event: Ended | DigitsUnsent
) -> None:
    one = session()
    info = pressed(one, "12")

    assert only(one.on_failure(info, failure), Notify).event == event


def test_a_challenge_is_answered_and_the_digits_keep_their_order() -> None:
    one = session(password="secret")
    info = pressed(one, "12")
    retry = sent(one.on_response(info, reply(info.request, 401, more=CHALLENGE), NOW))

    assert "Authorization" in retry.request.headers
    assert retry.request.cseq.number == info.request.cseq.number + 1
    assert all_of(one, retry) == "12"


def test_a_challenge_without_credentials_is_a_refusal() -> None:
    one = session()
    info = pressed(one, "12")

    assert only(one.on_response(info, reply(info.request, 401, more=CHALLENGE), NOW), Notify).event == DigitsUnsent(
        2, 401
    )


@pytest.mark.parametrize("status", [200, 415, 481])
def test_a_hang_up_forgets_the_digits(status: int) -> None:
    one = session()
    info = pressed(one, "12")
    one.hangup(None)

    assert answered(one, info, status) == []
    assert one.on_failure(info, "timeout") == []
    assert one.send_digits("3", None) == []
    assert not one.is_over  # the BYE waits for its own answer


def test_a_bye_of_the_far_end_forgets_the_digits() -> None:
    one = session()
    info = pressed(one, "12")
    one.receive(in_dialog("BYE"), Seat(), NOW)

    assert answered(one, info, 200) == []
    assert one.is_over


@pytest.mark.parametrize(
    ("allow", "takes"),
    [((), False), ((("Allow", "INVITE, ACK, BYE, INFO"),), True), ((("Allow", "INVITE, ACK"),), False)],
)
def test_the_last_allow_tells_whether_the_far_end_takes_info(allow: tuple[tuple[str, str], ...], takes: bool) -> None:
    one = session()
    info = one.reinvite(OFFER, print, NOW)
    one.on_response(sent(info), reply(sent(info).request, 200, sdp=OFFER, more=allow), NOW)

    assert one.negotiation.takes_info is takes
