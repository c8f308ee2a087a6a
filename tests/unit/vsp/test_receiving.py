"""What half-received messages may hold."""

import asyncio
from contextlib import ExitStack

from gateway.vsp.receiving import SLACK, Meter, Receiving


class Sink(asyncio.Protocol):
    """The protocol behind a meter."""

    def __init__(self) -> None:
        self.received = 0

    def data_received(self, data: bytes) -> None:
        self.received += len(data)


class Wire(asyncio.Transport):
    """A transport with a protocol."""

    def __init__(self) -> None:
        super().__init__()
        self.sink = Sink()
        self._protocol: asyncio.BaseProtocol = self.sink

    def is_closing(self) -> bool:
        return False

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol


class Desk:
    """Several sockets that share a budget."""

    def __init__(self, stack: ExitStack, max_bytes: int, *, limit: int = 10**9, sockets: int = 3) -> None:
        self.receiving = Receiving(max_bytes)
        self.wires = [Wire() for _ in range(sockets)]
        self.closed: list[tuple[int, str]] = []
        self.meters: list[Meter] = [self._meter(stack, wire, limit) for wire in self.wires]

    def _meter(self, stack: ExitStack, wire: Wire, limit: int) -> Meter:
        number = self.wires.index(wire)

        def on_excess(reason: str) -> None:
            self.closed.append((number, reason))

        return stack.enter_context(self.receiving.metered(wire, limit=lambda: limit, on_excess=on_excess))


def test_what_was_read_is_held_no_more() -> None:
    with ExitStack() as stack:
        desk = Desk(stack, 1000)
        for _ in range(10):
            desk.meters[0].data_received(b"x" * 900)
            desk.meters[0].message_taken()

        assert (desk.receiving.held, desk.closed, desk.wires[0].sink.received) == (0, [], 9000)


def test_the_socket_that_holds_the_most_is_closed_and_the_others_go_on() -> None:
    with ExitStack() as stack:
        desk = Desk(stack, 1000)
        desk.meters[0].data_received(b"x" * 300)
        desk.meters[1].data_received(b"x" * 600)
        desk.meters[2].data_received(b"x" * 200)
        desk.meters[1].data_received(b"x" * 600)

        assert desk.closed == [(1, "memory")]
        assert desk.receiving.held == 500
        assert desk.wires[1].sink.received == 600
        assert desk.wires[2].sink.received == 200


def test_a_socket_past_its_own_limit_is_closed_without_pushing_others_out() -> None:
    with ExitStack() as stack:
        desk = Desk(stack, SLACK + 2000, limit=1000)
        desk.meters[0].data_received(b"x" * 900)

        desk.meters[1].data_received(b"x" * (SLACK + 1001))
        desk.meters[1].data_received(b"x")

        assert desk.closed == [(1, "too_large")]
        assert desk.wires[1].sink.received == 0
        assert desk.receiving.held == 900


def test_a_socket_that_ends_gives_back_what_it_held_and_the_transport_its_protocol() -> None:
    with ExitStack() as stack:
        desk = Desk(stack, 1000)
        desk.meters[0].data_received(b"x" * 500)

    assert desk.receiving.held == 0
    assert desk.wires[0].get_protocol() is desk.wires[0].sink
