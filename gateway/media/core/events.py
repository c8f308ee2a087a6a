"""Telephone-events of one pipeline: those of the source relayed to the sink, and digits of our own. No I/O."""

from collections import deque
from typing import Final

from gateway.media.core.dtmf import (
    END_REPEATS,
    Digit,
    EventPacket,
    EventReceiver,
    EventSender,
    ReceivedEvent,
    event_packet,
    is_end_packet,
)
from gateway.media.core.rtp import RtpPacket
from gateway.media.core.stage import Stage
from gateway.media.core.stream import SinkStream

MAX_DIGITS: Final = 256
"""That may wait to be sent."""
MAX_SECONDS: Final = 120.0
"""That they may take."""


class EventRelay:
    """Passes telephone-events on, their durations scaled to the sink's event clock, and reports the digits.

    Args:
        source_rate: clock rate of the source's telephone-event.
        sink: payload type and clock rate of the sink's, None when it has none: then digits are reported only.
        stream: the sink's.
    """

    def __init__(self, source_rate: int, sink: tuple[int, int] | None, stream: SinkStream) -> None:
        self._receiver = EventReceiver(source_rate)
        self._source_rate, self._sink, self._stream = source_rate, sink, stream
        self._relayed: ReceivedEvent | None = None
        """The event that the sink hears, or heard last."""
        self._position = 0
        """Where it begins."""

    def receive(
        self, packet: RtpPacket, now: float, stage: Stage, *, is_audible: bool
    ) -> tuple[list[Digit], list[RtpPacket]]:
        """Take a telephone-event packet; return the digits that ended and what goes to the sink."""
        before = self._receiver.event
        digits = self._receiver.receive(packet, now)
        event = self._receiver.event
        is_current = event is not None and packet.timestamp == event.timestamp and len(packet.payload) >= 4
        if event is None or self._sink is None or not is_audible or not is_current:
            return digits, stage.skip(packet, now)
        if event is not before:
            self._relayed, self._position = event, stage.place_event(packet, now)
        if event is not self._relayed:
            return digits, stage.skip(packet, now)  # began while the sink could not hear it
        is_end = is_end_packet(packet.payload)
        if event.has_ended and not is_end:
            return digits, stage.skip(packet, now)  # overtaken by its end, or longer than any event may be
        out, position = self._next(event, is_end=is_end)
        return digits, stage.forward_event(packet, out, position, now)

    def _next(self, event: ReceivedEvent, *, is_end: bool) -> tuple[tuple[int, bytes], int]:
        """Payload type and payload for the sink, and the position of the packet; the stream goes on after the event."""
        assert self._sink is not None
        payload_type, rate = self._sink
        ticks = max(1, event.duration_ticks * rate // self._source_rate)
        payload, offset = event_packet(event.code, ticks, is_end=is_end, volume=event.volume)
        stream = self._stream
        stream.position = max(stream.position, self._position + ticks * stream.clock_rate // rate)
        return (payload_type, payload), self._position + offset * stream.clock_rate // rate

    def handle_timeout(self, now: float) -> tuple[list[Digit], list[RtpPacket]]:
        """End an event whose end packets were all lost, also towards the sink."""
        was_relaying = self.is_relaying
        digits = self._receiver.handle_timeout(now)
        event = self._relayed
        packets: list[RtpPacket] = []
        if was_relaying and event is not None and event.has_ended:
            (payload_type, payload), position = self._next(event, is_end=True)
            packets = [
                _appended(self._stream, payload_type, payload, position, marker=False) for _ in range(END_REPEATS)
            ]
            self._stream.reached(self._stream.position, due=now, ends=now)
        return digits, packets

    @property
    def is_relaying(self) -> bool:
        """Whether the sink hears an event that has not ended."""
        return self._relayed is not None and not self._relayed.has_ended

    def stop(self) -> None:
        """The sink is going to hear something else; an event that goes on is reported only."""
        self._relayed = None

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._receiver.next_deadline()


class OutgoingDigits:
    """Digits of our own on their way to the sink, one string after the other."""

    def __init__(self) -> None:
        self._senders: deque[EventSender] = deque()
        self._spans: deque[tuple[float, float]] = deque()
        self._clock_rate = 8000
        self._position = self._first_offset = 0
        self._lead = 0.0
        """Seconds by which the timeline was ahead when the digit began; it stays so, or digits would add up."""

    def add(self, digits: str, *, duration: float, gap: float, clock_rate: int, now: float) -> float:
        """Queue digits behind those that are still going out; return when the last packet leaves.

        Raises:
            ValueError: something that is no digit, a wrong duration, or more waiting than `MAX_DIGITS`, `MAX_SECONDS`.
        """
        if len(self._spans) + len(digits) > MAX_DIGITS:
            raise ValueError(f"more than {MAX_DIGITS} digits waiting")
        start = max(now, self._spans[-1][1] + gap) if self._spans else now
        if start - now + len(digits) * (duration + gap) > MAX_SECONDS:
            raise ValueError(f"digits that take more than {MAX_SECONDS} s waiting")
        sender = EventSender(digits, duration=duration, gap=gap, clock_rate=clock_rate, now=start)
        self._senders.append(sender)
        self._spans.extend(sender.spans)
        self._clock_rate = clock_rate
        return sender.done_at

    def busy_until(self, now: float) -> float | None:
        """When the digit that is being sent now has left, with its repeats; None between digits."""
        while self._spans and self._spans[0][1] < now:
            self._spans.popleft()
        return self._spans[0][1] if self._spans and self._spans[0][0] <= now else None

    def postponed(self, deadline: float) -> float:
        """The deadline, or the end of the digits that are being sent then."""
        for start, end in self._spans:
            if start > deadline:
                break
            deadline = max(deadline, end)
        return deadline

    def next_deadline(self) -> float | None:
        """When the next packet is due."""
        return self._senders[0].next_deadline() if self._senders else None

    def handle_timeout(self, now: float, stream: SinkStream, payload_type: int) -> list[RtpPacket]:
        """The packets that are due."""
        packets: list[RtpPacket] = []
        while self._senders:
            sender = self._senders[0]
            packets += [self._send(event, stream, payload_type, now) for event in sender.handle_timeout(now)]
            if sender.next_deadline() is not None:
                break
            self._senders.popleft()
        return packets

    def _send(self, event: EventPacket, stream: SinkStream, payload_type: int, now: float) -> RtpPacket:
        scale = stream.clock_rate / self._clock_rate
        payload, offset, marker = event.payload, event.timestamp_offset, event.marker
        lasted = int.from_bytes(payload[2:4], "big")
        if marker:
            stream.catch_up(now)
            self._position, self._first_offset = stream.position, offset
            self._lead = stream.due - (now - lasted / self._clock_rate)
        position = self._position + round((offset - self._first_offset) * scale)
        end = position + round(lasted * scale)
        if end > stream.position:
            stream.reached(end, due=now + self._lead, ends=now)
        return _appended(stream, payload_type, payload, position, marker=marker)

    def clear(self) -> None:
        """Send no more of them."""
        self._senders.clear()
        self._spans.clear()


def _appended(stream: SinkStream, payload_type: int, payload: bytes, position: int, *, marker: bool) -> RtpPacket:
    packet = stream.packet(payload_type, stream.sequence, position, marker, payload)
    stream.sequence = (stream.sequence + 1) & 0xFFFF
    return packet
