import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.session_expires import Refresher, SessionExpires, min_se_of, session_expires_of


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Session-Expires", "1800", SessionExpires(1800)),
        ("x", " 90 ; Refresher=UAC ", SessionExpires(90, "uac")),
        ("Session-Expires", "90;foo=bar;refresher=uas", SessionExpires(90, "uas")),
    ],
)
def test_a_session_interval_is_read(name: str, text: str, expected: SessionExpires) -> None:
    assert session_expires_of(Headers(((name, text),))) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1", "90.5", "1" * 10, "90;refresher=me", "90;refresher", "90;;"])
def test_a_broken_one_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        session_expires_of(Headers((("Session-Expires", text),)))


def test_two_are_refused() -> None:
    with pytest.raises(SipParseError):
        session_expires_of(Headers((("Session-Expires", "90"), ("x", "90"))))


def test_a_least_interval_is_read() -> None:
    assert min_se_of(Headers((("Min-SE", "120;x=y"),))) == 120
    assert min_se_of(Headers()) is None
    with pytest.raises(SipParseError):
        min_se_of(Headers((("Min-SE", "long"),)))


@given(st.integers(0, 999_999_999), st.sampled_from(["uac", "uas", None]))
def test_what_we_write_comes_back(interval: int, refresher: Refresher | None) -> None:
    one = SessionExpires(interval, refresher)

    assert session_expires_of(Headers((("Session-Expires", str(one)),))) == one
