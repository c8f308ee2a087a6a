"""The media of calls and nothing else: the engine in a process of its own, `python -m tests.bench.rate.engine_alone`.

It says on which port it listens, then reads a browser's offer a line (as JSON) and writes the answer. For each it does
what call control does: the far end of the trunk is described, the browser is answered, the totals are read when both
are up, and everything is closed.
"""

import asyncio
import json
import os
import sys
from typing import Final

from gateway.domain.ids import CallId, LegName, Sdp
from gateway.media.engine import MediaEngine, MediaEvent, MediaNote, MediaReady, Profile
from gateway.media.engines.choice import make_engine
from gateway.media.settings import MediaSettings
from gateway.observability import logging as logs
from gateway.observability.heap import HeapCare
from tests.bench.media.cases import PCMU
from tests.bench.media.network import ADDRESS
from tests.bench.media.sip_end import SipEnd

_NAMES: Final = (PCMU.name,)


class AloneEngine:
    """One per process."""

    def __init__(self, engine: MediaEngine, trunk: Sdp, group: asyncio.TaskGroup) -> None:
        self._engine, self._trunk, self._group = engine, trunk, group

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; each line is an offer, a call and an answer."""
        while line := await reader.readline():
            number, offer = json.loads(line)
            self._group.create_task(self._call(number, Sdp(offer), writer))
        writer.close()

    async def _call(self, number: int, offer: Sdp, writer: asyncio.StreamWriter) -> None:
        up = asyncio.Event()

        def take(event: MediaEvent) -> None:
            if isinstance(event, MediaReady) and event.leg is LegName.A:
                up.set()

        session = await self._engine.open(
            call_id=CallId(str(number)), a=Profile.WEBRTC, b=Profile.RTP, codecs_a=_NAMES, codecs_b=_NAMES,
            on_event=take, on_note=_unread,
        )  # fmt: skip
        await session.take_offer(LegName.A, offer)
        await session.offer(LegName.B)
        await session.accept(LegName.B, self._trunk)
        writer.write(json.dumps([number, await session.answer(LegName.A)]).encode() + b"\n")
        async with asyncio.timeout(20):
            await up.wait()
        session.stats()
        await session.close()


def _unread(_note: MediaNote) -> None:
    """Calls of a gateway are followed by their traces; here nobody reads them."""


async def main() -> None:
    """Serve until standard input ends."""
    settings = MediaSettings(address=ADDRESS, engine=sys.argv[1])  # type: ignore[arg-type] # a choice of the command line
    # As a gateway without a HEP collector has it
    engine, loop = make_engine(settings, shows_reports=False), asyncio.get_running_loop()
    await engine.start()
    end = SipEnd(PCMU)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with asyncio.TaskGroup() as group:
        alone = AloneEngine(engine, end.description(), group)
        server = await asyncio.start_server(alone.serve, ADDRESS, 0)
        care = HeapCare()
        care.start()
        os.write(1, f"{server.sockets[0].getsockname()[1]}\n".encode())
        await reader.read()
        care.stop()
        server.close()
    await engine.stop()
    end.close()


if __name__ == "__main__":
    logs.configure(level="warning")
    asyncio.run(main())
