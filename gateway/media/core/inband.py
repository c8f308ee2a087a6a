"""Digits as tones in the audio: what sounds when, sample by sample; and telephone-events of a source made into them.

No I/O. A digit from an event begins to sound with its first packet, long before its length is known; it ends to the
sample when that is. Digits that overlap wait for each other.
"""

import math
from array import array
from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.media.core.dtmf import DIGITS, MAX_DURATION, Digit, EventReceiver, ReceivedEvent
from gateway.media.core.events import MAX_DIGITS, MAX_SECONDS
from gateway.media.core.rtp import RtpPacket
from gateway.media.core.stage import Stage
from gateway.media.core.tones import DTMF_FREQUENCIES

LEVEL: Final = -13.1
"""dBFS of each of the two tones: -10 dBm0, for a sine of 0 dBm0 is 3.14 dB below the loudest (G.711 table 5)."""
SHORTEST: Final = 0.040
"""Seconds that a digit sounds at least, and that two digits are apart: detectors are promised no less (Q.24)."""
MAX_BACKLOG: Final = 10.0
"""Seconds that may wait to sound when a source sends one more digit."""
_RAMP: Final = 0.002
"""Seconds in which a tone comes and goes, so that it makes no click."""
_AMPLITUDE: Final = 32767 * 10 ** (LEVEL / 20)


@dataclass(slots=True)
class _Tone:
    """A digit. `length` and `gap`, the silence before it, are in samples; a length that is not known yet is None."""

    digit: str
    length: int | None
    gap: int
    played: int = 0


class TonePlayer:
    """A row of digits as samples, in frames that the caller asks for one after the other."""

    def __init__(self, rate: int) -> None:
        """
        Args:
            rate: samples a second.
        """
        self._rate = rate
        self._ramp = round(_RAMP * rate)
        self._tones: deque[_Tone] = deque()
        self._open: _Tone | None = None
        """The one of unknown length; others may wait behind it."""
        self._ended = -math.inf
        """When the last tone was over."""

    @property
    def is_active(self) -> bool:
        """Whether there is something to be heard."""
        return bool(self._tones)

    @property
    def remaining(self) -> float:
        """Seconds until it is quiet, as far as is known: a digit of unknown length may end at any moment."""
        samples = sum(tone.gap + max(0, (tone.length or 0) - tone.played) for tone in self._tones)
        return samples / self._rate

    def begin(self, digit: str, now: float) -> None:
        """A digit of unknown length, heard after those that wait. `end` is called before the next one begins.

        It is dropped behind more than `MAX_BACKLOG`: nobody presses digits faster than they sound.
        """
        if len(self._tones) < MAX_DIGITS and self.remaining <= MAX_BACKLOG:
            self._open = self._append(digit, None, 0.0, now)

    def end(self, duration: float) -> None:
        """The digit that was begun lasts so many seconds in all: it ends at once if it has sounded for longer."""
        tone, self._open = self._open, None
        if tone is not None and tone.length is None:
            tone.length = max(round(max(duration, SHORTEST) * self._rate), tone.played + self._ramp)

    def add(self, digits: str, *, duration: float, gap: float, now: float) -> None:
        """Digits of known length behind those that wait.

        Raises:
            ValueError: something that is no digit, a wrong length, or more waiting than `MAX_DIGITS`, `MAX_SECONDS`.
        """
        if not digits or not DTMF_FREQUENCIES.keys() >= set(digits):
            raise ValueError("not a string of DTMF digits")
        if not 0 < duration <= MAX_DURATION or not 0 <= gap <= MAX_DURATION:
            raise ValueError(f"digit of {duration} s, gap of {gap} s: not within {MAX_DURATION} s")
        if len(self._tones) + len(digits) > MAX_DIGITS:
            raise ValueError(f"more than {MAX_DIGITS} digits waiting")
        if self.remaining + len(digits) * (duration + gap) > MAX_SECONDS:
            raise ValueError(f"digits that take more than {MAX_SECONDS} s waiting")
        for digit in digits:
            self._append(digit, round(max(duration, SHORTEST) * self._rate), gap, now)

    def _append(self, digit: str, length: int | None, gap: float, now: float) -> _Tone:
        pause = max(gap, SHORTEST) if self._tones else max(0.0, SHORTEST - (now - self._ended))
        tone = _Tone(digit, length, round(pause * self._rate))
        self._tones.append(tone)
        return tone

    def frame(self, samples: int, ends: float) -> bytes:
        """The next so many samples, silence where nothing sounds; `ends` is when they are over."""
        values = array("h")
        while self._tones and len(values) < samples:
            tone = self._tones[0]
            quiet = min(tone.gap, samples - len(values))
            tone.gap -= quiet
            values.extend((0,) * quiet)
            values.extend(self._sound(tone, samples - len(values)))
            if tone.length is not None and tone.played >= tone.length:
                self._tones.popleft()
                self._ended = ends - (samples - len(values)) / self._rate
        values.extend((0,) * (samples - len(values)))
        return values.tobytes()

    def _sound(self, tone: _Tone, samples: int) -> list[int]:
        if tone.length is None and tone.played >= MAX_DURATION * self._rate:
            tone.length = tone.played + self._ramp
        end = math.inf if tone.length is None else tone.length
        first, last = tone.played, int(min(tone.played + samples, end))
        tone.played = last
        row, column = (2 * math.pi * frequency / self._rate for frequency in DTMF_FREQUENCIES[tone.digit])
        return [
            round(
                _AMPLITUDE
                * min(1.0, index / self._ramp, (end - index) / self._ramp)
                * (math.sin(row * index) + math.sin(column * index))
            )
            for index in range(first, last)
        ]

    def clear(self) -> None:
        """Silence from now on."""
        self._tones.clear()
        self._open = None


class ToneRelay:
    """Has a source's telephone-events sound at a sink that takes none, and reports them; see `EventRelay`."""

    def __init__(self, source_rate: int, player: TonePlayer) -> None:
        """
        Args:
            source_rate: clock rate of the source's telephone-event.
        """
        self._receiver = EventReceiver(source_rate)
        self._source_rate, self._player = source_rate, player
        self._sounding: ReceivedEvent | None = None
        """The event that sounds, or waits to, and whose length is not known yet."""

    def receive(
        self, packet: RtpPacket, now: float, stage: Stage, *, is_audible: bool
    ) -> tuple[list[Digit], list[RtpPacket]]:
        """Take a telephone-event packet; return the digits that ended. To the sink goes nothing at once."""
        before = self._receiver.event
        digits = self._receiver.receive(packet, now)
        event = self._receiver.event
        self._follow()
        if event is not None and event is not before and is_audible and event.code < len(DIGITS):
            stage.suspend()
            self._player.begin(DIGITS[event.code], now)
            self._sounding = event
            self._follow()
        return digits, stage.skip(packet, now)

    def _follow(self) -> None:
        if self._sounding is not None and self._sounding.has_ended:
            self._player.end(self._sounding.duration_ticks / self._source_rate)
            self._sounding = None

    def handle_timeout(self, now: float) -> tuple[list[Digit], list[RtpPacket]]:
        """End a digit whose end packets were all lost."""
        digits = self._receiver.handle_timeout(now)
        self._follow()
        return digits, []

    def stop(self) -> None:
        """The sink is going to hear something else; an event that goes on is reported only."""
        if self._sounding is not None:
            self._player.end(0.0)
            self._sounding = None

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called."""
        return self._receiver.next_deadline()
