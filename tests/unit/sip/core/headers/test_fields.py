"""The header fields of a message."""

import pytest

from gateway.sip.core.headers.fields import Headers, long_name


def test_names_have_no_case_and_compact_forms_are_written_out() -> None:
    headers = Headers([("v", "SIP/2.0/UDP a"), ("CALL-id", "1")])

    assert headers.get("via") == "SIP/2.0/UDP a"
    assert headers.get("I") == "1"
    assert headers.items() == [("Via", "SIP/2.0/UDP a"), ("CALL-id", "1")]
    assert "call-ID" in headers
    assert "To" not in headers
    assert long_name("q") == "q"


def test_lists_are_split_only_where_the_grammar_has_lists() -> None:
    headers = Headers([("Contact", '"a, b" <sip:a@h>, <sip:b@h>'), ("Contact", "<sip:c@h>"), ("Subject", "a, b")])

    assert headers.get_all("Contact") == ['"a, b" <sip:a@h>', "<sip:b@h>", "<sip:c@h>"]
    assert headers.get_all("Subject") == ["a, b"]
    assert headers.get_all("Route") == []
    assert headers.get("Contact") == '"a, b" <sip:a@h>, <sip:b@h>'


def test_setting_replaces_all_lines_in_the_place_of_the_first() -> None:
    headers = Headers([("XA", "1"), ("XB", "2"), ("xa", "3"), ("XC", "4")])

    headers.set("XA", "5")
    headers.set("XD", "6")

    assert headers.items() == [("XA", "5"), ("XB", "2"), ("XC", "4"), ("XD", "6")]


def test_removing_takes_every_line() -> None:
    headers = Headers([("XA", "1"), ("XB", "2"), ("xa", "3")])

    headers.remove("XA")
    headers.remove("Y")

    assert headers.items() == [("XB", "2")]


def test_first_element_is_replaced_and_the_others_stay() -> None:
    headers = Headers([("To", "t"), ("Via", "a , b"), ("Via", "c")])

    headers.replace_first("Via", ["x"])

    assert headers.get_all("Via") == ["x", "b", "c"]


def test_line_is_put_in_front() -> None:
    headers = Headers([("To", "t")])

    headers.prepend("Via", "a")

    assert headers.items()[0] == ("Via", "a")


def test_copy_is_independent_and_equal() -> None:
    headers = Headers([("XA", "1")])

    copy = headers.copy()
    assert copy == headers
    copy.add("XB", "2")

    assert headers != copy
    assert headers != 5
    assert "('XA', '1')" in repr(headers)


@pytest.mark.parametrize("value", ["a\r\nB: c", "a\nb", "a\rb", "a\x00b", "\x7f"])
def test_injection_by_a_value_is_refused(value: str) -> None:
    headers = Headers()

    for put in (headers.add, headers.set, headers.prepend):
        with pytest.raises(ValueError, match="control character"):
            put("X-A", value)
    assert headers.items() == []


@pytest.mark.parametrize("value", ["M\xfcller", "a\tb", "\xa0\u2028", '"\\\x01"', "\U0001f4de"])
def test_letters_of_all_kinds_and_what_is_quoted_may_be_in_a_value(value: str) -> None:
    headers = Headers([("X-A", f"<{value}>")])

    assert headers.get("X-A") == f"<{value}>"


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\n", "Ä"])
def test_injection_by_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a header field name"):
        Headers().add(name, "x")
