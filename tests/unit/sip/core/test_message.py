"""Parsing and writing of messages."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.message import (
    MAX_HEADER_LINES,
    BrokenMessage,
    Headers,
    Request,
    Response,
    parse,
    response_to,
    salvage,
    serialize,
)
from gateway.sip.core.reasons import reason_phrase
from tests.unit.sip.core.messages import request

TOKENS = st.text(alphabet="abcXYZ019-.!%*_+`'~", min_size=1, max_size=10)
VALUES = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=40).map(str.strip)
FRAGMENTS = st.sampled_from(
    [
        *(b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 200 OK", b"\r\n", b"\r\n\r\n", b"\r\n ", b": ", b";", b",", b'"', b"\\"),
        *(b"<sip:a@b>", b"Via: SIP/2.0/UDP h:5060;branch=z9hG4bK1", b"From: ", b"To: ", b"CSeq: 1 INVITE", b"<", b">"),
        *(b"Call-ID: x", b"Content-Length: 5", b"l: 99", b"\x00", b"\xff", b"\xc3", b"Contact: *", b"Max-Forwards: 0"),
    ]
)


@given(st.binary(max_size=2048))
def test_any_datagram_parses_or_raises_sip_parse_error(data: bytes) -> None:
    try:
        parse(data)
    except BrokenMessage as error:
        assert 400 <= error.status <= 699


@given(st.lists(st.one_of(FRAGMENTS, st.binary(max_size=8)), max_size=40).map(b"".join))
def test_anything_made_of_pieces_of_sip_parses_or_raises_sip_parse_error(data: bytes) -> None:
    try:
        message = parse(data)
    except BrokenMessage as error:
        if error.salvaged is not None:
            serialize(response_to(error.salvaged, error.status))
    else:
        assert parse(serialize(message)) is not None


@pytest.mark.parametrize(
    "piece",
    [
        b'"',
        b"\\",
        b"<",
        b",",
        b";",
        b";a=",
        b' "',
        b"%",
        b"(",
        b"\r\n ",
        b"\r\n\t,",
        b" ",
        b"=",
        b'a="\\"',
        b"[",
        b"1:",
        b"1.",
    ],
)
@pytest.mark.parametrize("field", [b"From", b"Via", b"Contact", b"CSeq", b"Content-Type", b"WWW-Authenticate"])
def test_no_repeated_piece_makes_parsing_slow(piece: bytes, field: bytes) -> None:
    message = serialize(request("INVITE"))
    head, _, _ = message.partition(b"\r\n\r\n")
    for start in (b"", b"<sip:a@b>", b"SIP/2.0/UDP h", b'"'):
        data = head + b"\r\n" + field + b": " + start + piece * (40_000 // len(piece)) + b"\r\n\r\n"
        began = time.process_time()
        with contextlib.suppress(SipParseError):
            parse(data)
        assert time.process_time() - began < 0.25


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    method = draw(TOKENS)
    made = request(
        method, call_id=draw(TOKENS), number=draw(st.integers(0, 2**31 - 1)), body=draw(st.binary(max_size=64))
    )
    for name, value in draw(st.lists(st.tuples(TOKENS.map(lambda token: f"X-{token}"), VALUES), max_size=4)):
        made.headers.add(name, value)
    if draw(st.booleans()):
        return made
    return response_to(made, draw(st.integers(100, 699)), draw(VALUES), to_tag=draw(TOKENS), body=made.body)


@given(messages())
def test_what_is_written_is_read_back_equal(message: Request | Response) -> None:
    again = parse(serialize(message))

    assert again.headers.get("Content-Length") == str(len(message.body))
    again.headers.remove("Content-Length")
    assert again == message


@settings(max_examples=50)
@given(messages(), st.integers(0, 400))
def test_cut_off_message_is_refused_or_shorter(message: Request | Response, cut: int) -> None:
    data = serialize(message)
    try:
        parse(data[: max(0, len(data) - 1 - cut)])
    except SipParseError:
        return
    raise AssertionError("a truncated message was taken for a whole one")


def test_typed_views_read_the_fields() -> None:
    message = parse(serialize(request("INVITE", number=7, more=(("Content-Type", "Application/SDP;x=y"),))))

    assert isinstance(message, Request)
    assert (message.cseq.number, message.cseq.method) == (7, "INVITE")
    assert message.from_.tag == "theirs"
    assert message.to.uri == "sip:gw@192.0.2.1"
    assert message.top_via.branch == "z9hG4bK1"
    assert message.call_id == "call-1"
    assert message.content_type == "application/sdp"


def test_missing_field_is_a_parse_error_for_the_typed_views_too() -> None:
    empty = Request("INVITE", "sip:a@b")

    for view in ("cseq", "from_", "to", "top_via", "call_id"):
        with pytest.raises(SipParseError, match="no "):
            getattr(empty, view)
    assert empty.content_type == ""


def test_response_copies_what_the_request_brought() -> None:
    invite = request(
        "INVITE", more=(("Via", "SIP/2.0/TCP a, SIP/2.0/TCP b"), ("Record-Route", "<sip:p1;lr>, <sip:p2;lr>"))
    )

    ringing = response_to(invite, 180, to_tag="ours", headers=(("Contact", "<sip:gw@192.0.2.1>"),))

    assert ringing.reason == "Ringing"
    assert ringing.cseq_method == "INVITE"
    assert ringing.headers.get_all("Via") == invite.headers.get_all("Via")
    assert ringing.headers.get_all("Record-Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert ringing.headers.get("From") == invite.headers.get("From")
    assert ringing.headers.get("To") == "<sip:gw@192.0.2.1>;tag=ours"
    assert ringing.headers.get("Contact") == "<sip:gw@192.0.2.1>"
    assert ringing.is_provisional
    assert not ringing.is_success


def test_route_is_recorded_only_where_a_dialog_may_begin() -> None:
    invite = request("INVITE", more=(("Record-Route", "<sip:p1;lr>"), ("Timestamp", "54")))

    assert "Record-Route" not in response_to(invite, 100).headers
    assert "Record-Route" not in response_to(invite, 486).headers
    assert "Record-Route" in response_to(invite, 200).headers
    assert response_to(invite, 100).headers.get("Timestamp") == "54"
    assert "Timestamp" not in response_to(invite, 200).headers


def test_tag_is_added_to_neither_a_100_nor_a_to_that_has_one() -> None:
    invite = request("INVITE")
    bye = request("BYE", to="<sip:gw@192.0.2.1>;tag=old")

    assert response_to(invite, 100, to_tag="new").headers.get("To") == "<sip:gw@192.0.2.1>"
    assert response_to(bye, 200, to_tag="new").headers.get("To") == "<sip:gw@192.0.2.1>;tag=old"


def test_broken_to_is_echoed_as_it_came() -> None:
    broken = request("INVITE", to='"open <sip:gw@192.0.2.1>')

    assert response_to(broken, 400, to_tag="new").headers.get("To") == '"open <sip:gw@192.0.2.1>'


def test_body_and_its_type_are_carried() -> None:
    answer = response_to(request("INVITE"), 200, "Fine", body=b"v=0", content_type="application/sdp")

    assert serialize(answer).startswith(b"SIP/2.0 200 Fine\r\n")
    assert serialize(answer).endswith(b"Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0")


@pytest.mark.parametrize(
    "message",
    [
        Request("INV ITE", "sip:a@b"),
        Request("INVITE", "sip:a@b\r\nX: y"),
        Request("INVITE", "sip:a@b SIP/2.0"),
        Response(200, "OK\r\nX: y"),
        Response(99, "Low"),
        Response(700, "High"),
    ],
)
def test_injection_by_the_start_line_is_refused(message: Request | Response) -> None:
    with pytest.raises(ValueError, match=r"not a|line break"):
        serialize(message)


def test_content_length_of_the_caller_does_not_survive() -> None:
    message = Request("OPTIONS", "sip:a@b", Headers([("Content-Length", "999")]), b"12")

    assert serialize(message).count(b"Content-Length") == 1
    assert b"Content-Length: 2\r\n" in serialize(message)


@pytest.mark.parametrize("broken", [b"\n", b"\r", b"\n\r", b"\r\r\n"])
def test_half_a_line_break_between_header_fields_is_refused(broken: bytes) -> None:
    data = serialize(request(more=(("X-A", "b"), ("X-C", "d"))))

    with pytest.raises(BrokenMessage, match="line break"):
        parse(data.replace(b"X-A: b\r\n", b"X-A: b" + broken))


@pytest.mark.parametrize("broken", [b"\n", b"\r"])
def test_half_a_line_break_in_the_start_line_is_refused(broken: bytes) -> None:
    with pytest.raises(BrokenMessage, match="bare CR or LF"):
        parse(serialize(Response(200, "OK", request().headers)).replace(b"OK", b"O" + broken + b"K"))


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type"])
def test_field_that_may_be_there_once_is_refused_twice(name: str) -> None:
    message = request()
    value = message.headers.get(name) or "1"
    message.headers = Headers([*message.headers.items(), (name, value), (name, value)])

    with pytest.raises(BrokenMessage, match=f"{name} appears more than once"):
        parse(serialize(message))


def test_too_many_header_lines_are_refused_and_answered() -> None:
    data = serialize(request(more=(("X-A", "b"),) * MAX_HEADER_LINES))

    with pytest.raises(BrokenMessage, match="header lines") as caught:
        parse(data)

    assert caught.value.salvaged is not None


def test_head_of_a_message_that_was_never_complete_can_be_answered() -> None:
    data = serialize(request("INVITE"))[:-60]

    error = salvage(b"\r\n" + data, SipParseError("too long", status=513))

    assert error.status == 513
    assert error.salvaged is not None
    assert error.salvaged.method == "INVITE"
    assert not error.is_via_unusable
    assert salvage(b"", SipParseError("x")).is_via_unusable


@pytest.mark.parametrize(
    ("status", "phrase"), [(486, "Busy Here"), (499, "Bad Request"), (299, "OK"), (699, "Busy Everywhere")]
)
def test_status_without_a_phrase_takes_that_of_its_class(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase
