"""G.711, every value of both laws in both directions, against the definition of ITU-T G.711 and G.191."""

import struct

import pytest

from gateway.media.core import g711

ALL_CODES = bytes(range(256))
ALL_SAMPLES = tuple(range(-32768, 32768))
ALL_PCM = struct.pack("=65536h", *ALL_SAMPLES)


def reference_ulaw_expand(code: int) -> int:
    """G.711 table 2: on the 14-bit scale, 33 subtracted; the code on the line is inverted."""
    code = ~code & 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = ((2 * step + 33) << segment) - 33
    return -4 * magnitude if code & 0x80 else 4 * magnitude


def reference_alaw_expand(code: int) -> int:
    """G.711 table 1: on the 13-bit scale; every second bit on the line is inverted."""
    code ^= 0x55
    segment, step = (code >> 4) & 7, code & 15
    magnitude = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return 8 * magnitude if code & 0x80 else -8 * magnitude


def reference_ulaw_compress(sample: int) -> int:
    """The code of G.191: magnitude in ones' complement, clipped, then the segment in which it lies."""
    magnitude = min((~sample >> 2 if sample < 0 else sample >> 2) + 33, 0x1FFF)
    segment = next(segment for segment in range(8) if magnitude < 64 << segment)
    code = segment << 4 | (magnitude >> (segment + 1)) & 15
    return ~(code | (0x80 if sample < 0 else 0)) & 0xFF


def reference_alaw_compress(sample: int) -> int:
    magnitude = (~sample >> 4) if sample < 0 else sample >> 4
    segment = next(
        segment for segment in range(8) if magnitude < 32 << max(0, segment - 1) and (segment or magnitude < 16)
    )
    code = magnitude if segment == 0 else segment << 4 | (magnitude >> (segment - 1)) & 15
    return (code | (0 if sample < 0 else 0x80)) ^ 0x55


def test_every_ulaw_code_expands_as_the_recommendation_says() -> None:
    assert struct.unpack("=256h", g711.ulaw_decode(ALL_CODES)) == tuple(map(reference_ulaw_expand, ALL_CODES))


def test_every_alaw_code_expands_as_the_recommendation_says() -> None:
    assert struct.unpack("=256h", g711.alaw_decode(ALL_CODES)) == tuple(map(reference_alaw_expand, ALL_CODES))


def test_every_sample_compresses_to_ulaw_as_the_recommendation_says() -> None:
    assert g711.ulaw_encode(ALL_PCM) == bytes(map(reference_ulaw_compress, ALL_SAMPLES))


def test_every_sample_compresses_to_alaw_as_the_recommendation_says() -> None:
    assert g711.alaw_encode(ALL_PCM) == bytes(map(reference_alaw_compress, ALL_SAMPLES))


def test_compressing_what_was_expanded_gives_the_code_back() -> None:
    assert g711.alaw_encode(g711.alaw_decode(ALL_CODES)) == ALL_CODES
    # µ-law has two zeros: the negative one comes back as the positive
    assert g711.ulaw_encode(g711.ulaw_decode(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")


def test_the_direct_tables_are_the_way_through_linear_samples() -> None:
    assert g711.ulaw_to_alaw(ALL_CODES) == g711.alaw_encode(g711.ulaw_decode(ALL_CODES))
    assert g711.alaw_to_ulaw(ALL_CODES) == g711.ulaw_encode(g711.alaw_decode(ALL_CODES))


def test_known_values() -> None:
    assert g711.ulaw_decode(b"\x00\x80\xff") == struct.pack("=3h", -32124, 32124, 0)
    assert g711.alaw_decode(b"\x2a\xaa\xd5") == struct.pack("=3h", -32256, 32256, 8)
    assert g711.ulaw_encode(bytes(2)) == bytes((g711.ULAW_SILENCE,))
    assert g711.alaw_encode(bytes(2)) == bytes((g711.ALAW_SILENCE,))


@pytest.mark.parametrize("encode", [g711.ulaw_encode, g711.alaw_encode])
def test_few_samples_and_half_samples(encode: object) -> None:
    assert callable(encode)
    assert encode(b"") == b""
    assert len(encode(bytes(4))) == 2
    with pytest.raises(ValueError, match="multiple"):
        encode(bytes(3))
