"""What is cut out of frames; see also `tests/unit/traces/core/test_frames.py`."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.masking import MASK, SECRET_MEMBERS, is_plain, masked_json

WORDS = (
    *sorted(SECRET_MEMBERS),
    "sdp",
    "callID",
    "a=ice-pwd:abc",
    "k=clear:abc",
    "v=0\r\nk=x",
    "eyJabcdefgh.abcdefgh.ab",
)
TEXTS = st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS).map(str.upper), st.text(max_size=12))
FRAMES = st.dictionaries(
    TEXTS, st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=8), max_size=4
)


@given(FRAMES, st.booleans())
def test_frame_that_looks_plain_has_nothing_that_would_be_masked(frame: object, is_ascii: bool) -> None:
    text = json.dumps(frame, ensure_ascii=is_ascii)

    assert not is_plain(text) or masked_json(frame) == frame


@pytest.mark.parametrize("text", ['{"pass\\u0077ord":"s3cret"}', '{"a":["\\u0065yJabcdefgh.abcdefgh.abcdefgh"]}'])
def test_secret_that_is_spelled_by_escapes_is_not_plain(text: str) -> None:
    assert not is_plain(text)
    assert MASK in json.dumps(masked_json(json.loads(text)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("v=0\r\na=ice-pwd:S3cret\r\na=mid:0\r\n", "v=0\r\na=ice-pwd:***\r\na=mid:0\r\n"),
        ("A=Crypto:1 AES_CM_128_HMAC_SHA1_80 inline:Key|2^20\r\n", "A=Crypto:***\r\n"),
        ("s=\u0130\ud800\r\na=key-mgmt:mikey Key\r\nK=clear:Key", "s=\u0130\ud800\r\na=key-mgmt:***\r\nK=***"),
        ("k=clear:a=crypto:x\nm=audio", "k=***\nm=audio"),
        ("a=ptime:20 k=v\r\na=ice-pwd:\r\n", "a=ptime:20 k=v\r\na=ice-pwd:\r\n"),
        ('{"sdp":"a=ice-pwd:S3cret"}', '{"sdp":"a=ice-pwd:***"}'),
    ],
)
def test_description_loses_its_keys_and_nothing_else(text: str, shown: str) -> None:
    assert masked_json({"sdp": text}) == {"sdp": shown}


def test_ordinary_answer_is_plain() -> None:
    assert is_plain('{"jsonrpc":"2.0","id":"1","result":{"callID":"b1c2","message":"CALL CREATED","sessid":"6a1f"}}')
