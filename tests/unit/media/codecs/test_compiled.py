"""The compiled codecs against those of the reference engine: the same bytes where a standard leaves no choice."""

import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.media._native import NativeDecoder, NativeEncoder, NativeResampler, native_silence
from gateway.media.codecs import g722, registry
from gateway.media.codecs.interface import Decoder, Encoder
from gateway.media.core import g711, music, tones
from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, Codec, LegCodec
from gateway.media.core.resample import Downsampler, Upsampler
from gateway.media.engines.native_stream import leg_values

Mouth = NativeEncoder | Encoder
Ear = NativeDecoder | Decoder
CODECS = (OPUS, PCMU, PCMA, G722)
EVERY_SAMPLE = array("h", range(-32768, 32768)).tobytes()
EVERY_CODE = bytes(range(256))


def encoder(codec: Codec, rate: int) -> NativeEncoder:
    return NativeEncoder(leg_values(LegCodec(codec)), rate)


def decoder(codec: Codec, rate: int) -> NativeDecoder:
    return NativeDecoder(leg_values(LegCodec(codec)), rate)


def noise(samples: int, *, loud: int = 32767) -> bytes:
    """The same each time; a sample may be anything."""
    source = random.Random(4711)
    return array("h", (source.randint(-loud, loud) for _ in range(samples))).tobytes()


def frames(pcm: bytes, size: int = 640) -> list[bytes]:
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def test_g711_is_the_same_for_every_sample_and_every_code() -> None:
    assert encoder(PCMU, 8000).encode(EVERY_SAMPLE) == g711.ulaw_encode(EVERY_SAMPLE)
    assert encoder(PCMA, 8000).encode(EVERY_SAMPLE) == g711.alaw_encode(EVERY_SAMPLE)
    assert decoder(PCMU, 8000).decode(EVERY_CODE) == g711.ulaw_decode(EVERY_CODE)
    assert decoder(PCMA, 8000).decode(EVERY_CODE) == g711.alaw_decode(EVERY_CODE)


SOUNDS = [
    pytest.param(lambda: music.melody(rate=16000)[:128000], id="music"),
    pytest.param(lambda: tones.tone(6500.0, seconds=1.0, rate=16000, level=-1.0), id="high"),
    pytest.param(lambda: tones.tone(300.0, 3000.0, seconds=1.0, rate=16000, level=-50.0), id="quiet"),
    pytest.param(lambda: noise(16000), id="noise"),
    pytest.param(lambda: b"\xff\x7f" * 320 * 20 + b"\x00\x80" * 320 * 20, id="extremes"),
    pytest.param(lambda: bytes(640 * 20), id="silence"),
]


@pytest.mark.parametrize("sound", SOUNDS)
def test_g722_writes_and_reads_what_ffmpeg_does(sound: object) -> None:
    assert callable(sound)
    pcm = frames(sound())
    ours, theirs = encoder(G722, 16000), g722.G722Encoder()
    our_ear, their_ear = decoder(G722, 16000), g722.G722Decoder()

    for frame in pcm:
        payload = ours.encode(frame)
        assert payload == theirs.encode(frame)
        assert our_ear.decode(payload) == their_ear.decode(payload)


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=160, max_size=160), max_size=12))
def test_g722_hears_in_any_bytes_what_ffmpeg_hears(payloads: list[bytes]) -> None:
    ours, theirs = decoder(G722, 16000), g722.G722Decoder()

    for payload in payloads:
        assert ours.decode(payload) == theirs.decode(payload)


@pytest.mark.parametrize("loud", [300, 32767])
def test_both_ways_between_the_rates_are_the_same(loud: int) -> None:
    pcm = noise(6400, loud=loud)
    up, down = NativeResampler(8000, 16000), NativeResampler(16000, 8000)
    reference_up, reference_down = Upsampler(), Downsampler()

    for frame in frames(pcm):
        assert up.process(frame) == reference_up.process(frame)
        assert down.process(frame) == reference_down.process(frame)


@pytest.mark.parametrize("codec", [PCMU, PCMA, G722], ids=lambda codec: codec.name)
def test_what_is_made_up_for_lost_packets_is_the_same(codec: Codec) -> None:
    rate = 16000 if codec is G722 else 8000
    ours, theirs = decoder(codec, rate), registry.make_decoder(codec, rate)
    for payload in (noise(80)[:80], noise(80), noise(160)[:240]):
        ours.decode(payload)
        theirs.decode(payload)

        for samples in (80, 160, 333, 800):
            assert ours.conceal(samples, None) == theirs.conceal(samples, None)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_silence_is_the_same(codec: Codec) -> None:
    assert native_silence(leg_values(LegCodec(codec))) == registry.silence(codec)


def test_opus_of_either_is_understood_by_the_other() -> None:
    for rate in (8000, 16000, 48000):
        pcm = frames(tones.tone(1000.0, seconds=1.0, rate=rate), rate // 25)
        pairs: list[tuple[Mouth, Ear]] = [
            (encoder(OPUS, rate), registry.make_decoder(OPUS, rate)),
            (registry.make_encoder(OPUS, rate), decoder(OPUS, rate)),
        ]
        for mouth, ear in pairs:
            heard = b"".join(ear.decode(mouth.encode(frame)) for frame in pcm)
            assert tones.power(heard[rate:], 1000.0, rate=rate) == pytest.approx(-10, abs=1)


def test_a_lost_packet_comes_back_from_the_next_when_fec_was_wished() -> None:
    """Where the pitch moves, repeating what was before would not do."""
    pcm = b"".join(tones.tone(300.0 + 60 * index, seconds=0.02, rate=16000) for index in range(50))
    errors = {}
    for fec in ("1", "0"):
        mouth = NativeEncoder(("opus", 111, 48000, 2, {"useinbandfec": fec}, 0.02, None), 16000)
        payloads = [mouth.encode(frame) for frame in frames(pcm)]
        ear, distance = decoder(OPUS, 16000), 0.0
        for index, payload in enumerate(payloads[:-1]):
            if index % 5 == 4:
                got = ear.conceal(320, payloads[index + 1])
                distance += abs(tones.power(got, 300.0 + 60 * index, rate=16000) + 10)
            else:
                ear.decode(payload)
        errors[fec] = distance

    assert errors["1"] < errors["0"] / 2


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(LookupError, match="G729"):
        decoder(Codec(name="G729", payload_type=18, clock_rate=8000), 8000)
    with pytest.raises(RuntimeError):
        encoder(OPUS, 11025)
    with pytest.raises(RuntimeError, match="3 samples"):
        encoder(G722, 16000).encode(bytes(6))
