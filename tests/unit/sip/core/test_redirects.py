"""Calls that a 3xx sends elsewhere (RFC 3261 section 8.1.3.4)."""

import pytest

from gateway.sip.call import Rejected
from gateway.sip.core.actions import Action, ClientRequest, Notify
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.invite_client import InviteClient
from gateway.sip.core.redirects import MAX_TARGETS, Redirects
from tests.unit.sip.core.script import ANSWER, CONTEXT, NOW, kinds, only, our_invite, reply, sent

CHALLENGE = (("WWW-Authenticate", 'Digest realm="r", nonce="n"'),)


def targets(*contacts: str, status: int = 302, is_allowed: bool = True) -> list[str]:
    """The places that a response with these Contacts leads to."""
    redirects = Redirects("sip:peer@trunk.test", is_allowed=is_allowed)
    redirects.take(reply(our_invite(), status, contact=None, more=tuple(("Contact", one) for one in contacts)))
    found: list[str] = []
    while (uri := redirects.next()) is not None:
        found.append(uri)
    return found


class Caller:
    def __init__(self, *, follows: bool = True) -> None:
        authentication = Authentication("user", "secret", hosts=("trunk.test",), new_cnonce=lambda: "c" * 16)
        self.core = InviteClient(
            our_invite(),
            next_hop="sip:peer@trunk.test",
            context=CONTEXT,
            authentication=authentication,
            follows_redirects=follows,
            now=NOW,
        )
        self.invite: ClientRequest = sent(self.core.start())

    def gets(self, status: int, *contacts: str, more: tuple[tuple[str, str], ...] = ()) -> list[Action]:
        lines = (*(("Contact", one) for one in contacts), *more)
        return self.core.on_response(self.invite, reply(self.invite.request, status, contact=None, more=lines), NOW)

    def goes_on(self, actions: list[Action]) -> ClientRequest:
        self.invite = sent(actions)
        return self.invite


def rejected(actions: list[Action]) -> Rejected:
    event = only(actions, Notify).event
    assert isinstance(event, Rejected)
    return event


def test_the_best_contact_comes_first() -> None:
    assert targets("<sip:a@h>;q=0.1, <sip:b@h>;q=0.9", "<sip:c@h>") == ["sip:c@h", "sip:b@h", "sip:a@h"]


@pytest.mark.parametrize("contact", ["<tel:+12025550100>", "<mailto:a@h>", "<http://h/>", "*", "<sip:a@h", "<sip:>"])
def test_what_is_no_place_for_a_sip_call_is_left_out(contact: str) -> None:
    assert targets(contact, "<sip:a@h>") == ["sip:a@h"]


def test_header_fields_and_a_method_in_the_uri_are_left_out() -> None:
    assert targets("<sip:a@h;method=BYE;transport=tcp?Subject=x&Route=%3Csip:r%3E>") == ["sip:a@h;transport=tcp"]


@pytest.mark.parametrize("status", [305, 380, 404, 486])
def test_other_responses_name_no_place(status: int) -> None:
    assert targets("<sip:a@h>", status=status) == []


def test_without_leave_nothing_is_followed() -> None:
    assert targets("<sip:a@h>", is_allowed=False) == []


def test_no_place_is_tried_twice_and_their_number_is_bounded() -> None:
    assert targets("<sip:peer@TRUNK.test>", "<sip:a@h>", "<sip:a@H;x=1>") == ["sip:a@h"]
    assert len(targets(*(f"<sip:{number}@h>" for number in range(50)))) == MAX_TARGETS


def test_the_same_call_goes_to_the_other_place() -> None:
    caller = Caller()
    first = caller.invite.request

    second = caller.goes_on(caller.gets(302, "<sip:other@elsewhere.test>"))

    assert (second.request.uri, second.next_hop) == ("sip:other@elsewhere.test", "sip:other@elsewhere.test")
    assert (second.request.cseq.number, second.request.body) == (2, first.body)
    for name in ("From", "To", "Call-ID", "Contact"):
        assert second.request.headers.get(name) == first.headers.get(name)
    answer = reply(second.request, 200, sdp=ANSWER)
    assert kinds(caller.core.on_response(second, answer, NOW)) == ["ACK", "Answered"]


def test_a_redirection_is_the_end_where_it_is_not_followed() -> None:
    assert rejected(Caller(follows=False).gets(302, "<sip:other@elsewhere.test>")).status == 302


def test_a_place_that_fails_is_followed_by_the_next() -> None:
    caller = Caller()
    caller.goes_on(caller.gets(300, "<sip:a@h>", "<sip:b@h>", "<sip:c@h>"))

    assert caller.goes_on(caller.gets(486)).request.uri == "sip:b@h"
    third = caller.goes_on(caller.core.on_failure(caller.invite, "timeout", NOW))
    assert (third.request.uri, third.request.cseq.number) == ("sip:c@h", 4)
    assert rejected(caller.gets(404)).status == 404


def test_places_that_send_it_round_in_a_circle_end_it() -> None:
    caller = Caller()
    caller.goes_on(caller.gets(302, "<sip:a@h>"))

    assert rejected(caller.gets(302, "<sip:peer@trunk.test>, <sip:a@h>")).status == 302


def test_a_6xx_ends_it() -> None:
    caller = Caller()
    caller.goes_on(caller.gets(302, "<sip:a@h>", "<sip:b@h>"))

    assert rejected(caller.gets(603)).status == 603


def test_a_hangup_ends_it() -> None:
    caller = Caller()
    caller.core.hangup(None, NOW)

    assert rejected(caller.gets(302, "<sip:a@h>")).status == 302


def test_no_digest_goes_to_another_host() -> None:
    caller = Caller()
    caller.goes_on(caller.gets(401, more=CHALLENGE))
    elsewhere = caller.goes_on(caller.gets(302, "<sip:a@elsewhere.test>"))

    assert "Authorization" not in elsewhere.request.headers
    assert rejected(caller.gets(401, more=CHALLENGE)).status == 401
