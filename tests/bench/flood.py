"""Random datagrams at the SIP port while calls are made: does it live, what does it cost, is memory flat?"""

import asyncio
import random
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from tests.bench.calls import client, place
from tests.bench.process import GatewayProcess, gateway_process
from tests.bench.trunk import BenchTrunk
from tests.fuzz.seeds import SEEDS

PER_MINUTE: Final = 100_000
BURST: Final = 0.01
"""Seconds between two bursts: a sender that sleeps less does little else."""

BETWEEN_CALLS: Final = 10.0
WARM_UP: Final = 2000
"""Datagrams before memory is looked at: caches and buffers are made by then."""

KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "may call, all read": {},  # with the lab on, loopback may call
    "stranger, all read": {
        "LAB__ENABLED": "false",
        "SIP_SECURITY__BAN_TIME": "0",
        "SIP_SECURITY__STRANGER_RATE": "0",
    },
    "stranger, banned": {"LAB__ENABLED": "false"},
}


@dataclass(frozen=True, slots=True)
class Figures:
    """One flood.

    Attributes:
        cpu_share: of one core, calls included.
        calls, calls_answered: made and answered while it went on, and one after it.
        answer_max_ms: the slowest answer.
    """

    kind: str
    seconds: float
    sent: int
    memory_start: int
    memory_half: int
    memory_end: int
    cpu_share: float
    calls: int
    calls_answered: int
    answer_max_ms: float


def datagrams(seed: int) -> Iterator[bytes]:
    """Noise of every size, and SIP messages with a few bytes changed, in turns."""
    chance = random.Random(seed)
    while True:
        yield chance.randbytes(chance.randrange(1, 1400))
        message = bytearray(chance.choice(SEEDS["sip"]))
        for _ in range(chance.randrange(1, 6)):
            message[chance.randrange(len(message))] = chance.randrange(256)
        yield bytes(message)


async def measure(seconds: float) -> list[Figures]:
    """A flood of each kind, each on a fresh gateway."""
    return [await _measure(kind, settings, seconds) for kind, settings in KINDS.items()]


async def _measure(kind: str, settings: Mapping[str, str], seconds: float) -> Figures:
    async with (
        BenchTrunk().running() as trunk,
        gateway_process(trunk.address, prefer="passthrough", more=settings) as gateway,
        client(gateway) as verto,
    ):
        flood = Flood(gateway)
        with closing(flood):
            await flood.send(WARM_UP)
            start, cpu, begun = gateway.memory_bytes, gateway.cpu_seconds, time.perf_counter()
            answers: list[float | None] = []

            async def call() -> None:
                try:
                    made = await place(verto, trunk, ["PCMU"])
                except TimeoutError:
                    answers.append(None)
                    return
                answers.append(made.answered_after * 1000.0)
                await verto.bye(made.call_id)
                await made.browser.close()

            half = 0
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(flood.run(seconds))
                while not sending.done():
                    await call()
                    await asyncio.wait([sending], timeout=BETWEEN_CALLS)
                    if not half and time.perf_counter() - begun > seconds / 2:
                        half = gateway.memory_bytes
            took, used = time.perf_counter() - begun, gateway.cpu_seconds - cpu
            end = gateway.memory_bytes
            await call()
        answered = [answer for answer in answers if answer is not None]
        return Figures(
            kind=kind,
            seconds=took,
            sent=flood.sent - WARM_UP,
            memory_start=start,
            memory_half=half,
            memory_end=end,
            cpu_share=used / took,
            calls=len(answers),
            calls_answered=len(answered),
            answer_max_ms=max(answered, default=0.0),
        )


class Flood:
    """Sends from an address that nobody else has."""

    def __init__(self, gateway: GatewayProcess) -> None:
        host, _, port = str(gateway.access["sip_listeners"][0]).rpartition(":")
        self._to = (host.rpartition(":")[2], int(port))
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.66", 0))
        self._datagrams = datagrams(4475)
        self.sent = 0

    async def run(self, seconds: float) -> None:
        """`PER_MINUTE`, evenly, for so long."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        due = 0
        while (elapsed := loop.time() - begun) < seconds:
            wanted = int(elapsed * PER_MINUTE / 60)
            await self.send(wanted - due)
            due = wanted
            await asyncio.sleep(BURST)  # noqa: TID251 -- a sender keeps time

    async def send(self, count: int) -> None:
        """So many at once; what the kernel does not take is not counted."""
        for _ in range(count):
            try:
                self._socket.sendto(next(self._datagrams), self._to)
            except (BlockingIOError, ConnectionRefusedError):
                continue
            self.sent += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
