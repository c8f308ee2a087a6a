"""Answers without a transaction are never worth a forged question."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.message import BrokenMessage, Request, parse, serialize
from gateway.sip.refusals import MAX_GROWTH, Refusals
from gateway.sip.transport.flow import Destination
from tests.unit.sip.core.messages import request

REMOTE = Destination("udp", "2001:db8:1111:2222:3333:4444:5555:6666", 65535)
"""As long as an address gets: it goes into the answer."""

NAMES = ("Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Record-Route", "Timestamp", "X-Long")
VALUES = (
    *("SIP/2.0/UDP h;branch=z9hG4bK1;rport", "SIP/2.0/UDP h;;rport", "SIP/2.0/UDP h, SIP/2.0/UDP i"),
    *("<sip:a@b>", "<sip:a@b>;tag=1", "sip:a@b", "1 INVITE", "1 OPTIONS", "x", "", '"' + "n" * 200, "n" * 500),
)
LINES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=12)


@dataclass
class CountingFlow:
    """Counts what it is given to send."""

    is_reliable: bool = False
    remote: Destination = REMOTE
    is_open: bool = True
    sent: list[int] = field(default_factory=list)

    def send(self, data: bytes) -> bool:
        self.sent.append(len(data))
        return True

    def to_port(self, port: int) -> "CountingFlow":
        return self

    def close(self) -> None:
        raise AssertionError("nobody asked for that")


def answer(refusals: Refusals, data: bytes, flow: CountingFlow) -> None:
    """What the endpoint does with a datagram of a source that may not call, and of one that may."""
    try:
        message = parse(data)
    except BrokenMessage as error:
        refusals.refuse_broken(error, flow, 0.0, is_stranger=False)
        return
    if isinstance(message, Request):
        refusals.refuse_stranger(message, flow, 0.0)


@given(st.sampled_from(["INVITE", "OPTIONS", "x"]), LINES, st.sampled_from([b"\r\n\r\n", b"\r\n", b""]))
def test_no_answer_over_udp_is_larger_than_twice_the_request(
    method: str, lines: list[tuple[str, str]], end: bytes
) -> None:
    head = "\r\n".join([f"{method} sip:a SIP/2.0", *(f"{name}:{value}" for name, value in lines)]).encode()
    flow = CountingFlow()

    answer(Refusals(salt="0123456789abcdef"), head + end, flow)

    assert sum(flow.sent) <= MAX_GROWTH * len(head + end)


def test_answer_that_would_be_too_large_is_not_sent_over_udp_but_over_a_connection() -> None:
    short = b"i a SIP/2.0\r\nv:SIP/2.0/UDP h;rport\r\n\r\n"
    over_udp, over_tcp = CountingFlow(), CountingFlow(is_reliable=True)

    answer(Refusals(salt="0123456789abcdef"), short, over_udp)
    answer(Refusals(salt="0123456789abcdef"), short, over_tcp)

    assert over_udp.sent == []
    assert len(over_tcp.sent) == 1
    assert over_tcp.sent[0] > MAX_GROWTH * len(short)


def test_ordinary_invite_of_a_stranger_is_answered() -> None:
    flow = CountingFlow()

    answer(Refusals(salt="0123456789abcdef"), serialize(request("INVITE")), flow)

    assert len(flow.sent) == 1


def test_silent_gateway_answers_no_stranger() -> None:
    flow = CountingFlow()

    answer(Refusals(salt="0123456789abcdef", is_silent=True), serialize(request("INVITE")), flow)

    assert flow.sent == []
