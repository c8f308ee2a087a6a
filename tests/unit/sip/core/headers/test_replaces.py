import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.call import Replaces
from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.replaces import format_replaces, parse_replaces, replaces_of

TOKEN = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b;to-tag=t;from-tag=f", Replaces("a@b", "t", "f")),
        ("a@b ; from-tag=f ; to-tag=t ; early-only", Replaces("a@b", "t", "f", True)),
        (
            "425928@phone.example.org;to-tag=7743;from-tag=6472;x=y",
            Replaces("425928@phone.example.org", "7743", "6472"),
        ),
    ],
)
def test_a_replaces_is_read(text: str, expected: Replaces) -> None:
    assert parse_replaces(text) == expected


@pytest.mark.parametrize(
    "text", ["", "a@b", "a@b;to-tag=t", "a@b;from-tag=f", ";to-tag=t;from-tag=f", "a b;to-tag=t;from-tag=f"]
)
def test_a_replaces_that_names_no_dialog_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        parse_replaces(text)


def test_a_tag_that_appears_twice_is_refused() -> None:
    with pytest.raises(SipParseError):
        parse_replaces("a@b;to-tag=t;to-tag=u;from-tag=f")


@given(st.from_regex(r"[!-+\--:<-~]{1,40}", fullmatch=True), TOKEN, TOKEN, st.booleans())
def test_a_replaces_is_written_as_it_is_read(call_id: str, to_tag: str, from_tag: str, is_early_only: bool) -> None:
    one = Replaces(call_id, to_tag, from_tag, is_early_only)

    assert parse_replaces(format_replaces(one)) == one


def test_an_ordinary_invite_replaces_nothing() -> None:
    assert replaces_of(Headers()) is None


@pytest.mark.parametrize("second", ["Replaces", "Join"])
def test_two_of_them_or_one_beside_a_join_are_refused(second: str) -> None:
    headers = Headers((("Replaces", "a@b;to-tag=t;from-tag=f"), (second, "a@b;to-tag=t;from-tag=f")))

    with pytest.raises(SipParseError):
        replaces_of(headers)
