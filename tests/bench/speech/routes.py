"""Ways through the gateway: packets of a browser or of a trunk in, sound or packets out. Time is a number."""

import io
import random
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.media._native import NativeDecoder, NativeEncoder, NativePipeline, NativeRecorder
from gateway.media.core.rtp import RtpPacket, parse, serialize, timestamp_delta

if TYPE_CHECKING:
    from gateway.media._native import Leg

FRAME: Final = 0.02
RECORDING_RATE: Final = 16000
_BEGIN: Final = 1000.0
_FLUSH: Final = 25
"""Frames after the last packet in which a recording is written to its end."""
_SPARED: Final = 15
"""Packets at either end that are not lost: every route hears the same beginning and end."""


@dataclass(frozen=True, slots=True)
class Speaks:
    """What a leg speaks; rates are those of its RTP clock and of its sound, the latter 0 where any will do."""

    name: str
    payload_type: int
    clock_rate: int
    sound_rate: int

    @property
    def leg(self) -> "Leg":
        """As the packet path takes it."""
        is_opus = self.name == "opus"
        wishes = {"useinbandfec": "1"} if is_opus else {}
        return (self.name, self.payload_type, self.clock_rate, 1 + is_opus, wishes, FRAME, None)


OPUS: Final = Speaks("opus", 111, 48000, 0)
PCMU: Final = Speaks("PCMU", 0, 8000, 8000)
G722: Final = Speaks("G722", 9, 8000, 16000)


def losses(count: int, share: float, seed: int) -> list[bool]:
    """Which of the packets are lost, each with the same chance whatever became of its neighbours."""
    chance = random.Random(seed)
    drawn = [chance.random() < share for _ in range(count)]
    return [is_lost and _SPARED <= number < count - _SPARED for number, is_lost in enumerate(drawn)]


def to_trunk(packets: Sequence[bytes], lost: Sequence[bool], trunk: Speaks) -> bytes:
    """What a trunk hears of a browser, at its sound's rate: each packet where its timestamp says."""
    decoder, pcm = NativeDecoder(trunk.leg, trunk.sound_rate), bytearray()
    first: int | None = None
    for packet in _through(_pipeline(OPUS, trunk), OPUS, packets, lost):
        first = packet.timestamp if first is None else first
        at = 2 * timestamp_delta(packet.timestamp, first) * trunk.sound_rate // trunk.clock_rate
        pcm.extend(bytes(max(0, at - len(pcm))))
        frame = decoder.decode(packet.payload)
        pcm[at : at + len(frame)] = frame
    return bytes(pcm)


def to_browser(pcm: bytes, trunk: Speaks, *, expected_loss: int) -> list[bytes]:
    """Packets that a browser gets of a trunk that says this; `expected_loss`, in per cent, is what it has reported."""
    pipeline = _pipeline(trunk, OPUS)
    pipeline.set_expected_loss(expected_loss)
    payloads = list(_encoded(pcm, trunk))
    return [packet.payload for packet in _through(pipeline, trunk, payloads, [False] * len(payloads))]


def recorded(packets: Sequence[bytes], lost: Sequence[bool]) -> bytes:
    """What a recording holds of a browser, at `RECORDING_RATE`."""
    recorder = NativeRecorder(False, 1, _BEGIN)
    recorder.set_codec(True, OPUS.leg)
    file = bytearray()
    for number, (payload, is_lost) in enumerate(zip(packets, lost, strict=True)):
        now = _BEGIN + number * FRAME
        if not is_lost:
            recorder.receive(True, serialize(_packet(OPUS, number, payload)), now)
        file += recorder.handle_timeout(now)
    end, header = recorder.finish(_BEGIN + (len(packets) + _FLUSH) * FRAME)
    file += end
    file[: len(header)] = header
    with wave.open(io.BytesIO(file)) as both:
        frames = memoryview(both.readframes(both.getnframes())).cast("h")
    return frames[::2].tobytes()


def coded(pcm: bytes, trunk: Speaks) -> bytes:
    """The same sound after the trunk's codec, which takes its own share."""
    decoder = NativeDecoder(trunk.leg, trunk.sound_rate)
    return b"".join(decoder.decode(payload) for payload in _encoded(pcm, trunk))


def _encoded(pcm: bytes, trunk: Speaks) -> Iterator[bytes]:
    encoder, size = NativeEncoder(trunk.leg, trunk.sound_rate), 2 * trunk.sound_rate // 50
    for at in range(0, len(pcm) - size + 1, size):
        yield encoder.encode(pcm[at : at + size])


def _pipeline(source: Speaks, sink: Speaks) -> NativePipeline:
    return NativePipeline(
        source.leg,
        sink.leg,
        ssrc=2,
        first_sequence=0,
        first_timestamp=0,
        now=_BEGIN,
        needs_continuity=False,
    )


def _packet(source: Speaks, number: int, payload: bytes) -> RtpPacket:
    timestamp = number * source.clock_rate // 50
    return RtpPacket(source.payload_type, number & 0xFFFF, timestamp, 1, number == 0, payload)


def _through(
    pipeline: NativePipeline, source: Speaks, payloads: Sequence[bytes], lost: Sequence[bool]
) -> Iterator[RtpPacket]:
    for number, (payload, is_lost) in enumerate(zip(payloads, lost, strict=True)):
        now = _BEGIN + number * FRAME
        while (deadline := pipeline.next_deadline()) is not None and deadline <= now:
            yield from map(parse, pipeline.handle_timeout(deadline)[0])
        if not is_lost:
            yield from map(parse, pipeline.receive(serialize(_packet(source, number, payload)), now)[0])
