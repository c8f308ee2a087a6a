"""Our registration at a trunk, with a clock in the test's hand."""

import pytest

from gateway.sip.core.authentication import Authentication
from gateway.sip.core.message import Headers, Request, Response
from gateway.trunks.core.registration import (
    DENIED_PAUSE,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_RETRY_AFTER,
    MAX_REDIRECTS,
    Registrant,
    Registration,
    State,
)

CONTACT = "sip:acme@127.0.0.1:5060"
CHALLENGE = ("WWW-Authenticate", 'Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"')


def registration(*, random: float = 0.0, password: str | None = "secret") -> Registration:
    authentication = (
        None
        if password is None
        else Authentication("acme", password, hosts=("carrier.example",), new_cnonce=lambda: "cnonce")
    )
    return Registration(
        Registrant(
            registrar="sip:carrier.example:5070;transport=tcp",
            username="acme",
            domain="carrier.example",
            expires=3600,
            user_agent="test",
        ),
        call_id="call-1",
        from_tag="tag-1",
        authentication=authentication,
        random=lambda: random,
        now=100.0,
    )


def answer(request: Request, status: int, *headers: tuple[str, str]) -> Response:
    copied = [(name, value) for name, value in request.headers.items() if name in ("From", "To", "Call-ID", "CSeq")]
    return Response(status, "Whatever", Headers((*copied, *headers)))


def granted(request: Request, seconds: int) -> Response:
    return answer(request, 200, ("Contact", f"<{CONTACT}>;expires={seconds}"))


def registered(machine: Registration, *, at: float = 100.0, seconds: int = 3600) -> None:
    assert machine.receive(granted(machine.begin(CONTACT, at), seconds), at) is None
    assert machine.state is State.REGISTERED


def test_the_request_names_the_address_of_record_and_our_contact() -> None:
    machine = registration()

    request = machine.begin(CONTACT, 100.0)

    assert (request.method, request.uri, machine.target) == (
        "REGISTER",
        "sip:carrier.example",
        "sip:carrier.example:5070;transport=tcp",
    )
    assert request.headers.get("From") == "<sip:acme@carrier.example>;tag=tag-1"
    assert request.headers.get("To") == "<sip:acme@carrier.example>"
    assert request.headers.get("Contact") == f"<{CONTACT}>"
    assert request.headers.get("Expires") == "3600"


def test_a_binding_is_refreshed_at_four_fifths_of_what_was_granted() -> None:
    machine = registration()

    registered(machine, seconds=600)

    assert machine.deadline == 100.0 + 480.0
    assert machine.granted == 600
    assert machine.is_bound(699.9) and not machine.is_bound(700.0)


def test_a_refresh_keeps_the_call_id_and_counts_on() -> None:
    machine = registration()
    first = machine.begin(CONTACT, 100.0)
    machine.receive(granted(first, 600), 100.0)

    second = machine.begin(CONTACT, 580.0)

    assert second.call_id == first.call_id
    assert second.from_.tag == first.from_.tag
    assert (first.cseq.number, second.cseq.number) == (1, 2)
    assert machine.state is State.REGISTERED  # the old binding still holds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("Contact", f"<{CONTACT}>;expires=60"), ("Expires", "90")), 60),
        ((("Contact", f"<sip:other@192.0.2.9>;expires=7, <{CONTACT}>;expires=61"),), 61),
        ((("Contact", "<sip:acme@203.0.113.4:40000>;expires=62"),), 62),  # written anew by a NAT's registrar
        ((("Contact", "<sip:a@192.0.2.9>;expires=7, <sip:b@192.0.2.9>;expires=8"), ("Expires", "63")), 63),
        ((("Contact", f"<{CONTACT}>"), ("Expires", "64")), 64),
        ((("Contact", f"<{CONTACT}>;expires=never"),), 3600),
        ((("Contact", "<broken"), ("Expires", "65")), 65),
        ((), 3600),
    ],
)
def test_the_time_granted_is_that_of_our_contact(headers: tuple[tuple[str, str], ...], seconds: int) -> None:
    machine = registration()

    machine.receive(answer(machine.begin(CONTACT, 100.0), 200, *headers), 100.0)

    assert machine.granted == seconds


def test_a_2xx_that_grants_nothing_is_a_failure() -> None:
    machine = registration()

    machine.receive(granted(machine.begin(CONTACT, 100.0), 0), 100.0)

    assert machine.state is State.FAILED
    assert not machine.is_bound(100.0)


def test_a_challenge_is_answered_with_the_next_number_in_the_same_dialogless_call() -> None:
    machine = registration()
    first = machine.begin(CONTACT, 100.0)
    challenged = answer(first, 401, CHALLENGE)
    challenged.headers.set("To", "<sip:acme@carrier.example>;tag=registrar")

    second = machine.receive(challenged, 100.0)

    assert second is not None
    assert second.call_id == first.call_id
    assert second.cseq.number == 2
    assert second.to.tag is None  # a To tag would make it a request within a dialog
    assert 'uri="sip:carrier.example"' in (second.headers.get("Authorization") or "")
    assert machine.receive(granted(second, 600), 100.0) is None
    assert machine.begin(CONTACT, 580.0).cseq.number == 3


