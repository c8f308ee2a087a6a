"""One running Kamailio, whatever its configuration: started, waited for, ended."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from tests.harness.ending import end

PORT: Final = 5066

_DEADLINE_S: Final = 20.0
_LEAVE_S: Final = 5.0
"""It takes some milliseconds. Now and then 5.6 waits for ever, with all its children gone, for a timer that one of
them was at when it was told to end (kamailio/kamailio#2795)."""
_PROBE_EVERY_S: Final = 0.2
_PROBE: Final = (
    "OPTIONS sip:{host}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {ours};branch=z9hG4bKprobe{number}\r\nMax-Forwards: 70\r\n"
    "From: <sip:probe@{host}>;tag=probe\r\nTo: <sip:{host}>\r\nCall-ID: probe{number}\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)
_MEMORY: Final = ("-m", "64", "-M", "8")
"""Megabytes, shared and of each process."""


class _Answer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came = asyncio.Event()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.set()


@asynccontextmanager
async def running(
    folder: Path, config: str, host: str, *, asked_from: str, words: tuple[str, ...] = ()
) -> AsyncIterator[None]:
    """Kamailio with that configuration, from when it answers at `host:PORT` until the block ends.

    Args:
        folder: there already, for its files.
        asked_from: the loopback address that asks whether it answers.
        words: more of its command line.
    """
    config_file, log_file = folder / "kamailio.cfg", folder / "kamailio.log"
    config_file.write_text(config)
    places = ("-w", folder, "-Y", folder, "-P", folder / "kamailio.pid")
    command = ("kamailio", "-f", config_file, "-DD", "-E", *_MEMORY, *places, *words)
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *map(str, command), stdout=log, stderr=log, start_new_session=True
        )
    try:
        await _until_it_answers(host, process, asked_from=asked_from, log=lambda: log_file.read_text(errors="replace"))
        yield
    finally:
        await end(process, patience=_LEAVE_S, leads_session=True)


async def _until_it_answers(
    host: str, process: asyncio.subprocess.Process, *, asked_from: str, log: Callable[[], str]
) -> None:
    loop = asyncio.get_running_loop()
    transport, answer = await loop.create_datagram_endpoint(_Answer, local_addr=(asked_from, 0))
    ours = "{}:{}".format(*transport.get_extra_info("sockname"))
    number = 0
    try:
        async with asyncio.timeout(_DEADLINE_S):
            while not answer.came.is_set():
                assert process.returncode is None, log()
                number += 1
                probe = _PROBE.format(host=host, port=PORT, ours=ours, number=number)
                transport.sendto(probe.encode(), (host, PORT))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_EVERY_S):
                        await answer.came.wait()
    finally:
        transport.close()
