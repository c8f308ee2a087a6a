"""The way to a collector: what happens when there is none."""

import asyncio
import socket

import pytest
from structlog.testing import capture_logs

from gateway.observability.metrics import REGISTRY
from gateway.traces.homer import HepSender
from gateway.traces.settings import HepSettings
from tests.unit.traces.hep_reader import read_hep
from tests.unit.traces.samples import CALL, fact


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("gateway_hep_packets_total", {"result": result}) or 0.0


async def test_packets_reach_a_collector_with_the_password() -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.setblocking(False)
        sender = HepSender(HepSettings(collector=f"udp:127.0.0.1:{collector.getsockname()[1]}", password="pw"))
        await sender.open()
        sender.send(CALL, fact(0, "ringing"))
        async with asyncio.timeout(5):
            packet = read_hep(await loop.sock_recv(collector, 65_536))
        sender.close()

    assert (packet["key"], packet["type"]) == (b"pw", 100)


async def test_name_that_does_not_resolve_is_told_of_once_and_tried_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = []

    async def unknown(*_args: object, **_more: object) -> None:
        tries.append(1)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_datagram_endpoint", unknown)
    sender, before = HepSender(HepSettings(collector="udp:homer.invalid:9060")), counted("dropped")
    with capture_logs() as lines:
        await sender.open()
        await sender.open()
        sender.send(CALL, fact(0, "ringing"))

    assert len(tries) == 1
    assert counted("dropped") == before + 1
    assert [line["event"] for line in lines] == ["hep_collector_unreachable"]


async def test_slow_network_drops_packets_instead_of_waiting() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        sender = HepSender(HepSettings(collector=f"udp:127.0.0.1:{collector.getsockname()[1]}"))
        await sender.open()
        before = counted("dropped"), counted("sent")
        sender.pause_writing()
        sender.send(CALL, fact(0, "ringing"))
        sender.resume_writing()
        sender.send(CALL, fact(0, "ringing"))
        sender.close()

    assert (counted("dropped"), counted("sent")) == (before[0] + 1, before[1] + 1)


async def test_without_a_collector_nothing_is_opened_or_counted() -> None:
    sender, before = HepSender(HepSettings()), counted("dropped")
    await sender.open()
    sender.send(CALL, fact(0, "ringing"))
    sender.close()

    assert counted("dropped") == before
