"""From a URI to the transport addresses that a request may go to, in the order to try them (RFC 3263, RFC 7984)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, cast

from gateway.sip.core.errors import UnresolvedHost, UnsupportedUri
from gateway.sip.core.naming import Wanted, order_naptr, order_srv, service_name, wanted_of
from gateway.sip.transport.flow import TRANSPORTS, Destination, Transport, is_ip_address
from gateway.sip.transport.names import Names

DEFAULT_PORT: Final = 5060
"""RFC 3261 section 19.1.2, for UDP and TCP."""

TLS_PORT: Final = 5061
"""The same for TLS."""

MAX_DESTINATIONS: Final = 16
"""Addresses that one request is tried at, at most."""


class Candidate(NamedTuple):
    """A host that takes requests for a URI; its addresses are not known yet."""

    transport: Transport
    host: str
    port: int


def default_port(transport: str) -> int:
    """The port of a URI or a Via without one."""
    return TLS_PORT if transport == "tls" else DEFAULT_PORT


class Locator:
    """Finds destinations.

    Args:
        names: the name service.
        random: from 0 up to but not including 1; draws among SRV records of the same priority.
        timeout: seconds for everything that one URI asks of the name service.
    """

    def __init__(self, names: Names, *, random: Callable[[], float], timeout: float) -> None:
        self._names, self._random, self._timeout = names, random, timeout

    async def locate(self, uri: str, *, families: Sequence[tuple[Transport, bool]]) -> tuple[Destination, ...]:
        """Where requests to that URI go, at least one.

        Args:
            families: transport and whether IPv6, of each listener: nothing else can be reached.
        Raises:
            SipParseError: not a URI.
            UnsupportedUri: tel, another scheme, or a transport without a listener.
            UnresolvedHost: no address of a family that we listen on, or no answer in time.
        """
        wanted = wanted_of(uri)
        usable = _usable(wanted, families)
        if not usable:
            transport = wanted.default_transport
            raise UnsupportedUri(f"no {transport} listener to reach {uri[:80]!r} from")
        if is_ip_address(wanted.host):
            return _numeric(wanted, usable[0], families)
        try:
            async with asyncio.timeout(self._timeout):
                candidates = await self._candidates(wanted, usable)
                found = await self._resolved(candidates, wanted, families)
        except TimeoutError as error:
            raise UnresolvedHost(f"no answer about {wanted.host[:80]!r} within {self._timeout} s") from error
        if not found:
            raise UnresolvedHost(f"no address of {wanted.host[:80]!r} is of a family that we listen on")
        return tuple(dict.fromkeys(found))[:MAX_DESTINATIONS]

    async def _candidates(self, wanted: Wanted, usable: Sequence[Transport]) -> list[Candidate]:
        """RFC 3263 sections 4.1 and 4.2."""
        default = cast(Transport, wanted.default_transport)
        if wanted.port is not None or not _may_have_services(wanted.host):
            return [Candidate(default, wanted.host, wanted.port or default_port(default))]
        if wanted.transport is not None:
            return await self._by_service(default, service_name(default, wanted.host)) or self._plain(wanted, usable)
        # At once: a name server that knows no NAPTR, or drops the question, costs no time.
        naptr, by_default_name = await asyncio.gather(
            self._names.naptr(wanted.host),
            self._by_services([(transport, service_name(transport, wanted.host)) for transport in usable]),
        )
        by_naptr = await self._by_services(order_naptr(naptr, usable))
        return by_naptr or by_default_name or self._plain(wanted, usable)

    async def _by_services(self, services: Sequence[tuple[str, str]]) -> list[Candidate]:
        """Of several services in their order; what one of them does not offer, another one may."""
        answers = await asyncio.gather(
            *(self._by_service(cast(Transport, transport), name) for transport, name in services),
            return_exceptions=True,
        )
        return [found for answer in answers if not isinstance(answer, BaseException) for found in answer]

    async def _by_service(self, transport: Transport, name: str) -> list[Candidate]:
        records = await self._names.srv(name)
        if records and not any(record.target.rstrip(".") for record in records):
            raise UnresolvedHost(f"{name[:80]!r} says that there is no such service")
        return [Candidate(transport, record.target, record.port) for record in order_srv(records, self._random)]

    @staticmethod
    def _plain(wanted: Wanted, usable: Sequence[Transport]) -> list[Candidate]:
        default = cast(Transport, wanted.default_transport)
        transport = default if default in usable else usable[0]
        return [Candidate(transport, wanted.host, default_port(transport))]

    async def _resolved(
        self, candidates: Sequence[Candidate], wanted: Wanted, families: Sequence[tuple[Transport, bool]]
    ) -> list[Destination]:
        """All addresses of a candidate before the next one (RFC 7984 section 3), IPv6 first (RFC 6724)."""
        questions = [
            (candidate, is_ipv6)
            for candidate in candidates[:MAX_DESTINATIONS]
            for is_ipv6 in (True, False)
            if (candidate.transport, is_ipv6) in families
        ]
        answers = await asyncio.gather(
            *(self._addresses(candidate.host, is_ipv6=is_ipv6) for candidate, is_ipv6 in questions),
            return_exceptions=True,
        )
        found: list[Destination] = []
        failure: UnresolvedHost | None = None
        for (candidate, _), answer in zip(questions, answers, strict=True):
            if isinstance(answer, UnresolvedHost):
                failure = answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += [_destination(candidate, address, wanted) for address in answer]
        if not found and failure is not None:
            raise failure
        return found

    async def _addresses(self, host: str, *, is_ipv6: bool) -> list[str]:
        if is_ip_address(host):  # a name may lead to a target that is none
            return [host] if (":" in host) is is_ipv6 else []
        return await self._names.addresses(host, is_ipv6=is_ipv6)


def _numeric(
    wanted: Wanted, transport: Transport, families: Sequence[tuple[Transport, bool]]
) -> tuple[Destination, ...]:
    """There is nothing to ask anybody (RFC 3263 section 4.2)."""
    if (transport, ":" in wanted.host) not in families:
        raise UnresolvedHost(f"no address of {wanted.host[:80]!r} is of a family that we listen on")
    port = wanted.port or default_port(transport)
    return (_destination(Candidate(transport, wanted.host, port), wanted.host, wanted),)


def _destination(candidate: Candidate, address: str, wanted: Wanted) -> Destination:
    return Destination(
        candidate.transport,
        address,
        candidate.port,
        # Of the URI, never of what the name service has made of it: that may be forged (RFC 5922 section 4).
        domain=wanted.domain if candidate.transport == "tls" else "",
        may_switch=candidate.transport == "udp" and wanted.transport is None,
    )


def _usable(wanted: Wanted, families: Iterable[tuple[Transport, bool]]) -> list[Transport]:
    """Transports that the URI allows and that we have listeners for, in our order of preference."""
    have = {transport for transport, _ in families}
    if wanted.transport is not None or wanted.port is not None or is_ip_address(wanted.host):
        have &= {cast(Transport, wanted.default_transport)}
    return [transport for transport in TRANSPORTS if transport in have]


def _may_have_services(host: str) -> bool:
    """Not names of this machine and of its containers (RFC 6761 section 6.3): the name service need not hear them."""
    name = host.rstrip(".").lower()
    return "." in name and not name.endswith(".localhost")
