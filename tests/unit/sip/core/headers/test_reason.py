"""Reason (RFC 3326)."""

import pytest

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.reason import Reason, q850_cause


@pytest.mark.parametrize(
    "reason",
    [Reason("Q.850", 16, "Normal call clearing"), Reason("SIP", 200), Reason("X"), Reason("SIP", 600, 'a "b"')],
)
def test_reason_is_read_and_written(reason: Reason) -> None:
    assert Reason.parse(str(reason)) == reason


@pytest.mark.parametrize("text", ["", ";cause=1", "Q.850;cause=-1", "Q.850;cause=x", "Q.850;cause=99999", "Q.850;;"])
def test_broken_reason_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        Reason.parse(text)


def test_q850_cause_is_found_beside_others_and_broken_ones() -> None:
    assert q850_cause(["SIP;cause=200", "nonsense;;", "q.850 ; cause=17"]) == 17
    assert q850_cause(["SIP;cause=603", "Q.850"]) is None
    assert q850_cause(["SIP;cause=200", "Q.850"]) == 26
