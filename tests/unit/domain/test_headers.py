"""Custom header fields: which may cross."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.headers import CUSTOM, MAX_HEADERS, RESERVED, HeaderList, is_reserved, sendable


def test_what_applications_put_there_crosses_and_nothing_else() -> None:
    headers = [("X-One", "1"), ("Subject", "hi"), ("x-two", "2"), ("User-to-User", "56;encoding=hex"), ("From", "me")]

    assert CUSTOM.pick(headers) == (("X-One", "1"), ("x-two", "2"), ("User-to-User", "56;encoding=hex"))


def test_patterns_are_whole_names_or_beginnings_in_any_letter_case() -> None:
    allowed = HeaderList(("subject", "P-Acme-*"))

    assert [
        name for name in ("Subject", "SUBJECT", "Subjects", "p-acme-id", "P-Acme", "X-One") if allowed.allows(name)
    ] == [
        "Subject",
        "SUBJECT",
        "p-acme-id",
    ]


@given(name=st.sampled_from(sorted(RESERVED)), data=st.data())
def test_no_list_lets_a_reserved_name_through(name: str, data: st.DataObject) -> None:
    spelling = "".join(data.draw(st.sampled_from((char, char.upper()))) for char in name)

    assert is_reserved(spelling)
    assert HeaderList(("*",)).pick([(spelling, "x")]) == ()


@pytest.mark.parametrize("name", ["f", "V", "i", "t", "x"])
def test_compact_forms_are_reserved(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize("pattern", ["", "X *", "X-*-Y", "**", "X\r\nFrom", "From", "p-asserted-identity", "a" * 65])
def test_a_pattern_that_cannot_be_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="header field"):
        HeaderList((pattern,))


@pytest.mark.parametrize(
    "header", [("X-A", "a\r\nFrom: b"), ("X-A", "\x00"), ("X-A", "a" * 1025), ("X A", "a"), ("", "a")]
)
def test_what_no_message_can_carry_is_left_out(header: tuple[str, str]) -> None:
    assert sendable([header, ("X-B", "b")]) == (("X-B", "b"),)


def test_no_more_than_the_limit_crosses() -> None:
    headers = [(f"X-{index}", "") for index in range(MAX_HEADERS + 5)]

    assert CUSTOM.pick(headers) == tuple(headers[:MAX_HEADERS])
