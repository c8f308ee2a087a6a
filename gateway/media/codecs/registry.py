"""Which codecs there are, at which sample rates they work, and how they are made.

G.722 is loaded with the first stream that has it: it brings FFmpeg, and the native engine has one of its own.
"""

from collections.abc import Mapping
from typing import Final

from gateway.media.codecs import opus
from gateway.media.codecs.g711 import G711Decoder, G711Encoder
from gateway.media.codecs.interface import Decoder, Encoder, UnsupportedCodec
from gateway.media.core import g711
from gateway.media.core.codec import SUPPORTED, Codec

_FIXED_RATES: Final[Mapping[str, int]] = {"PCMU": 8000, "PCMA": 8000, "G722": 16000}
_WIDEST_RATE: Final = 48000
_FRAMES: Final[Mapping[str, tuple[float, ...]]] = {
    "opus": (0.010, 0.020, 0.040, 0.060),
    "PCMU": (0.010, 0.020, 0.030, 0.040, 0.060),
    "PCMA": (0.010, 0.020, 0.030, 0.040, 0.060),
    "G722": (0.020, 0.040, 0.060),
}
"""Seconds of sound in one packet that we can make."""
DEFAULT_FRAME: Final = 0.020


def check(codec: Codec) -> None:
    """Raises UnsupportedCodec for a codec that we do not have, or with parameters that it cannot have."""
    known = SUPPORTED.get(codec.name)
    if known is None or (known.clock_rate, known.channels) != (codec.clock_rate, codec.channels):
        raise UnsupportedCodec(f"no codec {codec.name}/{codec.clock_rate}/{codec.channels}")


def sample_rates(source: Codec, sink: Codec) -> tuple[int, int]:
    """At which rates to decode and to encode: opus goes along with the other side, so that no resampler is needed."""
    decoded, encoded = _FIXED_RATES.get(source.name), _FIXED_RATES.get(sink.name)
    return decoded or encoded or _WIDEST_RATE, encoded or decoded or _WIDEST_RATE


def frame_seconds(codec: Codec) -> float:
    """How much sound we put into a packet: what the far end wishes, if the codec can do it, else 20 ms."""
    return codec.ptime if codec.ptime in _FRAMES[codec.name] else DEFAULT_FRAME


def make_decoder(codec: Codec, sample_rate: int) -> Decoder:
    """A decoder, to be closed. Raises CodecError, CodecUnavailable, UnsupportedCodec."""
    match codec.name:
        case "opus":
            return opus.OpusDecoder(sample_rate)
        case "PCMU":
            return G711Decoder(g711.ulaw_decode)
        case "PCMA":
            return G711Decoder(g711.alaw_decode)
        case "G722":
            from gateway.media.codecs import g722

            return g722.G722Decoder()
    raise UnsupportedCodec(f"no decoder for {codec.name}")


def make_encoder(codec: Codec, sample_rate: int) -> Encoder:
    """An encoder, to be closed. Raises CodecError, CodecUnavailable, UnsupportedCodec."""
    match codec.name:
        case "opus":
            return opus.OpusEncoder(sample_rate, codec.fmtp)
        case "PCMU":
            return G711Encoder(g711.ulaw_encode)
        case "PCMA":
            return G711Encoder(g711.alaw_encode)
        case "G722":
            from gateway.media.codecs import g722

            return g722.G722Encoder()
    raise UnsupportedCodec(f"no encoder for {codec.name}")


def silence(codec: Codec) -> bytes:
    """The payload of 20 ms of silence, for a stream that we do not encode. Raises UnsupportedCodec."""
    match codec.name:
        case "opus":
            return opus.SILENCE
        case "PCMU":
            return bytes((g711.ULAW_SILENCE,)) * 160
        case "PCMA":
            return bytes((g711.ALAW_SILENCE,)) * 160
        case "G722":
            from gateway.media.codecs import g722

            return g722.silence()
    raise UnsupportedCodec(f"no silence for {codec.name}")
