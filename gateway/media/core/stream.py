"""The stream towards a sink: one continuous row of sequence numbers and timestamps; and how a source maps into it.

A *position* is a number of ticks of the sink's clock since the stream began (or changed its codec); it never wraps.
"""

from typing import Final

from gateway.media.core.codec import Codec
from gateway.media.core.rtp import RtpPacket, timestamp_delta

FRAME: Final = 0.020
"""Seconds of a frame of silence."""
EVENT_INTERVAL: Final = 0.050
"""Seconds between the packets of a telephone-event at most (RFC 4733 section 2.5.1.2)."""
_SHORT: Final = 0.040
"""Seconds that a stream may be behind without leaving anything out."""
_STALL: Final = 0.200
"""Seconds behind which frames are left out instead of sent at once: the process itself stood still, or nobody asked
for this stream to go on."""
_MAX_LEAD: Final = 0.040
"""Seconds by which the sink's timeline may be ahead of a source that goes on after silence: a frame of silence that
was not over yet, and jitter."""
JUMP: Final = 1.0
"""Seconds by which a source's timestamps may differ from the time that passed."""


class SinkStream:
    """Next sequence number and position, and the time that they are due; counts what was sent."""

    def __init__(self, *, ssrc: int, first_sequence: int, first_timestamp: int, codec: Codec, now: float) -> None:
        self.ssrc = ssrc
        self.sequence = first_sequence & 0xFFFF
        """Of the next packet."""
        self.position = 0
        """Of the next packet, if it follows without a gap."""
        self.due = now
        """When sound for `position` is due, if the stream shall not pause."""
        self.ends = now
        """When the sound at hand is over that came last: without a lead of the timeline, and with what is pending."""
        self.is_filling = False
        """Whether the last packet was silence of ours."""
        self.packets_sent = self.silence_sent = 0
        self.bytes_sent = 0
        self._first_timestamp = first_timestamp
        self.payload_type = codec.payload_type
        self.clock_rate = codec.clock_rate
        self.frame_ticks = round(codec.clock_rate * FRAME)

    def set_codec(self, codec: Codec) -> None:
        """Go on with another payload type, and perhaps clock rate, from the timestamp that was next."""
        self._first_timestamp, self.position = self.timestamp(self.position), 0
        self.payload_type, self.clock_rate = codec.payload_type, codec.clock_rate
        self.frame_ticks = round(codec.clock_rate * FRAME)

    def timestamp(self, position: int) -> int:
        """The RTP timestamp of a position."""
        return (self._first_timestamp + position) & 0xFFFFFFFF

    def timestamp_at(self, now: float) -> int:
        """The RTP timestamp that belongs to a moment, for sender reports."""
        return self.timestamp(self.position + round((now - self.due) * self.clock_rate))

    def packet(self, payload_type: int, sequence: int, position: int, marker: bool, payload: bytes) -> RtpPacket:
        """A packet at any place, counted as sent."""
        self.packets_sent += 1
        self.bytes_sent += len(payload)
        return RtpPacket(payload_type, sequence, self.timestamp(position), self.ssrc, marker, payload)

    def append(self, payload: bytes, ticks: int, *, marker: bool = False) -> RtpPacket:
        """The next packet of audio; lasts `ticks`. The caller moves `due`."""
        packet = self.packet(self.payload_type, self.sequence, self.position, marker, payload)
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.position += ticks
        return packet

    def reached(self, position: int, *, due: float, ends: float) -> None:
        """Something real has been sent that lasts until `position`; see `due` and `ends`."""
        if position > self.position:
            self.position = position
        self.due, self.ends = due, ends
        self.is_filling = False

    def append_silence(self, payload: bytes) -> RtpPacket:
        """A frame of silence or of a sound of ours at its due time: timestamps keep step with the clock for ever."""
        self.due = self.ends = self.due + FRAME
        self.is_filling = True
        self.silence_sent += 1
        return self.append(payload, self.frame_ticks)

    def catch_up(self, now: float) -> None:
        """Leave out what should have been sent a while ago, in whole frames; a short delay changes nothing."""
        behind = now - self.due
        if behind > _SHORT:
            frames = int(behind / FRAME)
            self.position += frames * self.frame_ticks
            self.due = self.ends = self.due + frames * FRAME

    def is_stalled(self, now: float) -> bool:
        """Whether so much is due that it is better left out than sent at once."""
        return now - self.due > _STALL


class SourceClock:
    """A source's timestamps as positions of the sink's stream: a straight line, drawn anew when the source jumps.

    While the source is silent something else may be put into the stream. What follows is then a little beside the line,
    by `shift`, for silence comes in whole frames. The line itself stays, so that these shifts never add up.
    """

    __slots__ = (
        "_last_lead",
        "_last_ticks",
        "_last_time",
        "_last_timestamp",
        "_origin",
        "_sink_rate",
        "_source_rate",
        "_ssrc",
        "_tolerance",
        "shift",
    )

    def __init__(self, source_rate: int, sink_rate: int) -> None:
        self.shift = 0
        self._source_rate, self._sink_rate = source_rate, sink_rate
        self._tolerance = round(_MAX_LEAD * sink_rate)
        self._ssrc: int | None = None
        self._last_timestamp = self._origin = 0
        self._last_ticks = 0
        """Of the source's clock since the line was drawn."""
        self._last_time = 0.0
        self._last_lead: int | None = None

    def follows(self, packet: RtpPacket, now: float) -> bool:
        """Whether the packet lies on the line: the same source, its timestamp about as much later as it is later."""
        if packet.ssrc != self._ssrc:
            return False
        passed = timestamp_delta(packet.timestamp, self._last_timestamp) / self._source_rate
        return abs(passed - (now - self._last_time)) < JUMP

    def start(self, packet: RtpPacket, position: int, now: float) -> None:
        """Draw the line anew: this packet belongs to `position`."""
        self._ssrc, self._last_timestamp, self._last_time = packet.ssrc, packet.timestamp, now
        self._last_ticks, self._origin = 0, position
        self.shift, self._last_lead = 0, None

    def advance(self, packet: RtpPacket, now: float) -> None:
        """This packet is the newest so far."""
        self._last_ticks += timestamp_delta(packet.timestamp, self._last_timestamp)
        self._last_timestamp, self._last_time = packet.timestamp, now

    def ideal(self, packet: RtpPacket) -> int:
        """The packet's place on the line."""
        ticks = self._last_ticks + timestamp_delta(packet.timestamp, self._last_timestamp)
        return self._origin + ticks * self._sink_rate // self._source_rate

    def position(self, packet: RtpPacket) -> int:
        """Where the packet goes: its place on the line, and the shift."""
        return self.ideal(packet) + self.shift

    def resume(self, packet: RtpPacket, position: int, now: float) -> bool:
        """Let the source go on at `position`, beside its line; False when the packet should rather be left out.

        That is so if silence covers its time and more: it was delayed in the network. But if the next is just as
        late, the source's clock stood still, or the network has become slower for good, and the line is drawn anew.
        """
        lead = position - self.ideal(packet)
        if lead <= self._tolerance:
            self.shift, self._last_lead = lead, None
            return True
        if self._last_lead is None or lead < self._last_lead - self._tolerance // 4:
            self._last_lead = lead
            return False
        self.start(packet, position, now)
        return True

    def forget(self) -> None:
        """The next packet starts a new line."""
        self._ssrc = None