def test_a_wrong_password_is_not_tried_again_for_long() -> None:
    machine = registration()
    again = machine.receive(answer(machine.begin(CONTACT, 100.0), 401, CHALLENGE), 100.0)
    assert again is not None
    fresh = ("WWW-Authenticate", 'Digest realm="carrier", nonce="n2", algorithm=MD5, qop="auth"')

    nothing = machine.receive(answer(again, 401, fresh), 100.0)

    assert nothing is None
    assert machine.state is State.DENIED
    assert machine.deadline == 100.0 + DENIED_PAUSE


def test_a_stale_nonce_is_replaced_once() -> None:
    machine = registration()
    stale = [
        ("WWW-Authenticate", f'Digest realm="carrier", nonce="n{n}", algorithm=MD5, qop="auth", stale=true')
        for n in (2, 3)
    ]
    first = machine.receive(answer(machine.begin(CONTACT, 100.0), 401, CHALLENGE), 100.0)
    assert first is not None
    second = machine.receive(answer(first, 401, stale[0]), 100.0)
    assert second is not None

    third = machine.receive(answer(second, 401, stale[1]), 100.0)

    assert third is None
    assert machine.state is State.DENIED


@pytest.mark.parametrize("status", [403, 404])
def test_who_may_not_register_asks_again_after_long(status: int) -> None:
    machine = registration()

    machine.receive(answer(machine.begin(CONTACT, 100.0), status), 100.0)

    assert (machine.state, machine.status) == (State.DENIED, status)
    assert machine.deadline == 100.0 + DENIED_PAUSE


def test_a_challenge_without_a_password_is_a_denial() -> None:
    machine = registration(password=None)

    nothing = machine.receive(answer(machine.begin(CONTACT, 100.0), 401, CHALLENGE), 100.0)

    assert nothing is None
    assert machine.state is State.DENIED


def test_a_registrar_that_wants_a_longer_time_gets_it_at_once() -> None:
    machine = registration()
    first = machine.begin(CONTACT, 100.0)

    second = machine.receive(answer(first, 423, ("Min-Expires", "7200")), 100.0)

    assert second is not None
    assert (second.headers.get("Expires"), second.cseq.number) == ("7200", 2)
    machine.receive(granted(second, 7200), 100.0)
    assert machine.begin(CONTACT, 5860.0).headers.get("Expires") == "7200"


@pytest.mark.parametrize("least", ["3600", "60", "86401", "soon", ""])
def test_a_423_that_leads_nowhere_is_a_failure(least: str) -> None:
    machine = registration()

    nothing = machine.receive(answer(machine.begin(CONTACT, 100.0), 423, ("Min-Expires", least)), 100.0)

    assert nothing is None
    assert machine.state is State.FAILED


def test_failures_wait_twice_as_long_each_time_up_to_a_limit() -> None:
    machine = registration(random=0.999999)
    pauses = []

    for _ in range(10):
        machine.begin(CONTACT, 100.0)
        machine.lost(100.0)
        assert machine.deadline is not None
        pauses.append(round(machine.deadline - 100.0))

    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-2:] == [LONGEST_PAUSE, LONGEST_PAUSE]


def test_the_pause_of_a_failure_is_spread_over_its_upper_half() -> None:
    early, late = registration(random=0.0), registration(random=0.999999)

    for machine in (early, late):
        machine.begin(CONTACT, 100.0)
        machine.lost(100.0)

    assert early.deadline == 100.0 + FIRST_PAUSE / 2
    assert late.deadline is not None and round(late.deadline - 100.0, 2) == FIRST_PAUSE


def test_a_success_forgets_the_failures() -> None:
    machine = registration()
    for _ in range(5):
        machine.begin(CONTACT, 100.0)
        machine.lost(100.0)
    registered(machine)

    machine.begin(CONTACT, 3000.0)
    machine.lost(3000.0)

    assert machine.deadline == 3000.0 + FIRST_PAUSE / 2


@pytest.mark.parametrize(
    ("retry_after", "pause"),
    [("120", 120.0), ("18000;duration=3600", LONGEST_RETRY_AFTER), ("90 (busy)", 90.0), ("soon", FIRST_PAUSE / 2)],
)
def test_retry_after_is_kept_to_within_reason(retry_after: str, pause: float) -> None:
    machine = registration()

    machine.receive(answer(machine.begin(CONTACT, 100.0), 503, ("Retry-After", retry_after)), 100.0)

    assert machine.state is State.FAILED
    assert machine.deadline == 100.0 + pause


