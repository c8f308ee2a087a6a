"""Access tokens."""

import base64
import hashlib
import hmac
import json
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.auth.errors import ExpiredToken, InvalidToken
from gateway.auth.jwt import MAX_LENGTH, Tokens

KEY = b"0123456789abcdef" * 4
NOW = 1_772_366_400
CREDENTIAL = "c215ade3-0d39-418e-94be-c5f780760199"
TOKEN_ID = "4b6f9c1e-53a0-4c5e-8d5c-7f4f3a1b2c3d"

TOKENS = Tokens(KEY, clock_skew=5)


def _made(now: int = NOW, ttl: int = 86_400) -> str:
    return TOKENS.create(credential_id=CREDENTIAL, token_id=TOKEN_ID, now=now, expires_at=now + ttl)


def _b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _forged(header: object, payload: object, *, key: bytes = KEY, digest: str = "sha512") -> str:
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(payload).encode())}"
    return f"{signed}.{_b64(hmac.new(key, signed.encode(), digest).digest())}"


HEADER = {"alg": "HS512", "typ": "JWT"}


def _payload(**changes: Any) -> dict[str, Any]:  # Any: claims of every JSON type
    claims: dict[str, Any] = {
        "aud": "telnyx_telephony",
        "iss": "telnyx_telephony",
        "typ": "access",
        "sub": CREDENTIAL,
        "jti": TOKEN_ID,
        "iat": NOW,
        "nbf": NOW - 1,
        "exp": NOW + 60,
    }
    return {name: value for name, value in (claims | changes).items() if value is not ...}


def test_token_has_header_and_claims_of_the_published_example() -> None:
    header, payload, _ = _made().split(".")
    claims = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4)))

    assert json.loads(base64.b64decode(header + "=" * (-len(header) % 4))) == HEADER
    assert len(base64.urlsafe_b64decode(claims.pop("tel_token") + "==")) == 94
    assert claims == {
        "aud": "telnyx_telephony",
        "iss": "telnyx_telephony",
        "typ": "access",
        "sub": CREDENTIAL,
        "jti": TOKEN_ID,
        "iat": NOW,
        "nbf": NOW - 1,
        "exp": NOW + 86_400,
    }


def test_signature_is_hmac_sha512_over_the_first_two_parts() -> None:
    signed, _, signature = _made().rpartition(".")

    assert signature == _b64(hmac.new(KEY, signed.encode(), hashlib.sha512).digest())


@given(st.uuids(), st.uuids(), st.integers(0, 2**33), st.integers(1, 10**8))
def test_payload_decodes_with_the_alphabet_of_browsers(
    credential: uuid.UUID, token_id: uuid.UUID, now: int, ttl: int
) -> None:
    token = TOKENS.create(credential_id=str(credential), token_id=str(token_id), now=now, expires_at=now + ttl)

    payload = token.split(".")[1]
    decoded = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), validate=True))
    assert not {"-", "_"} & set(payload)
    assert decoded["exp"] == now + ttl


def test_id_that_browsers_could_not_decode_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="browsers cannot decode"):
        TOKENS.create(credential_id="???>>>???", token_id="~~~~~~", now=NOW, expires_at=NOW + 1)


def test_two_tokens_of_one_moment_differ() -> None:
    assert _made() != _made()


def test_token_of_ours_is_verified() -> None:
    token = TOKENS.verify(_made(), now=NOW + 10)

    assert (token.credential_id, token.token_id, token.expires_at) == (CREDENTIAL, TOKEN_ID, NOW + 86_400)


def test_token_expires_at_its_time_and_the_skew() -> None:
    TOKENS.verify(_made(ttl=60), now=NOW + 64.9)

    with pytest.raises(ExpiredToken):
        TOKENS.verify(_made(ttl=60), now=NOW + 65)


def test_token_from_the_future_is_taken_only_within_the_skew() -> None:
    TOKENS.verify(_made(), now=NOW - 6)

    with pytest.raises(InvalidToken, match="not valid yet"):
        TOKENS.verify(_made(), now=NOW - 6.1)


@pytest.mark.parametrize(
    "token",
    [
        _forged(HEADER, _payload(), key=b"another key" * 8),
        _forged({"alg": "HS256", "typ": "JWT"}, _payload(), digest="sha256"),
        _forged({"alg": "hs512", "typ": "JWT"}, _payload()),
        _forged({"alg": "none", "typ": "JWT"}, _payload()),
        _forged({"alg": "none"}, _payload()).rpartition(".")[0] + ".",
        _forged({"alg": ["HS512"]}, _payload()),
        _forged({"typ": "JWT"}, _payload()),
        _forged(HEADER, []),
        _forged([], _payload()),
        _forged(HEADER, _payload(aud="telnyx")),
        _forged(HEADER, _payload(iss="somebody")),
        _forged(HEADER, _payload(typ="refresh")),
        _forged(HEADER, _payload(exp="tomorrow")),
        _forged(HEADER, _payload(exp=True)),
        _forged(HEADER, _payload(exp=1e30)),
        _forged(HEADER, _payload(nbf=None)),
        _forged(HEADER, _payload(sub=17)),
        _forged(HEADER, _payload(jti=[])),
    ],
)
def test_token_that_is_not_exactly_ours_is_invalid(token: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(token, now=NOW)


@pytest.mark.parametrize("claim", ["aud", "iss", "typ", "sub", "jti", "iat", "nbf", "exp"])
def test_token_without_a_claim_is_invalid(claim: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(_forged(HEADER, _payload(**{claim: ...})), now=NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "\ud800.b.c",
        "é.è.à",
        _b64(b"[" * 5000) + ".e30.e30",
        "a" * (MAX_LENGTH + 1),
    ],
)
def test_text_that_is_no_token_is_invalid(token: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(token, now=NOW)


@pytest.mark.parametrize("end", ["x", ".x", "="])
def test_token_with_something_behind_it_is_invalid(end: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(_made() + end, now=NOW)


@given(st.text(max_size=200) | st.text(alphabet="eyJabc.-_=", max_size=300))
def test_any_text_is_invalid_and_nothing_worse(text: str) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(text, now=NOW)


@given(st.data())
def test_token_with_any_character_changed_is_invalid(data: st.DataObject) -> None:
    token = _forged(HEADER, _payload())
    at = data.draw(st.integers(0, len(token) - 2))  # the last character carries two bits that nobody reads
    new = data.draw(st.characters(codec="ascii").filter(lambda c: c != token[at]))

    with pytest.raises(InvalidToken):
        TOKENS.verify(token[:at] + new + token[at + 1 :], now=NOW)


@settings(max_examples=50)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_header_of_any_json_is_invalid_and_nothing_worse(header: object) -> None:
    with pytest.raises(InvalidToken):
        TOKENS.verify(_forged(header, _payload()), now=NOW)
