"""The ladder: who stands where, as text and as SVG."""

import time
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.traces.core.ladder import Numbered, lay_out
from gateway.traces.core.ladder_svg import draw_svg
from gateway.traces.core.ladder_text import WIDTH, body_text, cut, draw_text, width, wrapped
from tests.unit.traces.samples import CALL, fact, numbered, sip, verto

CALL_OUT = numbered(
    verto(0, Way.IN, "telnyx_rtc.invite", body=b'{"method":"telnyx_rtc.invite"}'),
    fact(0.001, "outbound call from alice to +12025550100"),
    sip(0.02, Way.OUT, "INVITE (SDP)"),
    sip(0.52, Way.OUT, "INVITE (SDP)"),
    sip(0.6, Way.IN, "200 OK (INVITE, SDP)", body=b"SIP/2.0 200 OK\r\n\r\n"),
    verto(0.61, Way.OUT, "telnyx_rtc.answer"),
)


def names(entries: list[Numbered]) -> list[tuple[str, str]]:
    return [(line.name, line.detail) for line in lay_out(entries).lifelines]


def test_client_stands_left_of_the_gateway_and_the_trunk_right() -> None:
    assert names(CALL_OUT) == [("client", "alice"), ("VSP", ""), ("B2BUA", ""), ("SIP", "192.0.2.7:5062")]


def test_arrows_go_from_sender_to_receiver() -> None:
    rows = lay_out(CALL_OUT).rows

    assert [(row.start, row.end) for row in rows] == [(0, 1), (2, 2), (2, 3), (2, 3), (3, 2), (1, 0)]


def test_message_that_was_sent_before_is_marked() -> None:
    assert [row.is_repeat for row in lay_out(CALL_OUT).rows] == [False, False, False, True, False, False]


def test_entries_are_shown_in_the_order_of_their_times() -> None:
    late = Numbered(99, sip(0.01, Way.IN, "early"))

    assert [row.text for row in lay_out([*CALL_OUT, late]).rows][2] == "early"


def test_sip_side_that_called_stands_left_where_there_is_no_client() -> None:
    entries = numbered(
        sip(0, Way.IN, "INVITE", channel="a", remote="192.0.2.8:5060"), sip(0, Way.OUT, "INVITE", channel="b")
    )

    assert names(entries) == [("SIP", "192.0.2.8:5060"), ("B2BUA", ""), ("SIP", "192.0.2.7:5062")]


def test_more_far_ends_than_fit_share_a_lifeline() -> None:
    entries = numbered(
        *(verto(0, Way.OUT, "invite", channel=str(number), party=f"user{number}") for number in range(5)),
        *(sip(0, Way.OUT, "INVITE", channel=str(number)) for number in range(5)),
    )

    assert [detail for _, detail in names(entries)] == ["user0", "others", "", "", *["192.0.2.7:5062"] * 2, "others"]


def test_text_is_a_diagram_that_people_read() -> None:
    lines = draw_text(CALL, lay_out(CALL_OUT)).splitlines()

    assert lines[0] == f"Call {CALL}"
    assert lines[3].split() == ["client", "VSP", "B2BUA", "SIP"]
    assert lines[4].split() == ["alice", "192.0.2.7:5062"]
    assert lines[5] == (
        "    +0.000         |--------- 1 invite --------->|                             |                             |"
    )
    assert "* outbound call from alice to +12025550100" in lines[6]
    assert "|-- 4 INVITE (SDP) (again) -->|" in lines[8]
    assert "--- 3  +0.020  INVITE (SDP)  udp 192.0.2.1:5060 -> 192.0.2.7:5062" in lines
    assert "Call-ID: one" in lines


