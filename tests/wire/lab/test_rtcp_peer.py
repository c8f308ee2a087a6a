"""RTCP of a lab call, against a plain socket."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.lab.rtcp_peer import RtcpPeer
from gateway.lab.rtp_sockets import bind_pair
from gateway.lab.rtp_stream import OutgoingStream
from gateway.media.core import rtcp
from gateway.media.core.rtcp import Bye, ReceiverReport, RtcpPacket, SenderReport, SourceDescription
from gateway.media.core.rtp import ReceptionStats, ReportBlock

HOST = "127.0.0.1"
SSRC = 77


class Bench:
    """A lab peer's RTCP, and a far end made of two bare sockets."""

    def __init__(self) -> None:
        self.ours, self.theirs = bind_pair(HOST), bind_pair(HOST)
        self.stream = OutgoingStream(
            ssrc=SSRC, sequence=1, timestamp=1, clock_rate=8000, now=asyncio.get_running_loop().time()
        )
        self.peer = RtcpPeer(self.ours[1], self.stream, ReceptionStats(8000), self.theirs[0].getsockname)

    async def receive(self) -> list[RtcpPacket]:
        async with asyncio.timeout(30):
            return rtcp.parse(await asyncio.get_running_loop().sock_recv(self.theirs[1], 2048))

    async def has_read(self, count: int) -> None:
        """Let reports of ours come until the peer has read that many of the far end's."""
        while self.peer.packets_received < count:
            await self.receive()

    def send(self, data: bytes) -> None:
        self.theirs[1].sendto(data, self.ours[1].getsockname())

    def close(self) -> None:
        self.peer.close()
        for sock in (*self.ours, *self.theirs):
            sock.close()


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(rtcp, "MIN_INTERVAL", 0.05)
    bench = Bench()
    yield bench
    bench.close()


async def test_peer_that_sends_reports_it(bench: Bench) -> None:
    bench.stream.frame(0, bytes(160), now=asyncio.get_running_loop().time())

    report, source = await bench.receive()

    assert isinstance(report, SenderReport)
    assert (report.ssrc, report.info.packet_count, report.info.octet_count) == (SSRC, 1, 160)
    assert source == SourceDescription(ssrc=SSRC, cname="lab")


async def test_peer_that_only_listens_says_so(bench: Bench) -> None:
    packets = await bench.receive()

    assert isinstance(packets[0], ReceiverReport)


async def test_peer_says_bye(bench: Bench) -> None:
    bench.peer.close()

    packets = await bench.receive()
    while not isinstance(packets[-1], Bye):
        packets = await bench.receive()

    assert packets[-1].ssrcs == (SSRC,)


async def test_round_trip_is_learned_from_the_far_end(bench: Bench) -> None:
    bench.stream.frame(0, bytes(160), now=asyncio.get_running_loop().time())
    report = (await bench.receive())[0]
    assert isinstance(report, SenderReport)
    block = ReportBlock(
        ssrc=SSRC,
        fraction_lost=0,
        packets_lost=0,
        highest_sequence=1,
        jitter_ticks=0,
        last_sr=(report.ntp_time >> 16) & 0xFFFFFFFF,
        delay_since_last_sr=0,
    )

    bench.send(b"\xff garbage")
    bench.send(rtcp.serialize([ReceiverReport(ssrc=5, blocks=(block,))]))
    await bench.has_read(1)

    assert bench.peer.round_trip is not None and 0 <= bench.peer.round_trip < 10


async def test_report_of_a_stranger_is_not_read(bench: Bench) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.3", 0))
        stranger.sendto(rtcp.serialize([ReceiverReport(ssrc=5)]), bench.ours[1].getsockname())
    bench.send(rtcp.serialize([ReceiverReport(ssrc=5)]))
    await bench.has_read(1)

    assert bench.peer.packets_received == 1
