"""The compiled pipeline with the face of the one in Python, so that the same tests run over both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.media._native import NativePipeline
from gateway.media.codecs.interface import CodecUnavailable, UnsupportedCodec
from gateway.media.core.codec import LegCodec
from gateway.media.core.rtcp import SenderInfo
from gateway.media.core.rtp import RtpPacket, parse, serialize
from gateway.media.engine import NoTelephoneEvent
from gateway.media.engines.native_stream import leg_values
from gateway.media.pipeline import PipelineCounters

if TYPE_CHECKING:
    from gateway.media._native import Out


@dataclass(frozen=True, slots=True)
class Reception:
    """What the tests ask of `ReceptionStats`."""

    packets_received: int
    bytes_received: int
    packets_lost: int
    jitter: float


class CompiledPipeline:
    """See `gateway.media.pipeline.Pipeline`."""

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
        detects_tones: bool = False,
    ) -> None:
        self.source, self.sink, self.on_digit = source, sink, on_digit
        self._sound: Sequence[bytes] = ()
        self.core = NativePipeline(
            leg_values(source),
            leg_values(sink),
            ssrc=ssrc,
            first_sequence=first_sequence,
            first_timestamp=first_timestamp,
            now=now,
            needs_continuity=needs_continuity,
            longest_pause=longest_pause,
            plays_digits=plays_digits,
            detects_tones=detects_tones,
        )

    def _take(self, out: "Out") -> list[RtpPacket]:
        datagrams, digits = out
        for digit, duration in digits:
            self.on_digit(digit, duration)
        return [parse(datagram) for datagram in datagrams]

    def receive(self, packet: RtpPacket, now: float) -> list[RtpPacket]:
        return self._take(self.core.receive(serialize(packet), now))

    def handle_timeout(self, now: float) -> list[RtpPacket]:
        return self._take(self.core.handle_timeout(now))

    def next_deadline(self) -> float | None:
        return self.core.next_deadline()

    def set_codecs(self, source: LegCodec, sink: LegCodec, now: float) -> None:
        try:
            self.core.set_codecs(leg_values(source), leg_values(sink))
        except LookupError as error:
            raise UnsupportedCodec(str(error)) from error
        except RuntimeError as error:
            raise CodecUnavailable(str(error)) from error
        if (source.codec, sink.codec) != (self.source.codec, self.sink.codec):
            self._sound = ()
        self.source, self.sink = source, sink

    def change_source(self, source: LegCodec, now: float, *, longest_pause: float | None) -> None:
        self.set_codecs(source, self.sink, now)
        self.core.change_source(leg_values(source), longest_pause)

    def set_muted(self, is_muted: bool, now: float) -> None:
        self.core.set_muted(is_muted)

    def play(self, payloads: Sequence[bytes]) -> None:
        if payloads is not self._sound:
            self._sound = payloads
            self.core.play(payloads)

    def send_digits(self, digits: str, duration: float, gap: float, now: float) -> float:
        try:
            return self.core.send_digits(digits, duration, gap, now)
        except LookupError as error:
            raise NoTelephoneEvent(str(error)) from error

    def sender_info(self, now: float) -> SenderInfo | None:
        info = self.core.sender_info(now)
        if info is None:
            return None
        return SenderInfo(rtp_timestamp=info[0], packet_count=info[1], octet_count=info[2])

    def close(self) -> None:
        self.core.close()

    @property
    def takes_digits(self) -> bool:
        return self.core.takes_digits

    @property
    def is_transcoding(self) -> bool:
        return self.core.is_transcoding

    @property
    def counters(self) -> PipelineCounters:
        return PipelineCounters(*self.core.counters)

    @property
    def stats(self) -> Reception:
        return Reception(*self.core.reception)
