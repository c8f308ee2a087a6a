import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.call import InfoDtmf
from gateway.sip.core.info_dtmf import DEFAULT_DURATION, MAX_DURATION, MEDIA_TYPES, parse_info_dtmf

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", InfoDtmf("5", 0.16)),
        (RELAY, b"Signal= #\nDuration= 90", InfoDtmf("#", 0.09)),
        (RELAY, b"signal=d\r\n", InfoDtmf("D", DEFAULT_DURATION)),
        (RELAY, b"Signal=11\r\nDuration=250", InfoDtmf("#", 0.25)),
        (RELAY, b"Signal=1\r\nDuration=999999", InfoDtmf("1", MAX_DURATION)),
        (RELAY, b"Signal=1\r\nDuration=0", InfoDtmf("1", DEFAULT_DURATION)),
        (RELAY, b"Signal=1\r\nDuration=-5", InfoDtmf("1", DEFAULT_DURATION)),
        (PLAIN, b"*", InfoDtmf("*", DEFAULT_DURATION)),
        (PLAIN, b"7\r\n", InfoDtmf("7", DEFAULT_DURATION)),
        (PLAIN, b"Signal=3\r\nDuration=100", InfoDtmf("3", 0.1)),
        (RELAY, b"5", None),
        (RELAY, b"Signal=16", None),
        (RELAY, b"Signal=!\r\n", None),
        (RELAY, b"", None),
        (PLAIN, b"12", InfoDtmf("A", DEFAULT_DURATION)),
        (PLAIN, b"123", None),
        (PLAIN, "Signal=٣".encode(), None),
    ],
)
def test_a_digit_in_an_info_is_read(media_type: str, body: bytes, expected: InfoDtmf | None) -> None:
    assert parse_info_dtmf(media_type, body) == expected


@given(media_type=st.sampled_from(MEDIA_TYPES), body=st.binary(max_size=200))
def test_any_body_is_a_digit_or_nothing(media_type: str, body: bytes) -> None:
    event = parse_info_dtmf(media_type, body)

    assert event is None or (event.digit in "0123456789*#ABCD" and 0 < event.duration <= MAX_DURATION)
