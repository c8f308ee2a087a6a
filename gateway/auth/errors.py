"""What authentication raises. A refused login is a value (`Refusal`), not one of these.

AuthError
 +- Busy               more password checks are waiting than allowed
 +- BadKeyFile         the key that signs tokens cannot be read, made or is too short
 +- InvalidToken       a token that is not ours, was changed, or lacks a claim
 |   +- ExpiredToken   ours, but too old
 +- ShutOut            an address has been wrong too often and is not listened to for a while
 +- KeyRevoked         an API key that was good once
 +- Unsealable         a kept password cannot be read again: the key file is another one
 +- CredentialExpired  a token was asked for, of a credential whose time is over
 +- InvalidValue       a value for a new connection, credential, number, token or key is not acceptable
"""

from typing import ClassVar

from gateway.domain.errors import GatewayError


class AuthError(GatewayError):
    """Authentication failed for a reason that is not the client's password."""

    code: ClassVar[str] = "auth_error"


class Busy(AuthError):
    """Too many password checks at once; try again."""

    code: ClassVar[str] = "busy"
    sip_status: ClassVar[int] = 503


class BadKeyFile(AuthError):
    """The key that signs tokens is not usable."""

    code: ClassVar[str] = "bad_key_file"


class ShutOut(AuthError):
    """Wrong too often; `wait`: seconds until it is listened to again."""

    code: ClassVar[str] = "shut_out"

    def __init__(self, wait: float) -> None:
        super().__init__(f"wrong too often, try again in {wait:.0f} s")
        self.wait = wait


class KeyRevoked(AuthError):
    """An API key that was good once."""

    code: ClassVar[str] = "key_revoked"


class Unsealable(AuthError):
    """A kept password cannot be read again."""

    code: ClassVar[str] = "unsealable"


class InvalidToken(AuthError):
    """Not a token of ours. The message is for the log; a client is told only that it is invalid."""

    code: ClassVar[str] = "token_invalid"
    sip_status: ClassVar[int] = 401


class ExpiredToken(InvalidToken):
    """A token of ours whose time is over."""

    code: ClassVar[str] = "token_expired"


class CredentialExpired(AuthError):
    """The credential has expired, so that a token would be dead on arrival."""

    code: ClassVar[str] = "credential_expired"


class InvalidValue(AuthError):
    """A value that cannot be taken; `field` names it."""

    code: ClassVar[str] = "invalid_value"
    sip_status: ClassVar[int] = 400

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field, self.expected = field, expected
