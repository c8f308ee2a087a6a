"""Which bodies nobody may read."""

import pytest

from gateway.sip.core.description_keys import has_keys


@pytest.mark.parametrize(
    ("body", "is_secret"),
    [
        (b"v=0\r\nm=audio 4000 RTP/SAVP 0\r\na=crypto:1 AEAD_AES_128_GCM inline:AAEC\r\n", True),
        (b"v=0\na=CRYPTO:1 AEAD_AES_128_GCM inline:AAEC\n", True),
        (b"v=0\r\nm=audio 4000 UDP/TLS/RTP/SAVP 0\r\na=setup:actpass\r\n", False),
        (b"v=0\r\ns=a=crypto:1\r\n", False),
        (b"", False),
    ],
)
def test_keys_in_a_body_are_seen(body: bytes, is_secret: bool) -> None:
    assert has_keys(body) is is_secret
