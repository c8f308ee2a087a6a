"""Where an INVITE of ours may still go after a 3xx (RFC 3261 sections 8.1.3.4 and 19.1.5). Does no I/O."""

from dataclasses import replace
from typing import Final

from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Response

MAX_TARGETS: Final = 5
"""Places that one call may be sent to by redirection; further ones are not looked at."""

FOLLOWED: Final = frozenset({300, 301, 302})
"""305 and 380 name no other place for the same call."""

SCHEMES: Final = frozenset({"sip", "sips"})


class Redirects:
    """The alternatives that redirections have named, the best first, and none of them twice.

    Args:
        uri: where the call goes at first.
        is_allowed: whether they are followed at all.
    """

    def __init__(self, uri: str, *, is_allowed: bool) -> None:
        self._is_allowed = is_allowed
        self._known = [_key(SipUri.parse(uri))] if is_allowed else []
        self._untried: list[str] = []

    def take(self, response: Response) -> None:
        """Note the Contacts of a 3xx. Other schemes, broken ones and places that were tried are left out."""
        if not self._is_allowed or response.status not in FOLLOWED:
            return
        found: list[tuple[float, str]] = []
        for value in response.headers.get_all("Contact"):
            if (target := _target(value)) is None or len(self._known) > MAX_TARGETS or _key(target[1]) in self._known:
                continue
            self._known.append(_key(target[1]))
            found.append((-target[0], str(target[1])))
        self._untried = [uri for _, uri in sorted(found, key=lambda one: one[0])] + self._untried

    def next(self) -> str | None:
        """The next place to try, None when there is no other."""
        return self._untried.pop(0) if self._untried else None


def _target(contact: str) -> tuple[float, SipUri] | None:
    """The q-value and the URI without what may not stand in a Request-URI; None for what cannot be called."""
    try:
        address = NameAddr.parse(contact)
        uri = SipUri.parse(address.uri)
        quality = float(address.params.get("q") or "1")
    except (SipError, ValueError):
        return None
    if uri.scheme not in SCHEMES:
        return None
    params = tuple((name, value) for name, value in uri.params if name.lower() != "method")
    return quality, replace(uri, params=params, headers=())


def _key(uri: SipUri) -> tuple[str, str | None, str, int | None, str]:
    return uri.scheme, uri.user, uri.host.lower(), uri.port, (uri.param("transport") or "").lower()
