"""Gaps in what the lab trunk hears: when voice came in, packet by packet."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from unittest import mock

from gateway.lab.hearing import Hearing, decode
from gateway.media.core.rtp import RtpPacket

PTIME: Final = 0.02
"""Seconds of voice in a packet of the gateway's."""
LOUD: Final = 300
"""A sample that is no silence: some -40 dB below full scale."""


class Voice:
    """Arrivals of packets with voice, in seconds of the loop's clock."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []

    def note(self, hearing: Hearing, packet: RtpPacket, now: float) -> None:
        """Keep the time, unless it is silence."""
        if max(decode(hearing.codec, packet.payload), default=0) > LOUD:
            self.arrivals.append(now)

    def longest_gap(self, since: float) -> float:
        """Seconds without voice at a stretch from then on, beyond what two packets are apart anyway."""
        times = [since, *(at for at in self.arrivals if at > since)]
        return max((later - earlier for earlier, later in itertools.pairwise(times)), default=0.0) - PTIME


@contextmanager
def voice_at_the_far_end() -> Iterator[Voice]:
    """Listen in on every call of the lab in this process."""
    voice, receive = Voice(), Hearing.receive

    def heard(hearing: Hearing, packet: RtpPacket, now: float) -> None:
        voice.note(hearing, packet, now)
        receive(hearing, packet, now)

    with mock.patch.object(Hearing, "receive", heard):
        yield voice
