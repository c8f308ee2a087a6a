"""RTP packets and reception statistics (RFC 3550)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.core.rtp import (
    ReceptionStats,
    RtpPacket,
    RtpParseError,
    is_rtcp,
    parse,
    sequence_delta,
    serialize,
    timestamp_delta,
)

PACKET = RtpPacket(111, 0x1234, 0x89ABCDEF, 0xCAFEBABE, True, b"sound")
WIRE = bytes.fromhex("80ef123489abcdefcafebabe") + b"sound"

packets = st.builds(
    RtpPacket,
    st.integers(0, 127),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.booleans(),
    st.binary(max_size=200),
)


def test_the_wire_format_is_that_of_the_rfc() -> None:
    assert serialize(PACKET) == WIRE
    assert parse(WIRE) == PACKET
    assert parse(memoryview(WIRE)) == PACKET


@given(packets)
def test_every_packet_survives_the_wire(packet: RtpPacket) -> None:
    assert parse(serialize(packet)) == packet


@given(packets, st.lists(st.integers(0, 0xFFFFFFFF), max_size=15), st.binary(max_size=40), st.integers(0, 255))
def test_optional_parts_are_stepped_over(packet: RtpPacket, sources: list[int], extension: bytes, padding: int) -> None:
    extension += bytes(-len(extension) % 4)
    wire = bytearray(serialize(packet)[:12])
    wire[0] = 0x80 | 0x10 | len(sources) | (0x20 if padding else 0)
    wire += b"".join(source.to_bytes(4, "big") for source in sources)
    wire += b"\xbe\xde" + (len(extension) // 4).to_bytes(2, "big") + extension + packet.payload
    if padding:
        wire += bytes(padding - 1) + bytes((padding,))

    assert parse(wire) == packet


@given(st.binary(max_size=80))
def test_garbage_is_refused_or_parsed_but_never_more(data: bytes) -> None:
    try:
        packet = parse(data)
    except RtpParseError:
        return
    assert data[0] >> 6 == 2
    assert len(packet.payload) <= len(data) - 12


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        WIRE[:11],
        b"\x40" + WIRE[1:],
        b"\x8f" + WIRE[1:],  # 15 contributing sources
        b"\x90" + WIRE[1:12],  # an extension that is not there
        b"\x90" + WIRE[1:12] + b"\xbe\xde\x00\x09",
        b"\xa0" + WIRE[1:12] + b"\x00",  # padding of nothing
        b"\xa0" + WIRE[1:12] + b"\x05",
    ],
)
def test_a_packet_with_a_wrong_length_or_version_is_refused(wire: bytes) -> None:
    with pytest.raises(RtpParseError):
        parse(wire)


@pytest.mark.parametrize(
    ("data", "expected"), [(b"\x80\xc8", True), (b"\x80\xd2", True), (WIRE, False), (b"\x80", False)]
)
def test_rtcp_is_told_from_rtp_on_one_port(data: bytes, expected: bool) -> None:
    assert is_rtcp(data) is expected


def test_differences_wrap() -> None:
    assert sequence_delta(2, 65534) == 4
    assert sequence_delta(65534, 2) == -4
    assert timestamp_delta(10, 2**32 - 10) == 20
    assert timestamp_delta(2**32 - 10, 10) == -20


def received(*sequences: int, ssrc: int = 1) -> ReceptionStats:
    stats = ReceptionStats(8000)
    for index, sequence in enumerate(sequences):
        stats.receive(
            RtpPacket(0, sequence & 0xFFFF, 160 * sequence & 0xFFFFFFFF, ssrc, False, bytes(160)), index * 0.02
        )
    return stats


def test_lost_packets_are_counted_over_a_wrap_of_the_sequence() -> None:
    stats = received(65533, 65534, 0 + 65536, 2 + 65536, 1 + 65536)

    assert stats.packets_expected == 6
    assert stats.packets_lost == 1
    assert (stats.packets_received, stats.bytes_received) == (5, 800)
    block = stats.report_block()
    assert block is not None
    assert (block.highest_sequence, block.packets_lost, block.fraction_lost) == (65536 + 2, 1, 256 // 6)


def test_the_fraction_lost_is_that_of_the_interval() -> None:
    stats = received(*range(10))
    stats.report_block()
    for sequence in (10, 12, 14, 16):
        stats.receive(RtpPacket(0, sequence, 160 * sequence, 1, False, b""), 0.02 * sequence)

    block = stats.report_block()

    assert block is not None
    assert block.fraction_lost == 256 * 3 // 7
    again = stats.report_block()
    assert again is not None
    assert again.fraction_lost == 0


def test_duplicates_make_the_loss_negative_as_the_rfc_has_it() -> None:
    stats = received(1, 2, 2, 2)

    assert stats.packets_lost == -2
    block = stats.report_block()
    assert block is not None
    assert (block.packets_lost, block.fraction_lost) == (-2, 0)


def test_nothing_received_is_nothing_to_report() -> None:
    stats = ReceptionStats(8000)

    assert stats.report_block() is None
    assert (stats.packets_expected, stats.packets_lost, stats.jitter) == (0, 0, 0.0)


def test_a_new_source_and_a_jump_start_a_new_count_and_keep_the_losses() -> None:
    stats = received(1, 2, 4)
    for sequence, ssrc in ((9000, 1), (9002, 1), (7, 2), (8, 2)):
        stats.receive(RtpPacket(0, sequence, 0, ssrc, False, b""), 1.0)

    assert stats.packets_lost == 2
    assert stats.packets_expected == 2
    block = stats.report_block()
    assert block is not None
    assert (block.ssrc, block.packets_lost) == (2, 0)


def test_jitter_follows_the_formula_of_the_rfc() -> None:
    """Appendix A.8 by hand: every second packet is 10 ms (80 ticks) late."""
    stats = ReceptionStats(8000)
    expected = 0.0
    for index in range(200):
        late = 0.010 if index % 2 else 0.0
        stats.receive(RtpPacket(0, index, 160 * index, 1, False, b""), 100.0 + index * 0.02 + late)
        if index:
            expected += (80 - expected) / 16

    assert stats.jitter == pytest.approx(expected / 8000, rel=0.02)
    assert stats.jitter == pytest.approx(0.010, rel=0.02)
    block = stats.report_block()
    assert block is not None
    assert block.jitter_ticks == pytest.approx(80, abs=2)


def test_jitter_is_zero_for_a_steady_stream_whose_timestamp_wraps() -> None:
    stats = ReceptionStats(8000)
    for index in range(100):
        packet = RtpPacket(0, index, (2**32 - 800 + 160 * index) & 0xFFFFFFFF, 1, False, b"")
        stats.receive(packet, index * 0.02)

    assert stats.jitter < 0.0002


def test_another_clock_rate_keeps_the_jitter_in_seconds() -> None:
    stats = ReceptionStats(8000)
    for index in range(100):
        stats.receive(replace(PACKET, sequence=index, timestamp=160 * index), index * 0.02 + 0.005 * (index % 2))
    before = stats.jitter

    stats.set_clock_rate(48000)

    assert stats.jitter == pytest.approx(before)
    assert stats.clock_rate == 48000
    stats.set_clock_rate(48000)
    assert stats.jitter == pytest.approx(before)
