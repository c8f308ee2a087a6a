"""Reliable provisional responses, both roles (RFC 3262)."""

from dataclasses import replace

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Confirmed, Ended, Provisional, Rejected, Reoffered, SipCallEvent
from gateway.sip.core.actions import Action, ClientRequest, Notify, Respond, Send
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.invite_client import InviteClient
from gateway.sip.core.invite_server import REFRESH_INTERVAL, InviteServer
from gateway.sip.core.message import Request, Response
from gateway.sip.core.reliability import Reliability
from gateway.sip.core.reliable import reliable_number
from tests.unit.sip.core.script import (
    ANSWER,
    CONTEXT,
    NOW,
    OFFER,
    OTHER,
    Seat,
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
FIRST = 1 + 2**29
"""The first RSeq with the contexts' `random` of 0.5."""


# Ours: the called side


def server(
    sdp: Sdp | None = OFFER, *, line: tuple[str, str] = ("Supported", "100rel"), reliability: Reliability = "supported"
) -> InviteServer:
    invite = request("INVITE", sdp=sdp, more=(line,))
    return InviteServer(invite, SEAT, local_tag="ours", context=replace(CONTEXT, reliability=reliability), now=NOW)


def prack(number: int = FIRST, *, cseq: int = 2, rack: str | None = None, sdp: Sdp | None = None) -> Request:
    return in_dialog("PRACK", cseq=cseq, sdp=sdp, RAck=rack or f"{number} 1 INVITE")


def acknowledged(call: InviteServer, number: int = FIRST, *, cseq: int = 2, sdp: Sdp | None = None) -> list[Action]:
    return call.receive(prack(number, cseq=cseq, sdp=sdp), SEAT, "theirs", NOW)


def responses(actions: list[Action]) -> list[Response]:
    return [action.response for action in actions if isinstance(action, Respond)]


def event(actions: list[Action]) -> SipCallEvent:
    return only(actions, Notify).event


def numbers(actions: list[Action]) -> list[str | None]:
    return [response.headers.get("RSeq") for response in responses(actions)]


@pytest.mark.parametrize("line", [("Supported", "timer, 100rel"), ("Require", "100rel")])
def test_ringing_is_reliable_where_the_caller_knows_it(line: tuple[str, str]) -> None:
    response = only(server(line=line).ring(NOW), Respond).response

    assert (response.status, response.headers.get("Require")) == (180, "100rel")
    assert reliable_number(response) == FIRST


def test_ringing_is_unreliable_where_the_caller_does_not_know_it_or_it_is_off() -> None:
    for call in (server(line=("Supported", "timer")), server(reliability="off")):
        assert reliable_number(only(call.ring(NOW), Respond).response) is None


def test_it_is_repeated_at_doubling_intervals_until_its_prack() -> None:
    call = server()
    call.ring(NOW)

    for at in (0.5, 1.5, 3.5, 7.5, 15.5, 31.5):
        assert call.next_deadline() == NOW + at
        assert kinds(call.handle_timeout(NOW + at)) == ["180"]
    assert kinds(call.receive(prack(), SEAT, "theirs", NOW + 31.6)) == ["200"]
    assert kinds(call.handle_timeout(NOW + 32)) == []


def test_without_a_prack_for_64_t1_the_invite_is_refused() -> None:
    call = server()
    call.ring(NOW)

    actions = call.handle_timeout(NOW + 32)

    assert (status(actions), event(actions)) == (504, Ended(None, "no_prack"))
    assert call.is_over


def test_the_next_one_waits_for_the_prack_of_the_last() -> None:
    call = server()

    assert numbers(call.ring(NOW)) == [str(FIRST)]
    assert call.progress(ANSWER, NOW) == []
    actions = acknowledged(call)
    assert kinds(actions) == ["200", "183"]
    assert numbers(actions) == [None, str(FIRST + 1)]
    assert responses(actions)[1].body == ANSWER.encode()
    assert kinds(acknowledged(call, FIRST + 1, cseq=3)) == ["200"]


@pytest.mark.parametrize("rack", [f"{FIRST + 1} 1 INVITE", f"{FIRST} 2 INVITE", f"{FIRST} 1 UPDATE", "x", "1"])
def test_a_prack_for_nothing_gets_481_and_changes_nothing(rack: str) -> None:
    call = server()
    call.ring(NOW)

    assert status(call.receive(prack(rack=rack), SEAT, "theirs", NOW)) == 481
    assert kinds(call.handle_timeout(NOW + 0.5)) == ["180"]


def test_a_second_prack_and_one_out_of_order_are_refused() -> None:
    call = server()
    call.ring(NOW)
    acknowledged(call, cseq=3)

    assert status(acknowledged(call, cseq=4)) == 481
    assert status(acknowledged(call, cseq=2)) == 500


def test_no_200_before_the_prack_of_the_183_that_answered() -> None:
    call = server()
    call.progress(ANSWER, NOW)

    assert call.answer(ANSWER, NOW) == []
    actions = acknowledged(call)
    assert kinds(actions) == ["200", "200"]
    assert [response.cseq_method for response in responses(actions)] == ["PRACK", "INVITE"]
    assert responses(actions)[1].body == b""  # the 183 brought the answer
    assert event(call.receive_ack(in_dialog("ACK", cseq=1))) == Confirmed(None)


def test_a_200_need_not_wait_for_the_prack_of_a_180_which_is_still_taken() -> None:
    call = server()
    call.ring(NOW)

    answer = only(call.answer(ANSWER, NOW), Respond).response
    assert (answer.status, answer.body) == (200, ANSWER.encode())
    assert [one.cseq_method for one in responses(call.handle_timeout(NOW + 0.5))] == ["INVITE"]
    assert status(acknowledged(call)) == 200


def test_an_answer_that_waits_can_still_be_cancelled_or_hung_up() -> None:
    cancelled, hung_up = server(), server()
    for call in (cancelled, hung_up):
        call.progress(ANSWER, NOW)
        call.answer(ANSWER, NOW)

    assert status(cancelled.cancel(request("CANCEL"))) == 487
    assert status(hung_up.hangup(None, NOW)) == 480
    assert status(acknowledged(cancelled)) == 200  # the response was sent: its PRACK is taken
    assert cancelled.session is None


def test_the_answer_is_given_once() -> None:
    call = server()
    call.progress(ANSWER, NOW)
    assert call.progress(ANSWER, NOW) == []

    second = responses(acknowledged(call))[1]

    assert (second.status, second.body) == (183, b"")


def test_a_long_ringing_is_said_again_with_a_new_number() -> None:
    call = server()
    call.ring(NOW)
    acknowledged(call)

    assert numbers(call.handle_timeout(NOW + REFRESH_INTERVAL)) == [str(FIRST + 1)]


def test_without_an_offer_ringing_is_unreliable_and_left_out_where_it_must_be_reliable() -> None:
    supported, required = server(None), server(None, line=("Require", "100rel"))

    assert reliable_number(only(supported.ring(NOW), Respond).response) is None
    assert required.ring(NOW) == []
    assert required.progress(OFFER, NOW) == []
    assert kinds(required.answer(OFFER, NOW)) == ["200"]


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    call = server()
    call.progress(ANSWER, NOW)

    assert event(acknowledged(call, sdp=OTHER)) == Reoffered(OTHER)
    response = only(call.answer_reoffer(ANSWER, NOW), Respond).response
    assert (response.status, response.cseq_method, response.body) == (200, "PRACK", ANSWER.encode())


def test_a_second_offer_before_the_answer_to_the_first_gets_500() -> None:
    call = server()
    call.ring(NOW)

    assert status(acknowledged(call, sdp=OTHER)) == 500


def test_an_update_before_the_answer_may_offer_once_the_183_is_acknowledged() -> None:
    call = server()
    call.progress(ANSWER, NOW)
    assert status(call.receive(in_dialog("UPDATE", sdp=OTHER), SEAT, "theirs", NOW)) == 500
    acknowledged(call, cseq=3)

    assert event(call.receive(in_dialog("UPDATE", cseq=4, sdp=OTHER), SEAT, "theirs", NOW)) == Reoffered(OTHER)
    assert status(call.receive(in_dialog("UPDATE", cseq=5, sdp=OTHER), SEAT, "theirs", NOW)) == 500
    assert status(call.reject_reoffer(488)) == 488
    assert call.handle_timeout(NOW + 20) == []


def test_an_update_that_nobody_answers_gets_500_and_one_of_a_cancelled_call_487() -> None:
    late, cancelled = server(), server()
    for call in (late, cancelled):
        call.progress(ANSWER, NOW)
        acknowledged(call)
        call.receive(in_dialog("UPDATE", cseq=4, sdp=OTHER), SEAT, "theirs", NOW)

    assert status(late.handle_timeout(NOW + 15)) == 500
    assert kinds(cancelled.cancel(request("CANCEL"))) == ["487", "487", "Cancelled"]


def test_an_update_that_waits_when_the_call_is_answered_is_answered_after_it() -> None:
    call = server()
    call.progress(ANSWER, NOW)
    acknowledged(call)
    call.receive(in_dialog("UPDATE", cseq=4, sdp=OTHER), SEAT, "theirs", NOW)

    answer = only(call.answer(ANSWER, NOW), Respond).response
    assert (answer.cseq_method, answer.body) == ("INVITE", b"")
    assert only(call.answer_reoffer(ANSWER, NOW), Respond).response.cseq_method == "UPDATE"


# Theirs: the calling side


class Caller:
    """A call of ours whose far end may send reliable responses."""

    def __init__(self, *, reliability: Reliability = "supported", password: str | None = None) -> None:
        authentication = None
        if password is not None:
            hosts = ("trunk.test", "192.0.2.9")
            authentication = Authentication("user", password, hosts=hosts, new_cnonce=lambda: "c" * 16)
        self.core = InviteClient(
            our_invite(),
            next_hop="sip:peer@trunk.test",
            context=replace(CONTEXT, reliability=reliability),
            authentication=authentication,
            now=NOW,
        )
        self.invite: ClientRequest = sent(self.core.start())

    def gets(
        self, code: int, number: int | None = None, *, tag: str = "theirs", sdp: Sdp | None = None
    ) -> list[Action]:
        more = () if number is None else (("Require", "100rel"), ("RSeq", str(number)))
        return self.core.on_response(self.invite, reply(self.invite.request, code, tag=tag, sdp=sdp, more=more), NOW)

    def hears(self, method: str, *, cseq: int = 7, sdp: Sdp | None = None, tag: str = "theirs") -> list[Action]:
        return self.core.receive(in_dialog(method, cseq=cseq, sdp=sdp), SEAT, tag, NOW)


def racks(actions: list[Action]) -> list[str | None]:
    return [one.client_request.request.headers.get("RAck") for one in actions if isinstance(one, Send)]


def test_a_reliable_response_is_acknowledged_before_it_is_told() -> None:
    actions = Caller().gets(183, 42, sdp=ANSWER)

    assert kinds(actions) == ["PRACK", "Provisional"]
    assert event(actions) == Provisional(183, "Session Progress", ANSWER)
    made = sent(actions).request
    assert (made.headers.get("RAck"), made.cseq.number, made.uri) == ("42 1 INVITE", 2, "sip:peer@192.0.2.9:5070")


def test_repeats_and_what_comes_after_a_gap_are_absorbed() -> None:
    caller = Caller()

    assert racks(caller.gets(180, 42)) == ["42 1 INVITE"]
    assert caller.gets(180, 42) == caller.gets(183, 44, sdp=ANSWER) == caller.gets(180, 41) == []
    assert racks(caller.gets(183, 43)) == ["43 1 INVITE"]
    assert racks(caller.gets(183, 44, sdp=ANSWER)) == ["44 1 INVITE"]


def test_each_fork_counts_by_itself() -> None:
    caller = Caller()

    assert racks(caller.gets(180, 42)) == ["42 1 INVITE"]
    assert racks(caller.gets(183, 7, tag="fork", sdp=OTHER)) == ["7 1 INVITE"]
    assert racks(caller.gets(183, 43, sdp=ANSWER)) == ["43 1 INVITE"]
    answered = event(caller.gets(200, tag="fork"))
    assert isinstance(answered, Answered)
    assert answered.sdp == OTHER


@pytest.mark.parametrize("line", [("RSeq", "x"), ("X-Other", "1")])
def test_a_response_without_a_good_number_is_told_and_not_acknowledged(line: tuple[str, str]) -> None:
    caller = Caller()
    response = reply(caller.invite.request, 180, more=(("Require", "100rel"), line))

    assert kinds(caller.core.on_response(caller.invite, response, NOW)) == ["Provisional"]


def test_where_it_is_off_nothing_is_acknowledged() -> None:
    assert kinds(Caller(reliability="off").gets(183, 42, sdp=ANSWER)) == ["Provisional"]


def test_the_answer_of_a_reliable_183_stands_whatever_comes_later() -> None:
    caller = Caller()
    caller.gets(183, 42, sdp=ANSWER)

    later = event(caller.gets(183, 43, sdp=OTHER))
    assert later == Provisional(183, "Session Progress", None)
    answered = event(caller.gets(200, sdp=OTHER))
    assert isinstance(answered, Answered)
    assert answered.sdp == ANSWER


def test_numbers_go_on_from_the_prack_after_the_answer() -> None:
    caller = Caller()
    caller.gets(183, 42, sdp=ANSWER)
    caller.gets(200)

    assert sent(caller.core.hangup(None, NOW)).request.cseq.number == 3


def test_a_prack_that_is_answered_after_the_200_changes_nothing() -> None:
    caller = Caller()
    prack_of_ours = sent(caller.gets(183, 42, sdp=ANSWER))
    caller.gets(200)

    assert caller.core.on_response(prack_of_ours, reply(prack_of_ours.request, 481), NOW) == []
    assert caller.core.on_failure(prack_of_ours, "timeout", NOW) == []
    assert not caller.core.is_over


def test_a_prack_that_gets_no_answer_ends_the_call() -> None:
    caller = Caller()
    prack_of_ours = sent(caller.gets(183, 42, sdp=ANSWER))

    assert kinds(caller.core.on_failure(prack_of_ours, "timeout", NOW)) == ["Cancel"]
    assert event(caller.gets(487)) == Rejected(408, "No Answer To PRACK")


def test_a_prack_that_is_denied_ends_its_fork_alone() -> None:
    caller = Caller()
    caller.gets(180, tag="fork")
    prack_of_ours = sent(caller.gets(180, 42))

    assert caller.core.on_response(prack_of_ours, reply(prack_of_ours.request, 481), NOW) == []
    assert caller.core.dialog_count == 1
    other = sent(caller.gets(180, 9, tag="fork"))
    assert kinds(caller.core.on_response(other, reply(other.request, 481, tag="fork"), NOW)) == ["Cancel"]


def test_a_prack_that_is_refused_otherwise_leaves_the_call() -> None:
    caller = Caller()
    prack_of_ours = sent(caller.gets(180, 42))

    assert caller.core.on_response(prack_of_ours, reply(prack_of_ours.request, 500), NOW) == []
    assert kinds(caller.gets(200, sdp=ANSWER)) == ["ACK", "Answered"]


def test_a_challenged_prack_goes_out_again_with_credentials() -> None:
    caller = Caller(password="secret")
    first = sent(caller.gets(180, 42))
    challenge = (("WWW-Authenticate", 'Digest realm="r", nonce="n1", qop="auth"'),)

    again = sent(caller.core.on_response(first, reply(first.request, 401, more=challenge), NOW))

    assert "Authorization" in again.request.headers
    assert (again.request.headers.get("RAck"), again.request.cseq.number) == ("42 1 INVITE", 3)


def test_an_update_before_the_answer_gets_491_until_a_reliable_response_answered() -> None:
    caller = Caller()
    caller.gets(183, sdp=ANSWER)
    assert status(caller.hears("UPDATE", sdp=OTHER)) == 491
    caller.gets(183, 42, sdp=ANSWER)

    assert event(caller.hears("UPDATE", cseq=8, sdp=OTHER)) == Reoffered(OTHER)
    assert status(caller.hears("UPDATE", cseq=9, sdp=OTHER)) == 500
    assert only(caller.core.answer_reoffer(ANSWER, NOW), Respond).response.body == ANSWER.encode()
    answered = event(caller.gets(200))
    assert isinstance(answered, Answered)
    assert answered.sdp is None  # more has been agreed on since: media has it


def test_an_update_that_waits_is_refused_with_its_fork_or_in_time() -> None:
    late, answered = Caller(), Caller()
    for caller in (late, answered):
        caller.gets(183, 42, sdp=ANSWER)
        caller.hears("UPDATE", sdp=OTHER)

    assert late.core.next_deadline() == NOW + 15
    assert status(late.core.handle_timeout(NOW + 15)) == 500
    assert kinds(answered.gets(200, tag="fork", sdp=ANSWER)) == ["ACK", "487", "Answered"]


def test_an_update_that_waits_in_the_fork_that_answers_is_answered_after_it() -> None:
    caller = Caller()
    caller.gets(183, 42, sdp=ANSWER)
    caller.hears("UPDATE", sdp=OTHER)
    caller.gets(200)

    assert status(caller.core.answer_reoffer(ANSWER, NOW)) == 200


def test_an_update_without_an_offer_is_answered_without_a_session_timer() -> None:
    caller = Caller()
    caller.gets(180)

    response = only(caller.hears("UPDATE"), Respond).response

    assert (response.status, response.headers.get("Session-Expires")) == (200, None)


def test_a_cancelled_call_is_acknowledged_no_more() -> None:
    caller = Caller()
    caller.gets(180, 42)
    caller.core.hangup(None, NOW)

    assert caller.gets(183, 43) == []
