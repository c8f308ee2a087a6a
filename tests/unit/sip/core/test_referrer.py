"""REFERs of ours: the answer, the NOTIFYs, and the end of waiting for them."""

import pytest

from gateway.sip.call import ReferProgress, Replaces
from gateway.sip.core.actions import Action, ClientRequest, Failure, ReportRefer
from gateway.sip.core.message import Request
from gateway.sip.core.referrer import PATIENCE
from gateway.sip.core.session import Session
from tests.unit.sip.core.script import NOW, Seat, in_dialog, kinds, only, reply, sent, status
from tests.unit.sip.core.test_session import session

SEAT = Seat()
ACCEPTED = ReferProgress(202, "Accepted", False)


def drop(_progress: object) -> None:
    raise AssertionError("a core calls nobody")


def referred(one: Session, replaces: Replaces | None = None) -> ClientRequest:
    return sent(one.refer("sip:carol@192.0.2.50", drop, replaces, NOW))


def progress(actions: list[Action]) -> ReferProgress:
    return only(actions, ReportRefer).progress


def notify(body: str, *, cseq: int = 2, state: str = "active;expires=60", event: str = "refer") -> Request:
    request = in_dialog("NOTIFY", cseq=cseq, Event=event, Subscription_State=state, Content_Type="message/sipfrag")
    request.body = body.encode()
    return request


def accepted(one: Session) -> ClientRequest:
    client_request = referred(one)
    assert progress(one.on_response(client_request, reply(client_request.request, 202), NOW)) == ACCEPTED
    return client_request


def test_a_refer_says_whom_to_call_and_who_asks() -> None:
    refer = referred(session()).request

    assert (refer.method, refer.uri) == ("REFER", "sip:peer@192.0.2.9:5070")
    assert refer.headers.get("Refer-To") == "<sip:carol@192.0.2.50>"
    assert refer.headers.get("Referred-By") == "<sip:us@192.0.2.1>"
    assert refer.headers.get("Contact") == "<sip:us@192.0.2.1>"


def test_an_attended_transfer_has_the_other_dialog_in_the_uri() -> None:
    refer = referred(session(), Replaces("x@y", "t", "f")).request

    assert refer.headers.get("Refer-To") == "<sip:carol@192.0.2.50?Replaces=x%40y%3Bto-tag%3Dt%3Bfrom-tag%3Df>"


def test_the_notifys_tell_how_it_goes_until_the_final_one() -> None:
    one = session()
    accepted(one)

    trying = one.receive(notify("SIP/2.0 100 Trying\r\n"), SEAT, NOW)
    assert (kinds(trying), progress(trying)) == (["200", "ReportRefer"], ReferProgress(100, "Trying", False))
    ringing = one.receive(notify("SIP/2.0 180 Ringing\r\n", cseq=3), SEAT, NOW)
    assert progress(ringing) == ReferProgress(180, "Ringing", False)
    done = one.receive(notify("SIP/2.0 200 OK\r\n", cseq=4, state="terminated;reason=noresource"), SEAT, NOW)
    assert progress(done) == ReferProgress(200, "OK", True)

    assert status(one.receive(notify("SIP/2.0 200 OK\r\n", cseq=5), SEAT, NOW)) == 481
    assert one.next_deadline() is None


def test_a_notify_may_overtake_the_answer() -> None:
    one = session()
    refer = referred(one)

    assert progress(one.receive(notify("SIP/2.0 200 OK", state="terminated"), SEAT, NOW)).is_final
    assert one.on_response(refer, reply(refer.request, 202), NOW) == []


def test_a_final_status_counts_even_if_the_subscription_goes_on() -> None:
    one = session()
    accepted(one)

    assert progress(one.receive(notify("SIP/2.0 200 OK"), SEAT, NOW)) == ReferProgress(200, "OK", True)
    assert kinds(one.receive(notify("SIP/2.0 200 OK", cseq=3, state="terminated"), SEAT, NOW)) == ["200"]
    assert status(one.receive(notify("SIP/2.0 200 OK", cseq=4), SEAT, NOW)) == 481