def test_a_failed_refresh_keeps_the_binding_until_it_runs_out() -> None:
    machine = registration()
    registered(machine, seconds=100)

    machine.begin(CONTACT, 180.0)
    machine.lost(180.0)

    assert machine.state is State.FAILED
    assert machine.is_bound(199.9) and not machine.is_bound(200.0)


def test_a_redirection_is_followed_at_once() -> None:
    machine = registration()
    contact = ("Contact", "<sip:acme@backup.example:5080;transport=udp;x=1>")

    machine.receive(answer(machine.begin(CONTACT, 100.0), 302, contact), 100.0)

    assert machine.deadline == 100.0
    assert machine.target == "sip:backup.example:5080;transport=udp"


def test_another_host_gets_no_digest() -> None:
    machine = registration()
    machine.receive(answer(machine.begin(CONTACT, 100.0), 302, ("Contact", "<sip:evil.example>")), 100.0)

    nothing = machine.receive(answer(machine.begin(CONTACT, 100.0), 401, CHALLENGE), 100.0)

    assert nothing is None
    assert machine.state is State.DENIED
    assert machine.target == "sip:carrier.example:5070;transport=tcp"


def test_redirections_in_a_circle_end() -> None:
    machine = registration()

    for _ in range(MAX_REDIRECTS + 1):
        machine.receive(answer(machine.begin(CONTACT, 100.0), 302, ("Contact", "<sip:b.example>")), 100.0)

    assert machine.state is State.FAILED
    assert machine.target == "sip:carrier.example:5070;transport=tcp"


@pytest.mark.parametrize("contact", ["<tel:+12025550100>", "<broken", "<mailto:a@b.example>"])
def test_a_redirection_to_nowhere_is_a_failure(contact: str) -> None:
    machine = registration()

    machine.receive(answer(machine.begin(CONTACT, 100.0), 300, ("Contact", contact)), 100.0)

    assert machine.state is State.FAILED


def test_the_service_route_of_the_registrar_is_kept_in_order() -> None:
    machine = registration()
    route = ("Service-Route", "<sip:p1.example;lr>, <sip:p2.example;lr>")

    machine.receive(answer(machine.begin(CONTACT, 100.0), 200, route), 100.0)

    assert machine.service_route == ("sip:p1.example;lr", "sip:p2.example;lr")


@pytest.mark.parametrize("route", ["<sip:strict.example>", "<sips:p.example;lr>", "<broken", "<ldap:x>"])
def test_a_service_route_that_we_cannot_go_is_left_out(route: str) -> None:
    machine = registration()

    machine.receive(answer(machine.begin(CONTACT, 100.0), 200, ("Service-Route", route)), 100.0)

    assert machine.service_route == ()
    assert machine.state is State.REGISTERED


def test_the_end_takes_the_binding_back() -> None:
    machine = registration()
    registered(machine)

    last = machine.end(200.0)

    assert last is not None
    assert (last.headers.get("Expires"), last.headers.get("Contact")) == ("0", f"<{CONTACT}>")
    assert not machine.is_bound(200.0)
    again = machine.receive(answer(last, 401, CHALLENGE), 200.0)
    assert again is not None and again.headers.get("Expires") == "0"
    assert machine.receive(answer(again, 200), 200.0) is None
    assert (machine.state, machine.deadline) == (State.ENDED, None)


def test_the_end_takes_back_what_may_have_been_granted_meanwhile() -> None:
    machine = registration()
    machine.begin(CONTACT, 100.0)

    last = machine.end(101.0)

    assert last is not None
    assert last.headers.get("Expires") == "0"


def test_the_end_has_nothing_to_take_back_without_a_binding() -> None:
    machine = registration()
    machine.begin(CONTACT, 100.0)
    machine.lost(100.0)

    assert machine.end(101.0) is None
    machine.lost(102.0)
    assert (machine.state, machine.deadline) == (State.ENDED, None)


def test_a_lost_connection_is_registered_over_again_soon_and_not_by_all_at_once() -> None:
    early, late = registration(random=0.0), registration(random=0.999999)
    for machine in (early, late):
        registered(machine, at=100.0, seconds=3600)
        machine.flow_lost(200.0)

    assert early.deadline == 200.0
    assert late.deadline == pytest.approx(200.0 + FIRST_PAUSE)
    assert early.is_bound(200.0)


def test_a_lost_connection_never_puts_off_what_is_due() -> None:
    machine = registration(random=0.999999)
    registered(machine, at=100.0, seconds=10)
    due = machine.deadline
    assert due is not None

    machine.flow_lost(due - 0.5)

    assert machine.deadline == due


def test_a_lost_connection_of_one_that_is_not_registered_changes_nothing() -> None:
    machine = registration()
    machine.begin("sip:acme@127.0.0.1", 0.0)
    machine.lost(1.0)
    due = machine.deadline

    machine.flow_lost(1.5)

    assert machine.deadline == due
