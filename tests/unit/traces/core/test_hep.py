"""HEP version 3, read back by an independent reader."""

import json
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from gateway.domain.trace import TraceEntry, TraceKind, Way
from gateway.media.core.rtcp import ReceiverReport, SenderInfo, SenderReport, serialize
from gateway.media.core.rtp import ReportBlock
from gateway.traces.core.hep import encode
from tests.unit.traces.hep_reader import HepPacket, read_hep
from tests.unit.traces.samples import CALL, INVITE, NOON, at, fact, sip, verto

BLOCK = ReportBlock(
    ssrc=9, fraction_lost=3, packets_lost=2, highest_sequence=70_000, jitter_ticks=12, last_sr=77, delay_since_last_sr=5
)


def packet(entry: TraceEntry, *, password: str | None = None) -> HepPacket:
    made = encode(CALL, entry, capture_id=2001, password=password)
    assert made is not None
    return read_hep(made)


def test_sip_message_has_its_addresses_time_and_call() -> None:
    read = packet(sip(0, Way.OUT, "INVITE"), password="s3cret")

    assert read.chunks == {
        "family": 2,
        "protocol": 17,
        "source": "192.0.2.1",
        "destination": "192.0.2.7",
        "source_port": 5060,
        "destination_port": 5062,
        "seconds": int(NOON.timestamp()),
        "microseconds": 250,
        "type": 1,
        "capture_id": 2001,
        "key": b"s3cret",
        "correlation_id": CALL.encode(),
        "payload": INVITE,
    }


@pytest.mark.parametrize(("transport", "protocol"), [("udp", 17), ("tcp", 6), ("tls", 6)])
def test_received_message_of_ipv6_comes_from_the_far_end(transport: str, protocol: int) -> None:
    read = packet(sip(0, Way.IN, "BYE", transport=transport, local="[2001:db8::1]:5061", remote="[2001:db8::2]:40000"))

    assert (read["family"], read["protocol"]) == (10, protocol)
    assert (read["source"], read["source_port"]) == ("2001:db8::2", 40000)
    assert "key" not in read.chunks


def test_verto_frame_is_a_log_of_json() -> None:
    read = packet(verto(0, Way.IN, "telnyx_rtc.invite", body=b'{"method":"telnyx_rtc.invite"}'))

    assert (read["type"], read["protocol"], read["source"]) == (100, 6, "198.51.100.4")
    assert json.loads(read["payload"]) == {"method": "telnyx_rtc.invite"}


def test_fact_is_a_log_of_json_from_nowhere() -> None:
    read = packet(replace(fact(0, "leg a: ICE path", TraceKind.MEDIA), channel="a"))

    assert (read["type"], read["source"], read["source_port"]) == (100, str(IPv4Address(0)), 0)
    assert json.loads(read["payload"]) == {"call_id": CALL, "kind": "media", "leg": "a", "message": "leg a: ICE path"}


def rtcp(*reports: SenderReport | ReceiverReport) -> TraceEntry:
    return TraceEntry(
        at=at(0), kind=TraceKind.RTCP, way=Way.IN, transport="udp", title="RTCP", body=serialize(list(reports))
    )


def test_sender_report_is_rtcp_as_json() -> None:
    info = SenderInfo(rtp_timestamp=160, packet_count=50, octet_count=8000)

    read = packet(rtcp(SenderReport(ssrc=7, ntp_time=(3 << 32) | 4, info=info, blocks=(BLOCK,))))

    assert read["type"] == 5
    assert json.loads(read["payload"]) == {
        "ssrc": 7,
        "type": 200,
        "report_count": 1,
        "report_blocks": [
            {
                "source_ssrc": 9,
                "fraction_lost": 3,
                "packets_lost": 2,
                "highest_seq_no": 70_000,
                "ia_jitter": 12,
                "lsr": 77,
                "dlsr": 5,
            }
        ],
        "sender_information": {
            "ntp_timestamp_sec": 3,
            "ntp_timestamp_usec": 4,
            "rtp_timestamp": 160,
            "packets": 50,
            "octets": 8000,
        },
    }


def test_receiver_report_has_no_sender() -> None:
    shown = json.loads(packet(rtcp(ReceiverReport(ssrc=7, blocks=(BLOCK,))))["payload"])

    assert shown["type"] == 201
    assert "sender_information" not in shown


@pytest.mark.parametrize("body", [b"", b"\x80", b"\x81\xcb\x00\x01\x00\x00\x00\x07"])
def test_rtcp_without_a_report_is_not_sent(body: bytes) -> None:
    entry = TraceEntry(at=at(0), kind=TraceKind.RTCP, title="RTCP", body=body)

    assert encode(CALL, entry, capture_id=1, password=None) is None


def test_message_that_no_datagram_holds_is_cut() -> None:
    made = encode(CALL, sip(0, Way.OUT, "INVITE", body=INVITE + bytes(70_000)), capture_id=1, password=None)

    assert made is not None and len(made) == 65_000
    assert read_hep(made)["payload"].startswith(INVITE)
