"""What the server hands to whoever checks logins. `app.py` joins it to `auth.authenticator`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.auth.authenticator import Refusal
from gateway.domain.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAttempt:
    """A `login` request as the client sent it; what is absent, null or empty there is None here.

    User name with password and a token may come together: the former are tried first (V-33).
    """

    username: str | None
    password: str | None = field(repr=False)
    token: str | None = field(repr=False)
    peer: str
    """The client's address, without port."""


Authenticate = Callable[[LoginAttempt], Awaitable[Identity | Refusal]]

BUSY: Final = "busy"
"""The `Refusal.code` that may be tried again soon: the server closes the socket behind it, so that the SDK does."""
