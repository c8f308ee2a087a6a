"""Addresses: From, To, Contact, Route, Record-Route, Refer-To, P-Asserted-Identity (RFC 3261 section 20.10).

`sipmessage.Address` is not used: its quoted-string is greedy, so that in `"x" <sip:real@h>;p="y" <sip:evil@h>`
it finds the caller sip:evil@h.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.remembered import remembered
from gateway.sip.core.headers.tokens import end_of_quoted, printable, quote, split_list, unquote
from gateway.sip.core.headers.uri import SipUri, check_uri

_BAD_DISPLAY: Final = re.compile(r'[<>",;]')
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+(?: [A-Za-z0-9\-.!%*_+`'~]+)*")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """An address with its header parameters.

    Attributes:
        uri: as it was written; `*` for the Contact of that meaning.
        display_name: without quotes, escapes and control characters.
        params: parameters of the header field (those of the URI stay in the URI).
    """

    uri: str
    display_name: str = ""
    params: Params = field(default_factory=Params)

    @classmethod
    def parse(cls, text: str) -> "NameAddr":
        """Parse one element (see `Headers.get_all`), with or without angle brackets.

        Raises:
            SipParseError: an unterminated quote or bracket, no URI, or something behind the address that is
                no parameter.
        """
        return _parse(text)

    @property
    def tag(self) -> str | None:
        """The tag parameter of a From or To."""
        return self.params.get("tag")

    @property
    def is_wildcard(self) -> bool:
        """`Contact: *` (RFC 3261 section 10.2.2)."""
        return self.uri == "*"

    @property
    def sip_uri(self) -> SipUri:
        """The URI in its parts; raises SipParseError or UnsupportedUri."""
        return SipUri.parse(self.uri)

    def __str__(self) -> str:
        if self.is_wildcard:
            return "*"
        name = self.display_name
        shown = name if _PLAIN_NAME.fullmatch(name) else quote(name)
        return (f"{shown} " if name else "") + f"<{self.uri}>{self.params}"


def parse_addresses(values: list[str]) -> list[NameAddr]:
    """All addresses of a header field that may be a comma list, for example `headers.get_all("Record-Route")`."""
    return [NameAddr.parse(piece) for value in values for piece in split_list(value)]


@remembered
def _parse(text: str) -> NameAddr:
    text = text.strip()
    if text == "*":
        return NameAddr("*")
    if text.startswith('"'):
        end = end_of_quoted(text)
        if not end or not text[end:].lstrip().startswith("<"):
            raise SipParseError(f"broken display name in {text[:80]!r}")
        return _parse_bracketed(printable(unquote(text[:end])), text[end:].lstrip())
    display, bracket, _ = text.partition("<")
    # A bracket behind a semicolon belongs to a parameter: `sip:a@b;x="<"`.
    if bracket and ";" not in display:
        return _parse_bracketed(_plain_display(display), text[len(display) :])
    return _parse_bare(text)


def _parse_bracketed(display: str, rest: str) -> NameAddr:
    uri, bracket, params = rest[1:].partition(">")
    if not bracket:
        raise SipParseError(f"unclosed angle bracket in {rest[:80]!r}")
    check_uri(uri)
    return NameAddr(uri, display, Params.parse(params))


def _parse_bare(text: str) -> NameAddr:
    # RFC 3261 section 20: without brackets every parameter is the header's, and the URI has no comma nor `?`.
    uri, semicolon, params = text.partition(";")
    uri = uri.rstrip()
    check_uri(uri)
    if "," in uri or "?" in uri:
        raise SipParseError(f"URI that needs angle brackets: {uri[:80]!r}")
    return NameAddr(uri, "", Params.parse(semicolon + params))


def _plain_display(text: str) -> str:
    # Wider than the grammar's tokens: peers leave the quotes away from `J. Muster (Work)`.
    text = text.strip()
    if _BAD_DISPLAY.search(text):
        raise SipParseError(f"broken display name {text[:80]!r}")
    return printable(" ".join(text.split()))
