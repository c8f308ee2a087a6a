import pytest

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.rack import RAck, rack_of, rseq_of
from gateway.sip.core.message import Headers


def test_a_rack_is_read_and_written() -> None:
    rack = rack_of(Headers((("RAck", " 776656  1 INVITE"),)))

    assert rack == RAck(776656, CSeq(1, "INVITE"))
    assert str(rack) == "776656 1 INVITE"


@pytest.mark.parametrize("value", ["", "1", "1 INVITE", "x 1 INVITE", "0 1 INVITE", "4294967296 1 INVITE", "1 1"])
def test_what_is_no_rack_is_refused(value: str) -> None:
    with pytest.raises(SipParseError):
        RAck.parse(value)


def test_a_prack_has_one_rack() -> None:
    for lines in ((), (("RAck", "1 1 INVITE"), ("RAck", "2 1 INVITE"))):
        with pytest.raises(SipParseError):
            rack_of(Headers(lines))


def test_a_response_without_rseq_is_not_reliable() -> None:
    assert rseq_of(Headers()) is None
    assert rseq_of(Headers((("RSeq", "4294967295"),))) == 4294967295


@pytest.mark.parametrize("lines", [("1", "2"), ("x",), ("0",), ("4294967296",), ("-1",)])
def test_what_is_no_rseq_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(SipParseError):
        rseq_of(Headers(tuple(("RSeq", line) for line in lines)))
