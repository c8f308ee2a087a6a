"""Access tokens: JWTs (RFC 7519) signed with HS512, with the claims of the published example (rest-v2 A.1.4)."""

import base64
import secrets
from dataclasses import dataclass
from typing import Final

import jwt

from gateway.auth.errors import ExpiredToken, InvalidToken
from gateway.auth.keyring import KeyRing, fingerprint

ALGORITHM: Final = "HS512"
AUDIENCE: Final = "telnyx_telephony"
ISSUER: Final = "telnyx_telephony"
TYPE: Final = "access"

MAX_LENGTH: Final = 8192
"""Characters. Ours have some 500; more is not worth a signature check."""

_TEL_TOKEN_OCTETS: Final = 94
_CLAIMS: Final = ("aud", "iss", "typ", "sub", "jti", "iat", "nbf", "exp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A verified token.

    Attributes:
        credential_id: its `sub`, the telephony credential that it was made for.
        expires_at: seconds since the epoch.
        key_mark: which key has signed it, as `keyring.fingerprint` has it.
    """

    credential_id: str
    token_id: str
    expires_at: int
    key_mark: str


class Tokens:
    """Makes access tokens with one key, and verifies them with it and with those of before.

    Tokens name no key (`kid`): the service's do not either, there are few of them, and a check takes microseconds.
    """

    def __init__(self, keys: bytes | KeyRing, *, clock_skew: float) -> None:
        self._ring = keys if isinstance(keys, KeyRing) else KeyRing(keys)
        self._clock_skew = clock_skew

    def use(self, ring: KeyRing) -> bool:
        """These keys from now on; whether they are others than before."""
        is_new = ring != self._ring
        self._ring = ring
        return is_new

    def key_marks(self, now: float) -> frozenset[str]:
        """Of the keys whose tokens are good at that time (seconds since the epoch); see `Token.key_mark`."""
        return frozenset(fingerprint(key) for key in self._good(now))

    def create(self, *, credential_id: str, token_id: str, now: int, expires_at: int) -> str:
        """A compact JWT.

        The browser SDK decodes the payload with the standard base64 alphabet and gives up on `-` and `_`. Only
        `>`, `?`, `~` and DEL in the JSON can yield them, and none of the claims can hold one.

        Args:
            token_id: the `jti`, a fresh UUID.
            now, expires_at: seconds since the epoch.
        """
        claims = {
            "aud": AUDIENCE,
            "exp": expires_at,
            "iat": now,
            "iss": ISSUER,
            "jti": token_id,
            "nbf": now - 1,
            "sub": credential_id,
            "tel_token": base64.urlsafe_b64encode(secrets.token_bytes(_TEL_TOKEN_OCTETS)).rstrip(b"=").decode(),
            "typ": TYPE,
        }
        token = jwt.encode(claims, self._ring.signing, algorithm=ALGORITHM)
        if {"-", "_"} & set(token.split(".")[1]):
            raise ValueError("credential_id or token_id holds characters that browsers cannot decode")
        return token

    def verify(self, token: str, *, now: float) -> Token:
        """Check signature, algorithm, audience, issuer, type and times.

        Raises:
            ExpiredToken: everything is right except that `exp` has passed.
            InvalidToken: anything else.
        """
        if len(token) > MAX_LENGTH or not token.isascii():
            raise InvalidToken("not a compact token")
        claims, key = self._signed_claims(token, now)
        if claims["typ"] != TYPE:
            raise InvalidToken("not an access token")
        not_before, expires_at = _seconds(claims, "nbf"), _seconds(claims, "exp")
        if now < not_before - self._clock_skew:
            raise InvalidToken("not valid yet")
        if now >= expires_at + self._clock_skew:
            raise ExpiredToken("expired")
        return Token(
            credential_id=str(claims["sub"]),
            token_id=str(claims["jti"]),
            expires_at=expires_at,
            key_mark=fingerprint(key),
        )

    def _good(self, now: float) -> tuple[bytes, ...]:
        return self._ring.good(now - self._clock_skew)

    def _signed_claims(self, token: str, now: float) -> tuple[dict[str, object], bytes]:
        """Those of a token that one of the keys has signed, and which key that was."""
        for key in self._good(now):
            try:
                return _decoded(token, key), key
            except jwt.InvalidSignatureError:
                continue
            except jwt.PyJWTError as error:
                raise InvalidToken(str(error)) from error
        raise InvalidToken("none of our keys has signed it")


def _decoded(token: str, key: bytes) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        # The times are checked against the caller's clock.
        options={"require": list(_CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )
    return claims


def _seconds(claims: dict[str, object], name: str) -> int:
    value = claims[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidToken(f"{name} is not a whole number")
    return value
