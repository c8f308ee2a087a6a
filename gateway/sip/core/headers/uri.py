"""SIP, SIPS and TEL URIs (RFC 3261 section 19.1, RFC 3966).

`sipmessage.URI` is not used: it refuses header parts, upper case schemes and common host names, and rewrites
parameters when it prints them.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from gateway.sip.core.errors import SipParseError, UnsupportedUri
from gateway.sip.core.headers.host import format_host_port, parse_host_port
from gateway.sip.core.headers.remembered import remembered

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_BAD_CHARACTER: Final = re.compile(r'[\x00-\x20\x7f"<>\\^`{|}]')
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TEL_NUMBER: Final = re.compile(r"\+?[0-9A-Fa-f*#\-.()]+")

# What may stand unescaped (RFC 3261 section 25.1); letters, digits and -_.~ always may.
_USER_SAFE: Final = "!*'()&=+$,;?/"
_PASSWORD_SAFE: Final = "!*'()&=+$,"  # noqa: S105  # characters, not a password
_PARAM_SAFE: Final = "!*'()[]/:&+$"
_HEADER_SAFE: Final = "!*'()[]/?:+$"

Pairs = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class SipUri:
    """A URI in its parts, percent-decoded. `parse` and `str` are inverses on the parts, not on the spelling.

    Attributes:
        scheme: `sip`, `sips` or `tel`, lower case.
        user: for `tel` the number; None when there is none. An escape that is no UTF-8 becomes U+FFFD.
        host: an IPv6 address without brackets; empty for `tel`.
        params, headers: names with their values, None for a name alone (headers always have one).
    """

    scheme: str
    host: str
    user: str | None = None
    password: str | None = None
    port: int | None = None
    params: Pairs = ()
    headers: Pairs = ()

    @classmethod
    def parse(cls, text: str) -> "SipUri":
        """Parse a whole URI.

        Raises:
            UnsupportedUri: another scheme than sip, sips and tel.
            SipParseError: not a URI of that scheme.
        """
        return _parse(text)

    def param(self, name: str) -> str | None:
        """The value of a URI parameter; empty for a name without value, None when it is absent."""
        for known, value in self.params:
            if known.lower() == name.lower():
                return value or ""
        return None

    def __str__(self) -> str:
        params = "".join(f";{_pair(pair, _PARAM_SAFE)}" for pair in self.params)
        if self.scheme == "tel":
            return f"tel:{self.user}{params}"
        user = ""
        if self.user is not None:
            user = quote(self.user, safe=_USER_SAFE)
            if self.password is not None:
                user += ":" + quote(self.password, safe=_PASSWORD_SAFE)
            user += "@"
        headers = "&".join(_pair((name, value or ""), _HEADER_SAFE) for name, value in self.headers)
        where = format_host_port(self.host, self.port)
        return f"{self.scheme}:{user}{where}{params}" + (f"?{headers}" if headers else "")


@remembered
def _parse(text: str) -> SipUri:
    scheme = check_uri(text)
    rest = text[len(scheme) + 1 :]
    if scheme not in ("sip", "sips", "tel"):
        raise UnsupportedUri(f"scheme {scheme[:20]!r} is not supported")
    if _BROKEN_ESCAPE.search(rest):
        raise SipParseError(f"broken escape in URI {text[:80]!r}")
    return _parse_tel(rest) if scheme == "tel" else _parse_sip(scheme, rest)


_PARAMS_THAT_COUNT: Final = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that make two URIs differ also where only one has them (RFC 3261 section 19.1.4)."""


def is_same_uri(one: SipUri, other: SipUri) -> bool:
    """Whether both are equivalent (RFC 3261 section 19.1.4): what a refreshed Contact is found again by."""
    if (one.scheme, one.user, one.password, one.host.lower(), one.port) != (
        *(other.scheme, other.user, other.password, other.host.lower(), other.port),
    ):
        return False
    mine, theirs = _folded(one.params), _folded(other.params)
    if any(mine.get(name) != theirs.get(name) for name in _PARAMS_THAT_COUNT):
        return False
    return all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys()) and _folded(one.headers) == _folded(
        other.headers
    )


def _folded(pairs: Pairs) -> dict[str, str]:
    return {name.lower(): (value or "").lower() for name, value in pairs}


@remembered
def check_uri(text: str) -> str:
    """The lower case scheme of any URI, without a look at the rest but for characters that no URI may carry.

    Raises:
        SipParseError: no scheme, white space, control characters, quotes or angle brackets.
    """
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.fullmatch(scheme) or not rest:
        raise SipParseError(f"not a URI: {text[:80]!r}")
    if _BAD_CHARACTER.search(rest):
        raise SipParseError(f"character that no URI may carry in {text[:80]!r}")
    return scheme.lower()


def _parse_sip(scheme: str, rest: str) -> SipUri:
    # The user part may hold ; and ?, so it is cut off first. An @ behind it must be escaped.
    userinfo, at, tail = rest.partition("@")
    if not at:
        userinfo, tail = "", rest
    elif not userinfo:
        raise SipParseError("empty user part in URI")
    user, colon, password = userinfo.partition(":")
    tail, question, headers = tail.partition("?")
    where, *params = tail.split(";")
    host, port = parse_host_port(where)
    if where != where.strip() or "@" in tail:
        raise SipParseError(f"not a host in a URI: {where[:60]!r}")
    return SipUri(
        scheme=scheme,
        host=host,
        port=port,
        user=unquote(user) if at else None,
        password=unquote(password) if colon else None,
        params=tuple(_parse_pair(piece) for piece in params),
        headers=tuple(_parse_pair(piece) for piece in headers.split("&")) if question else (),
    )


def _parse_tel(rest: str) -> SipUri:
    number, *params = rest.split(";")
    if not _TEL_NUMBER.fullmatch(number) or not any(char.isalnum() or char in "*#" for char in number):
        raise SipParseError(f"not a telephone number: {number[:60]!r}")
    return SipUri(scheme="tel", host="", user=number, params=tuple(_parse_pair(piece) for piece in params))


def _parse_pair(piece: str) -> tuple[str, str | None]:
    name, equals, value = piece.partition("=")
    if not name:
        raise SipParseError("empty parameter in URI")
    return unquote(name), unquote(value) if equals else None


def _pair(pair: tuple[str, str | None], safe: str) -> str:
    name, value = pair
    return quote(name, safe=safe) if value is None else f"{quote(name, safe=safe)}={quote(value, safe=safe)}"
