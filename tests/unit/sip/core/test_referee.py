"""REFERs of the far end: decided on by call control, told about in NOTIFYs."""

import pytest

from gateway.sip.call import Ended, Referred, ReferTarget
from gateway.sip.core.actions import Action, ClientRequest, Notify, Respond, Send
from gateway.sip.core.message import Request
from gateway.sip.core.referee import DECISION_LIMIT, SUBSCRIPTION
from gateway.sip.core.session import Session
from tests.unit.sip.core.script import NOW, Seat, in_dialog, kinds, only, reply, request, sent, status
from tests.unit.sip.core.test_session import session

SEAT = Seat()
TARGET = "<sip:carol@192.0.2.50>"


def refer(target: str = TARGET, *, cseq: int = 2, **more: str) -> Request:
    return in_dialog("REFER", cseq=cseq, Refer_To=target, **more)  # type: ignore[arg-type]  # more are header fields


def accepted(one: Session, *, cseq: int = 2, **more: str) -> list[Action]:
    assert kinds(one.receive(refer(cseq=cseq, **more), SEAT, NOW)) == ["Referred"]
    return one.accept_refer(NOW)


def answered(one: Session, client_request: ClientRequest, code: int = 200) -> list[Action]:
    return one.on_response(client_request, reply(client_request.request, code), NOW)


def state_of(client_request: ClientRequest) -> str | None:
    return client_request.request.headers.get("Subscription-State")


def test_a_refer_is_accepted_and_the_first_notify_says_trying() -> None:
    one = session()

    actions = one.receive(refer(Referred_By="<sip:alice@192.0.2.9>"), SEAT, NOW)
    assert only(actions, Notify).event == Referred(ReferTarget("sip:carol@192.0.2.50", None), "sip:alice@192.0.2.9")
    actions = one.accept_refer(NOW)

    response, notify = only(actions, Respond).response, sent(actions).request
    assert (response.status, response.headers.get("Contact")) == (202, "<sip:us@192.0.2.1>")
    assert kinds(actions) == ["202", "NOTIFY"]
    assert notify.uri == "sip:peer@192.0.2.9:5070"
    assert notify.headers.get("Event") == "refer"
    assert notify.headers.get("Subscription-State") == f"active;expires={int(SUBSCRIPTION)}"
    assert (notify.content_type, notify.body) == ("message/sipfrag", b"SIP/2.0 100 Trying\r\n")


def test_a_final_status_ends_the_subscription_and_the_next_refer_has_an_id() -> None:
    one = session()
    answered(one, sent(accepted(one)))

    final = sent(one.notify_refer(200, "OK", NOW))
    assert (state_of(final), final.request.body) == ("terminated;reason=noresource", b"SIP/2.0 200 OK\r\n")
    assert answered(one, final) == []
    assert one.notify_refer(486, "Busy Here", NOW) == []
    assert one.next_deadline() is None

    assert sent(accepted(one, cseq=7)).request.headers.get("Event") == "refer;id=7"


def test_a_notify_waits_for_the_answer_to_the_one_before() -> None:
    one = session()
    first = sent(accepted(one))

    assert one.notify_refer(180, "Ringing", NOW) == one.notify_refer(200, "OK", NOW) == []
    second = sent(answered(one, first))
    third = sent(answered(one, second))

    assert (second.request.body, third.request.body) == (b"SIP/2.0 180 Ringing\r\n", b"SIP/2.0 200 OK\r\n")
    assert third.request.cseq.number == second.request.cseq.number + 1 == first.request.cseq.number + 2
    assert (state_of(second), state_of(third)) == (
        f"active;expires={int(SUBSCRIPTION)}",
        "terminated;reason=noresource",
    )


def test_of_too_many_notifys_the_last_word_is_kept() -> None:
    one = session()
    last = sent(accepted(one))

    for _ in range(50):
        one.notify_refer(180, "Ringing", NOW)
    one.notify_refer(200, "OK", NOW)
    bodies = []
    while actions := answered(one, last):
        last = sent(actions)
        bodies.append(last.request.body)

    assert bodies[-1] == b"SIP/2.0 200 OK\r\n"
    assert len(bodies) < 10


def test_a_refused_refer_has_no_subscription() -> None:
    one = session()
    one.receive(refer(), SEAT, NOW)

    assert status(one.reject_refer(603)) == 603
    assert one.notify_refer(200, "OK", NOW) == one.accept_refer(NOW) == one.reject_refer(603) == []
    assert kinds(one.receive(refer(cseq=3), SEAT, NOW)) == ["Referred"]


def test_a_second_refer_gets_491_while_one_waits_and_while_one_is_told_about() -> None:
    one = session()
    one.receive(refer(), SEAT, NOW)

    assert status(one.receive(refer(cseq=3), SEAT, NOW)) == 491
    first = sent(one.accept_refer(NOW))
    assert status(one.receive(refer(cseq=4), SEAT, NOW)) == 491
    answered(one, first)
    assert status(one.receive(refer(cseq=5), SEAT, NOW)) == 491


