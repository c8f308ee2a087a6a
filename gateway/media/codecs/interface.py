"""What the transcoder needs of a codec, and how it fails."""

from typing import Protocol

from gateway.media.engine import MediaError


class CodecError(MediaError):
    """A payload that is not of its codec, or a native codec that failed."""

    code = "codec_error"
    sip_status = 500


class CodecUnavailable(MediaError):
    """A native library that a codec needs is not there."""

    code = "codec_unavailable"
    sip_status = 500


class UnsupportedCodec(MediaError):
    """The gateway cannot decode or encode that codec."""

    code = "unsupported_codec"
    sip_status = 488


class Decoder(Protocol):
    """Payloads of one stream, in order, to linear samples at `sample_rate`."""

    sample_rate: int

    def decode(self, payload: bytes) -> bytes:
        """The samples of a payload. Raises CodecError."""

    def conceal(self, samples: int, following: bytes | None) -> bytes:
        """As many samples in place of a lost packet; `following` is the payload after it, if it is there."""

    def close(self) -> None:
        """Free what is native; idempotent."""


class Encoder(Protocol):
    """Linear samples at `sample_rate` to payloads of one stream."""

    sample_rate: int

    def encode(self, pcm: bytes) -> bytes:
        """The payload for a frame, always of the length that the encoder was made for. Raises CodecError."""

    def close(self) -> None:
        """Free what is native; idempotent."""
