"""Via (RFC 3261 section 20.42, RFC 3581).

`sipmessage.Via` is not used: it refuses hosts with `_`, IPv6 in `received` and ports are not checked.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.host import format_host_port, parse_host_port
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.remembered import remembered
from gateway.sip.core.headers.tokens import split_outside_quotes

MAGIC_COOKIE: Final = "z9hG4bK"
"""A branch that starts so is unique (RFC 3261 section 8.1.1.7); older peers send another."""

_PROTOCOL: Final = re.compile(r"SIP[ \t]*/[ \t]*2\.0[ \t]*/[ \t]*([A-Za-z0-9\-.!%*_+`'~]+)[ \t]+(?=\S)", re.IGNORECASE)
_OTHER_VERSION: Final = re.compile(r"\ASIP[ \t]*/[ \t]*[0-9]+\.[0-9]+[ \t]*/", re.IGNORECASE)
_BRANCH: Final = re.compile(r"branch[ \t]*=[ \t]*[A-Za-z0-9\-.!%*_+`'~]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Via:
    """One Via element.

    Attributes:
        transport: upper case, `UDP`, `TCP` ...
        host, port: sent-by; an IPv6 address without brackets, None when no port was given.
    """

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=Params)

    @classmethod
    def parse(cls, text: str) -> "Via":
        """Parse one element (see `Headers.get_all`).

        Raises:
            SipParseError: not a Via of SIP/2.0, or a port outside 1-65535.
        """
        return _parse(text)

    @classmethod
    def mend(cls, text: str) -> "Via | None":
        """What can be read of a broken element: who sent it, its branch and rport; None when not even that.

        An element of another version of SIP is read as one of 2.0: its sender is to hear 505.
        """
        whole, *pieces = _OTHER_VERSION.sub("SIP/2.0/", text.strip(), count=1).split(";")
        params = [piece.strip() for piece in pieces]
        kept = [piece for piece in params if piece.lower() == "rport" or _BRANCH.fullmatch(piece)]
        try:
            return cls.parse(";".join([whole, *kept]))
        except SipParseError:
            return None

    @property
    def branch(self) -> str | None:
        """The branch parameter, compared as it is."""
        return self.params.get("branch")

    @property
    def sent_by(self) -> tuple[str, int]:
        """Host in lower case and port, with the transport's default (RFC 3261 section 18.1.1)."""
        return self.host.lower(), self.port or (5061 if self.transport == "TLS" else 5060)

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {format_host_port(self.host, self.port)}{self.params}"


@remembered
def _parse(text: str) -> Via:
    text = text.strip()
    match = _PROTOCOL.match(text)
    if match is None:
        raise SipParseError(f"not a Via: {text[:80]!r}")
    where, semicolon, params = text[match.end() :].partition(";")
    host, port = parse_host_port(where)
    return Via(match.group(1).upper(), host, port, Params.parse(semicolon + params))


def stamp(text: str, *, host: str, port: int) -> str:
    """The raw Via element as a server keeps it: with the address that the request really came from.

    `received` is added when it differs from sent-by or when rport was asked for, `rport` filled in when it is
    there. What the client wrote into them itself is replaced; every other character stays as it was.
    Source: RFC 3261 section 18.2.1, RFC 3581 section 4.
    """
    via = Via.parse(text)
    sent_by, *pieces = split_outside_quotes(text, ";")
    has_rport = "rport" in via.params
    kept = []
    for piece in pieces:
        name = piece.partition("=")[0].strip().lower()
        if name == "rport":
            kept.append(f"rport={port}")
        elif name != "received":
            kept.append(piece)
    if has_rport or via.host.lower() != host.lower():
        kept.append(f"received={host}")
    return ";".join([sent_by, *kept])
