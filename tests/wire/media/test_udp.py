"""The reader of media sockets."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.media.core.source_lock import Address
from gateway.media.engines.udp import UdpSocket


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Ours and theirs."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for each in sockets:
        each.setblocking(False)
        each.bind(("127.0.0.1", 0))
    yield sockets[0], sockets[1]
    for each in sockets:
        each.close()


async def test_datagram_whose_handling_crashes_is_logged_once_and_costs_nothing_else(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    received: asyncio.Queue[bytes] = asyncio.Queue(10)

    def take(data: bytes, source: Address) -> None:
        if data == b"crash":
            raise RuntimeError("a defect")
        received.put_nowait(data)

    udp = UdpSocket(ours, take)
    with capture_logs() as logs:
        for data in (b"crash", b"crash", b"fine"):
            theirs.sendto(data, ours.getsockname())
        assert await received.get() == b"fine"
    udp.detach()

    assert [log["event"] for log in logs] == ["media_packet_crashed"]


async def test_error_that_the_network_reports_does_not_end_the_reading(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    received: asyncio.Queue[bytes] = asyncio.Queue(10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()
    ours.connect(nobody)  # so that its refusal comes back to us
    ours.send(b"anybody there?")
    udp = UdpSocket(ours, lambda data, source: received.put_nowait(data))
    theirs.close()

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
        late.bind(nobody)
        late.sendto(b"here", ours.getsockname())
        assert await received.get() == b"here"
    udp.detach()


async def test_send_that_the_kernel_refuses_is_a_lost_packet(pair: tuple[socket.socket, socket.socket]) -> None:
    udp = UdpSocket(pair[0], lambda data, source: None)

    assert not udp.send(bytes(70000), pair[1].getsockname())
    assert udp.send(b"x", pair[1].getsockname())
    udp.detach()


async def test_nothing_is_read_after_detaching_within_a_burst(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    seen: list[bytes] = []
    stopped = asyncio.Event()

    def take(data: bytes, source: Address) -> None:
        seen.append(data)
        udp.detach()
        stopped.set()

    udp = UdpSocket(ours, take)
    for data in (b"1", b"2", b"3"):
        theirs.sendto(data, ours.getsockname())
    await stopped.wait()
    udp.detach()

    assert seen == [b"1"]
