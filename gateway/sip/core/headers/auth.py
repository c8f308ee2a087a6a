"""WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization (RFC 3261 sections 20.7, 20.44; RFC 7616).

`sipmessage.AuthChallenge` is not used: it splits at the commas inside quotes (`qop="auth,auth-int"`).
"""

import re
from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.tokens import end_of_quoted, is_token, split_outside_quotes, unquote

_NEW_SCHEME: Final = re.compile(r"([A-Za-z0-9\-.!%*_+`'~]+)[ \t]+(?=[^\s=])(.*)", re.DOTALL)

MAX_PARAMETERS: Final = 64
"""Parameters of one challenge or credentials; more is refused."""


@dataclass(frozen=True, slots=True)
class AuthValue:
    """A challenge or credentials: a scheme and its parameters in order, values raw (quoted-strings keep quotes)."""

    scheme: str
    params: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> "AuthValue":
        """Parse a header value with exactly one challenge or credentials.

        Raises:
            SipParseError: none, several, or a broken one.
        """
        values = parse_challenges(text)
        if len(values) != 1:
            raise SipParseError(f"expected one challenge, found {len(values)}")
        return values[0]

    def get(self, name: str) -> str | None:
        """The value without quotes and escapes; None when it is absent. Names are compared without case."""
        raw = self.get_raw(name)
        return None if raw is None else unquote(raw)

    def get_raw(self, name: str) -> str | None:
        """The value as it was written, with its quotes."""
        return next((value for known, value in self.params if known.lower() == name.lower()), None)

    def __str__(self) -> str:
        return f"{self.scheme} " + ", ".join(f"{name}={value}" for name, value in self.params)


def parse_challenges(text: str) -> list[AuthValue]:
    """Every challenge in a header value.

    SIP wants one to a line; several in one, as HTTP has them, are understood too.

    Raises:
        SipParseError: no scheme, a parameter without value, a broken quoted-string, a parameter twice.
    """
    found: list[tuple[str, list[tuple[str, str]]]] = []
    for piece in split_outside_quotes(text, ","):
        stripped = piece.strip()
        if not stripped:
            continue
        if (match := _NEW_SCHEME.fullmatch(stripped)) is not None:
            found.append((match.group(1), []))
            stripped = match.group(2)
        if not found:
            raise SipParseError(f"no authentication scheme in {text[:40]!r}")
        _add_parameter(found[-1][1], stripped)
    if not found:
        raise SipParseError("empty challenge")
    return [AuthValue(scheme, tuple(params)) for scheme, params in found]


def _add_parameter(params: list[tuple[str, str]], piece: str) -> None:
    name, equals, value = piece.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not is_token(name) or not _is_value(value):
        raise SipParseError(f"broken authentication parameter {name[:40]!r}")
    if any(known.lower() == name.lower() for known, _ in params):
        raise SipParseError(f"authentication parameter {name!r} appears twice")
    if len(params) >= MAX_PARAMETERS:
        raise SipParseError("too many authentication parameters")
    params.append((name, value))


def _is_value(value: str) -> bool:
    if value.startswith('"'):
        return end_of_quoted(value) == len(value)
    # Wider than a token: Base64 nonces come without quotes from some peers.
    return bool(value) and not any(char in value for char in ' \t",')
