"""Who calls, in the header fields that a trunk wants, or is believed (RFC 3323, 3325, 5806; Remote-Party-ID). Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.name_addr import NameAddr, parse_addresses
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Headers
from gateway.sip.trunk_settings import IdentityField

ANONYMOUS: Final = "anonymous"
"""A caller that gives this as its number or name hides; and one that hides is shown so (RFC 3323 section 4.1.1.3)."""

ANONYMOUS_URI: Final = "sip:anonymous@anonymous.invalid"

_PLAIN_USER: Final = re.compile(r"[A-Za-z0-9+_.!~*'()&=$,/-]{1,128}")
_HIDING: Final = frozenset({"id", "user", "header"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: a number or user name, and a name to show; empty where there is none."""

    number: str
    name: str = ""

    @property
    def is_hidden(self) -> bool:
        """Whether it does not want to be shown."""
        return ANONYMOUS in (self.number.lower(), self.name.lower())


@dataclass(frozen=True, slots=True)
class Shown:
    """A caller in header fields: the From and what stands beside it."""

    from_uri: str
    from_name: str
    headers: tuple[tuple[str, str], ...] = ()


def show(caller: Caller, fields: tuple[IdentityField, ...], *, domain: str) -> Shown:
    """The caller for an INVITE of ours.

    One that hides has an anonymous From and `Privacy: id`; its number, where it is known, goes to the trunk alone, in
    the fields that the trunk is trusted with.
    """
    user = uri_user(caller.number)
    uri = f"sip:{user}@{domain}"
    values = () if user.lower() == ANONYMOUS else tuple((field, _identity(field, caller, uri)) for field in fields)
    if caller.is_hidden:
        return Shown(ANONYMOUS_URI, "Anonymous", (*values, ("Privacy", "id")))
    return Shown(uri, caller.name, values)


def _identity(field: IdentityField, caller: Caller, uri: str) -> str:
    name = "" if caller.is_hidden else caller.name
    if field != "Remote-Party-ID":
        return str(NameAddr(uri, name))
    privacy = "full" if caller.is_hidden else "off"
    return str(NameAddr(uri, name, Params((("party", "calling"), ("privacy", privacy), ("screen", "yes")))))


def diversion(number: str, *, domain: str) -> tuple[tuple[str, str], ...]:
    """The Diversion of a call that a transfer makes (RFC 5806): who sent it on."""
    uri = f"sip:{uri_user(number)}@{domain}"
    return (("Diversion", str(NameAddr(uri, params=Params((("reason", "deflection"), ("counter", "1")))))),)


def uri_user(number: str) -> str:
    """A user part that needs no escape; anything else is anonymous (RFC 3261 section 25.1 `user`)."""
    return number if _PLAIN_USER.fullmatch(number) else ANONYMOUS


def find_caller(headers: Headers, from_: NameAddr, trusted: tuple[IdentityField, ...]) -> Caller:
    """Who calls us: of the first of the trusted fields that is there, else of From.

    Header fields that the trunk is not trusted with are not looked at: whoever calls could have put them there.
    """
    readers: dict[IdentityField, Callable[[Headers], Caller | None]] = {
        "P-Asserted-Identity": lambda found: _of_addresses(found, "P-Asserted-Identity"),
        "P-Preferred-Identity": lambda found: _of_addresses(found, "P-Preferred-Identity"),
        "Remote-Party-ID": _of_remote_party,
    }
    found = next((caller for field in trusted if (caller := readers[field](headers)) is not None), None)
    if trusted and _wants_privacy(headers):
        return Caller(number=ANONYMOUS, name="Anonymous")
    return found or Caller(number=_user(from_) or "", name=from_.display_name)


def _of_addresses(headers: Headers, field: str) -> Caller | None:
    addresses = list(_readable(headers, field))
    names = [address.display_name for address in addresses if address.display_name]
    numbers = [user for address in addresses if (user := _user(address))]
    return Caller(number=numbers[0], name=next(iter(names), "")) if numbers else None


def _of_remote_party(headers: Headers) -> Caller | None:
    for address in _readable(headers, "Remote-Party-ID"):
        user = _user(address)
        if not user or (address.params.get("party") or "calling").lower() != "calling":
            continue
        if (address.params.get("privacy") or "off").lower() in ("full", "uri"):
            return Caller(number=ANONYMOUS, name="Anonymous")
        return Caller(number=user, name=address.display_name)
    return None


def _readable(headers: Headers, field: str) -> Iterator[NameAddr]:
    """The addresses of a field; those of a line that is broken are nobody's."""
    for value in headers.get_all(field):
        try:
            yield from parse_addresses([value])
        except SipError:
            continue


def _user(address: NameAddr) -> str | None:
    try:
        return SipUri.parse(address.uri).user
    except SipError:
        return None


def _wants_privacy(headers: Headers) -> bool:
    words = {word.strip().lower() for value in headers.get_all("Privacy") for word in value.split(";")}
    return bool(words & _HIDING)