@pytest.mark.parametrize("body", ["", "SIP/2.0 180 Ringing\r\n"])
def test_a_subscription_that_ends_without_an_outcome_is_408(body: str) -> None:
    one = session()
    accepted(one)

    ended = one.receive(notify(body, state="terminated;reason=timeout"), SEAT, NOW)

    assert progress(ended) == ReferProgress(408, "Request Timeout", True)


def test_a_notify_without_a_status_is_answered_and_says_nothing() -> None:
    one = session()
    accepted(one)

    assert kinds(one.receive(notify("hello"), SEAT, NOW)) == ["200"]


def test_a_refused_refer_is_final() -> None:
    one = session()
    refer = referred(one)

    assert progress(one.on_response(refer, reply(refer.request, 603), NOW)) == ReferProgress(603, "Decline", True)
    assert kinds(one.refer("sip:carol@192.0.2.50", drop, None, NOW)) == ["REFER"]


def test_a_far_end_that_makes_no_subscription_has_had_its_last_word_with_the_202() -> None:
    one = session()
    refer = referred(one)

    answer = reply(refer.request, 202, more=(("Refer-Sub", "false"),))
    assert progress(one.on_response(refer, answer, NOW)) == ReferProgress(202, "Accepted", True)


@pytest.mark.parametrize(("failure", "code"), [("timeout", 408), ("transport", 503)])
def test_a_refer_without_an_answer_is_final_but_not_the_end_of_the_call(failure: Failure, code: int) -> None:
    one = session()

    assert progress(one.on_failure(referred(one), failure)).status == code
    assert not one.is_over


def test_a_refer_without_an_outcome_is_408_in_time() -> None:
    one = session()
    accepted(one)

    assert one.next_deadline() == NOW + PATIENCE
    assert progress(one.handle_timeout(NOW + PATIENCE)) == ReferProgress(408, "Request Timeout", True)
    assert status(one.receive(notify("SIP/2.0 200 OK"), SEAT, NOW)) == 481


def test_a_second_refer_is_491_at_once() -> None:
    one = session()
    referred(one)

    assert progress(one.refer("sip:dave@192.0.2.51", drop, None, NOW)) == ReferProgress(491, "Request Pending", True)


def test_a_challenged_refer_goes_out_again_and_its_new_number_is_the_id() -> None:
    one = session(password="secret")
    first = referred(one)
    challenge = (("WWW-Authenticate", 'Digest realm="r", nonce="n1", qop="auth"'),)
    again = sent(one.on_response(first, reply(first.request, 401, more=challenge), NOW))
    one.on_response(again, reply(again.request, 202), NOW)

    number = again.request.cseq.number
    assert number == first.request.cseq.number + 1
    assert kinds(one.receive(notify("SIP/2.0 180 Ringing", event=f"refer;id={number}"), SEAT, NOW))[0] == "200"
    assert status(one.receive(notify("SIP/2.0 180 Ringing", cseq=3, event=f"refer;id={number - 1}"), SEAT, NOW)) == 481


def test_a_notify_for_nothing_is_481_and_one_of_another_event_489() -> None:
    one = session()

    assert status(one.receive(notify("SIP/2.0 200 OK"), SEAT, NOW)) == 481
    assert status(one.receive(notify("", cseq=3, event="presence"), SEAT, NOW)) == 489
    assert status(one.receive(notify("", cseq=4, event="refer;;"), SEAT, NOW)) == 400


def test_a_bye_of_the_far_end_is_the_end_of_the_refer() -> None:
    one = session()
    accepted(one)

    assert progress(one.receive(in_dialog("BYE"), SEAT, NOW)).status == 481


def test_after_our_hangup_no_outcome_is_told() -> None:
    one = session()
    accepted(one)

    assert kinds(one.hangup(None)) == ["BYE"]
    assert kinds(one.receive(in_dialog("BYE"), SEAT, NOW)) == ["200"]
    assert progress(one.refer("sip:carol@192.0.2.50", drop, None, NOW)).status == 481


def test_a_target_that_cannot_be_written_is_refused_at_once() -> None:
    one = session()

    assert progress(one.refer("https://x.test/", drop, None, NOW)).status == 416
    assert progress(one.refer("tel:+1", drop, Replaces("c", "t", "f"), NOW)).status == 400
