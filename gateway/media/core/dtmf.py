"""Telephone-events: DTMF digits in RTP (RFC 4733). No I/O.

The audio's timestamp clock and the event's clock may differ; durations here are in ticks of the event's clock.
"""

import struct
from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.media.core.rtp import RtpPacket, sequence_delta

DIGITS: Final = "0123456789*#ABCD"
"""A digit's place is its event code (RFC 4733 table 3)."""
MAX_DURATION: Final = 10.0
"""Seconds after which an event is taken as ended although its packets go on."""
END_TIMEOUT: Final = 0.25
"""Seconds without a packet after which an event has ended: five updates of 50 ms (RFC 4733 section 2.5.1.2) lost."""
UPDATE_INTERVAL: Final = 0.020
END_REPEATS: Final = 3
MIN_GAP: Final = UPDATE_INTERVAL * (END_REPEATS - 1)
"""Seconds between digits that the repeated end packets take."""
SEGMENT_TICKS: Final = 0xFFFF
"""The longest duration that fits a packet; longer events go on in a new segment (RFC 4733 section 2.5.1.3)."""

_PAYLOAD: Final = struct.Struct("!BBH")
_END: Final = 0x80
_VOLUME: Final = 0x3F
_DEFAULT_VOLUME: Final = 10
"""-10 dBm0."""


@dataclass(frozen=True, slots=True)
class Digit:
    """An event that ended. `duration` in seconds."""

    digit: str
    duration: float


@dataclass(slots=True)
class ReceivedEvent:
    """The event that goes on, or went on last.

    Attributes:
        code: RFC 4733 table 3; 0 to 15 are digits.
        timestamp: of its current segment.
        previous_ticks: duration of the segments before.
        segment_ticks: longest duration heard of the current segment.
        volume: -dBm0.
        has_ended: an end packet came, or the time was up.
    """

    code: int
    timestamp: int
    previous_ticks: int
    segment_ticks: int
    volume: int
    has_ended: bool

    @property
    def duration_ticks(self) -> int:
        """Of all segments together."""
        return self.previous_ticks + self.segment_ticks


class EventReceiver:
    """Packets of telephone-event in, each digit out once, whatever was lost or repeated."""

    def __init__(self, clock_rate: int) -> None:
        self.event: ReceivedEvent | None = None
        """For a relay: what `receive` made of the last packet."""
        self._clock_rate = clock_rate
        self._ssrc = self._sequence = 0
        self._deadline: float | None = None

    def receive(self, packet: RtpPacket, now: float) -> list[Digit]:
        """Take one telephone-event packet; return the digits that ended with it.

        A packet that is too short, or that came after a newer event began, changes nothing.
        """
        if len(packet.payload) < _PAYLOAD.size:
            return []
        code, flags, ticks = _PAYLOAD.unpack_from(packet.payload)
        ended: list[Digit] = []
        event = self.event
        if event is None or packet.ssrc != self._ssrc or packet.timestamp != event.timestamp:
            if event is not None and self._is_late(packet):
                return []
            if event is not None and self._is_next_segment(event, packet, code):
                event.previous_ticks += SEGMENT_TICKS
                event.timestamp, event.segment_ticks = packet.timestamp, 0
            else:
                ended = self._end()
                event = self.event = ReceivedEvent(code, packet.timestamp, 0, 0, flags & _VOLUME, has_ended=False)
        if self._ssrc != packet.ssrc or sequence_delta(packet.sequence, self._sequence) > 0 or self._deadline is None:
            self._ssrc, self._sequence = packet.ssrc, packet.sequence
        if event.has_ended:
            return ended
        event.segment_ticks = max(event.segment_ticks, ticks)
        self._deadline = now + END_TIMEOUT
        if flags & _END or event.duration_ticks >= MAX_DURATION * self._clock_rate:
            ended += self._end()
        return ended

    def _is_late(self, packet: RtpPacket) -> bool:
        """Whether this packet of another event was sent before the last one that we had."""
        return packet.ssrc == self._ssrc and -64 < sequence_delta(packet.sequence, self._sequence) <= 0

    def _is_next_segment(self, event: ReceivedEvent, packet: RtpPacket, code: int) -> bool:
        return (
            not event.has_ended
            and packet.ssrc == self._ssrc
            and code == event.code
            and packet.timestamp == (event.timestamp + SEGMENT_TICKS) & 0xFFFFFFFF
        )

    def _end(self) -> list[Digit]:
        event, self._deadline = self.event, None
        if event is None or event.has_ended:
            return []
        event.has_ended = True
        if event.code >= len(DIGITS):
            return []  # a hook flash or a fax tone: relayed, but no digit
        return [Digit(DIGITS[event.code], min(MAX_DURATION, event.duration_ticks / self._clock_rate))]

    def handle_timeout(self, now: float) -> list[Digit]:
        """The digit whose end packets were all lost, once it is clear that no more will come."""
        if self._deadline is None or now < self._deadline:
            return []
        return self._end()

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._deadline


