"""A jitter buffer that holds nothing back while packets come in order, and waits only for a gap to close. No I/O.

The receiver behind us has a full jitter buffer of its own, so this one need not pace anything. It puts packets in
order for a decoder, which cannot take them otherwise, and says what is lost once waiting longer makes no sense.
"""

from dataclasses import dataclass
from typing import Final

from gateway.media.core.rtp import MAX_MISORDER, RtpPacket, sequence_delta

MIN_WAIT: Final = 0.020
"""Seconds to wait for a missing packet, on a network that has not shown to need more."""
MAX_WAIT: Final = 0.060
MAX_HELD: Final = 64
"""Packets behind a gap; with more the gap is given up."""
_MARGIN: Final = 0.005
_DECAY: Final = 0.001
"""Seconds by which the wait shrinks in each second without a late packet."""


@dataclass(frozen=True, slots=True)
class Lost:
    """So many packets are missing here."""

    packets: int


Item = RtpPacket | Lost


class JitterBuffer:
    """Packets in as they arrive, packets and losses out in order of sequence."""

    def __init__(self) -> None:
        self.packets_late = 0
        """Came twice, or after their place was given up."""
        self._next: int | None = None
        self._held: dict[int, tuple[RtpPacket, float]] = {}
        self._deadline: float | None = None
        self._wait = MIN_WAIT
        self._wait_since = 0.0
        self._gave_up_at: float | None = None

    def receive(self, packet: RtpPacket, now: float) -> list[Item]:
        """Take a packet of any payload type; return what can be played."""
        if self._next is None:
            self._next = packet.sequence
        ahead = sequence_delta(packet.sequence, self._next)
        if ahead == 0 and not self._held:
            self._next = (packet.sequence + 1) & 0xFFFF
            return [packet]
        if ahead < -MAX_MISORDER or ahead > MAX_MISORDER:
            return self._restart(packet)
        if ahead < 0 or packet.sequence in self._held:
            self._take_late(now)
            return []
        self._held[packet.sequence] = packet, now
        if ahead == 0:
            return self._released(now)
        if len(self._held) > MAX_HELD:
            return self.flush(now)
        if self._deadline is None:
            self._deadline = now + self._current_wait(now)
        return []

    def _restart(self, packet: RtpPacket) -> list[Item]:
        """The source jumped: what is left of before, then this packet; nothing between them is lost."""
        left = sorted(self._held, key=self._distance)
        items: list[Item] = [self._held[sequence][0] for sequence in left]
        self.reset()
        self._next = (packet.sequence + 1) & 0xFFFF
        return [*items, packet]

    def _distance(self, sequence: int) -> int:
        return sequence_delta(sequence, self._next or 0)

    def _take_late(self, now: float) -> None:
        """Wait longer from now on, if that would have saved this packet."""
        self.packets_late += 1
        if self._gave_up_at is not None:
            lateness = now - self._gave_up_at
            wait = self._current_wait(now)
            self._wait, self._wait_since = min(MAX_WAIT, wait + lateness + _MARGIN), now
            self._gave_up_at = None

    def _current_wait(self, now: float) -> float:
        return max(MIN_WAIT, self._wait - _DECAY * (now - self._wait_since))

    def _released(self, now: float) -> list[Item]:
        """All that follow without a gap."""
        items: list[Item] = []
        sequence = self._next
        while sequence in self._held:
            items.append(self._held.pop(sequence)[0])
            sequence = (sequence + 1) & 0xFFFF
        self._next = sequence
        waits_since = min((arrival for _, arrival in self._held.values()), default=None)
        self._deadline = None if waits_since is None else waits_since + self._current_wait(now)
        return items

    def handle_timeout(self, now: float) -> list[Item]:
        """Give up the gaps that have been waited for long enough."""
        items: list[Item] = []
        while self._deadline is not None and now >= self._deadline:
            items += self._skip_gap(now)
        return items

    def _skip_gap(self, now: float) -> list[Item]:
        gap = min(self._distance(sequence) for sequence in self._held)
        self._gave_up_at = now
        self._next = ((self._next or 0) + gap) & 0xFFFF
        return [Lost(gap), *self._released(now)]

    def flush(self, now: float) -> list[Item]:
        """All that is held, without waiting longer."""
        items: list[Item] = []
        while self._held:
            items += self._skip_gap(now)
        return items

    def reset(self) -> None:
        """Forget what is held; the next packet starts anew."""
        self._held.clear()
        self._next = self._deadline = self._gave_up_at = None

    @property
    def is_holding(self) -> bool:
        """Whether packets wait behind a gap."""
        return bool(self._held)

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._deadline
