"""What a REGISTER asks for: Contact, Expires, Path (RFC 3261 section 10.2; RFC 5626 section 6; RFC 3327 section 5)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from gateway.sip.core.errors import IntervalTooBrief, SipParseError
from gateway.sip.core.headers.name_addr import NameAddr, parse_addresses
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Request

MAX_URI: Final = 512
"""Characters of a Contact or Path; no phone needs more, and each is kept."""

MAX_PATH: Final = 5
"""Proxies between a phone and us."""

_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_Q: Final = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_REG_ID: Final = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactChange:
    """What one Contact asks for.

    Attributes:
        expires: seconds that it shall be good for, within our bounds; 0 removes it.
        instance, reg_id: both or neither (RFC 5626): which flow of which phone.
    """

    uri: str
    q: float = 1.0
    expires: int
    instance: str | None = None
    reg_id: int | None = None

    @classmethod
    def removing(cls, uri: str, instance: str | None, reg_id: int | None) -> Self:
        """The end of a binding."""
        return cls(uri=uri, expires=0, instance=None if reg_id is None else instance, reg_id=reg_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a REGISTER asks for; with neither changes nor `is_all` it only asks what there is.

    Attributes:
        is_all: `Contact: *`: remove every binding.
        path: from us towards the phone, as Route values.
    """

    call_id: str
    cseq: int
    changes: tuple[ContactChange, ...] = ()
    is_all: bool = False
    path: tuple[str, ...] = ()


def read_register(request: Request, *, min_expires: int, max_expires: int, takes_path: bool) -> Asked:
    """What a REGISTER asks for.

    Args:
        min_expires, max_expires: bounds in seconds; more is cut down, and what says nothing gets the most.
        takes_path: whether it came through a proxy whose Path we follow; otherwise there is none for us.
    Raises:
        SipParseError: a Contact, an Expires or a Path that makes no sense.
        IntervalTooBrief: it wants a shorter time than that, but not none.
    """
    contacts = parse_addresses(request.headers.get_all("Contact"))
    general = _seconds(request.headers.get("Expires"))
    path = _path(request) if takes_path else ()
    asked = Asked(call_id=request.call_id, cseq=request.cseq.number, path=path)
    if any(contact.is_wildcard for contact in contacts):
        if len(contacts) > 1 or general != 0:
            raise SipParseError("Contact: * goes alone and with Expires: 0")
        return Asked(call_id=asked.call_id, cseq=asked.cseq, is_all=True)
    is_outbound = _may_use_outbound(request, path)
    changes = tuple(
        _change(contact, general, is_outbound=is_outbound, bounds=(min_expires, max_expires)) for contact in contacts
    )
    if len([change for change in changes if change.reg_id is not None and change.expires]) > 1:
        raise SipParseError("one flow for each REGISTER (RFC 5626 section 4.2)")
    return Asked(call_id=asked.call_id, cseq=asked.cseq, changes=changes, path=path)


def _change(contact: NameAddr, general: int | None, *, is_outbound: bool, bounds: tuple[int, int]) -> ContactChange:
    uri = contact.sip_uri
    if uri.scheme not in ("sip", "sips") or len(contact.uri) > MAX_URI or uri.headers:
        raise SipParseError(f"not a Contact to call: {contact.uri[:60]!r}")
    q = contact.params.get("q")
    if q is not None and not _Q.fullmatch(q):
        raise SipParseError(f"q is not 0 to 1: {q[:10]!r}")
    instance, reg_id = contact.params.get("+sip.instance"), contact.params.get("reg-id")
    # RFC 5626 section 6: without an instance, a reg-id means nothing.
    is_flow = is_outbound and instance is not None and reg_id is not None and _REG_ID.fullmatch(reg_id)
    return ContactChange(
        uri=contact.uri,
        q=1.0 if q is None else float(q),
        expires=_bounded(_own_seconds(contact, general), *bounds),
        instance=None if instance is None else instance[:MAX_URI],
        reg_id=int(reg_id) if is_flow and reg_id is not None else None,
    )


def _own_seconds(contact: NameAddr, general: int | None) -> int | None:
    own = _seconds(contact.params.get("expires"))
    return general if own is None else own


def _bounded(asked: int | None, min_expires: int, max_expires: int) -> int:
    if asked is None:
        return max_expires
    if 0 < asked < min_expires:
        raise IntervalTooBrief(min_expires)
    return min(asked, max_expires)


def _seconds(text: str | None) -> int | None:
    # RFC 3261 section 20.19: a malformed value counts as the default.
    return int(text) if text is not None and _SECONDS.fullmatch(text.strip()) else None


def _may_use_outbound(request: Request, path: tuple[str, ...]) -> bool:
    """RFC 5626 section 6: through proxies only if the one next to the phone supports it. Else it is passed over."""
    if len(request.headers.get_all("Via")) == 1:
        return True
    return bool(path) and SipUri.parse(NameAddr.parse(path[-1]).uri).param("ob") is not None


def _path(request: Request) -> tuple[str, ...]:
    """The last proxy put itself first (RFC 3327 section 5.2), which is the order that a Route needs."""
    values = request.headers.get_all("Path")
    if len(values) > MAX_PATH:
        raise SipParseError(f"more than {MAX_PATH} proxies in Path")
    for value in values:
        if len(value) > MAX_URI or SipUri.parse(NameAddr.parse(value).uri).scheme not in ("sip", "sips"):
            raise SipParseError(f"not a Path: {value[:60]!r}")
    return tuple(values)
