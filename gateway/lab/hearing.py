"""What a lab call heard: packets, digits, and the level and frequency of the last second. Pure."""

import cmath
import math
from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.lab.sdp import PCMA, PCMU, Agreed, Codec
from gateway.media.core import g711
from gateway.media.core.rtp import ReceptionStats, RtpPacket, timestamp_delta

MAX_DIGITS: Final = 256
"""Digits kept of one call; later ones are only counted."""

_KEPT_PACKETS: Final = 50
_DIGITS: Final = "0123456789*#ABCD"
_END: Final = 0x80
_SPECTRUM_SAMPLES: Final = 4096
"""About half a second: lines of a spectrum are 2 Hz apart, a tone is found within 0.1 Hz between them."""
_NEIGHBOURS: Final = 4
"""Lines on each side that belong to a peak: a Hann window is two wide, a lost packet makes it wider."""
_TONE_SHARE: Final = 0.5
"""Part of the power that one peak must have to be called a tone; speech stays below."""
_SILENCE_DBOV: Final = -60.0


@dataclass(frozen=True, slots=True)
class Sound:
    """Level and pitch of a piece of audio.

    Attributes:
        level_dbov: RMS relative to full scale (a full-scale sine is -3.0); None for digital silence.
        frequency: in Hz, of the tone that dominates; None when none does, or below -60 dBov.
    """

    level_dbov: float | None
    frequency: float | None


NOTHING: Final = Sound(None, None)


@dataclass(frozen=True, slots=True)
class Digit:
    """A telephone-event. Never log it: digits are PINs."""

    digit: str
    duration: float
    """Seconds."""


def measure(samples: Sequence[int], *, sample_rate: int = 8000) -> Sound:
    """Level and dominant tone of linear 16-bit samples. Some 20 ms of work: not for the loop's thread."""
    if not samples:
        return NOTHING
    power = math.fsum(sample * sample for sample in samples) / len(samples)
    if power == 0:
        return NOTHING
    level = 10 * math.log10(power / 32768**2)
    if level < _SILENCE_DBOV or len(samples) < _SPECTRUM_SAMPLES:
        return Sound(level, None)
    return Sound(level, _dominant_frequency(samples[-_SPECTRUM_SAMPLES:], sample_rate))


def _dominant_frequency(samples: Sequence[int], sample_rate: int) -> float | None:
    size = len(samples)
    mean = sum(samples) / size
    window = (0.5 - 0.5 * math.cos(2 * math.pi * index / size) for index in range(size))
    spectrum = _fft([complex((sample - mean) * weight) for sample, weight in zip(samples, window, strict=True)])
    powers = [abs(line) ** 2 for line in spectrum[: size // 2]]
    peak = max(range(1, size // 2 - 1), key=powers.__getitem__)
    # No power at all: sound that stopped in the first half of the second that was kept.
    if math.fsum(powers[max(0, peak - _NEIGHBOURS) : peak + _NEIGHBOURS + 1]) <= _TONE_SHARE * math.fsum(powers):
        return None
    left, middle, right = (math.log(powers[line] + 1e-9) for line in (peak - 1, peak, peak + 1))
    bend = left - 2 * middle + right
    offset = 0.5 * (left - right) / bend if bend else 0.0
    return (peak + offset) * sample_rate / size


def _fft(values: list[complex]) -> list[complex]:
    """Discrete Fourier transform of a power of two of values (Cooley and Tukey, radix 2)."""
    size = len(values)
    if size == 1:
        return values
    even, odd = _fft(values[0::2]), _fft(values[1::2])
    turned = [cmath.rect(1, -2 * math.pi * index / size) * value for index, value in enumerate(odd)]
    return [a + b for a, b in zip(even, turned, strict=True)] + [a - b for a, b in zip(even, turned, strict=True)]


class Hearing:
    """Takes the packets of one far end. Keeps one second of audio, undecoded, and the digits."""

    def __init__(self, agreed: Agreed) -> None:
        self.codec = agreed.codec
        self._audio_type, self._event_type = agreed.audio_from, agreed.event_from
        self.stats = ReceptionStats(agreed.codec.clock_rate)
        self.audio_packets = 0
        self.digit_count = 0
        self.digits: list[Digit] = []
        self._recent: deque[bytes] = deque(maxlen=_KEPT_PACKETS)
        self._event_start_ticks: int | None = None
        self._unfinished: Digit | None = None
        self._finished: list[Digit] = []

    def continued(self, agreed: Agreed) -> "Hearing":
        """What to listen with after something else was agreed: audio begins anew, the counts and digits stay."""
        hearing = Hearing(agreed)
        if agreed.codec.clock_rate == self.codec.clock_rate:
            hearing.stats, hearing.audio_packets = self.stats, self.audio_packets
        hearing.digit_count, hearing.digits = self.digit_count, self.digits
        return hearing

    def receive(self, packet: RtpPacket, now: float) -> None:
        """Take one packet from the far end."""
        self.stats.receive(packet, now)
        if packet.payload_type == self._audio_type:
            self.audio_packets += 1
            self._recent.append(packet.payload)
            self._finish()  # its end packets were lost
        elif packet.payload_type == self._event_type:
            self._receive_event(packet)

    def take_finished(self) -> list[Digit]:
        """The digits that have come to an end since the last call of this."""
        finished, self._finished = self._finished, []
        return finished

    def samples(self) -> Sequence[int]:
        """The last second as linear samples, in the order of arrival; empty for a codec other than G.711."""
        return decode(self.codec, b"".join(self._recent))

    def _receive_event(self, packet: RtpPacket) -> None:
        """RFC 4733 section 2.3: packets of one event share a timestamp, their duration grows."""
        if len(packet.payload) < 4 or packet.payload[0] >= len(_DIGITS):
            return
        duration = int.from_bytes(packet.payload[2:4], "big") / self.codec.clock_rate
        start = self._event_start_ticks
        if start is not None and timestamp_delta(packet.timestamp, start) < 0:
            return  # a late packet of the digit before
        digit = _DIGITS[packet.payload[0]]
        self._follow(Digit(digit, duration), is_new=packet.timestamp != start, is_end=bool(packet.payload[1] & _END))
        if packet.timestamp != start:
            self._event_start_ticks = packet.timestamp
            self.digit_count += 1
            if self.digit_count <= MAX_DIGITS:
                self.digits.append(Digit(digit, duration))
        elif self.digit_count <= MAX_DIGITS:
            self.digits[-1] = Digit(digit, max(duration, self.digits[-1].duration))

    def _follow(self, digit: Digit, *, is_new: bool, is_end: bool) -> None:
        """An event ends with its end bit (RFC 4733 section 2.5.1.4), or where something else begins."""
        if is_new:
            self._finish()
            self._unfinished = digit
        elif self._unfinished is not None:
            self._unfinished = Digit(digit.digit, max(digit.duration, self._unfinished.duration))
        if is_end:
            self._finish()

    def _finish(self) -> None:
        if self._unfinished is not None:
            self._finished.append(self._unfinished)
            self._unfinished = None


def decode(codec: Codec, payload: bytes) -> Sequence[int]:
    """G.711 as linear samples; empty for another codec."""
    if codec not in (PCMU, PCMA):
        return array("h")
    pcm = g711.ulaw_decode(payload) if codec == PCMU else g711.alaw_decode(payload)
    return array(
        "h", (int.from_bytes(pcm[index : index + 2], "little", signed=True) for index in range(0, len(pcm), 2))
    )
