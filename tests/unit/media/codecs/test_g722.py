"""G.722 through FFmpeg."""

import pytest

from gateway.media.codecs import g722
from gateway.media.codecs.interface import CodecError
from gateway.media.core import tones


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3900.0, 6500.0])
def test_wide_band_sound_survives(frequency: float) -> None:
    encoder, decoder = g722.G722Encoder(), g722.G722Decoder()
    pcm = tones.tone(frequency, seconds=1.0, rate=16000)

    payloads = [encoder.encode(pcm[start : start + 640]) for start in range(0, len(pcm), 640)]
    heard = b"".join(decoder.decode(payload) for payload in payloads)

    assert {len(payload) for payload in payloads} == {160}
    assert len(heard) == len(pcm)
    assert tones.power(heard[3200:], frequency, rate=16000) == pytest.approx(-10, abs=1)


def test_longer_frames_are_encoded_whole() -> None:
    encoder = g722.G722Encoder()

    assert len(encoder.encode(bytes(3 * 640))) == 480


def test_silence_is_quiet_for_a_decoder_that_just_heard_a_tone() -> None:
    encoder, decoder = g722.G722Encoder(), g722.G722Decoder()
    for frame in range(25):
        decoder.decode(encoder.encode(tones.tone(1000.0, seconds=0.02, rate=16000, start=frame * 0.02)))

    heard = [decoder.decode(g722.silence()) for _ in range(5)]

    assert tones.loudness(heard[-1]) < -60
    assert len(g722.silence()) == 160


def test_a_lost_packet_is_made_up() -> None:
    encoder, decoder = g722.G722Encoder(), g722.G722Decoder()
    decoder.decode(encoder.encode(tones.tone(1000.0, seconds=0.02, rate=16000)))

    assert len(decoder.conceal(320, None)) == 640
    assert decoder.decode(b"") == b""


def test_a_frame_of_another_length_is_an_error() -> None:
    with pytest.raises(CodecError, match=r"G\.722 encoder"):
        g722.G722Encoder().encode(bytes(100))


def test_closing_may_be_repeated_and_ends_it() -> None:
    encoder, decoder = g722.G722Encoder(), g722.G722Decoder()
    for codec in (encoder, decoder):
        codec.close()
        codec.close()

    with pytest.raises(AssertionError, match="closed"):
        encoder.encode(bytes(640))
    with pytest.raises(AssertionError, match="closed"):
        decoder.decode(bytes(160))
