"""One RTP stream that the lab sends: its own SSRC, sequence and timestamps through tones and echo alike. Pure."""

import math
from functools import lru_cache
from typing import Final

from gateway.lab.scenario import Music, Silence, Tone
from gateway.lab.sdp import PCMU, PTIME_MS, Codec
from gateway.media.core import g711, tones
from gateway.media.core.rtp import MAX_DROPOUT, RtpPacket, sequence_delta

FRAME_S: Final = PTIME_MS / 1000
FRAME_SAMPLES: Final = 160
"""Of G.711, at 8000 Hz."""

_PEAK: Final = 32767 * 10 ** (-(13 + 3.14) / 20)
"""A sine at full scale is +3.14 dBm0 (ITU-T G.711); ours is -13 dBm0, the level of speech."""


NOTES: Final = (524.0, 660.0, 784.0, 1048.0)
"""Of `Music`, in Hz: whole cycles in half a second, so that nothing clicks between them."""
_NOTE_SAMPLES: Final = 4000

_DIGIT_LEVEL: Final = -13.0
"""dBFS of each of the two tones of a digit."""
MIN_DIGIT_S: Final = 0.1
MAX_DIGIT_S: Final = 1.0
DIGIT_GAP_S: Final = 0.1


@lru_cache(maxsize=16)
def frames(sound: Tone | Silence | Music, codec: Codec) -> tuple[bytes, ...]:
    """The payloads of G.711, 20 ms each, to be repeated: one second, two of music. A tone is a whole number of Hz.

    Raises:
        ValueError: a tone that would click once a second.
    """
    if isinstance(sound, Music):
        pcm = b"".join(_sine(note, _NOTE_SAMPLES) for note in NOTES)
    else:
        pcm = _sine(sound.frequency if isinstance(sound, Tone) else 0.0, 8000)
    return _cut(encode(codec, pcm))


def digit_frames(digit: str, duration: float) -> tuple[bytes, ...]:
    """A digit's two tones as linear frames of 20 ms, as long as it was, 0.1 s at least, and a gap behind it."""
    seconds = FRAME_S * math.ceil(min(max(duration, MIN_DIGIT_S), MAX_DIGIT_S) / FRAME_S)
    pcm = tones.dtmf(digit, seconds=seconds, level=_DIGIT_LEVEL) + tones.silence(DIGIT_GAP_S)
    return _cut(pcm, 2 * FRAME_SAMPLES)


def encode(codec: Codec, pcm: bytes) -> bytes:
    """Linear samples as PCMU or PCMA."""
    return g711.ulaw_encode(pcm) if codec == PCMU else g711.alaw_encode(pcm)


def _sine(frequency: float, samples: int) -> bytes:
    if frequency != int(frequency):
        raise ValueError(f"not a whole number of Hz: {frequency}")
    # Of a whole number of Hz, the samples begin again at the latest after a second.
    period = 8000 // math.gcd(8000, int(frequency))
    values = (round(_PEAK * math.sin(2 * math.pi * frequency * index / 8000)) for index in range(period))
    cycle = b"".join(value.to_bytes(2, "little", signed=True) for value in values)
    return (cycle * math.ceil(samples / period))[: 2 * samples]


def _cut(data: bytes, size: int = FRAME_SAMPLES) -> tuple[bytes, ...]:
    return tuple(data[start : start + size] for start in range(0, len(data), size))


class OutgoingStream:
    """Numbers the packets of one stream. Whatever changes in what is sent, a receiver sees one continuous source."""

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int, clock_rate: int, now: float) -> None:
        """Begin at `now`; the first packet has `sequence` and a timestamp at or after `timestamp`."""
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        """Payload bytes, for sender reports."""
        self._clock_rate = clock_rate
        self._sequence = sequence & 0xFFFF
        """Of the next new packet; `_timestamp` is the one it has if it leaves at `_at`."""
        self._timestamp = timestamp & 0xFFFFFFFF
        self._at = now
        self._is_generating = False
        self._source: int | None = None
        """SSRC of what is echoed now."""
        self._last_heard = 0
        self._echoed = 0
        """Sequence numbers used since this echo began: a packet from before it would need one of another packet."""
        self._sequence_offset = 0
        self._timestamp_offset = 0

    def frame(self, payload_type: int, payload: bytes, *, now: float) -> RtpPacket:
        """A packet of sound of our own, 20 ms long, sent at `now`. The first after something else has the marker."""
        is_first = not self._is_generating
        if is_first:
            self._catch_up(now)
            self._is_generating, self._source = True, None
        packet = RtpPacket(payload_type, self._sequence, self._timestamp, self.ssrc, is_first, payload)
        self._used(self._sequence, self._timestamp, now)
        return self._counted(packet)

    def echo(self, packet: RtpPacket, *, now: float) -> RtpPacket | None:
        """The packet as one of ours: order, gaps and duplicates stay as they came.

        None for a packet from before this echo began, whose number has been used already.
        """
        jump = abs(sequence_delta(packet.sequence, self._last_heard))
        is_first = packet.ssrc != self._source or jump > MAX_DROPOUT
        if is_first:
            self._catch_up(now)
            self._is_generating, self._source, self._echoed = False, packet.ssrc, 0
            self._sequence_offset = self._sequence - packet.sequence
            self._timestamp_offset = self._timestamp - packet.timestamp
        sequence = (packet.sequence + self._sequence_offset) & 0xFFFF
        timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFFFFFF
        ahead = sequence_delta(sequence, self._sequence)
        if -ahead > self._echoed:
            return None
        if ahead >= 0:
            self._echoed += ahead + 1
            self._last_heard = packet.sequence
            self._used(sequence, timestamp, now)
        return RtpPacket(packet.payload_type, sequence, timestamp, self.ssrc, packet.marker or is_first, packet.payload)

    def pause(self) -> None:
        """Nothing is sent for a while (hold): the next frame begins a new talkspurt."""
        self._is_generating = False

    def timestamp_at(self, now: float) -> int:
        """The timestamp that belongs to a moment of the clock, for sender reports (RFC 3550 section 6.4.1)."""
        return (self._timestamp + round((now - self._at) * self._clock_rate)) & 0xFFFFFFFF

    def _counted(self, packet: RtpPacket) -> RtpPacket:
        self.packets += 1
        self.octets += len(packet.payload)
        return packet

    def _used(self, sequence: int, timestamp: int, now: float) -> None:
        self._sequence = (sequence + 1) & 0xFFFF
        self._timestamp = (timestamp + round(FRAME_S * self._clock_rate)) & 0xFFFFFFFF
        self._at = now + FRAME_S

    def _catch_up(self, now: float) -> None:
        """Let the timestamp tell the time that has passed since the last packet."""
        elapsed_ticks = max(0, round((now - self._at) * self._clock_rate))
        self._timestamp = (self._timestamp + elapsed_ticks) & 0xFFFFFFFF
        self._at = now
