"""Challenges and credentials."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.auth import MAX_PARAMETERS, AuthValue, parse_challenges


def test_commas_inside_quotes_separate_nothing() -> None:
    value = AuthValue.parse('Digest realm="a, b", qop="auth,auth-int" ,nonce="x=="')

    assert value.scheme == "Digest"
    assert value.get("REALM") == "a, b"
    assert value.get("qop") == "auth,auth-int"
    assert value.get_raw("nonce") == '"x=="'
    assert value.get("opaque") is None
    assert AuthValue.parse(str(value)) == value


def test_several_challenges_in_one_line_are_told_apart() -> None:
    values = parse_challenges('Digest realm="a", nonce="1", Basic realm="b",, Digest nonce=2==, realm="c"')

    assert [(value.scheme, value.get("realm")) for value in values] == [
        ("Digest", "a"),
        ("Basic", "b"),
        ("Digest", "c"),
    ]
    assert values[2].get("nonce") == "2=="


@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "Digest", 'realm="a"', 'Digest realm="a', 'Digest realm="a"b', "Digest realm=", "Digest =x"),
        *('Digest realm="a", realm="b"', 'Digest realm="a" nonce="b"', 'Digest realm="a", broken', "Digest a=b c"),
    ],
)
def test_broken_challenge_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_challenges(text)


def test_two_credentials_where_one_is_wanted_are_refused() -> None:
    with pytest.raises(SipParseError):
        AuthValue.parse("Digest a=1, Basic b=2")


def test_endless_challenge_is_refused() -> None:
    with pytest.raises(SipParseError):
        parse_challenges("Digest " + ",".join(f"p{i}=1" for i in range(MAX_PARAMETERS + 1)))


@given(st.text(max_size=80))
def test_any_text_is_a_challenge_or_a_parse_error(text: str) -> None:
    for candidate in (text, f"Digest {text}", f'Digest realm="{text}"'):
        try:
            parse_challenges(candidate)
        except SipParseError:
            continue
