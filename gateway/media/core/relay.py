"""Forwards packets whose codec both legs share: at once, payload untouched, loss and disorder passed on. No I/O.

Sequence numbers and timestamps are moved by constants, which change only where something else was put into the
stream in between (silence, digits), where a packet was left out, or where the source itself jumped.
"""

from enum import Enum, auto
from typing import Final

from gateway.media.core.codec import Codec, payload_ticks
from gateway.media.core.rtp import MAX_DROPOUT, MAX_MISORDER, RtpPacket, sequence_delta
from gateway.media.core.stream import EVENT_INTERVAL, SinkStream, SourceClock

_WINDOW: Final = 64
"""Packets behind the newest that are still forwarded; SRTP would refuse to send one of them twice."""
_ALL_SEEN: Final = (1 << _WINDOW) - 1
_MAX_CATCH_UP_FRAMES: Final = 5
"""Frames of silence that are sent at once to fill a hole; a longer one is left open."""


class _Order(Enum):
    NEWEST = auto()
    OLDER = auto()
    LATE = auto()
    """Seen before, or from before a splice."""
    RESTART = auto()
    """Of another source, or too far away: everything before it is forgotten."""


class Relay:
    """The `Stage` of pass-through, and of µ-law <-> A-law, which is pass-through with another alphabet.

    Args:
        source, sink: the codecs.
        stream: the sink's.
        silence: payload of 20 ms of silence in the sink's codec.
        needs_continuity: whether holes are filled with silence.
        translation: what each payload byte becomes, if not itself.
    """

    def __init__(
        self,
        *,
        source: Codec,
        sink: Codec,
        stream: SinkStream,
        silence: bytes,
        needs_continuity: bool,
        translation: bytes | None = None,
    ) -> None:
        self.packets_late = 0
        self._source, self._stream, self._silence = source, stream, silence
        self._needs_continuity, self._translation = needs_continuity, translation
        self._clock = SourceClock(source.clock_rate, sink.clock_rate)
        self._ssrc: int | None = None
        self._highest = 0
        self._seen = _ALL_SEEN
        """Bit n: the packet n behind the highest came."""
        self._sequence_offset = 0
        self._left_sequence: int | None = None
        """Where we left the stream; elsewhere now means that something else was put in, None that we were suspended."""

    def receive(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        order = self._order(packet)
        if order is _Order.LATE:
            self.packets_late += 1
            return []
        if order is _Order.OLDER:
            return [self._forward(packet, self._clock.position(packet))]
        stream, clock = self._stream, self._clock
        ticks = payload_ticks(self._source, packet.payload)
        out: list[RtpPacket] = []
        marker = packet.marker
        if not clock.follows(packet, now):
            stream.catch_up(now)
            clock.start(packet, stream.position, now)
            self._rebase_sequence(packet)
            marker = True
        elif stream.sequence != self._left_sequence:
            out = self._close_hole(stream.position - clock.ideal(packet))
            if not clock.resume(packet, stream.position, now):
                self.packets_late += 1
                self._seen = _ALL_SEEN  # what it overtook would get a number that the silence has used
                return out
            self._rebase_sequence(packet)
            marker = True
        clock.advance(packet, now)
        position = clock.position(packet)
        out.append(self._forward(packet, position, marker=marker))
        self._left_sequence = stream.sequence = (packet.sequence + self._sequence_offset + 1) & 0xFFFF
        ends = now + ticks / stream.clock_rate
        stream.reached(position + ticks, due=ends + clock.shift / stream.clock_rate, ends=ends)
        return out

    def _order(self, packet: RtpPacket) -> _Order:
        ahead = sequence_delta(packet.sequence, self._highest)
        if packet.ssrc != self._ssrc or not -MAX_MISORDER <= ahead <= MAX_DROPOUT:
            self._ssrc, self._highest, self._seen = packet.ssrc, packet.sequence, _ALL_SEEN
            self._left_sequence = None
            self._clock.forget()
            return _Order.RESTART
        if ahead > 0:
            self._highest = packet.sequence
            self._seen = (self._seen << ahead | 1) & _ALL_SEEN
            return _Order.NEWEST
        bit = 1 << -ahead
        behind = sequence_delta(self._stream.sequence, (packet.sequence + self._sequence_offset) & 0xFFFF)
        if bit > _ALL_SEEN or self._seen & bit or behind > _WINDOW:
            return _Order.LATE  # perhaps only because of what was put into the stream meanwhile
        self._seen |= bit
        return _Order.OLDER

    def _rebase_sequence(self, packet: RtpPacket) -> None:
        """This packet takes the stream's next sequence number; none from before it is forwarded any more."""
        self._sequence_offset = self._stream.sequence - packet.sequence
        self._seen = _ALL_SEEN

    def _close_hole(self, lead: int) -> list[RtpPacket]:
        """Something else was in the stream, but ended before the source goes on, if `lead` is negative."""
        stream, out = self._stream, []
        if lead < -stream.frame_ticks:
            frames = -lead // stream.frame_ticks
            if self._needs_continuity and frames <= _MAX_CATCH_UP_FRAMES:
                out = [stream.append_silence(self._silence) for _ in range(frames)]
            else:
                stream.position -= lead
        return out

    def _forward(self, packet: RtpPacket, position: int, *, marker: bool | None = None) -> RtpPacket:
        stream = self._stream
        return stream.packet(
            stream.payload_type,
            (packet.sequence + self._sequence_offset) & 0xFFFF,
            position,
            packet.marker if marker is None else marker,
            packet.payload if self._translation is None else packet.payload.translate(self._translation),
        )

    def skip(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """See `Stage`. The packets after it move up by one."""
        if self._order(packet) is _Order.NEWEST:
            self._sequence_offset -= 1
            self._seen = _ALL_SEEN
        return []

    def place_event(self, packet: RtpPacket, now: float) -> int:
        """See `Stage`."""
        stream = self._stream
        if stream.sequence == self._left_sequence and self._clock.follows(packet, now):
            return self._clock.position(packet)
        stream.catch_up(now)
        return stream.position

    def forward_event(self, packet: RtpPacket, out: tuple[int, bytes], position: int, now: float) -> list[RtpPacket]:
        """See `Stage`."""
        stream = self._stream
        order = self._order(packet)
        if order is _Order.LATE:
            self.packets_late += 1
            return []
        if order is not _Order.OLDER and stream.sequence != self._left_sequence:
            if not self._clock.follows(packet, now):
                self._clock.start(packet, position, now)
            self._rebase_sequence(packet)
        sequence = (packet.sequence + self._sequence_offset) & 0xFFFF
        if order is not _Order.OLDER:
            self._left_sequence = stream.sequence = (sequence + 1) & 0xFFFF
        stream.reached(stream.position, due=now, ends=now + EVENT_INTERVAL)
        return [stream.packet(out[0], sequence, position, packet.marker, out[1])]

    def silence(self) -> RtpPacket:
        """See `Stage`."""
        return self._stream.append_silence(self._silence)

    def suspend(self) -> None:
        """See `Stage`."""
        self._left_sequence = None

    def flush(self, now: float) -> list[RtpPacket]:
        """Nothing ever waits here."""
        return []

    def handle_timeout(self, now: float) -> list[RtpPacket]:
        """Nothing ever waits here."""
        return []

    def next_deadline(self) -> float | None:
        """Nothing ever waits here."""
        return None

    def close(self) -> None:
        """Nothing native here."""
