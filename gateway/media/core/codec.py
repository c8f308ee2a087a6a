"""What a leg was negotiated to carry: an audio codec and, beside it, telephone-event. Values only, nothing native.

Sources: RFC 3551 section 4.5 (PCMU, PCMA, G722), RFC 7587 (opus), RFC 4733 (telephone-event).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

COMFORT_NOISE_PAYLOAD_TYPE: Final = 13
"""Static payload type of comfort noise (RFC 3389)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """An audio codec as SDP describes it.

    Attributes:
        name: `opus`, `PCMU`, `PCMA` or `G722`, as the registry of media types writes it.
        payload_type: the RTP payload type agreed for it, 0 to 127.
        clock_rate: of the RTP timestamp. 8000 for G722 although it samples at 16000 (RFC 3551 section 4.5.2).
        channels: as in `a=rtpmap`: always 2 for opus (RFC 7587 section 7), whatever it really carries.
        fmtp: parameters that the far end gave with `a=fmtp`, so what it wishes to receive.
        ptime: seconds of audio that the far end wishes in one packet.
    """

    name: str
    payload_type: int
    clock_rate: int
    channels: int = 1
    fmtp: Mapping[str, str] = field(default_factory=dict, hash=False)
    ptime: float = 0.020


@dataclass(frozen=True, slots=True)
class LegCodec:
    """What one leg sends and receives.

    Attributes:
        codec: its audio codec.
        telephone_event: payload type and clock rate of its telephone-events, None when it has none.
    """

    codec: Codec
    telephone_event: tuple[int, int] | None = None


PCMU: Final = Codec(name="PCMU", payload_type=0, clock_rate=8000)
PCMA: Final = Codec(name="PCMA", payload_type=8, clock_rate=8000)
G722: Final = Codec(name="G722", payload_type=9, clock_rate=8000)
OPUS: Final = Codec(name="opus", payload_type=111, clock_rate=48000, channels=2)
"""Opus with the payload type that browsers use; a dynamic one, so taken from SDP in a real call."""

SUPPORTED: Final[Mapping[str, Codec]] = {codec.name: codec for codec in (OPUS, G722, PCMU, PCMA)}
"""What the gateway can decode and encode, by name."""


def may_pass_through(source: Codec, sink: Codec) -> bool:
    """Whether packets of `source` can be forwarded to a receiver of `sink` with their payload untouched.

    Format parameters do not stand in the way: those of opus are wishes of a receiver, every decoder decodes every
    stream (RFC 7587 section 6.1), and the other three have none. Nor does ptime, which is a wish too (RFC 8866
    section 6.4).
    """
    return (source.name.lower(), source.clock_rate, source.channels) == (
        sink.name.lower(),
        sink.clock_rate,
        sink.channels,
    )


_OPUS_FRAME_TICKS: Final = tuple(
    (480, 960, 1920, 2880)[config & 3]
    if config < 12
    else (480, 960)[config & 1]
    if config < 16
    else (120, 240, 480, 960)[config & 3]
    for config in range(32)
)
"""By the configuration number in an opus packet's first byte (RFC 6716 section 3.1)."""
_OPUS_MAX_TICKS: Final = 5760
"""120 ms, more than which no packet may hold."""


def payload_ticks(codec: Codec, payload: bytes) -> int:
    """How long the sound in a payload lasts, in ticks of the codec's RTP clock; 0 for an empty one."""
    if codec.name != "opus":
        return len(payload)  # PCMU, PCMA, and G722 at 64 kbit/s with its clock of 8000: a byte a tick
    if not payload:
        return 0
    toc = payload[0]
    frames = (1, 2, 2)[toc & 3] if toc & 3 < 3 else (payload[1] & 0x3F if len(payload) > 1 else 1)
    return min(_OPUS_MAX_TICKS, _OPUS_FRAME_TICKS[toc >> 3] * frames)
