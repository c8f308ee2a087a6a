"""A UDP socket of ours, with real datagrams."""

import asyncio
import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from gateway.sip.transport.flow import Destination, Flow
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

    listener = UdpListener.bind("127.0.0.1", 0, take)
    for number in range(count):
        peer.sendto(str(number).encode(), ("127.0.0.1", listener.local_port))
    async with asyncio.timeout(30):
        await turn_over.wait()
    listener.close()
    return taken


async def test_datagrams_that_wait_are_taken_at_once_and_in_order(peer: socket.socket) -> None:
    taken = await taken_in_one_turn(peer, 5)

    assert taken == [b"0", b"1", b"2", b"3", b"4"]


async def test_flood_of_datagrams_lets_others_have_their_turn(peer: socket.socket) -> None:
    taken = await taken_in_one_turn(peer, BATCH + 10)

    assert len(taken) == BATCH


async def test_datagram_takes_no_more_memory_than_it_needs(peer: socket.socket) -> None:
    tracemalloc.start()
    try:
        taken = await taken_in_one_turn(peer, 5)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(taken) == 5
    assert most < 128 * 1024  # the one buffer of 64 KiB, and little else


class FullSocket(socket.socket):
    """The kernel has no room for what it should send."""

    def sendto(self, *_: object) -> int:
        raise BlockingIOError


async def test_datagram_without_room_is_lost_as_on_a_full_link() -> None:
    with FullSocket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        listener = UdpListener(lambda _data, _flow: None, sock)

        assert listener.send(b"one", Destination("udp", "127.0.0.1", 9))

        listener.close()


async def test_after_the_end_nothing_is_sent(peer: socket.socket) -> None:
    peer.bind(("127.0.0.1", 0))
    listener = UdpListener.bind("127.0.0.1", 0, lambda _data, _flow: None)
    flow = listener.flow_to(Destination("udp", "127.0.0.1", peer.getsockname()[1]))
    assert flow.send(b"one")

    listener.close()

    assert not flow.is_open
    assert not flow.send(b"two")


async def test_address_that_is_none_is_refused() -> None:
    listener = UdpListener.bind("127.0.0.1", 0, lambda _data, _flow: None)

    assert not listener.send(b"one", Destination("udp", "trunk.example", 5060))
    assert not listener.send(b"one", Destination("udp", "127.0.0.1", 0))
    assert not listener.send(b"one", Destination("udp", "2001:db8::1", 5060))

    listener.close()
