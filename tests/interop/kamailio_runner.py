"""A real Kamailio: a registrar and record-routing proxy with digests, on loopback addresses of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop.sipp_runner import loopback_address

CONFIG: Final = Path(__file__).parent / "kamailio" / "registrar.cfg"
PORT: Final = 5066
TRUNK_PORT: Final = 5060
DOMAIN: Final = "sip.test"
ACCOUNTS: Final = {"alice": "alicepass", "bob": "bobpass", "gateway": "gatewaypass"}

_DEADLINE_S: Final = 20.0
_PROBE: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bKprobe{number}\r\nMax-Forwards: 70\r\n"
    "From: <sip:probe@{host}>;tag=probe\r\nTo: <sip:{host}>\r\nCall-ID: probe{number}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Kamailio:
    """A running Kamailio.

    Attributes:
        host: where it listens, at `PORT`, over UDP and TCP.
        trunk: where it sends numbers that nobody registered, at `TRUNK_PORT` over UDP; calls from there need no digest.
    """

    host: str
    trunk: str
    log_file: Path

    def uri(self, user: str = "", *, transport: str = "udp") -> str:
        """Its own address, or that of a user."""
        return f"sip:{f'{user}@' if user else ''}{self.host}:{PORT};transport={transport}"

    def log(self) -> str:
        """What it wrote."""
        return self.log_file.read_text(errors="replace")


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.set()


@asynccontextmanager
async def kamailio(folder: Path, *, is_sha256: bool = False) -> AsyncIterator[Kamailio]:
    """Kamailio with its files in that folder, until the block ends; it challenges with MD5 unless told otherwise."""
    one = Kamailio(loopback_address(), loopback_address(), folder / "kamailio.log")
    config = folder / "registrar.cfg"
    config.write_text(CONFIG.read_text().replace("@LISTEN@", one.host).replace("@TRUNK@", one.trunk))
    words = [
        "-f",
        config,
        "-DD",
        "-E",
        "-m",
        "64",
        "-M",
        "8",
        "-w",
        folder,
        "-Y",
        folder,
        "-P",
        folder / "kamailio.pid",
    ]
    with one.log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "kamailio", *map(str, words), *(["-A", "WITH_SHA256"] if is_sha256 else []), stdout=log, stderr=log
        )
    try:
        await _until_it_answers(one, process)
        yield one
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(_DEADLINE_S):
            await process.wait()


async def _until_it_answers(one: Kamailio, process: asyncio.subprocess.Process) -> None:
    loop = asyncio.get_running_loop()
    transport, answer = await loop.create_datagram_endpoint(_Answer, local_addr=(one.trunk, 0))
    ours = "{}:{}".format(*transport.get_extra_info("sockname"))
    try:
        async with asyncio.timeout(_DEADLINE_S):
            for number in range(1000):
                assert process.returncode is None, one.log()
                probe = _PROBE.format(host=one.host, port=PORT, ours=ours, number=number)
                transport.sendto(probe.encode(), (one.host, PORT))
                if await _is_set_within(answer.came, 0.2):
                    return
    finally:
        transport.close()
    raise AssertionError(one.log())


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
