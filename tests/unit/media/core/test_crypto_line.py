"""Keys in session descriptions (RFC 4568)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.core.crypto_line import (
    AEAD_128,
    AEAD_256,
    AES_CM_32,
    AES_CM_80,
    MAX_LINES,
    OFFERED,
    SUITES,
    BadCrypto,
    CryptoLine,
    Suite,
    parse_line,
    parse_lines,
    write_line,
)

RFC_KEY = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
"""Of the example in RFC 4568 section 4."""

KEYS = {suite: base64.b64encode(bytes(suite.length)).decode() for suite in SUITES.values()}


def test_example_of_the_rfc_is_read_with_its_lifetime() -> None:
    line = parse_line(f"1 AES_CM_128_HMAC_SHA1_80 inline:{RFC_KEY}|2^20")

    assert (line.tag, line.suite) == (1, AES_CM_80)
    assert line.key == base64.b64decode(RFC_KEY)


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_every_suite_wants_its_own_length_of_key(suite: Suite) -> None:
    assert suite in KEYS
    for other, key in KEYS.items():
        text = f"1 {suite.name} inline:{key}"
        if other.length == suite.length:
            assert parse_line(text).suite == suite
        else:
            with pytest.raises(BadCrypto, match=f"a key of {other.length} bytes"):
                parse_line(text)


def test_lengths_are_those_of_rfc_4568_and_rfc_7714() -> None:
    assert [suite.length for suite in (AES_CM_80, AES_CM_32, AEAD_128, AEAD_256)] == [30, 30, 28, 44]
    assert AES_CM_32 not in OFFERED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a crypto attribute"),
        ("one AES_CM_128_HMAC_SHA1_80 inline:KEY", "not a crypto attribute"),
        ("1234567890 AES_CM_128_HMAC_SHA1_80 inline:KEY", "not a crypto attribute"),
        ("1 AES_CM_128_HMAC_SHA1_80", "not a crypto attribute"),
        ("1 F8_128_HMAC_SHA1_80 inline:KEY", "suite"),
        ("1 AES_CM_128_HMAC_SHA1_80 KEY", "method"),
        ("1 AES_CM_128_HMAC_SHA1_80 uri:KEY", "method"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4", "MKI"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|1:4", "MKI"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY;inline:KEY", "several"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^49", "lifetime"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|0", "lifetime"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY|soon", "lifetime"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:K!Y", "base64"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:a", "base64"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:", "0 bytes"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNENCRYPTED_SRTP", "session parameter"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY UNAUTHENTICATED_SRTP", "session parameter"),
        ("1 AES_CM_128_HMAC_SHA1_80 inline:KEY KDR=1", "session parameter"),
    ],
)
def test_line_that_cannot_be_used_says_why_and_never_shows_its_key(text: str, reason: str) -> None:
    with pytest.raises(BadCrypto, match=reason) as caught:
        parse_line(text.replace("KEY", RFC_KEY))

    assert RFC_KEY not in str(caught.value)


@pytest.mark.parametrize("rest", ["", "|2^48", "|281474976710656", " WSH=128", " -FEC_ORDER=FEC_SRTP", " KDR=0 WSH=64"])
def test_lifetimes_and_parameters_that_ask_for_nothing_of_us_are_taken(rest: str) -> None:
    assert parse_line(f"7 aes_cm_128_hmac_sha1_80 INLINE:{RFC_KEY}{rest}").tag == 7


def test_padding_may_be_left_out() -> None:
    padded = KEYS[AEAD_128]

    assert padded.endswith("=")
    assert parse_line(f"1 AEAD_AES_128_GCM inline:{padded.rstrip('=')}").key == bytes(28)


def test_unusable_lines_are_passed_over_and_a_tag_counts_once() -> None:
    lines = parse_lines(
        [
            f"1 AES_192_CM_HMAC_SHA1_80 inline:{RFC_KEY}",
            f"2 AES_CM_128_HMAC_SHA1_32 inline:{RFC_KEY}",
            f"2 AES_CM_128_HMAC_SHA1_80 inline:{RFC_KEY}",
            f"3 AES_CM_128_HMAC_SHA1_80 inline:{RFC_KEY}",
        ]
    )

    assert [(line.tag, line.suite) for line in lines] == [(2, AES_CM_32), (3, AES_CM_80)]


def test_no_more_than_so_many_lines_are_looked_at() -> None:
    texts = [f"{tag} AES_CM_128_HMAC_SHA1_80 inline:{RFC_KEY}" for tag in range(MAX_LINES + 5)]

    assert len(parse_lines(texts)) == MAX_LINES


def test_key_is_in_no_representation() -> None:
    line = CryptoLine(1, AES_CM_80, b"secret-secret-secret-secret-12")

    assert "secret" not in repr(line)


@given(st.integers(0, 999_999_999), st.sampled_from(list(SUITES.values())), st.data())
def test_written_line_is_read_back(tag: int, suite: Suite, data: st.DataObject) -> None:
    size = suite.length
    line = CryptoLine(tag, suite, data.draw(st.binary(min_size=size, max_size=size)))

    assert parse_line(write_line(line)) == line


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert len(parse_lines([text])) <= 1
