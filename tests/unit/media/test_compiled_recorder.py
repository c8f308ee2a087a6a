"""Recordings of the compiled core, read by programs of others: FFmpeg, and Python's own reader of WAV."""

import io
import wave
from array import array

import av
import pytest

from gateway.media._native import NativeRecorder
from gateway.media.core import tones
from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, Codec, LegCodec
from gateway.media.core.rtp import serialize
from gateway.media.engines.native_stream import leg_values
from tests.unit.media.virtual import FRAME, talk

LEFT, RIGHT = 500.0, 900.0
RATE = 16000


def recorded(left: Codec, right: Codec, *, is_ogg: bool) -> bytes:
    """Two seconds in which both sides speak, each its tone."""
    recorder = NativeRecorder(is_ogg, 4711, 0.0)
    recorder.set_codec(True, leg_values(LegCodec(left)))
    recorder.set_codec(False, leg_values(LegCodec(right)))
    file = b""
    sides = zip(talk(left, 2.0, frequency=LEFT), talk(right, 2.0, frequency=RIGHT), strict=True)
    for (at, from_left), (_, from_right) in sides:
        recorder.receive(True, serialize(from_left), at)
        recorder.receive(False, serialize(from_right), at)
        file += recorder.handle_timeout(at)
    rest, header = recorder.finish(2.0)
    return header + (file + rest)[len(header) :]


def channels(pcm: "array[int]") -> list[bytes]:
    """The second second of either."""
    return [pcm[side::2][RATE : RATE + RATE // 2].tobytes() for side in (0, 1)]


def assert_apart(pcm: "array[int]") -> None:
    left, right = channels(pcm)
    assert tones.power(left, LEFT, rate=RATE) == pytest.approx(-10, abs=1)
    assert tones.power(right, RIGHT, rate=RATE) == pytest.approx(-10, abs=1)
    assert tones.power(left, RIGHT, rate=RATE) < -40
    assert tones.power(right, LEFT, rate=RATE) < -40


@pytest.mark.parametrize(("left", "right"), [(PCMU, OPUS), (G722, PCMA)], ids=["PCMU-opus", "G722-PCMA"])
def test_wav_is_read_by_others(left: Codec, right: Codec) -> None:
    file = recorded(left, right, is_ogg=False)

    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getnchannels(), reader.getframerate(), reader.getsampwidth()) == (2, RATE, 2)
        assert reader.getnframes() / RATE == pytest.approx(2.2, abs=2 * FRAME)
        pcm = array("h", reader.readframes(reader.getnframes()))
    assert_apart(pcm)


def test_ogg_is_read_by_others() -> None:
    file = recorded(PCMU, OPUS, is_ogg=True)

    pcm = array("h")
    with av.open(io.BytesIO(file), "r") as reader:
        resampler = av.AudioResampler(format="s16", layout="stereo", rate=RATE)
        for frame in reader.decode(audio=0):
            for part in resampler.resample(frame):
                pcm.frombytes(bytes(part.planes[0])[: 4 * part.samples])
    assert len(pcm) / 2 / RATE == pytest.approx(2.2, abs=3 * FRAME)
    assert_apart(pcm)


def test_finished_recording_takes_nothing_more() -> None:
    recorder = NativeRecorder(False, 0, 0.0)
    recorder.finish(0.0)

    with pytest.raises(RuntimeError, match="finished"):
        recorder.handle_timeout(1.0)
    with pytest.raises(RuntimeError, match="finished"):
        recorder.finish(1.0)
