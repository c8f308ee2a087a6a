"""Our registration at a trunk as a state machine (RFC 3261 section 10.2; RFC 3608 for Service-Route). Pure.

The shell resolves `target`, asks for a request when `deadline` has come, and hands back what came of it:
`begin`, then `receive` or `lost`, as long as `receive` gives another request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.sip.core.actions import ClientRequest
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.capabilities import ALLOW
from gateway.sip.core.errors import SipError, SipParseError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.name_addr import NameAddr, parse_addresses
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Headers, Request, Response

REFRESH_AT: Final = 0.8
"""Of the granted time: what is left is enough for a registrar that has to be asked several times."""

FIRST_PAUSE: Final = 5.0
"""Seconds after the first failure; twice as long after each further one."""

LONGEST_PAUSE: Final = 600.0
"""Seconds; no failure waits longer, unless the registrar's Retry-After says so."""

DENIED_PAUSE: Final = 1800.0
"""Seconds after the registrar has said that we may not: asking more often only gets us locked out."""

LONGEST_RETRY_AFTER: Final = 3600.0
"""Seconds; more is not believed."""

LONGEST_EXPIRES: Final = 86_400
"""Seconds; a Min-Expires above is not accepted."""

MAX_REDIRECTS: Final = 3
"""3xx followed in a row."""

_DENIED: Final = frozenset({401, 403, 404, 407})
"""Answers that a repetition does not change: wrong password, user unknown, or no right to register."""


