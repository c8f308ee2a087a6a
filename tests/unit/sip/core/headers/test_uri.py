"""URIs and the hosts in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.errors import SipParseError, UnsupportedUri
from gateway.sip.core.headers.uri import SipUri, check_uri

names = st.text(min_size=1, max_size=12)
values = st.one_of(st.none(), st.text(max_size=12))
hosts = st.one_of(
    st.sampled_from(["example.com", "my_pbx", "host1", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"]),
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}[a-z]", fullmatch=True),
)


@st.composite
def sip_uris(draw: st.DrawFn) -> SipUri:
    user = draw(st.one_of(st.none(), st.text(min_size=1, max_size=12)))
    return SipUri(
        scheme=draw(st.sampled_from(["sip", "sips"])),
        host=draw(hosts),
        user=user,
        password=None if user is None else draw(values),
        port=draw(st.one_of(st.none(), st.integers(1, 65535))),
        params=tuple(draw(st.lists(st.tuples(names, values), max_size=3))),
        headers=tuple(draw(st.lists(st.tuples(names, st.text(max_size=12)), max_size=3))),
    )


@given(sip_uris())
def test_any_uri_is_read_back_as_it_was_written(uri: SipUri) -> None:
    text = str(uri)

    assert SipUri.parse(text) == uri
    assert text.isascii()


@given(st.text(max_size=60))
def test_any_text_is_a_uri_or_a_parse_error(text: str) -> None:
    for candidate in (text, f"sip:{text}", f"tel:{text}"):
        try:
            SipUri.parse(candidate)
        except (SipParseError, UnsupportedUri):
            continue


def test_parts_of_a_uri_are_found() -> None:
    uri = SipUri.parse("SIPS:a%40b;x:pw@[2001:db8::1]:5061;transport=TCP;lr;%61=%3b?Subject=a%20b&X")

    assert (uri.scheme, uri.user, uri.password, uri.host, uri.port) == ("sips", "a@b;x", "pw", "2001:db8::1", 5061)
    assert uri.params == (("transport", "TCP"), ("lr", None), ("a", ";"))
    assert uri.headers == (("Subject", "a b"), ("X", None))
    assert uri.param("TRANSPORT") == "TCP"
    assert uri.param("lr") == ""
    assert uri.param("maddr") is None


def test_plus_of_a_phone_number_is_not_escaped() -> None:
    assert str(SipUri(scheme="sip", host="h", user="+12025550100")) == "sip:+12025550100@h"


def test_telephone_number_is_the_user() -> None:
    uri = SipUri.parse("tel:+1-202-555-0100;phone-context=example.com")

    assert uri.user == "+1-202-555-0100"
    assert uri.param("phone-context") == "example.com"
    assert str(uri) == "tel:+1-202-555-0100;phone-context=example.com"


def test_escape_that_is_no_utf8_becomes_the_replacement_character() -> None:
    uri = SipUri.parse("sip:a%FFb@h")

    assert uri.user == "a\ufffdb"
    assert SipUri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    "text",
    [
        *("", "sip", "sip:", ":a@b", "1sip:a@b", "sip:@h", "sip:a@", "sip:a@h:0", "sip:a@h:65536", "sip:a@h:x"),
        *("sip:a@h:", "sip:a@h@i", "sip:a b@h", "sip:<a@h>", 'sip:"a"@h', "sip:a@h\r\n", "sip:a@h\x00", "sip:a@h;"),
        *("sip:a@h;=1", "sip:a@-h", "sip:a@h..i", "sip:a@1.2.3", "sip:a@1.2.3.400", "sip:a@[::1", "sip:a@[::g]"),
        *("sip:a@[fe80::1%eth0]", "sip:a@[::1]x", "sip:a%4@h", "sip:a%zz@h", "tel:", "tel:+", "tel:abc xyz", "tel:()"),
        *("sip:a@" + "h" * 300, "sip:a@hö", "sip:a@h;x=b@c", "sip:a@\u00a0h"),
    ],
)
def test_broken_uri_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        SipUri.parse(text)


@pytest.mark.parametrize("text", ["http://example.com", "urn:service:sos", "isbn:2983792873"])
def test_other_schemes_are_uris_that_we_do_not_support(text: str) -> None:
    assert check_uri(text) in ("http", "urn", "isbn")
    with pytest.raises(UnsupportedUri):
        SipUri.parse(text)
