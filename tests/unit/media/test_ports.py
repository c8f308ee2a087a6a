"""Ports of the range: taken, at rest, given back."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from gateway.media.engine import NoFreePort
from gateway.media.ports import PortPool
from gateway.observability.metrics import RTP_PORTS_IN_USE

LOOPBACK = "127.0.0.1"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ports() -> range:
    """Eight free ports, the first even, below those that the system gives to whoever asks for any."""
    for start in range(20_000 + 8 * (os.getpid() % 1000), 32_000, 8):
        with ExitStack() as stack:
            try:
                for number in range(start, start + 8):
                    probe = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    probe.bind((LOOPBACK, number))
            except OSError:
                continue
        return range(start, start + 8)
    raise AssertionError("no eight free ports in a row")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def pool(ports: range, clock: Clock, *, start: int = 0) -> PortPool:
    return PortPool(ports, quarantine=2.0, clock=clock, choose=lambda count: min(start, count - 1))


def port(each: socket.socket) -> int:
    return int(each.getsockname()[1])


def test_pair_is_even_and_the_next(ports: range, clock: Clock, opened: ExitStack) -> None:
    rtp, rtcp = map(opened.enter_context, pool(ports, clock).open_pair(LOOPBACK))

    assert port(rtp) % 2 == 0
    assert port(rtcp) == port(rtp) + 1
    assert not rtp.getblocking()


def test_odd_first_port_of_a_range_is_not_the_beginning_of_a_pair(
    ports: range, clock: Clock, opened: ExitStack
) -> None:
    rtp, _ = map(opened.enter_context, pool(ports[1:4], clock).open_pair(LOOPBACK))

    assert port(rtp) == ports[2]


def test_search_begins_where_chance_says(ports: range, clock: Clock, opened: ExitStack) -> None:
    first = opened.enter_context(pool(ports, clock, start=5).open_single(LOOPBACK))

    assert port(first) == ports[5]


def test_port_that_another_program_has_is_passed_over(ports: range, clock: Clock, opened: ExitStack) -> None:
    foreign = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    foreign.bind((LOOPBACK, ports[1]))

    rtp, _ = map(opened.enter_context, pool(ports, clock).open_pair(LOOPBACK))

    assert port(rtp) == ports[2]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # the half that could be bound was closed again
        probe.bind((LOOPBACK, ports[0]))


def test_every_port_is_handed_out_once_and_then_none_is_left(ports: range, clock: Clock, opened: ExitStack) -> None:
    every = pool(ports, clock)
    taken = {port(opened.enter_context(every.open_single(LOOPBACK))) for _ in ports}

    assert taken == set(ports)
    with pytest.raises(NoFreePort):
        every.open_single(LOOPBACK)


def test_released_port_rests_before_it_is_used_again(ports: range, clock: Clock, opened: ExitStack) -> None:
    one = pool(ports[:1], clock)
    first = one.open_single(LOOPBACK)
    one.close([first])

    with pytest.raises(NoFreePort):
        one.open_single(LOOPBACK)
    clock.now += 2.0
    again = opened.enter_context(one.open_single(LOOPBACK))

    assert first.fileno() == -1
    assert port(again) == ports[0]


def test_range_too_small_for_a_pair_has_none(ports: range, clock: Clock) -> None:
    with pytest.raises(NoFreePort):
        pool(ports[:1], clock).open_pair(LOOPBACK)


def test_address_that_is_not_ours_leaves_no_port_taken(ports: range, clock: Clock, opened: ExitStack) -> None:
    every = pool(ports, clock)
    with pytest.raises(NoFreePort):
        every.open_pair("192.0.2.1")

    assert opened.enter_context(every.open_single(LOOPBACK))


def test_gauge_counts_the_ports_in_use(ports: range, clock: Clock) -> None:
    before = RTP_PORTS_IN_USE._value.get()
    every = pool(ports, clock)

    pair = every.open_pair(LOOPBACK)
    during = RTP_PORTS_IN_USE._value.get()
    every.close(pair)

    assert (during, RTP_PORTS_IN_USE._value.get()) == (before + 2, before)


def test_reserved_port_is_nobody_elses_and_no_calls(ports: range, clock: Clock, opened: ExitStack) -> None:
    before = RTP_PORTS_IN_USE._value.get()
    every = pool(ports[:2], clock)

    reserved = every.reserve(LOOPBACK)
    other = port(opened.enter_context(every.open_single(LOOPBACK)))

    assert {reserved, other} == set(ports[:2])
    assert RTP_PORTS_IN_USE._value.get() == before + 1
    with pytest.raises(NoFreePort):
        every.reserve(LOOPBACK)