class State(Enum):
    """Where a registration stands."""

    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"
    """Waits to try again. The binding of before may still hold: see `is_bound`."""
    DENIED = "denied"
    """The same, for long: the registrar knows us and says no."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrant:
    """Who registers, and where.

    Attributes:
        registrar: the URI to send to, without a user part.
        domain: of the address of record.
        expires: seconds to ask for.
    """

    registrar: str
    username: str
    domain: str
    expires: int
    user_agent: str


class Registration:
    """One address of record at one registrar. Does no I/O and never reads a clock.

    Attributes:
        target: the URI to send to next; another than the registrar's after a 3xx.
        deadline: when `begin` is due, absolute; None once it has ended, and while an answer is awaited.
        status: of the last final response, None when there was none.
        granted: seconds of the binding, as the registrar has it.
        service_route: the URIs of Service-Route, for requests of ours (RFC 3608 section 6.1).
    """

    def __init__(
        self,
        registrant: Registrant,
        *,
        call_id: str,
        from_tag: str,
        authentication: Authentication | None,
        random: Callable[[], float],
        now: float,
    ) -> None:
        """
        Args:
            authentication: answers challenges of the registrar's host, and of no other.
            random: from 0 up to but not including 1, for waiting times.
        """
        self.state = State.REGISTERING
        self.target = registrant.registrar
        self.deadline: float | None = now
        self.status: int | None = None
        self.granted = 0
        self.service_route: tuple[str, ...] = ()
        self._who, self._call_id, self._from_tag = registrant, call_id, from_tag
        self._authentication, self._random = authentication, random
        self._expires = registrant.expires
        self._number = 0
        self._failures = self._redirects = 0
        self._bound_until = 0.0
        self._contact = ""
        self._asked: ClientRequest | None = None

    def is_bound(self, now: float) -> bool:
        """Whether the registrar still sends calls to us."""
        return now < self._bound_until

    def begin(self, contact: str, now: float) -> Request:
        """The REGISTER that is due.

        Args:
            contact: the URI under which the registrar reaches us.
        """
        self.deadline = None
        if not self.is_bound(now):
            self.state = State.REGISTERING
        return self._ask(contact, self._expires)

    def end(self, now: float) -> Request | None:
        """The REGISTER that takes the binding back (section 10.2.2); None when there surely is none."""
        may_be_bound = self.is_bound(now) or self.deadline is None  # an answer is awaited that may come too late
        self.state, self.deadline, self._bound_until = State.ENDED, None, 0.0
        return self._ask(self._contact, 0) if may_be_bound else None

    def receive(self, response: Response, now: float) -> Request | None:
        """Take a final response; the request that follows at once, to the same target, or None."""
        assert self._asked is not None
        self.status = response.status
        if (again := self._authenticated(response)) is not None:
            return again
        if self.state is State.ENDED:
            return None
        if response.is_success:
            self._bind(response, now)
        elif response.status == 423 and self._take_min_expires(response):
            return self._ask(self._contact, self._expires)
        elif 300 <= response.status < 400 and self._redirect(response):
            self.deadline = now
        else:
            self._fail(now, is_denied=response.status in _DENIED, at_least=_retry_after(response))
        return None

    def lost(self, now: float) -> None:
        """No final response: a timeout, a broken transport, a name that does not resolve."""
        self.status = None
        if self.state is not State.ENDED:
            self._fail(now)

    def flow_lost(self, now: float) -> None:
        """The connection is gone over which the registrar reaches us: register again soon (RFC 5626 section 4.5).

        Not all at once, for all that had a connection there lose it at the same moment.
        """
        if self.state is State.REGISTERED and self.deadline is not None:
            self.deadline = min(self.deadline, now + FIRST_PAUSE * self._random())

    # ---- inside

    def _ask(self, contact: str, expires: int) -> Request:
        who = self._who
        self._contact = contact
        self._number += 1
        address = f"<{SipUri(scheme='sip', host=who.domain, user=who.username)}>"
        headers = Headers(
            (
                ("From", f"{address};tag={self._from_tag}"),
                ("To", address),
                ("Call-ID", self._call_id),
                ("CSeq", str(CSeq(self._number, "REGISTER"))),
                ("Contact", f"<{contact}>"),
                ("Expires", str(expires)),
                ALLOW,
                ("Supported", "path"),
                ("User-Agent", who.user_agent),
            )
        )
        request = Request("REGISTER", str(SipUri(scheme="sip", host=who.domain)), headers)
        self._asked = ClientRequest(request, self.target)
        return request

    def _authenticated(self, response: Response) -> Request | None:
        assert self._asked is not None
        again = None if self._authentication is None else self._authentication.retry(self._asked, response)
        if again is None:
            return None
        self._asked, self._number = again, again.request.cseq.number
        return again.request

    def _bind(self, response: Response, now: float) -> None:
        self.granted = _granted(response, self._contact, self._expires)
        if self.granted <= 0:
            self._bound_until = 0.0
            self._fail(now)
            return
        self.state, self._failures, self._redirects = State.REGISTERED, 0, 0
        self._bound_until = now + self.granted
        self.deadline = now + max(1.0, self.granted * (REFRESH_AT - 0.05 * self._random()))
        self.service_route = _service_route(response)

    def _take_min_expires(self, response: Response) -> bool:
        """Whether a 423 names a longer time that we did not offer yet (section 10.2.8)."""
        least = _seconds(response.headers.get("Min-Expires"))
        if least is None or not self._expires < least <= LONGEST_EXPIRES:
            return False
        self._expires = least
        return True

    def _redirect(self, response: Response) -> bool:
        """Whether a 3xx leads somewhere. Another host gets no digest: see `Authentication`."""
        self._redirects += 1
        try:
            addresses = parse_addresses(response.headers.get_all("Contact"))
            uri = next((address.sip_uri for address in addresses if address.uri.lower().startswith("sip:")), None)
        except SipError:
            uri = None
        if uri is None or self._redirects > MAX_REDIRECTS:
            return False
        params = tuple((name, value) for name, value in uri.params if name.lower() == "transport")
        self.target = str(SipUri(scheme="sip", host=uri.host, port=uri.port, params=params))
        return True

    def _fail(self, now: float, *, is_denied: bool = False, at_least: float = 0.0) -> None:
        self._failures += 1
        self._redirects, self.target = 0, self._who.registrar
        doubled = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 10))
        pause = DENIED_PAUSE if is_denied else doubled * (0.5 + 0.5 * self._random())
        self.state = State.DENIED if is_denied else State.FAILED
        self.deadline = now + max(pause, at_least)


def _granted(response: Response, contact: str, asked: int) -> int:
    """Seconds of our binding (section 10.2.4): of our Contact, else of the only one, else Expires."""
    default = _seconds(response.headers.get("Expires"))
    try:
        addresses = parse_addresses(response.headers.get_all("Contact"))
        ours = [address for address in addresses if _is_same(address, contact)]
    except SipParseError:
        addresses = ours = []
    # A registrar behind a NAT may write another address into it; then it must be the only one.
    chosen = ours or (addresses if len(addresses) == 1 else [])
    granted = _seconds(chosen[0].params.get("expires")) if chosen else None
    return next((seconds for seconds in (granted, default) if seconds is not None), asked)


def _is_same(address: NameAddr, contact: str) -> bool:
    try:
        one, other = address.sip_uri, SipUri.parse(contact)
    except SipError:
        return False
    return (one.user, one.host.lower(), one.port) == (other.user, other.host.lower(), other.port)


def _service_route(response: Response) -> tuple[str, ...]:
    """Loose routers only, in order (RFC 3608 section 5); nothing of a list that is broken."""
    try:
        addresses = parse_addresses(response.headers.get_all("Service-Route"))
        uris = [address.sip_uri for address in addresses]
    except SipError:
        return ()
    is_usable = all(uri.scheme == "sip" and uri.param("lr") is not None for uri in uris)
    return tuple(address.uri for address in addresses) if is_usable else ()


def _retry_after(response: Response) -> float:
    text = (response.headers.get("Retry-After") or "").split("(")[0].partition(";")[0]
    return min(float(_seconds(text) or 0), LONGEST_RETRY_AFTER)


def _seconds(text: str | None) -> int | None:
    """Delta-seconds; None for what is none, or is longer than any time."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
