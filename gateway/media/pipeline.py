"""One direction of one call: RTP of the source leg in, RTP for the sink leg out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

from gateway.media.codecs import registry
from gateway.media.core import g711
from gateway.media.core.codec import COMFORT_NOISE_PAYLOAD_TYPE, LegCodec, may_pass_through
from gateway.media.core.dtmf import Digit
from gateway.media.core.events import EventRelay, OutgoingDigits
from gateway.media.core.grace import Grace
from gateway.media.core.inband import ToneRelay
from gateway.media.core.relay import Relay
from gateway.media.core.rtcp import SenderInfo
from gateway.media.core.rtp import ReceptionStats, RtpPacket
from gateway.media.core.stream import SinkStream
from gateway.media.engine import NoTelephoneEvent
from gateway.media.tone_encoder import ToneEncoder, has_memory
from gateway.media.transcoder import Transcoder

_TRANSLATIONS: Final = {("PCMU", "PCMA"): g711.ULAW_TO_ALAW, ("PCMA", "PCMU"): g711.ALAW_TO_ULAW}


@dataclass(frozen=True, slots=True)
class PipelineCounters:
    """What a pipeline did, in packets unless it says otherwise."""

    packets_sent: int = 0
    bytes_sent: int = 0
    """Payload only."""
    silence_sent: int = 0
    """Of `packets_sent`: silence, or a sound of our own, that stood in for the source."""
    packets_late: int = 0
    """Not forwarded: they came twice, or after their time."""
    packets_unknown: int = 0
    """Not forwarded: a payload type that was not negotiated."""
    frames_concealed: int = 0
    """Frames that the decoder made up for lost ones."""


class Pipeline:
    """One direction of one call. Sans-IO: packets and `now` in, packets out.

    After every call of `receive`, `handle_timeout`, `set_codecs`, `set_muted` and `send_digits` the caller sends what
    came back and arms its timer for `next_deadline()`.
    """

    def __init__(
        self,
        *,
        source: LegCodec,
        sink: LegCodec,
        ssrc: int,
        first_sequence: int,
        first_timestamp: int,
        now: float,
        on_digit: Callable[[str, float], None],
        needs_continuity: bool,
        longest_pause: float | None = None,
        plays_digits: bool = False,
    ) -> None:
        """
        Args:
            source, sink: what was negotiated on either side.
            ssrc, first_sequence, first_timestamp: of the stream towards the sink; random numbers of the caller.
            now: seconds on the clock that all methods use.
            on_digit: told each digit of the source once, with its duration in seconds, from within `receive` or
                `handle_timeout`.
            needs_continuity: whether RTP towards the sink may never pause (browsers); it then begins at once.
            longest_pause: where it may, seconds after which silence takes the place of a source that was there;
                None: never.
            plays_digits: whether the sink hears digits as tones.
        Raises:
            UnsupportedCodec: the gateway has no such codec.
            CodecUnavailable: a native library is missing.
        """
        self.stats = ReceptionStats(source.codec.clock_rate)
        """Of the source's packets, all payload types."""
        self.source, self.sink = source, sink
        """As negotiated; changed by `set_codecs`."""
        self.on_digit = on_digit
        self._needs_continuity, self._longest_pause = needs_continuity, longest_pause
        self._stream = SinkStream(
            ssrc=ssrc, first_sequence=first_sequence, first_timestamp=first_timestamp, codec=sink.codec, now=now
        )
        self._grace = Grace(source.codec.clock_rate)
        self._plays_digits = plays_digits
        self._stage, self._tones = self._make_joint(source, sink)
        self._event_payload_type = -1
        self._events = self._make_events(source, sink)
        self._outgoing = OutgoingDigits()
        self._is_muted = self._is_closed = False
        self._sound: Sequence[bytes] = ()
        self._playing: Iterator[bytes] | None = None
        self._packets_unknown = 0
        self._packets_late = self._frames_concealed = 0
        """Of the stages before this one."""

    def _make_joint(self, source: LegCodec, sink: LegCodec) -> tuple[Relay | Transcoder, ToneEncoder | None]:
        """What joins the two, and what makes tones of digits where the sink hears those."""
        stage = self._make_stage(source, sink)
        if not self._plays_digits:
            return stage, None
        try:
            return stage, ToneEncoder(sink.codec, stage.encoder if isinstance(stage, Transcoder) else None)
        except Exception:
            stage.close()
            raise

    def _make_stage(self, source: LegCodec, sink: LegCodec) -> Relay | Transcoder:
        registry.check(source.codec)
        registry.check(sink.codec)
        translation = _TRANSLATIONS.get((source.codec.name, sink.codec.name))
        if translation is None and not self._may_pass_through(source, sink):
            return Transcoder(
                source=source.codec, sink=sink.codec, stream=self._stream, needs_continuity=self._needs_continuity
            )
        return Relay(
            source=source.codec,
            sink=sink.codec,
            stream=self._stream,
            silence=registry.silence(sink.codec),
            needs_continuity=self._needs_continuity,
            translation=translation,
        )

    def _may_pass_through(self, source: LegCodec, sink: LegCodec) -> bool:
        may_put_in = not (self._plays_digits and has_memory(sink.codec))
        return may_put_in and may_pass_through(source.codec, sink.codec)

    def _make_events(self, source: LegCodec, sink: LegCodec) -> EventRelay | ToneRelay | None:
        if source.telephone_event is None:
            return None
        self._event_payload_type = source.telephone_event[0]
        if self._tones is not None:
            return ToneRelay(source.telephone_event[1], self._tones.player)
        return EventRelay(source.telephone_event[1], sink.telephone_event, self._stream)

    @property
    def takes_digits(self) -> bool:
        """Whether `send_digits` can be called: the sink has telephone-event, or hears tones."""
        return self._tones is not None or self.sink.telephone_event is not None

    @property
    def is_transcoding(self) -> bool:
        """Whether payloads are changed on the way."""
        return not self._may_pass_through(self.source, self.sink)

    @property
    def counters(self) -> PipelineCounters:
        """Totals so far."""
        stage = self._stage
        concealed = stage.frames_concealed if isinstance(stage, Transcoder) else 0
        return PipelineCounters(
            packets_sent=self._stream.packets_sent,
            bytes_sent=self._stream.bytes_sent,
            silence_sent=self._stream.silence_sent,
            packets_late=self._packets_late + stage.packets_late,
            packets_unknown=self._packets_unknown,
            frames_concealed=self._frames_concealed + concealed,
        )

    def receive(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        """Take one packet of the source; return what goes to the sink because of it."""
        if self._is_closed:
            return []
        self.stats.receive(packet, now)
        payload_type = packet.payload_type
        if payload_type == self.source.codec.payload_type:
            self._grace.observe(packet, now)
            if self._is_interrupted(now):
                self._stage.suspend()
                return []
            return self._stage.receive(packet, now)
        is_audible = not self._is_interrupted(now)
        if self._events is not None and payload_type == self._event_payload_type:
            may_sound = is_audible or (self._is_toning and not self._is_muted)
            digits, out = self._events.receive(packet, now, self._stage, is_audible=may_sound)
            self._report(digits)
            return out
        if payload_type != COMFORT_NOISE_PAYLOAD_TYPE:
            self._packets_unknown += 1
        return self._stage.skip(packet, now) if is_audible else []

    def _is_interrupted(self, now: float) -> bool:
        """Whether the sink does not hear the source now."""
        return self._is_muted or self._is_toning or self._outgoing.busy_until(now) is not None

    @property
    def _is_toning(self) -> bool:
        """Whether the sink hears digits as tones, now."""
        return self._tones is not None and self._tones.is_active

    def _report(self, digits: list[Digit]) -> None:
        for digit in digits:
            self.on_digit(digit.digit, digit.duration)

    def handle_timeout(self, now: float) -> list[RtpPacket]:
        """What goes to the sink because time has passed. Calling it early is harmless."""
        if self._is_closed:
            return []
        out: list[RtpPacket] = []
        if self._events is not None:
            digits, out = self._events.handle_timeout(now)
            self._report(digits)
        if self.sink.telephone_event is not None:
            out += self._outgoing.handle_timeout(now, self._stream, self.sink.telephone_event[0])
        out += self._stage.handle_timeout(now)
        self._outgoing.busy_until(now)
        deadline = self._silence_deadline()
        if deadline is not None and now >= deadline:
            out += self._fill(now)
        return out

    def _fill(self, now: float) -> list[RtpPacket]:
        """Silence up to now, unless there is something real that waits for what may still come."""
        out = self._stage.flush(now)
        stream = self._stream
        if stream.is_stalled(now) or (self._may_pause and not stream.is_filling):
            if not (stream.is_filling or self._may_pause):
                out.append(self._filler())  # the end of what was said stands here, not behind the gap
            stream.catch_up(now)
        while stream.due <= now:
            out.append(self._filler())
        return out

    def _filler(self) -> RtpPacket:
        """The next frame of ours: a digit, a sound, or silence."""
        if self._tones is not None and self._tones.is_active:
            return self._stream.append_silence(self._tones.frame(self._stream.due))
        if self._is_muted and self._playing is not None:
            return self._stream.append_silence(next(self._playing))
        return self._stage.silence()

    @property
    def _may_pause(self) -> bool:
        """Whether the sink is not owed a packet every 20 ms."""
        return not (self._needs_continuity or self._is_muted or self._is_toning)

    def _silence_deadline(self) -> float | None:
        """When silence takes the place of a source that is late."""
        stream = self._stream
        if self._may_pause:
            if self._longest_pause is None or stream.packets_sent == 0:
                return None
            return self._outgoing.postponed(stream.due if stream.is_filling else stream.ends + self._longest_pause)
        is_paced = self._is_muted or self._is_toning or stream.is_filling or stream.packets_sent == 0
        return self._outgoing.postponed(stream.due if is_paced else max(stream.due, stream.ends + self._grace.seconds))

    def next_deadline(self) -> float | None:
        """When `handle_timeout` wants to be called; None: not before the next packet."""
        if self._is_closed:
            return None
        deadlines = (
            self._silence_deadline(),
            self._stage.next_deadline(),
            self._outgoing.next_deadline(),
            self._events.next_deadline() if self._events is not None else None,
        )
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def set_codecs(self, source: LegCodec, sink: LegCodec, now: float) -> None:
        """Renegotiated: SSRC, sequence and timestamp towards the sink go on without a jump.

        A digit that is being relayed or sent ends there. On an exception everything is as it was.

        Raises:
            UnsupportedCodec, CodecUnavailable: as the constructor does.
        """
        if self._is_closed or (source, sink) == (self.source, self.sink):
            return
        if (source.codec, sink.codec) != (self.source.codec, self.sink.codec):
            self._change_codecs(source, sink)
        if source.codec.clock_rate != self.source.codec.clock_rate:
            self._grace.set_clock_rate(source.codec.clock_rate)
        self.stats.set_clock_rate(source.codec.clock_rate)
        self._change_events(source, sink)
        self._outgoing.clear()
        self.source, self.sink = source, sink

    def _change_codecs(self, source: LegCodec, sink: LegCodec) -> None:
        stage, tones = self._make_joint(source, sink)
        if self._tones is not None:
            self._tones.close()
        self._retire_stage()
        self._stage, self._tones = stage, tones
        self._stream.set_codec(sink.codec)
        self.play(())  # of another codec

    def _change_events(self, source: LegCodec, sink: LegCodec) -> None:
        if self._events is not None:
            self._events.stop()
        self._events = self._make_events(source, sink)

    def change_source(self, source: LegCodec, now: float, *, longest_pause: float | None) -> None:
        """Somebody else speaks from now on: what is counted of the source begins anew, the stream goes on.

        Raises:
            UnsupportedCodec, CodecUnavailable: as the constructor does.
        """
        self.set_codecs(source, self.sink, now)
        self._longest_pause = longest_pause
        self._stage.suspend()
        self._change_events(source, self.sink)
        self.stats = ReceptionStats(source.codec.clock_rate)
        self._grace = Grace(source.codec.clock_rate)

    def _retire_stage(self) -> None:
        """Close the stage and keep its counts."""
        counters = self.counters
        self._packets_late, self._frames_concealed = counters.packets_late, counters.frames_concealed
        self._stage.close()

    def set_muted(self, is_muted: bool, now: float) -> None:
        """Hold: the sink hears paced silence instead of the source. Digits of the source are still reported."""
        if is_muted and not self._is_muted:
            self._stage.suspend()
            if self._events is not None:
                self._events.stop()
        self._is_muted = is_muted

    def play(self, payloads: Sequence[bytes]) -> None:
        """What the sink hears while it is muted, over and over: payloads of 20 ms in its codec; none is silence.

        The same payloads once more change nothing; a change of the sink's codec ends them.
        """
        if payloads is not self._sound:
            self._sound, self._playing = payloads, cycle(payloads) if payloads else None

    def send_digits(self, digits: str, duration: float, gap: float, now: float) -> float:
        """Send telephone-events to the sink, or tones, after those that are still going out.

        Returns the time at which the last packet will have left.
        Raises:
            NoTelephoneEvent: the sink did not negotiate it.
            ValueError: something that is no digit, or too many of them.
        """
        if self._tones is not None:
            return self._play_digits(self._tones, digits, duration, gap, now)
        if self.sink.telephone_event is None:
            raise NoTelephoneEvent("telephone-event was not negotiated")
        rate = self.sink.telephone_event[1]
        if self._events is not None:
            self._events.stop()
        return self._outgoing.add(digits, duration=duration, gap=gap, clock_rate=rate, now=now)

    def _play_digits(self, tones: ToneEncoder, digits: str, duration: float, gap: float, now: float) -> float:
        tones.player.add(digits.upper(), duration=duration, gap=gap, now=now)
        self._stage.suspend()
        return max(now, self._stream.due) + tones.player.remaining

    def sender_info(self, now: float) -> SenderInfo | None:
        """For a sender report to the sink; None when nothing has been sent yet."""
        stream = self._stream
        if stream.packets_sent == 0:
            return None
        return SenderInfo(
            rtp_timestamp=stream.timestamp_at(now), packet_count=stream.packets_sent, octet_count=stream.bytes_sent
        )

    def close(self) -> None:
        """Free the codecs; idempotent. After it nothing comes out any more."""
        if not self._is_closed:
            self._is_closed = True
            self._outgoing.clear()
            self._stage.close()
            if self._tones is not None:
                self._tones.close()
