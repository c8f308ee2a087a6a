"""Opus through libopus (RFC 6716), bound with cffi at run time: the system's library, or the one in PyAV's wheel.

Opened at 8000 or 16000 samples a second it needs no resampler towards G.711 and G.722, and costs less than half of
what it costs at 48000.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from cffi import FFI

from gateway.media.codecs.interface import CodecError, CodecUnavailable

SILENCE: Final = b"\xf8\xff\xfe"
"""20 ms of silence: one mono frame, full band, low delay (RFC 6716 section 3.1), that decodes to zeros."""
COMPLEXITIES: Final[Mapping[int, int]] = {8000: 3, 16000: 6, 48000: 6}
"""Of 0 to 10, by sample rate: what the compiled engine chooses while it has time to spare (`codec/effort.rs`)."""
EXPECTED_LOSS_PERCENT: Final = 10
"""What the encoder shall prepare for; without it in-band FEC adds nothing."""
_BITRATES: Final[Mapping[int, int]] = {8000: 20000, 16000: 28000, 48000: 40000}
"""bit/s by sample rate, FEC included (RFC 7587 section 3.1.1 has the ranges for speech)."""
_MAX_PAYLOAD: Final = 1275
_MAX_SECONDS: Final = 0.120

_DECLARATIONS: Final = """
typedef struct OpusEncoder OpusEncoder;
typedef struct OpusDecoder OpusDecoder;
OpusEncoder *opus_encoder_create(int32_t rate, int channels, int application, int *error);
void opus_encoder_destroy(OpusEncoder *encoder);
int32_t opus_encode(OpusEncoder *encoder, const int16_t *pcm, int frame_size, unsigned char *data, int32_t max_bytes);
int opus_encoder_ctl(OpusEncoder *encoder, int request, ...);
OpusDecoder *opus_decoder_create(int32_t rate, int channels, int *error);
void opus_decoder_destroy(OpusDecoder *decoder);
int opus_decode(
    OpusDecoder *decoder, const unsigned char *data, int32_t bytes, int16_t *pcm, int frame_size, int use_fec
);
const char *opus_strerror(int error);
const char *opus_get_version_string(void);
"""
# from opus_defines.h
_APPLICATION_VOIP: Final = 2048
_SET_BITRATE: Final = 4002
_SET_MAX_BANDWIDTH: Final = 4004
_SET_VBR: Final = 4006
_SET_COMPLEXITY: Final = 4010
_SET_INBAND_FEC: Final = 4012
_SET_PACKET_LOSS_PERC: Final = 4014
_SET_DTX: Final = 4016
_SET_SIGNAL: Final = 4024
_SIGNAL_VOICE: Final = 3001
_BANDWIDTHS: Final = ((8000, 1101), (12000, 1102), (16000, 1103), (24000, 1104))
"""maxplaybackrate up to which a bandwidth is enough."""


def candidates() -> Iterator[str]:
    """Where libopus may be, best first."""
    yield "libopus.so.0"
    yield "libopus.0.dylib"
    spec = find_spec("av")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        yield from sorted(str(path) for path in package.parent.glob("av.libs/libopus-*.so*"))
        yield from sorted(str(path) for path in package.glob(".dylibs/libopus*.dylib"))


def load(names: Iterable[str]) -> tuple[FFI, Any]:  # Any: what a library exports is known to the C declarations only
    """The first of these libraries that is there. Raises CodecUnavailable."""
    ffi = FFI()
    ffi.cdef(_DECLARATIONS)
    tried = []
    for name in names:
        try:
            return ffi, ffi.dlopen(name)
        except OSError:
            tried.append(name)
    raise CodecUnavailable(f"no libopus found, tried {', '.join(tried)}; on Debian: apt install libopus0")


@cache
def library() -> tuple[FFI, Any]:
    """libopus, loaded once. Raises CodecUnavailable."""
    return load(candidates())


def version() -> str:
    """What the library calls itself. Raises CodecUnavailable."""
    ffi, lib = library()
    text = ffi.string(lib.opus_get_version_string())
    return text.decode() if isinstance(text, bytes) else text


class OpusDecoder:
    """Opus to mono at `sample_rate`, which is 8000, 12000, 16000, 24000 or 48000, whatever was encoded."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._ffi, self._lib = library()
        error = self._ffi.new("int *")
        state = self._lib.opus_decoder_create(sample_rate, 1, error)
        if error[0] != 0:
            raise CodecError(f"opus decoder at {sample_rate} Hz: {_message(error[0])}")
        self._state: Any = self._ffi.gc(state, self._lib.opus_decoder_destroy)
        self._capacity = round(sample_rate * _MAX_SECONDS)
        self._pcm = self._ffi.new("int16_t[]", self._capacity)
        self._buffer = self._ffi.buffer(self._pcm)

    def decode(self, payload: bytes) -> bytes:
        """See `Decoder`."""
        if not payload:
            return b""
        return self._decode(payload, self._capacity, use_fec=0)

    def conceal(self, samples: int, following: bytes | None) -> bytes:
        """See `Decoder`; from the FEC of the payload that follows if it has any, else extrapolated.

        The number of samples is rounded down to 2.5 ms, of which libopus can make up multiples.
        """
        unit = self.sample_rate // 400
        samples = min(self._capacity, max(unit, samples // unit * unit))
        if following:
            return self._decode(following, samples, use_fec=1)
        return self._decode(None, samples, use_fec=0)

    def _decode(self, payload: bytes | None, samples: int, *, use_fec: int) -> bytes:
        assert self._state is not None, "closed"
        data, size = (self._ffi.NULL, 0) if payload is None else (payload, len(payload))
        decoded: int = self._lib.opus_decode(self._state, data, size, self._pcm, samples, use_fec)
        if decoded < 0:
            raise CodecError(f"opus decoder: {_message(decoded)}")
        return bytes(self._buffer[: 2 * decoded])

    def close(self) -> None:
        """See `Decoder`."""
        if self._state is not None:
            self._ffi.release(self._state)
            self._state = None


class OpusEncoder:
    """Mono at `sample_rate` to opus.

    Args:
        sample_rate: 8000, 16000 or 48000.
        fmtp: what the receiver wishes (RFC 7587 section 6.1): useinbandfec, usedtx, cbr, maxaveragebitrate and
            maxplaybackrate are kept to; stereo allows two channels, of which a call needs one.
    """

    def __init__(self, sample_rate: int, fmtp: Mapping[str, str]) -> None:
        self.sample_rate = sample_rate
        self._ffi, self._lib = library()
        error = self._ffi.new("int *")
        state = self._lib.opus_encoder_create(sample_rate, 1, _APPLICATION_VOIP, error)
        if error[0] != 0:
            raise CodecError(f"opus encoder at {sample_rate} Hz: {_message(error[0])}")
        self._state: Any = self._ffi.gc(state, self._lib.opus_encoder_destroy)
        self._data = self._ffi.new("unsigned char[]", _MAX_PAYLOAD)
        self._buffer = self._ffi.buffer(self._data)
        for request, value in _settings(sample_rate, fmtp):
            code: int = self._lib.opus_encoder_ctl(self._state, request, self._ffi.cast("int", value))
            if code != 0:
                raise CodecError(f"opus encoder setting {request}={value}: {_message(code)}")

    def encode(self, pcm: bytes) -> bytes:
        """See `Encoder`; with usedtx, one or two bytes say that the frame need not be sent (RFC 7587 section 3.1.3)."""
        assert self._state is not None, "closed"
        samples = self._ffi.from_buffer("int16_t[]", pcm)
        size: int = self._lib.opus_encode(self._state, samples, len(pcm) // 2, self._data, _MAX_PAYLOAD)
        if size < 0:
            raise CodecError(f"opus encoder: {_message(size)}")
        return bytes(self._buffer[:size])

    def close(self) -> None:
        """See `Encoder`."""
        if self._state is not None:
            self._ffi.release(self._state)
            self._state = None


def _message(code: int) -> str:
    ffi, lib = library()
    text = ffi.string(lib.opus_strerror(code))
    return text.decode() if isinstance(text, bytes) else text


def _settings(sample_rate: int, fmtp: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Requests and values for opus_encoder_ctl. A parameter that is no number counts as absent."""
    may_fec = fmtp.get("useinbandfec") == "1"
    bitrate = _number(fmtp.get("maxaveragebitrate"))
    rate = _number(fmtp.get("maxplaybackrate"))
    yield _SET_COMPLEXITY, COMPLEXITIES[sample_rate]
    yield _SET_SIGNAL, _SIGNAL_VOICE
    wished = _BITRATES[sample_rate]
    yield _SET_BITRATE, wished if bitrate is None else max(6000, min(wished, bitrate))
    yield _SET_INBAND_FEC, int(may_fec)
    yield _SET_PACKET_LOSS_PERC, EXPECTED_LOSS_PERCENT if may_fec else 0
    yield _SET_DTX, int(fmtp.get("usedtx") == "1")
    yield _SET_VBR, int(fmtp.get("cbr") != "1")
    if rate is not None:
        for limit, bandwidth in _BANDWIDTHS:
            if rate <= limit:
                yield _SET_MAX_BANDWIDTH, bandwidth
                break


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None
