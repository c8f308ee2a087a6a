"""What codecs are on the wire."""

from dataclasses import replace

import pytest

from gateway.media.core.codec import G722, OPUS, PCMA, PCMU, SUPPORTED, Codec, may_pass_through, payload_ticks


def test_g722_has_the_clock_of_its_historical_mistake() -> None:
    assert SUPPORTED["G722"].clock_rate == 8000  # RFC 3551 section 4.5.2


def test_equal_codecs_pass_through_whatever_their_parameters() -> None:
    assert may_pass_through(OPUS, replace(OPUS, payload_type=96, fmtp={"useinbandfec": "1"}, ptime=0.060))
    assert may_pass_through(PCMU, replace(PCMU, name="pcmu"))


@pytest.mark.parametrize("other", [PCMA, G722, replace(PCMU, clock_rate=16000), replace(PCMU, channels=2)])
def test_different_codecs_do_not_pass_through(other: Codec) -> None:
    assert not may_pass_through(PCMU, other)


def test_a_codec_can_be_a_key() -> None:
    assert len({OPUS, replace(OPUS), PCMU}) == 2


@pytest.mark.parametrize("codec", [PCMU, PCMA, G722])
def test_a_byte_of_a_64_kbit_codec_is_a_tick(codec: Codec) -> None:
    assert payload_ticks(codec, bytes(160)) == 160


@pytest.mark.parametrize(
    ("payload", "milliseconds"),
    [
        (b"", 0),
        (bytes((0 << 3,)) + b"x", 10),  # SILK, narrow band
        (bytes((1 << 3,)) + b"x", 20),
        (bytes((11 << 3,)) + b"x", 60),
        (bytes((12 << 3,)) + b"x", 10),  # hybrid
        (bytes((15 << 3,)) + b"x", 20),
        (bytes((16 << 3,)) + b"x", 2.5),  # CELT
        (bytes((31 << 3,)) + b"x", 20),
        (bytes((1 << 3 | 1,)) + b"xx", 40),  # two frames of equal size
        (bytes((1 << 3 | 2,)) + b"xxx", 40),  # two of different size
        (bytes((1 << 3 | 3, 3)) + b"xxx", 60),  # any number
        (bytes((1 << 3 | 3,)), 20),  # which is missing
        (bytes((3 << 3 | 3, 63)) + b"x", 120),  # more than a packet may hold
    ],
)
def test_the_length_of_an_opus_packet_is_read_from_its_first_bytes(payload: bytes, milliseconds: float) -> None:
    assert payload_ticks(OPUS, payload) == milliseconds * 48
