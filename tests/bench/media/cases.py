"""What is measured, and how the processors are shared out."""

import os
from dataclasses import dataclass, replace
from typing import Final, Literal

CodecName = Literal["opus", "PCMU"]


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec as SDP and RTP have it; `ticks` is the timestamp's step in a packet of 20 ms."""

    name: CodecName
    payload_type: int
    rtpmap: str
    ticks: int


OPUS: Final = Codec("opus", 111, "opus/48000/2", 960)
PCMU: Final = Codec("PCMU", 0, "PCMU/8000", 160)


@dataclass(frozen=True, slots=True)
class Case:
    """So many calls at once, these codecs at their two ends."""

    name: str
    calls: int
    delay_calls: int
    """In the pass that measures the delay: fewer, so that what is measured is no queue."""
    web: Codec
    sip: Codec

    def with_calls(self, calls: int, delay_calls: int = 0) -> "Case":
        """The same with other numbers of calls: of both passes, and of the one for the delay; 0 leaves them."""
        return replace(self, calls=calls or self.calls, delay_calls=delay_calls or calls or self.delay_calls)

    @property
    def is_relay(self) -> bool:
        """Whether payloads come out as they went in."""
        return self.web == self.sip


CASES: Final = (
    Case("PCMU", 100, 50, PCMU, PCMU),
    Case("opus-PCMU", 30, 20, OPUS, PCMU),
    Case("opus", 100, 50, OPUS, OPUS),
)

SERVERS: Final = ("native", "aiortc", "rtpengine", "janus")
"""In the order of their turns: this gateway with its two engines, and the others."""

SUITE: Final = "AES_CM_128_HMAC_SHA1_80"
"""What browsers and servers agree on: all servers know it, and it is what the others' figures were taken with."""


@dataclass(frozen=True, slots=True)
class Processors:
    """Which processor is whose."""

    server: int
    generator: int
    others: int
    """This process: idle while calls talk."""

    @classmethod
    def of_this_machine(cls) -> "Processors":
        """The first for the server, the second for the generator.

        Raises:
            ValueError: there is one only.
        """
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise ValueError("media: needs two processors, one for the server and one for the generator")
        return cls(usable[0], usable[1], usable[min(2, len(usable) - 1)])


def launcher(processor: int, *, nice: int, realtime: int = 0) -> tuple[str, ...]:
    """What to put before a command: on that processor; not root, it cannot be better than others.

    Args:
        realtime: priority of SCHED_FIFO; 0 for the ordinary scheduler.
    """
    pinned = ("taskset", "--cpu-list", str(processor))
    if os.geteuid() != 0:
        return pinned
    return (*pinned, *(("chrt", "--fifo", str(realtime)) if realtime else ("nice", "--adjustment", str(nice))))
