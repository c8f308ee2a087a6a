import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Provisional, Rejected
from gateway.sip.core.actions import Action, Cancel, ClientRequest, Notify, Send, SendAck
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.early import MAX_FORKS
from gateway.sip.core.invite_client import (
    ON_HANGUP,
    ON_PROVISIONAL,
    PENDING,
    RING_LIMIT,
    InviteClient,
    State,
)
from tests.unit.sip.core.script import (
    ANSWER,
    CONTEXT,
    NOW,
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
CHALLENGE = (("Proxy-Authenticate", 'Digest realm="r", nonce="n1", algorithm=SHA-256, qop="auth"'),)
BROKEN = (("Record-Route", "<sip:broken"),)


class Client:
    """An `InviteClient` together with the INVITE that it has under way."""

    def __init__(self, *, password: str | None = None, silence_limit: float | None = None) -> None:
        authentication = (
            None
            if password is None
            else Authentication("user", password, hosts=("trunk.test",), new_cnonce=lambda: "c" * 16)
        )
        self.core = InviteClient(
            our_invite(),
            next_hop="sip:peer@trunk.test",
            context=CONTEXT,
            authentication=authentication,
            silence_limit=silence_limit,
            now=NOW,
        )
        self.invite: ClientRequest = sent(self.core.start())

    def gets(
        self,
        status: int,
        *,
        tag: str | None = "theirs",
        sdp: Sdp | None = None,
        now: float = NOW,
        contact: str | None = "<sip:peer@192.0.2.9:5070>",
        more: tuple[tuple[str, str], ...] = (),
    ) -> list[Action]:
        """A response to the INVITE that was sent last."""
        response = reply(self.invite.request, status, tag=tag, sdp=sdp, contact=contact, more=more)
        actions = self.core.on_response(self.invite, response, now)
        self.invite = next((a.client_request for a in actions if _is_invite(a) and isinstance(a, Send)), self.invite)
        return actions


def _is_invite(action: Action) -> bool:
    return isinstance(action, Send) and action.client_request.request.method == "INVITE"


def rejected(actions: list[Action]) -> Rejected:
    event = only(actions, Notify).event
    assert isinstance(event, Rejected)
    return event


def test_every_pending_state_has_its_way_on() -> None:
    assert set(ON_PROVISIONAL) | set(ON_PROVISIONAL.values()) | set(ON_HANGUP) | set(ON_HANGUP.values()) == PENDING


def test_100_is_swallowed() -> None:
    client = Client()

    assert client.gets(100, tag=None) == []
    assert client.core.state is State.PROCEEDING


def test_provisional_responses_are_told_with_their_early_media() -> None:
    client = Client()

    assert only(client.gets(180), Notify).event == Provisional(180, "Ringing", None)
    assert only(client.gets(183, sdp=ANSWER), Notify).event == Provisional(183, "Session Progress", ANSWER)
    assert client.core.dialog_count == 1


def test_each_fork_makes_an_early_dialog_up_to_a_bound() -> None:
    client = Client()

    for number in range(MAX_FORKS + 5):
        assert kinds(client.gets(180, tag=f"fork{number}")) == ["Provisional"]

    assert client.core.dialog_count == MAX_FORKS


def test_a_provisional_that_makes_no_dialog_is_still_ringing() -> None:
    client = Client()

    assert kinds(client.gets(180, more=BROKEN)) == ["Provisional"]
    assert client.core.dialog_count == 0


def test_the_200_is_acknowledged_to_its_contact_before_the_call_is_answered() -> None:
    client = Client()

    actions = client.gets(200, sdp=ANSWER)

    assert kinds(actions) == ["ACK", "Answered"]
    ack = only(actions, SendAck)
    assert (ack.request.uri, ack.next_hop) == ("sip:peer@192.0.2.9:5070", "sip:peer@192.0.2.9:5070")
    assert ack.request.headers.get("CSeq") == "1 ACK"
    event = only(actions, Notify).event
    assert isinstance(event, Answered)
    assert (event.sdp, event.headers["Call-ID"]) == (ANSWER, "c1")
    assert client.core.next_deadline() is None


def test_the_route_set_of_the_200_wins_over_that_of_the_180() -> None:
    client = Client()
    client.gets(180, more=(("Record-Route", "<sip:old.test;lr>"),))

    ack = only(client.gets(200, sdp=ANSWER, more=(("Record-Route", "<sip:b.test;lr>, <sip:a.test;lr>"),)), SendAck)

    assert ack.request.headers.get_all("Route") == ["<sip:a.test;lr>", "<sip:b.test;lr>"]
    assert ack.next_hop == "sip:a.test;lr"


def test_a_repeated_200_gets_the_same_ack_again_even_after_the_end() -> None:
    client = Client()
    first = only(client.gets(200, sdp=ANSWER), SendAck)

    assert client.gets(200, sdp=ANSWER) == [first]
    bye = sent(client.core.hangup(None, NOW))
    client.core.on_response(bye, reply(bye.request, 200), NOW)
    assert client.core.is_over
    assert client.gets(200, sdp=ANSWER) == [first]


def test_a_200_of_another_fork_is_acknowledged_and_hung_up() -> None:
    client = Client()
    client.gets(180, tag="one")
    client.gets(180, tag="two")
    client.gets(200, tag="one", sdp=ANSWER)

    actions = client.gets(200, tag="two", sdp=OTHER)

    assert kinds(actions) == ["ACK", "BYE"]
    assert only(actions, SendAck).request.to.tag == sent(actions).request.to.tag == "two"
    assert kinds(client.gets(200, tag="two", sdp=OTHER)) == ["ACK"]
    bye = sent(actions)
    assert client.core.dialog_count == 2
    assert client.core.on_response(bye, reply(bye.request, 200, tag="two"), NOW) == []
    assert client.core.dialog_count == 1
    assert not client.core.is_over


def test_a_fork_that_hangs_up_by_itself_is_answered_and_not_told() -> None:
    client = Client()
    client.gets(200, tag="one", sdp=ANSWER)
    bye = sent(client.gets(200, tag="two", sdp=OTHER))

    assert kinds(client.core.receive(in_dialog("BYE"), SEAT, "two", NOW)) == ["200"]
    assert client.core.on_failure(bye, "timeout", NOW) == []
    assert not client.core.is_over


def test_forks_beyond_the_bound_are_left_alone() -> None:
    client = Client()
    for number in range(MAX_FORKS):
        client.gets(200, tag=f"fork{number}", sdp=ANSWER)

    assert client.gets(200, tag="overflow", sdp=ANSWER) == []


def test_a_200_without_sdp_takes_the_answer_of_its_early_media() -> None:
    client = Client()
    client.gets(183, sdp=ANSWER)

    event = only(client.gets(200), Notify).event

    assert isinstance(event, Answered)
    assert event.sdp == ANSWER


def test_a_200_without_any_answer_is_acknowledged_hung_up_and_rejected() -> None:
    client = Client()

    actions = client.gets(200)

    assert kinds(actions) == ["ACK", "BYE", "Rejected"]
    assert rejected(actions).status == 488


def test_a_200_that_makes_no_dialog_is_rejected() -> None:
    client = Client()

    assert rejected(client.gets(200, sdp=ANSWER, more=BROKEN)) == Rejected(502, "Bad Gateway")
    assert client.gets(200, sdp=ANSWER, more=BROKEN) == []


@pytest.mark.parametrize(
    ("status", "more", "expected"),
    [
        (486, (), Rejected(486, "Busy Here")),
        (603, (("Reason", "Q.850;cause=21"),), Rejected(603, "Decline", 21)),
        (503, (("Retry-After", "120 (maintenance);duration=5"),), Rejected(503, "Service Unavailable", None, 120.0)),
        (503, (("Retry-After", "soon"),), Rejected(503, "Service Unavailable")),
        (302, (("Contact", "<sip:elsewhere@192.0.2.3>"),), Rejected(302, "Moved Temporarily")),
    ],
)
def test_a_final_refusal_is_told(status: int, more: tuple[tuple[str, str], ...], expected: Rejected) -> None:
    client = Client()
    client.gets(180)

    assert rejected(client.gets(status, more=more)) == expected
    assert client.core.is_over
    assert client.core.dialog_count == 0


def test_nothing_more_is_told_after_a_refusal() -> None:
    client = Client()
    client.gets(486)

    assert client.gets(180) == client.gets(486) == client.core.hangup(None, NOW) == []
    assert client.core.on_failure(client.invite, "timeout", NOW) == []


def test_timer_b_is_408_and_a_broken_transport_503() -> None:
    slow, broken = Client(), Client()

    assert rejected(slow.core.on_failure(slow.invite, "timeout", NOW)) == Rejected(408, "Request Timeout")
    assert rejected(broken.core.on_failure(broken.invite, "transport", NOW)) == Rejected(503, "Service Unavailable")


# CANCEL


def test_hangup_while_it_rings_cancels_with_the_reason() -> None:
    client = Client()
    client.gets(180)

    cancel = only(client.core.hangup(16, NOW), Cancel)

    assert (cancel.client_request, cancel.headers) == (client.invite, (("Reason", "Q.850;cause=16"),))
    assert rejected(client.gets(487)) == Rejected(487, "Request Terminated")
    assert client.core.is_over


def test_a_cancel_is_held_until_a_provisional_response() -> None:
    client = Client()

    assert client.core.hangup(None, NOW) == []
    assert kinds(client.gets(100, tag=None)) == ["Cancel"]
    assert client.gets(180) == []


def test_a_hangup_twice_cancels_once() -> None:
    client = Client()
    client.gets(180)
    client.core.hangup(None, NOW)

    assert client.core.hangup(None, NOW) == []


@pytest.mark.parametrize("has_rung", [True, False])
def test_a_200_that_crosses_the_cancel_is_acknowledged_and_hung_up(has_rung: bool) -> None:
    client = Client()
    if has_rung:
        client.gets(180)
    client.core.hangup(16, NOW)

    actions = client.gets(200, sdp=ANSWER)

    assert kinds(actions) == ["ACK", "BYE", "Rejected"]
    assert rejected(actions).status == 487
    assert sent(actions).request.headers.get("Reason") == "Q.850;cause=16"
    assert not client.core.is_over


def test_no_final_for_64_t1_after_the_cancel_gives_up() -> None:
    client = Client()
    client.gets(180)
    client.core.hangup(None, NOW)

    assert client.core.next_deadline() == NOW + 32
    assert client.core.handle_timeout(NOW + 31) == []
    assert rejected(client.core.handle_timeout(NOW + 32)).status == 487
    assert client.core.is_over


def test_no_response_at_all_after_a_hangup_is_487() -> None:
    client = Client()
    client.core.hangup(None, NOW)

    assert rejected(client.core.on_failure(client.invite, "timeout", NOW)).status == 487


def test_an_invite_that_rings_for_ever_is_cancelled() -> None:
    client = Client()
    client.gets(180)

    assert client.core.next_deadline() == NOW + RING_LIMIT
    assert kinds(client.core.handle_timeout(NOW + RING_LIMIT)) == ["Cancel"]
    assert rejected(client.core.handle_timeout(NOW + RING_LIMIT + 32)).status == 487


# Digest


def test_a_challenge_is_answered_once_and_the_retry_may_succeed() -> None:
    client = Client(password="secret")

    retry = sent(client.gets(407, tag="challenger", more=CHALLENGE))
    actions = client.gets(200, sdp=ANSWER)

    assert retry.request.headers.get("CSeq") == "2 INVITE"
    assert kinds(actions) == ["ACK", "Answered"]
    assert only(actions, SendAck).request.headers.get("CSeq") == "2 ACK"
    # the Contact of the 200 is not the trunk's host: it gets no digest to guess at
    assert only(actions, SendAck).request.headers.get("Proxy-Authorization") is None


def test_the_ack_on_the_trunks_route_repeats_the_credentials() -> None:
    client = Client(password="secret")
    retry = sent(client.gets(407, more=CHALLENGE))

    ack = only(client.gets(200, sdp=ANSWER, more=(("Record-Route", "<sip:trunk.test;lr>"),)), SendAck)

    assert ack.request.headers.get("Proxy-Authorization") == retry.request.headers.get("Proxy-Authorization")


def test_a_wrong_password_is_no_loop() -> None:
    client = Client(password="wrong")
    client.gets(407, more=CHALLENGE)

    assert rejected(client.gets(407, more=CHALLENGE)) == Rejected(407, "Proxy Authentication Required")


def test_a_challenge_without_credentials_is_a_refusal() -> None:
    assert rejected(Client().gets(407, more=CHALLENGE)).status == 407


def test_a_challenge_after_a_hangup_is_not_answered() -> None:
    client = Client(password="secret")
    client.core.hangup(None, NOW)

    assert rejected(client.gets(407, more=CHALLENGE)).status == 407


# Requests of the far end


def test_an_unknown_dialog_gets_481() -> None:
    assert status(Client().core.receive(in_dialog("BYE"), SEAT, "stranger", NOW)) == 481


@pytest.mark.parametrize(("method", "expected"), [("INVITE", 491), ("INFO", 200), ("OPTIONS", 200)])
def test_requests_in_an_early_dialog_are_answered(method: str, expected: int) -> None:
    client = Client()
    client.gets(180)

    assert status(client.core.receive(in_dialog(method), SEAT, "theirs", NOW)) == expected


def test_a_lower_number_in_an_early_dialog_gets_500_and_the_count_goes_on_after_the_answer() -> None:
    client = Client()
    client.gets(180)
    client.core.receive(in_dialog("INFO", cseq=5), SEAT, "theirs", NOW)

    assert status(client.core.receive(in_dialog("INFO", cseq=4), SEAT, "theirs", NOW)) == 500
    client.gets(200, sdp=ANSWER)
    assert status(client.core.receive(in_dialog("INFO", cseq=4), SEAT, "theirs", NOW)) == 500


def test_a_bye_in_the_only_early_dialog_cancels_the_invite() -> None:
    client = Client()
    client.gets(180)

    assert kinds(client.core.receive(in_dialog("BYE"), SEAT, "theirs", NOW)) == ["200", "Cancel"]


def test_a_bye_in_one_of_two_early_dialogs_leaves_the_other() -> None:
    client = Client()
    client.gets(180, tag="one")
    client.gets(180, tag="two")

    assert kinds(client.core.receive(in_dialog("BYE"), SEAT, "one", NOW)) == ["200"]
    assert client.core.dialog_count == 1


def test_after_the_answer_its_session_takes_over() -> None:
    client = Client()
    client.gets(200, sdp=ANSWER)

    assert kinds(client.core.receive(in_dialog("INVITE", sdp=OTHER), SEAT, "theirs", NOW)) == ["Reoffered"]
    assert status(client.core.cancel(in_dialog("CANCEL"))) == 487
    assert client.core.receive_ack(in_dialog("ACK")) == []
    assert client.core.handle_timeout(NOW) == []
    assert kinds(client.core.receive(in_dialog("BYE", cseq=3), SEAT, "theirs", NOW)) == ["200", "Ended"]
    assert client.core.is_over


def test_without_a_session_nothing_of_it_matters() -> None:
    client = Client()
    stray = ClientRequest(request("BYE"), "sip:x", "stranger")

    assert client.core.receive_ack(in_dialog("ACK")) == client.core.cancel(in_dialog("CANCEL")) == []
    assert client.core.on_response(stray, reply(stray.request, 200), NOW) == []
    assert client.core.on_failure(stray, "timeout", NOW) == []


def test_silence_is_told_as_a_timeout_and_the_invite_is_cancelled_as_soon_as_it_may_be() -> None:
    client = Client(silence_limit=5.0)
    assert client.core.next_deadline() == NOW + 5.0

    assert rejected(client.core.handle_timeout(NOW + 5.0)) == Rejected(408, "Request Timeout")
    assert not client.core.is_over
    assert kinds(client.gets(180)) == ["Cancel"]

    assert client.gets(487) == []
    assert client.core.is_over


def test_answer_after_a_silence_is_hung_up_and_told_to_nobody() -> None:
    client = Client(silence_limit=5.0)
    client.core.handle_timeout(NOW + 5.0)

    actions = client.gets(200, sdp=ANSWER)

    assert kinds(actions) == ["ACK", "BYE"]


def test_silence_that_goes_on_is_told_once() -> None:
    client = Client(silence_limit=5.0)
    client.core.handle_timeout(NOW + 5.0)

    assert client.core.on_failure(client.invite, "timeout", NOW + 32.0) == []
    assert client.core.is_over


@pytest.mark.parametrize("status", [100, 180])
def test_any_response_ends_the_silence(status: int) -> None:
    client = Client(silence_limit=5.0)

    client.gets(status)

    assert client.core.handle_timeout(NOW + 5.0) == []
    assert client.core.next_deadline() == NOW + RING_LIMIT
