"""G.722 at 64 kbit/s through FFmpeg (PyAV): some 17 µs for a frame of 20 ms each way."""

from functools import lru_cache
from typing import Final, Literal

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame

from gateway.media.codecs.concealment import Concealer
from gateway.media.codecs.interface import CodecError, CodecUnavailable

SAMPLE_RATE: Final = 16000
FRAME_SAMPLES: Final = 320
"""FFmpeg's encoder takes 20 ms at a time; longer frames must be a multiple."""


def _open(mode: Literal["r", "w"]) -> AudioCodecContext:
    try:
        context = av.CodecContext.create("g722", mode)
        context.sample_rate, context.layout, context.format = SAMPLE_RATE, "mono", "s16"
        context.open()
    except (ValueError, av.FFmpegError) as error:
        raise CodecUnavailable(f"FFmpeg without G.722: {error}") from error
    return context


class G722Decoder:
    """G.722 to 16000 samples a second."""

    def __init__(self) -> None:
        self.sample_rate = SAMPLE_RATE
        self._context: AudioCodecContext | None = _open("r")
        self._concealer = Concealer(SAMPLE_RATE)

    def decode(self, payload: bytes) -> bytes:
        """See `Decoder`."""
        assert self._context is not None, "closed"
        if not payload:
            return b""
        try:
            frames = self._context.decode(av.Packet(payload))
        except av.FFmpegError as error:
            raise CodecError(f"G.722 decoder: {error}") from error
        # a plane may be longer than its frame
        pcm = b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)
        self._concealer.heard(pcm)
        return pcm

    def conceal(self, samples: int, following: bytes | None) -> bytes:
        """See `Decoder`."""
        return self._concealer.conceal(samples)

    def close(self) -> None:
        """See `Decoder`; FFmpeg's context is freed with its last reference."""
        self._context = None


class G722Encoder:
    """16000 samples a second to G.722."""

    def __init__(self) -> None:
        self.sample_rate = SAMPLE_RATE
        self._context: AudioCodecContext | None = _open("w")

    def encode(self, pcm: bytes) -> bytes:
        """See `Encoder`; a multiple of 320 samples."""
        assert self._context is not None, "closed"
        payload = b""
        try:
            for start in range(0, len(pcm), 2 * FRAME_SAMPLES):
                frame = AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
                frame.sample_rate = SAMPLE_RATE
                frame.planes[0].update(pcm[start : start + 2 * FRAME_SAMPLES])
                payload += b"".join(bytes(packet) for packet in self._context.encode(frame))
        except (ValueError, av.FFmpegError) as error:
            raise CodecError(f"G.722 encoder: {error}") from error
        return payload

    def close(self) -> None:
        """See `Encoder`; FFmpeg's context is freed with its last reference."""
        self._context = None


@lru_cache(maxsize=1)
def silence() -> bytes:
    """A frame of 20 ms of silence, as the encoder writes it once it has come to rest."""
    encoder = G722Encoder()
    quiet = bytes(2 * FRAME_SAMPLES)
    payload = b""
    for _ in range(8):
        payload = encoder.encode(quiet)
    encoder.close()
    return payload
