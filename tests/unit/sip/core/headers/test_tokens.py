"""Tokens, quoted strings and comma lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.headers.tokens import end_of_quoted, is_token, printable, quote, split_list, unquote


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("", []),
        (" , ,", []),
        ("a", ["a"]),
        ("a, b,c", ["a", "b", "c"]),
        ('"a, b" <sip:a>, c', ['"a, b" <sip:a>', "c"]),
        (r'"a\", b" <sip:a>, c', [r'"a\", b" <sip:a>', "c"]),
        ("<sip:a,b@h>, <sip:c@h>", ["<sip:a,b@h>", "<sip:c@h>"]),
        ('<sip:a@h>;x="1,2", b', ['<sip:a@h>;x="1,2"', "b"]),
        ('"open, quote', ['"open, quote']),
        ("<open, bracket", ["<open, bracket"]),
        ('"\\\\", b', ['"\\\\"', "b"]),
    ],
)
def test_list_is_split_only_where_a_comma_separates(value: str, elements: list[str]) -> None:
    assert split_list(value) == elements


@given(st.text())
def test_quoting_keeps_everything_but_control_characters(text: str) -> None:
    quoted = quote(text)

    assert unquote(quoted) == printable(text)
    assert end_of_quoted(quoted) == len(quoted)


def test_text_without_quotes_is_not_unquoted() -> None:
    assert unquote('a"b') == 'a"b'
    assert unquote('"') == '"'


@pytest.mark.parametrize("text", ['"open', '"ends in an escape\\"', '"'])
def test_unterminated_quoted_string_has_no_end(text: str) -> None:
    assert end_of_quoted(text) == 0


@pytest.mark.parametrize(("text", "expected"), [("INVITE", True), ("a.b-c%d'~", True), ("", False), ("a b", False)])
def test_token_is_recognised(text: str, expected: bool) -> None:
    assert is_token(text) is expected


def test_token_is_ascii() -> None:
    assert not is_token("tést")
