import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.headers.sipfrag import format_sipfrag, parse_sipfrag


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"SIP/2.0 200 OK\r\n", (200, "OK")),
        (b"SIP/2.0 180 Ringing", (180, "Ringing")),
        (b"sip/2.0 486  Busy Here\nTo: x\n", (486, "Busy Here")),
        (b"SIP/2.0 603\r\n", (603, "")),
    ],
)
def test_a_status_line_is_read(body: bytes, expected: tuple[int, str]) -> None:
    assert parse_sipfrag(body) == expected


@pytest.mark.parametrize("body", [b"", b"INVITE sip:a@b SIP/2.0\r\n", b"SIP/2.0 700 No", b"SIP/2.0 20 No", b"\xff\xfe"])
def test_what_starts_with_no_status_line_says_nothing(body: bytes) -> None:
    assert parse_sipfrag(body) is None


@given(st.integers(100, 699), st.text(max_size=80))
def test_what_we_write_is_one_line_that_comes_back(status: int, reason: str) -> None:
    body = format_sipfrag(status, reason)

    assert body.count(b"\n") == 1
    found = parse_sipfrag(body)
    assert found is not None
    assert found[0] == status


@given(st.binary(max_size=500))
def test_any_body_is_read_or_not(body: bytes) -> None:
    parse_sipfrag(body)
