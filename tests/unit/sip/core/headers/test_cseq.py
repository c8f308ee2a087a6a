"""CSeq and its range."""

import pytest

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.cseq import MAX_SEQUENCE, CSeq


@pytest.mark.parametrize("cseq", [CSeq(0, "INVITE"), CSeq(1, "!x%"), CSeq(MAX_SEQUENCE, "BYE")])
def test_cseq_is_read_and_written(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


def test_white_space_and_leading_zeros_do_not_matter() -> None:
    assert CSeq.parse("  0009 \t INVITE ") == CSeq(9, "INVITE")


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE", "1INVITE", "-1 INVITE", "2147483648 INVITE", "1 IN VITE", "١ INVITE", "9" * 5000 + " A"]
)
def test_broken_cseq_is_refused(text: str) -> None:
    with pytest.raises(SipParseError):
        CSeq.parse(text)
