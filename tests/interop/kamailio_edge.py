"""A real Kamailio between phones and the gateway: it knows no user, and adds itself to Path and Record-Route."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

CONFIG: Final = Path(__file__).parent / "kamailio" / "edge.cfg"
PORT: Final = 5066

_DEADLINE_S: Final = 20.0
_PROBE_EVERY_S: Final = 0.2
_PROBE: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bKprobe{number}\r\nMax-Forwards: 70\r\n"
    "From: <sip:probe@{host}>;tag=probe\r\nTo: <sip:{host}>\r\nCall-ID: probe{number}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.set()


@asynccontextmanager
async def edge(folder: Path, host: str, gateway: str) -> AsyncIterator[str]:
    """Kamailio in front of the gateway at `host:port`; where it listens.

    Args:
        folder: there already, for its files.
        host: an address of loopback that is its own.
    """
    log_file, config = folder / "kamailio.log", folder / "edge.cfg"
    gateway_host, _, gateway_port = gateway.rpartition(":")
    text = CONFIG.read_text().replace("@LISTEN@", host).replace("@HOST@", gateway_host).replace("@PORT@", gateway_port)
    config.write_text(text)
    words = (
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
    )
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec("kamailio", *map(str, words), stdout=log, stderr=log)
    try:
        await _until_it_answers(host, process, lambda: log_file.read_text(errors="replace"))
        yield f"{host}:{PORT}"
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(_DEADLINE_S):
            await process.wait()


async def _until_it_answers(host: str, process: asyncio.subprocess.Process, log: Callable[[], str]) -> None:
    loop = asyncio.get_running_loop()
    transport, answer = await loop.create_datagram_endpoint(_Answer, local_addr=(host, 0))
    ours = "{}:{}".format(*transport.get_extra_info("sockname"))
    number = 0
    try:
        async with asyncio.timeout(_DEADLINE_S):
            while not answer.came.is_set():
                assert process.returncode is None, log()
                number += 1
                probe = _PROBE.format(host=host, port=PORT, ours=ours, number=number)
                transport.sendto(probe.encode(), (host, PORT))
                await asyncio.wait([loop.create_task(answer.came.wait())], timeout=_PROBE_EVERY_S)
    finally:
        transport.close()
