"""A source, a pipeline and virtual time between them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

from gateway.media.codecs import registry
from gateway.media.core import tones
from gateway.media.core.codec import Codec, LegCodec
from gateway.media.core.dtmf import EventSender
from gateway.media.core.rtp import RtpPacket
from gateway.media.pipeline import Pipeline
from tests.unit.media.native import CompiledPipeline

FRAME = 0.020
SINK_SSRC = 0xCAFE
FIRST_SEQUENCE = 65530
FIRST_TIMESTAMP = 2**32 - 700
"""Both wrap early in every test."""

Arrival = tuple[float, RtpPacket]

IMPLEMENTATIONS: dict[str, type[Pipeline] | type[CompiledPipeline]] = {"python": Pipeline, "compiled": CompiledPipeline}
under_test = "python"
"""Which of them `open_run` opens; the fixture `implementation` sets it."""


def native_rate(codec: Codec) -> int:
    """At which rate a codec is encoded and decoded on its own."""
    return {"opus": 48000, "G722": 16000}.get(codec.name, 8000)


@dataclass
class Run:
    """A pipeline that is driven like an engine drives it, with what came out and when."""

    pipeline: Pipeline | CompiledPipeline
    now: float = 0.0
    sent: list[Arrival] = field(default_factory=list)
    digits: list[tuple[str, float]] = field(default_factory=list)

    def take(self, out: list[RtpPacket]) -> None:
        self.sent += [(self.now, packet) for packet in out]

    def until(self, end: float) -> None:
        """Let time pass, firing every deadline at its time."""
        fired = 0
        while (deadline := self.pipeline.next_deadline()) is not None and deadline <= end:
            fired = fired + 1 if deadline <= self.now else 0
            assert fired < 10, "a deadline that is due again and again stops an engine"
            self.now = max(self.now, deadline)
            self.take(self.pipeline.handle_timeout(self.now))
        self.now = max(self.now, end)

    def feed(self, arrivals: Iterable[Arrival]) -> "Run":
        for at, packet in arrivals:
            self.until(at)
            self.take(self.pipeline.receive(packet, at))
        return self

    @property
    def packets(self) -> list[RtpPacket]:
        return [packet for _, packet in self.sent]

    def audio(self) -> list[RtpPacket]:
        """Without telephone-events."""
        payload_type = self.pipeline.sink.codec.payload_type
        return [packet for packet in self.packets if packet.payload_type == payload_type]


def open_run(
    source: Codec | LegCodec,
    sink: Codec | LegCodec,
    *,
    continuity: bool = False,
    longest_pause: float | None = None,
    plays_digits: bool = False,
) -> Run:
    digits: list[tuple[str, float]] = []
    pipeline = IMPLEMENTATIONS[under_test](
        source=source if isinstance(source, LegCodec) else LegCodec(source),
        sink=sink if isinstance(sink, LegCodec) else LegCodec(sink),
        ssrc=SINK_SSRC,
        first_sequence=FIRST_SEQUENCE,
        first_timestamp=FIRST_TIMESTAMP,
        now=0.0,
        on_digit=lambda digit, duration: digits.append((digit, duration)),
        needs_continuity=continuity,
        longest_pause=longest_pause,
        plays_digits=plays_digits,
    )
    return Run(pipeline, digits=digits)


@lru_cache(maxsize=256)
def tone_payloads(codec: Codec, number: int, frequency: float, ptime: float) -> tuple[bytes, ...]:
    """A tone, encoded in packets of `ptime`."""
    rate = native_rate(codec)
    encoder = registry.make_encoder(codec, rate)
    pcm = tones.frames(frequency, rate=rate, ptime=ptime)
    payloads = tuple(encoder.encode(next(pcm)) for _ in range(number))
    encoder.close()
    return payloads


def talk(
    codec: Codec,
    seconds: float,
    *,
    start: float = 0.0,
    sequence: int = 65500,
    timestamp: int = 2**32 - 3000,
    ssrc: int = 1,
    frequency: float = 1000.0,
    ptime: float = FRAME,
) -> Iterator[Arrival]:
    """A tone in packets, one each `ptime`, the first at `start`."""
    for index, payload in enumerate(tone_payloads(codec, round(seconds / ptime), frequency, ptime)):
        packet = RtpPacket(
            payload_type=codec.payload_type,
            sequence=(sequence + index) & 0xFFFF,
            timestamp=(timestamp + round(index * ptime * codec.clock_rate)) & 0xFFFFFFFF,
            ssrc=ssrc,
            marker=index == 0,
            payload=payload,
        )
        yield start + index * ptime, packet


def moved(packet: RtpPacket, *, sequence: int = 0, timestamp: int = 0) -> RtpPacket:
    """The packet, later in its stream."""
    return replace(
        packet,
        sequence=(packet.sequence + sequence) & 0xFFFF,
        timestamp=(packet.timestamp + timestamp) & 0xFFFFFFFF,
    )


def press(
    leg: LegCodec, audio: list[Arrival], at: int, digits: str, duration: float = 0.1, gap: float = 0.1
) -> list[Arrival]:
    """Digits in place of the audio from packet `at` on; sequence numbers go on, timestamps stay with the clock."""
    assert leg.telephone_event is not None
    payload_type, rate = leg.telephone_event
    start, first = audio[at]
    sender = EventSender(digits, duration=duration, gap=gap, clock_rate=rate, now=start)
    out, events = list(audio[:at]), 0
    while (now := sender.next_deadline()) is not None:
        for event in sender.handle_timeout(now):
            ticks = event.timestamp_offset * leg.codec.clock_rate // rate
            packet = replace(first, payload_type=payload_type, marker=event.marker, payload=event.payload)
            out.append((now, moved(packet, sequence=events, timestamp=ticks)))
            events += 1
    rest = [arrival for arrival in audio[at:] if arrival[0] > sender.done_at]
    dropped = len(audio) - at - len(rest)
    return [*out, *((at_time, moved(packet, sequence=events - dropped)) for at_time, packet in rest)]


def sound(packets: Iterable[RtpPacket], codec: Codec) -> bytes:
    """What a listener hears who plays these packets one after the other."""
    decoder = registry.make_decoder(codec, native_rate(codec))
    pcm = b"".join(decoder.decode(packet.payload) for packet in packets if packet.payload_type == codec.payload_type)
    decoder.close()
    return pcm


def steps(packets: list[RtpPacket]) -> list[tuple[int, int]]:
    """From each packet to the next: by how much sequence and timestamp grow."""
    return [
        ((after.sequence - before.sequence) & 0xFFFF, (after.timestamp - before.timestamp) & 0xFFFFFFFF)
        for before, after in pairwise(packets)
    ]
