"""A UDP socket of ours, with real datagrams."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from gateway.sip.transport.flow import Flow
from gateway.sip.transport.udp import BATCH, UdpListener


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield sock


async def taken_in_one_turn(peer: socket.socket, count: int) -> list[bytes]:
    """What a listener takes before its loop does anything else, when so many datagrams wait."""
    taken, turn_over = list[bytes](), asyncio.Event()

    def take(data: bytes, _flow: Flow) -> None:
        if not taken:
            asyncio.get_running_loop().call_soon(turn_over.set)
        if not turn_over.is_set():
            taken.append(data)

    listener = await UdpListener.bind("127.0.0.1", 0, take)
    for number in range(count):
        peer.sendto(str(number).encode(), ("127.0.0.1", listener.local_port))
    async with asyncio.timeout(30):
        await turn_over.wait()
    await listener.close()
    return taken


async def test_datagrams_that_wait_are_taken_at_once_and_in_order(peer: socket.socket) -> None:
    taken = await taken_in_one_turn(peer, 5)

    assert taken == [b"0", b"1", b"2", b"3", b"4"]


async def test_flood_of_datagrams_lets_others_have_their_turn(peer: socket.socket) -> None:
    taken = await taken_in_one_turn(peer, BATCH + 10)

    assert len(taken) == BATCH
