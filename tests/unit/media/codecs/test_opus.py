"""libopus through cffi: sound, loss, what the receiver wished, and what is freed."""

import itertools

import pytest

from gateway.media.codecs import opus
from gateway.media.codecs.interface import CodecError, CodecUnavailable
from gateway.media.core import tones
from gateway.media.core.codec import OPUS, payload_ticks

FEC = {"useinbandfec": "1", "minptime": "10"}


def encoded(rate: int, fmtp: dict[str, str], seconds: float = 1.0, *, speech: bytes | None = None) -> list[bytes]:
    encoder = opus.OpusEncoder(rate, fmtp)
    size = 2 * rate // 50
    pcm = tones.tone(1000.0, seconds=seconds, rate=rate) if speech is None else speech
    payloads = [encoder.encode(pcm[start : start + size]) for start in range(0, len(pcm), size)]
    encoder.close()
    return payloads


def warble(rate: int, seconds: float = 1.0) -> bytes:
    """A tone whose pitch moves, so that a repetition of what was before would not do."""
    return b"".join(tones.tone(300.0 + 60 * index, seconds=0.02, rate=rate) for index in range(round(seconds * 50)))


@pytest.mark.parametrize(("encode_rate", "decode_rate"), list(itertools.product([8000, 16000, 48000], repeat=2)))
def test_any_rate_decodes_at_any_other(encode_rate: int, decode_rate: int) -> None:
    decoder = opus.OpusDecoder(decode_rate)

    pcm = b"".join(decoder.decode(payload) for payload in encoded(encode_rate, FEC))

    assert len(pcm) == 2 * decode_rate
    assert tones.power(pcm[decode_rate:], 1000.0, rate=decode_rate) == pytest.approx(-10, abs=1)


def test_packets_say_how_long_they_are() -> None:
    assert {payload_ticks(OPUS, payload) for payload in encoded(8000, {})} == {960}


def test_the_silence_of_one_packet_decodes_to_zeros() -> None:
    decoder = opus.OpusDecoder(48000)

    assert decoder.decode(opus.SILENCE) == bytes(1920)
    assert payload_ticks(OPUS, opus.SILENCE) == 960


def test_a_lost_packet_comes_back_from_the_next_when_fec_was_wished() -> None:
    errors = {}
    for name, fmtp in (("fec", FEC), ("plain", {})):
        payloads = encoded(16000, fmtp, speech=warble(16000))
        whole, lossy = opus.OpusDecoder(16000), opus.OpusDecoder(16000)
        distance = 0
        for index, payload in enumerate(payloads):
            expected = whole.decode(payload)
            if index % 5 == 4 and index + 1 < len(payloads):
                got = lossy.conceal(320, payloads[index + 1])
                distance += abs(round(10 * (tones.power(got, 300.0 + 60 * index, rate=16000) + 10)))
                assert len(got) == len(expected)
            else:
                lossy.decode(payload)
        errors[name] = distance

    assert errors["fec"] < errors["plain"] / 2


def test_concealment_fills_any_time_and_fades() -> None:
    decoder = opus.OpusDecoder(8000)
    for payload in encoded(8000, {}):
        decoder.decode(payload)

    first, last = decoder.conceal(160, None), b""
    for _ in range(20):
        last = decoder.conceal(160, None)

    assert len(first) == 320
    assert tones.loudness(first) > -20
    assert tones.loudness(last) < -40
    assert len(decoder.conceal(1, None)) == 2 * 20
    assert len(decoder.conceal(100_000, None)) == 2 * 960


def test_the_bitrate_that_the_receiver_wished_is_kept() -> None:
    def bitrate(fmtp: dict[str, str]) -> int:
        return 8 * sum(map(len, encoded(16000, fmtp, 4.0, speech=warble(16000, 4.0)))) // 4

    unlimited = bitrate({})
    assert 14000 < unlimited < 30000
    assert 8000 < bitrate({"maxaveragebitrate": "12000"}) < 13000
    assert bitrate({"maxaveragebitrate": "510000"}) == unlimited
    assert bitrate({"maxaveragebitrate": "1"}) < 9000
    assert bitrate({"maxaveragebitrate": "much"}) == unlimited


def test_cbr_makes_all_packets_equally_long() -> None:
    assert len({len(payload) for payload in encoded(16000, {"cbr": "1"}, speech=warble(16000))}) == 1
    assert len({len(payload) for payload in encoded(16000, {}, speech=warble(16000))}) > 1


def test_dtx_is_used_when_wished_only() -> None:
    silent = bytes(2 * 8000)

    assert any(len(payload) <= 2 for payload in encoded(8000, {"usedtx": "1"}, speech=silent))
    assert all(len(payload) > 2 for payload in encoded(8000, {}, speech=silent))


@pytest.mark.parametrize(("rate", "bandwidths"), [("8000", {0}), ("12000", {0, 1}), ("16000", {0, 1, 2})])
def test_no_band_is_sent_that_the_receiver_will_not_play(rate: str, bandwidths: set[int]) -> None:
    """The configuration number tells the bandwidth: 0-3 narrow, 4-7 medium, 8-11 wide for SILK (RFC 6716 3.1)."""
    payloads = encoded(48000, {"maxplaybackrate": rate})

    narrow_celt = {16: 0, 17: 0, 18: 0, 19: 0, 20: 2, 21: 2, 22: 2, 23: 2}
    used = {narrow_celt.get(payload[0] >> 3, payload[0] >> 5) for payload in payloads}
    assert used <= bandwidths


def test_garbage_is_an_error_and_the_decoder_goes_on() -> None:
    decoder = opus.OpusDecoder(8000)
    with pytest.raises(CodecError, match="corrupted"):
        decoder.decode(b"\xff" * 3)

    assert len(decoder.decode(encoded(8000, {})[0])) == 320
    assert decoder.decode(b"") == b""


def test_a_frame_of_no_valid_length_is_an_error() -> None:
    with pytest.raises(CodecError, match="opus encoder"):
        opus.OpusEncoder(8000, {}).encode(bytes(2 * 77))


@pytest.mark.parametrize("make", [lambda rate: opus.OpusDecoder(rate), lambda rate: opus.OpusEncoder(rate, {})])
def test_a_rate_that_opus_does_not_have_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(CodecError, match="44100"):
        make(44100)


def test_closing_frees_at_once_and_may_be_repeated() -> None:
    decoder, encoder = opus.OpusDecoder(8000), opus.OpusEncoder(8000, {})
    for codec in (decoder, encoder):
        codec.close()
        codec.close()

    with pytest.raises(AssertionError, match="closed"):
        decoder.decode(b"x")
    with pytest.raises(AssertionError, match="closed"):
        encoder.encode(bytes(320))


def test_every_library_on_the_list_that_is_there_works() -> None:
    """The system's and the one of PyAV's wheel: at least one of them is installed with us."""
    candidates = list(opus.candidates())
    loaded = 0
    for name in candidates:
        try:
            ffi, lib = opus.load([name])
        except CodecUnavailable:
            continue
        assert b"libopus" in ffi.string(lib.opus_get_version_string())
        loaded += 1

    assert loaded >= 1
    assert any("av.libs" in name for name in candidates)
    assert "libopus" in opus.version()


def test_a_host_without_libopus_is_told_what_to_install() -> None:
    with pytest.raises(CodecUnavailable, match="libopus0"):
        opus.load(["libnothing.so.0"])