@dataclass(frozen=True, slots=True)
class EventPacket:
    """A telephone-event packet to be sent, with everything but payload type, sequence and SSRC.

    `timestamp_offset` is in ticks of the event's clock since the beginning of the first digit.
    """

    payload: bytes
    timestamp_offset: int
    marker: bool


def event_packet(code: int, ticks: int, *, is_end: bool, volume: int = _DEFAULT_VOLUME) -> tuple[bytes, int]:
    """Payload of an event that has lasted `ticks`, and the ticks from its beginning to that of its segment."""
    segments = max(0, ticks - 1) // SEGMENT_TICKS
    offset = segments * SEGMENT_TICKS
    return _PAYLOAD.pack(code, (_END if is_end else 0) | (volume & _VOLUME), ticks - offset), offset


def is_end_packet(payload: bytes) -> bool:
    """Whether this payload of telephone-event says that its event is over."""
    return len(payload) >= _PAYLOAD.size and bool(payload[1] & _END)


class EventSender:
    """Digits as timed packets: an update every 20 ms, the end packet three times (RFC 4733 section 2.5.1)."""

    def __init__(
        self,
        digits: str,
        *,
        duration: float,
        gap: float,
        clock_rate: int,
        now: float,
        volume: int = _DEFAULT_VOLUME,
    ) -> None:
        """
        Args:
            digits: ``0-9 * # A-D``, lower case too.
            duration: of one digit in seconds.
            gap: between two digits in seconds, at least 40 ms because the end packet's repeats take that long.
            clock_rate: of the telephone-event payload type.
            now: when the first digit begins.
            volume: -dBm0, 0 to 63.
        Raises:
            ValueError: something that is no digit, no digit at all, or a duration or gap that is no length of time.
        """
        codes = [DIGITS.find(digit) for digit in digits.upper()]
        if not codes or min(codes) < 0:
            raise ValueError("not a string of DTMF digits")
        if not 0 < duration <= MAX_DURATION or not 0 <= gap <= MAX_DURATION:
            raise ValueError(f"digit of {duration} s, gap of {gap} s: not within {MAX_DURATION} s")
        self._packets: deque[tuple[float, bytes, int, bool]] = deque()
        self.spans: list[tuple[float, float]] = []
        """When each digit begins, and when its last end packet leaves."""
        for index, code in enumerate(codes):
            start = now + index * (duration + max(gap, MIN_GAP))
            self._schedule(code, start, round((start - now) * clock_rate), duration, clock_rate, volume)

    def _schedule(self, code: int, start: float, start_ticks: int, duration: float, rate: int, volume: int) -> None:
        # A duration of 0 has another meaning (RFC 4733 section 2.3.5): the first packet leaves after one interval.
        updates = max(0, int(duration / UPDATE_INTERVAL - 1e-6))
        for index in range(1, updates + 1):
            elapsed = index * UPDATE_INTERVAL
            payload, offset = event_packet(code, max(1, round(elapsed * rate)), is_end=False, volume=volume)
            self._packets.append((start + elapsed, payload, start_ticks + offset, index == 1))
        payload, offset = event_packet(code, max(1, round(duration * rate)), is_end=True, volume=volume)
        for repeat in range(END_REPEATS):
            due = start + duration + repeat * UPDATE_INTERVAL
            self._packets.append((due, payload, start_ticks + offset, updates == 0 and repeat == 0))
        self.spans.append((start, start + duration + (END_REPEATS - 1) * UPDATE_INTERVAL))

    @property
    def done_at(self) -> float:
        """When the last packet leaves."""
        return self.spans[-1][1]

    def next_deadline(self) -> float | None:
        """When the next packet is due; None when all have been sent."""
        return self._packets[0][0] if self._packets else None

    def handle_timeout(self, now: float) -> list[EventPacket]:
        """The packets that are due."""
        due: list[EventPacket] = []
        while self._packets and self._packets[0][0] <= now:
            _, payload, offset, marker = self._packets.popleft()
            due.append(EventPacket(payload, offset, marker))
        return due