PATIENT = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For a busy machine."""

TEXTS = st.text(max_size=150)
ENTRIES = st.builds(
    TraceEntry,
    at=st.floats(0, 1e6).map(lambda seconds: fact(seconds, "").at),
    kind=st.sampled_from([TraceKind.SIP, TraceKind.MEDIA, TraceKind.CALL]),
    way=st.sampled_from(Way),
    channel=st.sampled_from("abcdef"),
    party=TEXTS,
    transport=st.sampled_from(["udp", "tls"]),
    local=TEXTS,
    remote=TEXTS,
    title=TEXTS,
    body=st.binary(max_size=500),
)


@PATIENT
@given(st.lists(ENTRIES, max_size=8), st.booleans())
def test_text_never_is_wider_than_promised_and_moves_no_cursor(entries: list[TraceEntry], has_client: bool) -> None:
    client = [verto(0, Way.IN, "x", party="漢字" * 20)] if has_client else []

    text = draw_text(CALL, lay_out(numbered(*client, *entries)))

    assert max(width(line) for line in text.split("\n")) <= WIDTH
    assert all(character == "\n" or character.isprintable() for character in text)


@PATIENT
@given(st.lists(ENTRIES, max_size=8))
def test_svg_is_well_formed_whatever_strangers_wrote(entries: list[TraceEntry]) -> None:
    root = ElementTree.fromstring(draw_svg(CALL, lay_out(numbered(*entries))))  # noqa: S314 - our own

    rows = [group for group in root.iter("{http://www.w3.org/2000/svg}g") if "data-entry" in group.attrib]
    assert len(rows) == len(entries)


def test_markup_of_a_stranger_is_text_in_the_svg() -> None:
    drawn = draw_svg(CALL, lay_out(numbered(sip(0, Way.IN, '<script>"&', remote="<b>"))))

    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn


def test_svg_needs_neither_style_nor_script() -> None:
    drawn = draw_svg(CALL, lay_out(CALL_OUT))

    assert "<style" not in drawn and "style=" not in drawn and "<script" not in drawn
    assert 'data-entry="3" role="button"' in drawn


def test_trace_without_an_entry_says_so() -> None:
    assert "Nothing is kept of it." in draw_text(CALL, lay_out([]))
    assert draw_svg(CALL, lay_out([])).startswith("<svg")


@pytest.mark.parametrize("clients", [1, 3])
def test_label_that_is_too_long_is_cut(clients: int) -> None:
    entries = numbered(
        *(verto(0, Way.OUT, "x" * 200, channel=str(number)) for number in range(clients)), sip(0, Way.IN, "y" * 200)
    )

    lines = draw_text(CALL, lay_out(entries)).splitlines()

    assert any("…" in line for line in lines)
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("line", ["", "x" * WIDTH, "x" * (WIDTH + 1), "漢" * 61, "x" * (WIDTH - 1) + "漢", "x" * 1000])
def test_wrapped_line_is_whole_when_its_pieces_are_joined(line: str) -> None:
    pieces = list(wrapped(line))

    assert "".join(piece.removesuffix("\\") for piece in pieces) == line
    assert max(map(width, pieces)) <= WIDTH
    assert (len(pieces) == 1) == (width(line) <= WIDTH)


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("漢字", 4, "漢字"), ("漢字", 3, "漢…"), ("", 0, ""), ("a", 0, "…")],
)
def test_text_is_cut_to_columns(text: str, columns: int, expected: str) -> None:
    assert cut(text, columns) == expected


def test_frame_that_is_nested_too_deeply_to_be_indented_is_shown_as_it_is() -> None:
    body = b'{"a":' * 900 + b"1" + b"}" * 900

    assert "".join(body_text(verto(0, Way.IN, "x", body=body)).split()) == body.decode()


def test_longest_message_is_drawn_at_once() -> None:
    entries = numbered(verto(0, Way.IN, "x", body=b'"' + b"x" * 262_144 + b'"'))
    began = time.perf_counter()

    text = draw_text(CALL, lay_out(entries))

    assert text.count("\\\n") > 2000
    assert time.perf_counter() - began < 10.0
