"""Who calls, in header fields."""

import pytest

from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.message import Headers
from gateway.sip.trunk_settings import IdentityField
from gateway.trunks.core.identity import Caller, Shown, diversion, find_caller, show

ALL: tuple[IdentityField, ...] = ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID")
FROM = NameAddr.parse('"Somebody" <sip:+12025550111@carrier.example>;tag=1')
ALICE = Caller(number="+12025550199", name="Alice")
HIDDEN = Caller(number="anonymous", name="Anonymous")


def test_a_trunk_that_wants_no_field_gets_the_from_alone() -> None:
    assert show(ALICE, (), domain="gw.example") == Shown("sip:+12025550199@gw.example", "Alice", ())


def test_each_field_that_a_trunk_wants_names_the_caller() -> None:
    shown = show(ALICE, ALL, domain="gw.example")

    assert shown.headers == (
        ("P-Asserted-Identity", "Alice <sip:+12025550199@gw.example>"),
        ("P-Preferred-Identity", "Alice <sip:+12025550199@gw.example>"),
        ("Remote-Party-ID", "Alice <sip:+12025550199@gw.example>;party=calling;privacy=off;screen=yes"),
    )


@pytest.mark.parametrize("name", ["anonymous", "Anonymous", "ANONYMOUS"])
def test_a_caller_that_hides_is_anonymous_in_from_and_known_to_the_trunk(name: str) -> None:
    shown = show(Caller(number="+12025550199", name=name), ALL, domain="gw.example")

    assert (shown.from_uri, shown.from_name) == ("sip:anonymous@anonymous.invalid", "Anonymous")
    assert shown.headers == (
        ("P-Asserted-Identity", "<sip:+12025550199@gw.example>"),
        ("P-Preferred-Identity", "<sip:+12025550199@gw.example>"),
        ("Remote-Party-ID", "<sip:+12025550199@gw.example>;party=calling;privacy=full;screen=yes"),
        ("Privacy", "id"),
    )


def test_a_caller_that_hides_from_a_trunk_without_fields_leaves_no_number_behind() -> None:
    shown = show(Caller(number="+12025550199", name="anonymous"), (), domain="gw.example")

    assert "2025550199" not in repr(shown)
    assert shown.headers == (("Privacy", "id"),)


def test_a_caller_without_a_number_is_asserted_to_be_nobody() -> None:
    shown = show(Caller(number="Anonymous"), ALL, domain="gw.example")

    assert shown.headers == (("Privacy", "id"),)


def test_a_number_that_no_uri_can_carry_is_not_passed_on() -> None:
    shown = show(Caller(number='1"><sip:evil@h>', name="Eve"), ALL, domain="gw.example")

    assert shown == Shown("sip:anonymous@gw.example", "Eve", ())


def test_a_display_name_cannot_leave_its_quotes() -> None:
    name = 'x" <sip:real@h>;p="y'
    shown = show(Caller(number="+12025550199", name=name), ("P-Asserted-Identity",), domain="gw.example")

    (address,) = [NameAddr.parse(value) for _, value in shown.headers]
    assert (address.display_name, address.uri) == (name, "sip:+12025550199@gw.example")


def test_diversion_names_who_sent_the_call_on() -> None:
    expected = ("Diversion", "<sip:+12025550190@gw.example>;reason=deflection;counter=1")

    assert diversion("+12025550190", domain="gw.example") == (expected,)


def found(trusted: tuple[IdentityField, ...], *headers: tuple[str, str]) -> Caller:
    return find_caller(Headers(headers), FROM, trusted)


PAI = ("P-Asserted-Identity", '"Alice" <sip:+12025550122@carrier.example>, <tel:+12025550122>')
RPID = ("Remote-Party-ID", '"Bob" <sip:+12025550133@carrier.example>;party=calling;privacy=off')
FROM_CALLER = Caller(number="+12025550111", name="Somebody")


def test_a_trunk_that_is_not_trusted_shows_who_stands_in_from() -> None:
    assert found((), PAI, RPID, ("Privacy", "id")) == FROM_CALLER


def test_the_best_of_the_trusted_fields_that_are_there_counts() -> None:
    both: tuple[IdentityField, ...] = ("Remote-Party-ID", "P-Asserted-Identity")

    assert found(both, PAI, RPID) == Caller(number="+12025550133", name="Bob")
    assert found(both, PAI) == Caller(number="+12025550122", name="Alice")
    assert found(both) == FROM_CALLER
    assert found(("P-Asserted-Identity",), RPID) == FROM_CALLER


@pytest.mark.parametrize(
    ("value", "caller"),
    [
        ("<tel:+12025550122>", Caller(number="+12025550122")),
        ("sip:+12025550122@h", Caller(number="+12025550122")),
        ('<sip:h>, "Alice" <tel:+12025550122>', Caller(number="+12025550122", name="Alice")),
        ('"x" <sip:real@h>;p="y" <sip:evil@h>', FROM_CALLER),  # sip-stack.md: the greedy quote
        ('"x <sip:evil@h>', FROM_CALLER),
        ("<sip:evil@h", FROM_CALLER),
        ("<mailto:alice@h>", FROM_CALLER),
        ("", FROM_CALLER),
        ('"a, <sip:evil@h>" <sip:real@h>', Caller(number="real", name="a, <sip:evil@h>")),
    ],
)
def test_an_asserted_identity_is_read_as_it_stands_or_not_at_all(value: str, caller: Caller) -> None:
    assert found(("P-Asserted-Identity",), ("P-Asserted-Identity", value)) == caller


@pytest.mark.parametrize(
    ("value", "caller"),
    [
        ("<sip:1@h>;party=called, <sip:2@h>;party=calling", Caller(number="2")),
        ("<sip:1@h>;party=called", FROM_CALLER),
        ("<sip:3@h>;privacy=full", HIDDEN),
        ("<sip:3@h>;privacy=URI", HIDDEN),
        ("<sip:3@h>;privacy=name", Caller(number="3")),
    ],
)
def test_a_remote_party_is_the_one_that_calls(value: str, caller: Caller) -> None:
    assert found(("Remote-Party-ID",), ("Remote-Party-ID", value)) == caller


@pytest.mark.parametrize("privacy", ["id", "user;id;critical", "header", "ID"])
def test_a_trusted_caller_that_wants_privacy_is_shown_to_nobody(privacy: str) -> None:
    assert found(("P-Asserted-Identity",), PAI, ("Privacy", privacy)) == HIDDEN


def test_privacy_none_hides_nothing() -> None:
    assert found(("P-Asserted-Identity",), PAI, ("Privacy", "none")) == Caller(number="+12025550122", name="Alice")


def test_a_from_without_a_user_or_of_another_scheme_is_nobody() -> None:
    assert find_caller(Headers(), NameAddr.parse("<sip:h>;tag=1"), ()) == Caller(number="")
    assert find_caller(Headers(), NameAddr.parse("<mailto:a@h>;tag=1"), ()) == Caller(number="")
