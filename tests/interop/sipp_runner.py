"""Runs SIPp scenarios (`tests/interop/sipp/*.xml`) against a program under test: one process, one call, bounded time.

Both sides get a loopback address of their own (`loopback_addresses`), so that tests in parallel never meet at a port.
A scenario that did not hold raises `SippFailed` with what SIPp wrote.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final, Literal

from tests.interop.sipp_media import write_media

Transport = Literal["udp", "tcp"]

SCENARIOS: Final = Path(__file__).parent / "sipp"
PROGRAM: Final = "sipp"

UAS_PORT: Final = 5060
UAC_PORT: Final = 5062

TIME_LIMIT: Final = 25.0
"""Seconds that one scenario may take; SIPp ends itself a little earlier."""

NEEDS_RAW_SOCKETS: Final = frozenset({"uac_inbound_pcmu_dtmf"})
"""Scenarios that play a capture: root, or `sudo` without a password."""

_BOUND: Final = {"udp": ("/proc/net/udp", "07"), "tcp": ("/proc/net/tcp", "0A")}


class SippFailed(AssertionError):
    """A scenario did not hold: a message missed, a check failed, or the time ran out."""


def _addresses() -> Iterator[str]:
    # 127.7.x.y: x by process, so that parallel workers stay apart
    third = os.getpid() % 250
    for fourth in itertools.cycle(range(1, 255)):
        yield f"127.7.{third}.{fourth}"


_fresh_address = _addresses()


def loopback_address() -> str:
    """An address of 127.0.0.0/8 that no other test of this run uses."""
    return next(_fresh_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sipp:
    """How to run one scenario.

    Attributes:
        scenario: file name without `.xml`.
        host: SIPp's own address, for SIP and for RTP.
        remote: `address:port` of the program under test; None for a scenario that is called.
        service: the number it calls (`-s`).
        pause_ms: talk or ringing time of the scenario (`-d`).
        credentials: user and password that it presents (`-au`, `-ap`).
        is_echo: send each RTP packet back to its sender.
        keys: names in square brackets that the scenario uses, and their values.
    """

    scenario: str
    host: str
    transport: Transport
    remote: str | None = None
    service: str = "1000"
    pause_ms: int = 500
    credentials: tuple[str, str] | None = None
    is_echo: bool = False
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def port(self) -> int:
        """SIPp's own SIP port."""
        return UAS_PORT if self.remote is None else UAC_PORT

    @property
    def uri(self) -> str:
        """Where a scenario that is called can be called."""
        return f"sip:{self.service}@{self.host}:{self.port};transport={self.transport}"

    def command(self) -> list[str]:
        """The command line."""
        needs_root = self.scenario in NEEDS_RAW_SOCKETS and os.geteuid() != 0
        options: list[str] = [] if self.remote is None else [self.remote]
        options += ["-sf", str(SCENARIOS / f"{self.scenario}.xml"), "-s", self.service, "-d", str(self.pause_ms)]
        options += ["-i", self.host, "-p", str(self.port), "-mi", self.host, "-mp", "16000"]
        options += ["-t", "u1" if self.transport == "udp" else "t1", "-m", "1", "-nostdin"]
        options += ["-timeout", f"{int(TIME_LIMIT) - 2}s", "-timeout_error"]
        options += ["-trace_err", "-error_file", "errors.log", "-trace_msg", "-message_file", "messages.log"]
        if self.credentials is not None:
            options += ["-au", self.credentials[0], "-ap", self.credentials[1]]
        for name, value in self.keys:
            options += ["-key", name, value]
        if self.is_echo:
            options.append("-rtp_echo")
        return [*(("sudo", "-n") if needs_root else ()), PROGRAM, *options]


class SippProcess:
    """A running SIPp. `succeeds` must be awaited: it is the test."""

    def __init__(self, setup: Sipp, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.setup, self._process, self._folder = setup, process, folder

    async def listens(self) -> None:
        """Wait until its SIP port is bound; raises SippFailed if it ends before."""
        async with asyncio.timeout(TIME_LIMIT):
            while not _is_bound(self.setup.transport, self.setup.host, self.setup.port):
                try:
                    # the kernel tells nobody of a bind: look again after a while, but at once if SIPp has died
                    await asyncio.wait_for(self._process.wait(), timeout=0.02)
                except TimeoutError:
                    continue
                raise SippFailed(await self._story())

    async def succeeds(self) -> None:
        """Wait for its end; raises SippFailed unless every message and check of the scenario held."""
        try:
            async with asyncio.timeout(TIME_LIMIT):
                await self._process.wait()
        except TimeoutError as exc:
            raise SippFailed(f"{self.setup.scenario} did not end") from exc
        if self._process.returncode != 0:
            raise SippFailed(await self._story())

    @property
    def messages(self) -> str:
        """All SIP messages that it saw, as its trace has them."""
        return _read(self._folder / "messages.log")

    @property
    def errors(self) -> str:
        """What it has written of trouble, and its sockets with what waits in them."""
        host = _in_table(self.setup.host)
        sockets = "\n".join(line for line in _read(Path("/proc/net/udp")).splitlines() if host in line)
        return f"SIPp's errors:\n{_read(self._folder / 'errors.log')[-3000:]}\nits UDP sockets:\n{sockets}"

    async def kill(self) -> None:
        """End it if it still runs."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def _story(self) -> str:
        head = f"{self.setup.scenario} over {self.setup.transport} ended with status {self._process.returncode}"
        return f"{head}\n{_read(self._folder / 'screen.log')[-3000:]}\n{self.errors}\n{self.messages[-6000:]}"


@asynccontextmanager
async def sipp(setup: Sipp, folder: Path) -> AsyncIterator[SippProcess]:
    """Start SIPp, and end it with the block at the latest.

    Args:
        folder: an empty one for media and logs (pytest's `tmp_path`).
    """
    write_media(folder / "media")
    with (folder / "screen.log").open("wb") as screen:
        process = await asyncio.create_subprocess_exec(
            *setup.command(), cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=screen, stderr=screen
        )
    running = SippProcess(setup, process, folder)
    try:
        if setup.remote is None:
            await running.listens()
        yield running
    finally:
        await running.kill()


def _is_bound(transport: Transport, host: str, port: int) -> bool:
    table, state = _BOUND[transport]
    wanted = f"{_in_table(host)}:{port:04X}"
    rows = (line.split() for line in Path(table).read_text().splitlines()[1:])
    return any(row[1] == wanted and row[3] == state for row in rows)


def _in_table(host: str) -> str:
    return f"{int.from_bytes(IPv4Address(host).packed, 'little'):08X}"


def _read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
