"""Digits as payloads of a sink's codec, a frame at a time: for a stream that is otherwise passed through or transcoded.

Where the stream is transcoded they go through its encoder, so that the sink's decoder hears one voice. Where it is
passed through they have an encoder of their own: G.711 has no memory, and opus may change its encoder at any packet
(RFC 6716 section 4.5). G.722 has a memory and no such rule: what shall hear tones in it must be transcoded.
"""

from typing import Final

from gateway.media.codecs import registry
from gateway.media.codecs.interface import Encoder
from gateway.media.core.codec import Codec
from gateway.media.core.inband import TonePlayer
from gateway.media.core.stream import FRAME

_RATES: Final = {"PCMU": 8000, "PCMA": 8000, "opus": 16000}
"""Samples a second at which tones are made that have an encoder of their own: the highest has 1633 Hz."""


def has_memory(codec: Codec) -> bool:
    """Whether its packets make sense only after those that the same encoder made before."""
    return codec.name not in _RATES


class ToneEncoder:
    """A `TonePlayer` and what makes RTP payloads of it."""

    def __init__(self, codec: Codec, encoder: Encoder | None) -> None:
        """
        Args:
            codec: the sink's.
            encoder: that of the stream, which stays its owner's; None: it has none.
        Raises:
            CodecError, CodecUnavailable, UnsupportedCodec: no encoder can be made.
        """
        self._is_owner = encoder is None
        self._encoder = registry.make_encoder(codec, _RATES[codec.name]) if encoder is None else encoder
        rate = self._encoder.sample_rate
        self.player = TonePlayer(rate)
        self._samples = round(FRAME * rate)

    @property
    def is_active(self) -> bool:
        """Whether the sink is to hear it now."""
        return self.player.is_active

    def frame(self, due: float) -> bytes:
        """The payload of the next 20 ms, which are due at that time."""
        return self._encoder.encode(self.player.frame(self._samples, due + FRAME))

    def close(self) -> None:
        """Free what is its own; idempotent."""
        self.player.clear()
        if self._is_owner:
            self._encoder.close()
