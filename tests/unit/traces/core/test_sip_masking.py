"""No secret and no digit is left in a SIP message that is kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.traces.core.sip_masking import masked_sip

HEAD = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: one\r\n"
JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLWl0"


def info(content_type: bytes, body: bytes) -> bytes:
    return b"INFO sip:a@b SIP/2.0\r\nContent-Type: " + content_type + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        (HEAD + b'Authorization: Digest username="u", realm="r", response="5ec7e7", uri="sip:b"\r\n\r\n', b"5ec7e7"),
        (HEAD + b"Proxy-Authorization: Digest username=u, response=5ec7e7\r\n\r\n", b"5ec7e7"),
        (HEAD + b'proxy-authorization : digest\r\n username="u",\r\n\tresponse="5ec7e7"\r\n\r\n', b"5ec7e7"),
        (HEAD + b"Authorization: Digest response='5ec7e7\r\n\r\n", b"5ec7e7"),
        (HEAD + b"Authorization: Basic dTpzM2NyZXQ=\r\n\r\n", b"dTpzM2NyZXQ"),
        (HEAD + b"Authorization:dTpzM2NyZXQ=\r\n\r\n", b"dTpzM2NyZXQ"),
        (HEAD + b'Authentication-Info: rspauth="5ec7e7", nc=00000001\r\n\r\n', b"5ec7e7"),
        (HEAD + b"From: <sip:alice:s3cret@192.0.2.1>;tag=1\r\n\r\n", b"s3cret"),
        (HEAD + b"X-Token: " + JWT + b"\r\n\r\n", JWT),
        (HEAD + b"Content-Type: application/sdp\r\n\r\nv=0\r\na=ice-pwd:s3cretpassword\r\n", b"s3cretpassword"),
        (HEAD + b"\r\nv=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:S3cr3tK3y|2^20|1:4\r\n", b"S3cr3tK3y"),
        (HEAD + b"\r\nv=0\na=crypto:1 F8 inline:S3cr3tK3y;inline:An0th3r\n", b"An0th3r"),
        (HEAD + b"\r\nv=0\r\nk=clear:s3cret\r\n", b"s3cret"),
        (info(b"application/dtmf-relay", b"Signal=7\r\nDuration=160\r\n"), b"7"),
        (info(b"application/dtmf", b"7"), b"7"),
        (info(b"application/vnd.nortelnetworks.digits", b"p=Digit-Collection\r\ny=Digits\r\nd=7\r\n"), b"d=7"),
        (info(b"text/plain", b"my pin is 4711"), b"4711"),
        (b"INFO sip:a@b SIP/2.0\r\n\r\n4711", b"4711"),
        (b"INFO sip:a@b SIP/2.0\r\nc: multipart/mixed\r\n\r\n--x\r\n\r\nSignal=4711\r\n", b"4711"),
        (b"INFO sip:a@b SIP/2.0\nc: application/dtmf-relay\n\nSignal=4711\n", b"4711"),
        (b"Content-Type: application/dtmf-relay\n\r\nSignal=4711\n", b"4711"),
        (HEAD + b"\n\r\nv=0\r\nA=Key-Mgmt:mikey s3cret\r\n", b"s3cret"),
        (b"v=0\r\na=ice-pwd:s3cretpassword\r\n", b"s3cretpassword"),
        (b"NOTIFY sip:a@b SIP/2.0\r\nc: application/kpml-response+xml\r\n\r\n<r digits=\"4711\"/>", b"4711"),
        (b"NOTIFY sip:a@b SIP/2.0\r\n\r\nINVITE sip:c SIP/2.0\r\nAuthorization: Digest response=5ec7e7\r\n", b"5ec7e7"),
    ],
)  # fmt: skip
def test_secret_is_cut_out_and_the_length_stays(message: bytes, secret: bytes) -> None:
    masked = masked_sip(message)

    assert secret in message
    assert secret not in masked
    assert len(masked) == len(message)


def test_all_but_the_answer_of_a_digest_stays_readable() -> None:
    line = b'Authorization: Digest username="u", realm="r", nonce="n", response="5ec7e7", cnonce="c"'

    masked = masked_sip(HEAD + line + b"\r\n\r\n")

    assert masked == HEAD + line.replace(b"5ec7e7", b"xxxxxx") + b"\r\n\r\n"


def test_duration_of_a_digit_stays_readable() -> None:
    masked = masked_sip(info(b"application/dtmf-relay", b"Signal=7\r\nDuration=160\r\n"))

    assert masked.endswith(b"Signal=x\r\nDuration=160\r\n")


def test_message_without_secrets_stays_as_it_is() -> None:
    message = HEAD + b"Contact: <sip:[2001:db8::1]:5060>\r\nContent-Type: application/sdp\r\n\r\nv=0\r\na=ptime:20\r\n"

    assert masked_sip(message) == message


@settings(deadline=None)  # for a busy machine
@given(st.binary(max_size=400))
def test_whatever_comes_keeps_its_length(message: bytes) -> None:
    assert len(masked_sip(message)) == len(message)
