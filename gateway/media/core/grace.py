"""How late a packet may be before silence takes its place: as late as its source has shown to be. No I/O.

The receiver behind us has a jitter buffer that follows the same lateness, so that what comes late can still be played.
"""

from typing import Final

from gateway.media.core.rtp import RtpPacket, timestamp_delta
from gateway.media.core.stream import FRAME, JUMP

MIN_GRACE: Final = 0.040
"""Seconds: of a source that has shown nothing else."""
MAX_GRACE: Final = 0.400
"""Seconds: nobody talks with more delay than that, and a source that falls silent leaves a gap of so much."""
WINDOW: Final = 10.0
"""Seconds: lateness counts for as long, and for as long again."""


class Grace:
    """The spread between a source's earliest and latest packets, and a frame: grows at once, shrinks by windows.

    Args:
        clock_rate: of the source's timestamps, ticks a second.
    """

    __slots__ = (
        "_before",
        "_clock_rate",
        "_highest",
        "_last_time",
        "_last_timestamp",
        "_lowest",
        "_offset",
        "_since",
        "_ssrc",
    )

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._ssrc: int | None = None
        self._last_timestamp, self._last_time = 0, 0.0
        self._offset = self._lowest = self._highest = 0.0
        """Seconds by which the last, earliest and latest packet of this window was later than its timestamp says."""
        self._since = 0.0
        self._before = 0.0
        """The spread of the window before."""

    @property
    def seconds(self) -> float:
        """What the source gets now: `MIN_GRACE` to `MAX_GRACE`."""
        spread = max(self._before, self._highest - self._lowest)
        return min(max(spread + FRAME, MIN_GRACE), MAX_GRACE)

    def observe(self, packet: RtpPacket, now: float) -> None:
        """Take any packet of the source whose timestamp is that of its beginning, in the order of arrival."""
        passed = timestamp_delta(packet.timestamp, self._last_timestamp) / self._clock_rate
        step = (now - self._last_time) - passed
        self._last_timestamp, self._last_time = packet.timestamp, now
        # a jump of the timestamps says nothing about the network; what was known of it still holds
        if packet.ssrc != self._ssrc or abs(step) >= JUMP or now - self._since > WINDOW:
            self._before = self._highest - self._lowest
            self._ssrc, self._since = packet.ssrc, now
            self._offset = self._lowest = self._highest = 0.0
            return
        self._offset += step
        self._lowest = min(self._lowest, self._offset)
        self._highest = max(self._highest, self._offset)

    def set_clock_rate(self, clock_rate: int) -> None:
        """The source's timestamps count otherwise from now on; what is known of its network stays."""
        self._clock_rate, self._ssrc = clock_rate, None
