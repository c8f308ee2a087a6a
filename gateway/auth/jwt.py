"""Access tokens: JWTs (RFC 7519) signed with HS512, with the claims of the published example (rest-v2 A.1.4)."""

import base64
import secrets
from dataclasses import dataclass
from typing import Final

import jwt

from gateway.auth.errors import ExpiredToken, InvalidToken

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
    """

    credential_id: str
    token_id: str
    expires_at: int


class Tokens:
    """Makes and verifies access tokens with one key. Pure apart from the random part of a new token."""

    def __init__(self, key: bytes, *, clock_skew: float) -> None:
        self._key = key
        self._clock_skew = clock_skew

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
        token = jwt.encode(claims, self._key, algorithm=ALGORITHM)
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
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # The times are checked below, against the caller's clock.
                options={"require": list(_CLAIMS), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except jwt.PyJWTError as error:
            raise InvalidToken(str(error)) from error
        if claims["typ"] != TYPE:
            raise InvalidToken("not an access token")
        not_before, expires_at = _seconds(claims, "nbf"), _seconds(claims, "exp")
        if now < not_before - self._clock_skew:
            raise InvalidToken("not valid yet")
        if now >= expires_at + self._clock_skew:
            raise ExpiredToken("expired")
        return Token(credential_id=str(claims["sub"]), token_id=str(claims["jti"]), expires_at=expires_at)


def _seconds(claims: dict[str, object], name: str) -> int:
    value = claims[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidToken(f"{name} is not a whole number")
    return value
