"""Addresses of callers, callees and routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.name_addr import NameAddr, parse_addresses
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.tokens import printable


@given(st.text(max_size=20), st.sampled_from(["sip:a@h;lr?x=y", "tel:+1", "http://x/y"]), st.booleans())
def test_any_address_is_read_back_as_it_was_written(name: str, uri: str, has_tag: bool) -> None:
    address = NameAddr(uri, printable(name), Params((("tag", "t"),)) if has_tag else Params())

    assert NameAddr.parse(str(address)) == address


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_parse_error(text: str) -> None:
    for candidate in (text, f"<sip:{text}", f'"{text}" <sip:a@h>', f"sip:{text}"):
        try:
            NameAddr.parse(candidate)
        except SipParseError:
            continue


def test_greedy_quote_does_not_let_a_second_address_in() -> None:
    with pytest.raises(SipParseError):
        NameAddr.parse('"x" <sip:real@h>;p="y" <sip:evil@h>')


def test_two_quoted_contacts_in_one_line_stay_two() -> None:
    contacts = parse_addresses(['"a" <sip:a@h>, "b" <sip:b@h>', "<sip:c@h>;q=1"])

    assert [(contact.display_name, contact.uri) for contact in contacts] == [
        ("a", "sip:a@h"),
        ("b", "sip:b@h"),
        ("", "sip:c@h"),
    ]


def test_parameters_behind_a_bare_uri_belong_to_the_header() -> None:
    address = NameAddr.parse('sip:a@h ;tag=1;x="<"')

    assert address.uri == "sip:a@h"
    assert address.tag == "1"
    assert address.params.get("x") == "<"


def test_parameters_within_brackets_belong_to_the_uri() -> None:
    address = NameAddr.parse("<sip:a@h;lr>;tag=1")

    assert address.sip_uri.param("lr") == ""
    assert "lr" not in address.params


def test_wildcard_contact_is_known() -> None:
    assert NameAddr.parse(" * ").is_wildcard
    assert str(NameAddr.parse("*")) == "*"


def test_tag_is_not_rewritten() -> None:
    text = "<sip:a@h>;tag=sip+1+bf%2B"

    assert NameAddr.parse(text).tag == "sip+1+bf%2B"
    assert str(NameAddr.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", '"a" sip:a@h', '"a <sip:a@h>', '"a"', "a, b <sip:a@h>", "a > <sip:a@h>", "<sip:a@h", "<>", "<a@h>"),
        *("<sip:a@h> x", "<sip:a@h>;", "sip:a@h?x=y", "sip:a@h,b", "< sip:a@h>", "a@h", '<sip:a@h>;tag="', "*;tag=1"),
    ],
)
def test_broken_address_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        NameAddr.parse(text)
