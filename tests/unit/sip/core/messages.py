"""Requests and responses for the tests of messages, transactions and the endpoint."""

from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.message import Headers, Request, Response, response_to


def request(
    method: str = "OPTIONS",
    *,
    branch: str = "z9hG4bK1",
    number: int = 1,
    call_id: str = "call-1",
    via: str = "SIP/2.0/UDP 192.0.2.9:5070",
    to: str = "<sip:gw@192.0.2.1>",
    body: bytes = b"",
    more: tuple[tuple[str, str], ...] = (),
) -> Request:
    headers = Headers(
        (
            ("Via", f"{via};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", '"Peer" <sip:peer@192.0.2.9>;tag=theirs'),
            ("To", to),
            ("Call-ID", call_id),
            ("CSeq", str(CSeq(number, method))),
            *more,
        )
    )
    return Request(method, "sip:gw@192.0.2.1", headers, body)


def bare_request(method: str, *, call_id: str = "call-1", number: int = 1, to: str = "<sip:gw@192.0.2.1>") -> Request:
    """As the user agent hands it to the endpoint: without Via and Max-Forwards."""
    headers = Headers(
        (("From", "<sip:us@192.0.2.1>;tag=ours"), ("To", to), ("Call-ID", call_id), ("CSeq", f"{number} {method}"))
    )
    return Request(method, "sip:gw@192.0.2.1", headers)


def response(status: int, to: Request, *, tag: str = "theirs") -> Response:
    return response_to(to, status, to_tag=tag)
