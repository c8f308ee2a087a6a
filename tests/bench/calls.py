"""One call of a benchmark: a Verto client with a browser's media, and the trunk's end of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket
from tests.bench.process import GatewayProcess
from tests.bench.trunk import BenchTrunk, TrunkCall
from tests.harness.verto_client import VertoClient, connected
from tests.wire.media.browser import Browser

FRAME: Final = 0.02
NUMBER: Final = "+4930123456"


@dataclass
class BenchCall:
    """Both ends. Times are seconds from the invite."""

    call_id: str
    browser: Browser
    trunk: TrunkCall
    answered_after: float
    connected_after: float


@asynccontextmanager
async def client(gateway: GatewayProcess) -> AsyncIterator[VertoClient]:
    """The demo's user, logged in."""
    async with connected(gateway.websocket) as verto:
        await verto.login(gateway.access["sip_user"], gateway.access["sip_password"])
        yield verto


async def place(verto: VertoClient, trunk: BenchTrunk, codecs: Sequence[str]) -> BenchCall:
    """Call the trunk; return once DTLS is through."""
    browser = Browser(codecs=codecs, has_events=False)
    offer = await browser.offer()
    began = time.perf_counter()
    call_id = await verto.invite(NUMBER, offer)
    answer = await verto.wait_for("telnyx_rtc.answer", call_id=call_id)
    answered_after = time.perf_counter() - began
    await browser.accept(Sdp(answer["params"]["sdp"]))
    async with asyncio.timeout(20):
        await browser.connected.wait()
        media = await trunk.calls.get()
    return BenchCall(call_id, browser, media, answered_after, time.perf_counter() - began)


class Stream:
    """Sends frames one every 20 ms on absolute times, for ever round, until stopped."""

    def __init__(
        self, send: Callable[[RtpPacket], None], frames: Sequence[bytes], *, payload_type: int, ticks: int, ssrc: int
    ) -> None:
        self._send, self._frames = send, frames
        self._payload_type, self._ticks, self._ssrc = payload_type, ticks, ssrc
        self._loop = asyncio.get_running_loop()
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self.sent_at: list[float] = []
        """`perf_counter` of each frame, in order."""

    def start(self, delay: float = 0.0) -> None:
        """Begin after `delay` seconds."""
        self._began = self._loop.time() + delay
        self._timer = self._loop.call_at(self._began, self._tick)

    def stop(self) -> int:
        """Stop; returns how many frames left."""
        if self._timer is not None:
            self._timer.cancel()
        return self._count

    def _tick(self) -> None:
        index = self._count
        self._count += 1
        self._timer = self._loop.call_at(self._began + self._count * FRAME, self._tick)
        packet = RtpPacket(
            self._payload_type,
            index & 0xFFFF,
            (index * self._ticks) & 0xFFFFFFFF,
            self._ssrc,
            index == 0,
            self._frames[index % len(self._frames)],
        )
        self.sent_at.append(time.perf_counter())
        self._send(packet)


async def seconds(duration: float) -> None:
    """Let that time pass while packets flow."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_at(loop.time() + duration, done.set_result, None)
    await done
