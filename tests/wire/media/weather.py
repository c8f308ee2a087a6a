"""Far ends whose way to the gateway is a bad network, until it becomes a good one."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

from gateway.media.core.rtp import RtpPacket
from tests.harness.bad_network import Network, Weather

from . import sound
from .browser import Browser
from .trunk import Trunk

LOSSY: Final = Weather(loss=0.12)
SHAKEN: Final = Weather(jitter=0.400, keeps_order=False)
"""RFC 3550's jitter of it is 0.1 to 0.2 s; that of a queue as long, which keeps the order, is 0.03 s."""
_PHRASE: Final = 50
"""Frames that are repeated."""
_QUICK: Final = 6
"""Packets in 20 ms."""

FarEnd = Browser | Trunk


def behind(network: Network, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Sends datagrams through the network."""
    loop = asyncio.get_running_loop()

    def carry(datagram: bytes) -> None:
        for at in network.arrivals(loop.time()):
            loop.call_at(at, send, datagram)

    return carry


class Talker:
    """Sends a tone as PCMU, one packet every 20 ms, through a network; `talking` makes it.

    Args:
        far_end: who talks. Its way to the socket is replaced.
        network: between it and the gateway.
    """

    def __init__(self, far_end: FarEnd, network: Network) -> None:
        self._far_end, self._way = far_end, far_end.send_raw
        far_end.send_raw = behind(network, self._way)  # type: ignore[method-assign,assignment] # its way to the socket
        frames, self._pace = sound.payloads("PCMU", 500, _PHRASE), 1
        self._stream = (
            RtpPacket(0, number & 0xFFFF, number * 160, far_end.ssrc, number == 0, frames[number % _PHRASE])
            for number in count()
        )
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time()
        self._say()

    def _say(self) -> None:
        for _ in range(self._pace):
            self._far_end.send(next(self._stream))
        self._next += sound.FRAME
        self._timer = self._loop.call_at(self._next, self._say)

    def gets_a_good_network(self) -> None:
        """Every packet comes from now on, in its time."""
        self._far_end.send_raw = self._way  # type: ignore[method-assign] # as above

    def hurries(self) -> None:
        """Six packets in the time of one from now on: what is judged by its share of them passes sooner."""
        self._pace = _QUICK

    def stop(self) -> None:
        self._timer.cancel()


@contextmanager
def talking(far_end: FarEnd, weather: Weather, *, seed: int) -> Iterator[Talker]:
    """It talks through that weather while the block runs."""
    talker = Talker(far_end, Network(weather, seed))
    try:
        yield talker
    finally:
        talker.stop()
