"""Which codecs there are and how they are combined."""

from dataclasses import replace

import pytest

from gateway.media.codecs import registry
from gateway.media.codecs.interface import UnsupportedCodec
from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, SUPPORTED, Codec

G729 = Codec(name="G729", payload_type=18, clock_rate=8000)


@pytest.mark.parametrize(
    ("source", "sink", "rates"),
    [
        (OPUS, PCMU, (8000, 8000)),
        (PCMA, OPUS, (8000, 8000)),
        (OPUS, G722, (16000, 16000)),
        (G722, OPUS, (16000, 16000)),
        (G722, PCMU, (16000, 8000)),
        (PCMU, G722, (8000, 16000)),
        (OPUS, OPUS, (48000, 48000)),
    ],
)
def test_opus_goes_along_with_the_other_side(source: Codec, sink: Codec, rates: tuple[int, int]) -> None:
    assert registry.sample_rates(source, sink) == rates


def test_every_supported_codec_can_be_made_and_has_silence() -> None:
    for codec in SUPPORTED.values():
        registry.check(codec)
        rate = registry.sample_rates(codec, codec)[0]
        decoder, encoder = registry.make_decoder(codec, rate), registry.make_encoder(codec, rate)
        assert decoder.sample_rate == encoder.sample_rate == rate
        assert len(decoder.decode(registry.silence(codec))) == 2 * rate // 50
        decoder.close()
        encoder.close()


@pytest.mark.parametrize("codec", [G729, replace(OPUS, channels=1), replace(G722, clock_rate=16000)])
def test_what_we_do_not_have_is_refused(codec: Codec) -> None:
    with pytest.raises(UnsupportedCodec, match=codec.name):
        registry.check(codec)


def test_nothing_is_made_for_an_unknown_codec() -> None:
    for make in (registry.make_decoder, registry.make_encoder):
        with pytest.raises(UnsupportedCodec):
            make(G729, 8000)
    with pytest.raises(UnsupportedCodec):
        registry.silence(G729)


def test_a_packet_length_that_a_codec_cannot_do_becomes_twenty_milliseconds() -> None:
    assert registry.frame_seconds(replace(PCMU, ptime=0.030)) == 0.030
    assert registry.frame_seconds(replace(OPUS, ptime=0.030)) == 0.020
    assert registry.frame_seconds(replace(G722, ptime=0.010)) == 0.020
    assert registry.frame_seconds(replace(OPUS, ptime=0.500)) == 0.020
