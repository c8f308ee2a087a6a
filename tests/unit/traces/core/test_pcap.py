"""pcap: read back by a reader of the test's own, checksums worked out another way than the writer does."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import pytest

from gateway.domain.trace import Way
from gateway.traces.core.pcap import write_pcap
from tests.unit.traces.samples import INVITE, NOON, fact, sip, verto


@dataclass(frozen=True, slots=True)
class Packet:
    """What a dissector shows of a frame."""

    time: float
    source: str
    destination: str
    protocol: str
    sequence: int | None
    payload: bytes


def packets(data: bytes) -> list[Packet]:
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 1)
    return list(_records(data[24:]))


def _records(data: bytes) -> Iterator[Packet]:
    while data:
        seconds, microseconds, size, length = struct.unpack_from("<IIII", data)
        assert size == length
        yield _frame(seconds + microseconds / 1e6, data[16 : 16 + size])
        data = data[16 + size :]


def _frame(time: float, frame: bytes) -> Packet:
    kind = int.from_bytes(frame[12:14], "big")
    packet = frame[14:]
    if kind == 0x0800:
        assert packet[0] == 0x45 and int.from_bytes(packet[2:4], "big") == len(packet)
        assert _sums_up(packet[:20])
        source, destination = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
        protocol, segment, ends = packet[9], packet[20:], packet[12:20]
    else:
        assert kind == 0x86DD and packet[0] >> 4 == 6 and int.from_bytes(packet[4:6], "big") == len(packet) - 40
        source, destination = f"[{IPv6Address(packet[8:24])}]", f"[{IPv6Address(packet[24:40])}]"
        protocol, segment, ends = packet[6], packet[40:], packet[8:40]
    assert _sums_up(ends + len(segment).to_bytes(4, "big") + protocol.to_bytes(4, "big") + segment)
    ports = struct.unpack_from("!HH", segment)
    if protocol == 17:
        assert int.from_bytes(segment[4:6], "big") == len(segment) and segment[6:8] != b"\0\0"
    payload = segment[8:] if protocol == 17 else segment[(segment[12] >> 4) * 4 :]
    sequence = None if protocol == 17 else int.from_bytes(segment[4:8], "big")
    name = {6: "tcp", 17: "udp"}[protocol]
    return Packet(time, f"{source}:{ports[0]}", f"{destination}:{ports[1]}", name, sequence, payload)


def _sums_up(data: bytes) -> bool:
    """A sum of ones' complements over data with its checksum in it is all ones, that is 0 modulo 65535."""
    words = [int.from_bytes((data + b"\0")[start : start + 2], "big") for start in range(0, len(data), 2)]
    return sum(words) % 0xFFFF == 0


def test_datagram_has_the_octets_and_addresses_of_its_message() -> None:
    entries = [sip(0, Way.OUT, "INVITE"), sip(1.5, Way.IN, "200 OK", body=b"SIP/2.0 200 OK")]

    [sent, received] = packets(write_pcap(entries))

    assert sent == Packet(NOON.timestamp(), "192.0.2.1:5060", "192.0.2.7:5062", "udp", None, INVITE)
    assert (received.source, received.destination) == ("192.0.2.7:5062", "192.0.2.1:5060")
    assert received.time - sent.time == pytest.approx(1.5)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("body", [INVITE, INVITE + b"x", b"\xff\xff" * 50])
def test_addresses_of_ipv6_and_odd_lengths_have_right_checksums(transport: str, body: bytes) -> None:
    entry = sip(0, Way.IN, "INVITE", transport=transport, local="[2001:db8::1]:5060", remote="[::1]:5062", body=body)

    [packet] = packets(write_pcap([entry]))

    assert (packet.source, packet.destination) == ("[::1]:5062", "[2001:db8::1]:5060")
    assert packet.payload == body


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_segments_of_a_connection_follow_one_another(transport: str) -> None:
    long = INVITE + bytes(3000)
    entries = [
        sip(0, Way.OUT, "INVITE", transport=transport, body=long),
        sip(1, Way.IN, "200", transport=transport, body=b"SIP/2.0 200 OK"),
        sip(2, Way.OUT, "ACK", transport=transport, body=b"ACK"),
    ]

    found = packets(write_pcap(entries))

    ours = [packet for packet in found if packet.source == "192.0.2.1:5060"]
    assert b"".join(packet.payload for packet in ours) == long + b"ACK"
    expected = 1
    for packet in ours:
        assert packet.sequence == expected
        expected += len(packet.payload)


def test_unknown_end_is_nowhere_of_the_same_family() -> None:
    entries = [
        sip(0, Way.OUT, "x", local="invalid:5060", remote="[2001:db8::2]:5060"),
        sip(0, Way.OUT, "x", local="192.0.2.1:5060", remote="[2001:db8::2]:5060"),
        sip(0, Way.OUT, "x", local="", remote=""),
    ]

    assert [packet.source for packet in packets(write_pcap(entries))] == ["[::]:0", "[::]:0", "0.0.0.0:0"]


def test_only_sip_is_in_the_file() -> None:
    assert packets(write_pcap([verto(0, Way.IN, "telnyx_rtc.invite"), fact(0, "ringing")])) == []


def test_datagram_that_no_packet_holds_is_cut() -> None:
    [packet] = packets(write_pcap([sip(0, Way.OUT, "INVITE", body=bytes(70_000))]))

    assert 65_000 < len(packet.payload) < 65_507
