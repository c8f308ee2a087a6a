"""RTCP: the wire format, the schedule and the round trip (RFC 3550 section 6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.core import rtcp
from gateway.media.core.rtcp import (
    Bye,
    ReceiverReport,
    RtcpParseError,
    RtcpSession,
    SenderInfo,
    SenderReport,
    SourceDescription,
)
from gateway.media.core.rtp import ReceptionStats, ReportBlock, RtpPacket

WALL_CLOCK = 1_800_000_000.0
U32 = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(ReportBlock, U32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), U32, U32, U32, U32)
block_lists = st.lists(blocks, max_size=31).map(tuple)
infos = st.builds(SenderInfo, rtp_timestamp=U32, packet_count=U32, octet_count=U32)
texts = st.text(max_size=60)
rtcp_packets = st.one_of(
    st.builds(SenderReport, ssrc=U32, ntp_time=st.integers(0, 2**64 - 1), info=infos, blocks=block_lists),
    st.builds(ReceiverReport, ssrc=U32, blocks=block_lists),
    st.builds(SourceDescription, ssrc=U32, cname=texts),
    st.builds(Bye, ssrcs=st.lists(U32, max_size=31).map(tuple), reason=texts),
)


@given(st.lists(rtcp_packets, min_size=1, max_size=6))
def test_every_compound_packet_survives_the_wire(packets: list[rtcp.RtcpPacket]) -> None:
    wire = rtcp.serialize(packets)

    assert len(wire) % 4 == 0
    assert rtcp.parse(wire) == packets


@given(st.binary(max_size=120))
def test_garbage_is_refused_or_parsed_but_never_more(data: bytes) -> None:
    try:
        rtcp.parse(data)
    except RtcpParseError as error:
        assert str(error)


@given(st.integers(200, 204), st.integers(0, 31), st.binary(max_size=120))
def test_a_lying_header_does_no_harm(packet_type: int, count: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    wire = bytes((0x80 | count, packet_type)) + (len(body) // 4).to_bytes(2, "big") + body
    try:
        rtcp.parse(wire)
    except RtcpParseError as error:
        assert str(error)


def test_a_receiver_report_on_the_wire_is_that_of_the_rfc() -> None:
    block = ReportBlock(0x11223344, 64, -1, 0x00010005, 80, 0xAABBCCDD, 0x8000)

    wire = rtcp.serialize([ReceiverReport(ssrc=1, blocks=(block,))])

    assert (
        wire.hex()
        == "81c90007" + "00000001" + "11223344" + "40ffffff" + "00010005" + "00000050" + "aabbccdd" + "00008000"
    )


def test_a_cname_is_padded_with_at_least_one_zero() -> None:
    assert (
        rtcp.serialize([SourceDescription(ssrc=1, cname="ab")]).hex()
        == "81ca0003" + "00000001" + "0102" + "6162" + "00000000"
    )


def test_other_types_and_padding_are_stepped_over() -> None:
    application = bytes.fromhex("80cc0002" + "00000001" + "6e616d65")
    feedback = bytes.fromhex("81cd0003" + "00000001" + "00000002" + "00000003")
    padded = bytes.fromhex("a0c90002" + "00000007" + "00000004")

    assert rtcp.parse(application + feedback + padded) == [ReceiverReport(ssrc=7)]


def test_items_beside_the_cname_are_left_out() -> None:
    chunk = bytes.fromhex("00000001") + b"\x02\x03Bob" + b"\x01\x01c" + b"\x00"
    chunk += bytes(-len(chunk) % 4)

    assert rtcp.parse(bytes((0x81, 202)) + (len(chunk) // 4).to_bytes(2, "big") + chunk) == [
        SourceDescription(ssrc=1, cname="c")
    ]


@pytest.mark.parametrize(
    "wire",
    ["", "80", "40c90001" + "00000001", "80c90009" + "00000001", "a0c90001" + "00000009", "a0c90001" + "00000000"],
)
def test_wrong_lengths_versions_and_padding_are_refused(wire: str) -> None:
    with pytest.raises(RtcpParseError):
        rtcp.parse(bytes.fromhex(wire))


def test_too_much_for_one_packet_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="32 items"):
        rtcp.serialize([Bye(ssrcs=tuple(range(32)))])
    with pytest.raises(ValueError, match="256 bytes"):
        rtcp.serialize([SourceDescription(ssrc=1, cname="x" * 256)])


def session(*, ssrc: int = 1, randomness: float = 0.5, now: float = 0.0, wall_clock: float = WALL_CLOCK) -> RtcpSession:
    return RtcpSession(ssrc=ssrc, cname="gateway", now=now, wall_clock=wall_clock, randomness=lambda: randomness)


def listened(ssrc: int, count: int = 10) -> ReceptionStats:
    stats = ReceptionStats(8000)
    for index in range(count):
        stats.receive(RtpPacket(0, index, 160 * index, ssrc, False, bytes(160)), 0.02 * index)
    return stats


INFO = SenderInfo(rtp_timestamp=4711, packet_count=10, octet_count=1600)


def test_reports_are_spread_around_the_five_seconds_of_the_rfc() -> None:
    """Half to one and a half times the mean, over e - 3/2; the first after half of that (section 6.3.1)."""
    assert session(randomness=0.0).next_deadline() == pytest.approx(5 * 0.5 / 1.21828 / 2)
    assert session(randomness=0.9999).next_deadline() == pytest.approx(5 * 1.5 / 1.21828 / 2, rel=0.001)

    rtcp_session = session()
    first = rtcp_session.next_deadline()
    assert rtcp_session.handle_timeout(first - 0.001, listened(2), INFO) is None
    assert rtcp_session.handle_timeout(first, listened(2), INFO) is not None
    assert rtcp_session.next_deadline() == pytest.approx(first + 5 / 1.21828)


def test_who_sends_reports_as_a_sender_and_who_only_listens_as_a_receiver() -> None:
    sender, listener = session(), session()

    sent = sender.handle_timeout(10.0, listened(2), INFO)
    heard = listener.handle_timeout(10.0, ReceptionStats(8000), None)

    assert sent is not None
    report, description = rtcp.parse(sent)
    assert isinstance(report, SenderReport)
    assert report.info == INFO
    assert [block.ssrc for block in report.blocks] == [2]
    assert report.ntp_time >> 32 == int(WALL_CLOCK + 10.0) + 2208988800
    assert description == SourceDescription(ssrc=1, cname="gateway")
    assert heard is not None
    assert rtcp.parse(heard) == [ReceiverReport(ssrc=1), SourceDescription(ssrc=1, cname="gateway")]


def test_the_round_trip_is_what_is_left_after_the_far_ends_delay() -> None:
    """30 ms there, 2 s until its report, 50 ms back; the two clocks differ by hours."""
    here, there = session(ssrc=1), session(ssrc=2, wall_clock=WALL_CLOCK + 12345.678)
    ours = here.handle_timeout(10.0, listened(2), INFO)
    assert ours is not None

    there.receive(ours, 10.030)
    theirs = there.handle_timeout(12.030, listened(1), INFO)
    assert theirs is not None
    here.receive(theirs, 12.080)

    assert here.round_trip == pytest.approx(0.080, abs=0.001)
    assert here.remote_block is not None
    assert here.remote_block.delay_since_last_sr == pytest.approx(2 * 65536, abs=2)
    assert there.round_trip is None


def test_blocks_that_measure_nothing_leave_the_round_trip_as_it_was() -> None:
    rtcp_session = session(ssrc=1)
    lying = ReportBlock(
        1, 0, 0, 0, 0, last_sr=(int(WALL_CLOCK + 2208988800) & 0xFFFF) << 16, delay_since_last_sr=10 << 16
    )
    about_others = ReportBlock(77, 255, 9, 0, 0)

    rtcp_session.receive(rtcp.serialize([ReceiverReport(ssrc=2, blocks=(about_others,))]), 1.0)
    assert rtcp_session.remote_block is None
    rtcp_session.receive(rtcp.serialize([ReceiverReport(ssrc=2, blocks=(ReportBlock(1, 3, 4, 5, 6), lying))]), 1.0)

    assert rtcp_session.round_trip is None
    assert rtcp_session.remote_block == lying


def test_garbage_from_the_far_end_is_an_error_that_says_so() -> None:
    with pytest.raises(RtcpParseError):
        session().receive(b"\x80\xc9\xff\xff", 1.0)


def test_a_goodbye_is_the_last_of_a_whole_report() -> None:
    packets = rtcp.parse(session().bye(3.0, listened(2), None))

    assert [type(packet) for packet in packets] == [ReceiverReport, SourceDescription, Bye]
    assert packets[-1] == Bye(ssrcs=(1,))


def test_a_sender_report_of_another_source_is_not_taken_for_the_delay() -> None:
    rtcp_session = session()
    other = SenderReport(ssrc=99, ntp_time=1 << 40, info=INFO)
    rtcp_session.receive(rtcp.serialize([other]), 1.0)

    report = rtcp.parse(rtcp_session.bye(2.0, listened(2), None))[0]

    assert isinstance(report, ReceiverReport)
    assert (report.blocks[0].last_sr, report.blocks[0].delay_since_last_sr) == (0, 0)