def test_a_refer_that_nobody_decides_on_gets_500() -> None:
    one = session()
    one.receive(refer(), SEAT, NOW)

    assert one.next_deadline() == NOW + DECISION_LIMIT
    assert status(one.handle_timeout(NOW + DECISION_LIMIT)) == 500


def test_without_a_final_status_the_subscription_times_out() -> None:
    one = session()
    answered(one, sent(accepted(one)))
    answered(one, sent(one.notify_refer(180, "Ringing", NOW)))

    assert one.next_deadline() == NOW + SUBSCRIPTION
    last = sent(one.handle_timeout(NOW + SUBSCRIPTION))

    assert (state_of(last), last.request.body) == ("terminated;reason=timeout", b"SIP/2.0 180 Ringing\r\n")
    assert answered(one, last) == []
    assert kinds(one.receive(refer(cseq=9), SEAT, NOW)) == ["Referred"]


def test_a_far_end_that_wants_no_subscription_gets_none() -> None:
    one = session()

    actions = accepted(one, Refer_Sub="false", Require="norefersub")

    response = only(actions, Respond).response
    assert (response.status, response.headers.get("Refer-Sub")) == (202, "false")
    assert kinds(actions) == ["202"]
    assert one.notify_refer(200, "OK", NOW) == []


def test_a_refused_notify_ends_the_subscription_but_not_the_call() -> None:
    one = session()

    assert answered(one, sent(accepted(one)), 481) == []

    assert one.notify_refer(200, "OK", NOW) == []
    assert not one.is_over


def test_a_notify_without_an_answer_ends_the_subscription_but_not_the_call() -> None:
    one = session()
    first = sent(accepted(one))

    assert one.on_failure(first, "timeout") == []

    assert one.notify_refer(200, "OK", NOW) == []
    assert not one.is_over


def test_a_challenged_notify_is_sent_again_with_credentials() -> None:
    one = session(password="secret")
    first = sent(accepted(one))
    challenge = (("WWW-Authenticate", 'Digest realm="r", nonce="n1", qop="auth"'),)

    again = sent(one.on_response(first, reply(first.request, 401, more=challenge), NOW))

    assert again.request.method == "NOTIFY"
    assert "Authorization" in again.request.headers
    assert kinds(answered(one, again)) == []
    assert kinds(one.notify_refer(200, "OK", NOW)) == ["NOTIFY"]


@pytest.mark.parametrize(
    ("target", "referred_by", "code"),
    [
        ("nobody", "<sip:a@b>", 400),
        ("<https://x.test/>", "<sip:a@b>", 416),
        ("<sip:a@b;method=BYE>", "<sip:a@b>", 501),
        ("<sip:a@b?Replaces=x>", "<sip:a@b>", 400),
        (TARGET, "<", 400),
    ],
)
def test_a_refer_that_makes_no_sense_is_refused(target: str, referred_by: str, code: int) -> None:
    assert status(session().receive(refer(target, Referred_By=referred_by), SEAT, NOW)) == code


def test_a_refer_without_or_with_two_targets_gets_400() -> None:
    one = session()
    both = request("REFER", to="<sip:us@192.0.2.1>;tag=ours", more=(("Refer-To", TARGET), ("Refer-To", TARGET)))

    assert status(one.receive(in_dialog("REFER"), SEAT, NOW)) == 400
    assert status(one.receive(both, SEAT, NOW)) == 500  # behind the CSeq of the other
    both.headers.set("CSeq", "9 REFER")
    assert status(one.receive(both, SEAT, NOW)) == 400


def test_a_bye_ends_the_subscription_with_the_call() -> None:
    one = session()
    answered(one, sent(accepted(one)))

    assert only(one.receive(in_dialog("BYE", cseq=8), SEAT, NOW), Notify).event == Ended(None, "bye")

    assert one.notify_refer(200, "OK", NOW) == []
    assert one.is_over


def test_a_refer_that_waits_when_we_hang_up_gets_481() -> None:
    one = session()
    one.receive(refer(), SEAT, NOW)

    actions = one.hangup(None)

    assert kinds(actions) == ["481", "BYE"]
    assert status(one.receive(refer(cseq=3), SEAT, NOW)) == 481


def test_a_refer_that_crosses_our_hangup_gets_481() -> None:
    one = session(is_caller=False)
    one.accept(request("INVITE"), SEAT, "v=0", NOW, is_first=True)  # type: ignore[arg-type]  # any text will do
    assert not any(isinstance(action, Send) for action in one.hangup(None))

    assert status(one.receive(refer(), SEAT, NOW)) == 481
