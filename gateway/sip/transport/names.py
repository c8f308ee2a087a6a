"""The name service: NAPTR, SRV, A and AAAA records, cached by their time to live (RFC 3263)."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final, cast

import dns.asyncbackend
import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdata
import dns.rdatatype
import dns.rdtypes.IN.NAPTR
import dns.rdtypes.IN.SRV
import dns.resolver

from gateway.observability.clock import utc_now
from gateway.sip.core.errors import UnresolvedHost
from gateway.sip.core.naming import Naptr, Srv

MAX_CACHED: Final = 1000
"""Answers, also those that say that there is nothing. Of more, the longest unused go."""

LONGEST_TTL: Final = 3600.0
"""Seconds that an answer is believed, whatever its time to live."""

HOSTS_TTL: Final = 30.0
"""Seconds that an address from the system's own resolver is believed, which tells no time to live."""

SYSTEM_INTERVAL: Final = 60.0
"""Seconds between two looks at `resolv.conf`."""

MAX_ADDRESSES: Final = 8
"""Of one name and family."""


class Names:
    """Asks name servers, or the system where none are given.

    The system's own way (`/etc/hosts`, mDNS, whatever it is set to) is kept for addresses; it knows no SRV and NAPTR,
    which are then asked of the name servers in `resolv.conf`.

    Args:
        nameservers: address and port of each; the first that answers counts.
        timeout: seconds for one question.
    """

    def __init__(self, nameservers: Sequence[tuple[str, int]], *, timeout: float) -> None:
        self._has_own = bool(nameservers)
        self._timeout = timeout
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._resolver = _resolver(nameservers, timeout) if nameservers else None
        self._renew_at = 0.0
        self._known: dict[tuple[str, bool], tuple[float, list[str]]] = {}

    async def naptr(self, domain: str) -> list[Naptr]:
        """Its NAPTR records; none when nobody can tell."""
        records = await self._ask(domain, dns.rdatatype.NAPTR)
        found = [cast(dns.rdtypes.IN.NAPTR.NAPTR, record) for record in records]
        return [
            Naptr(one.order, one.preference, _text(one.flags), _text(one.service), one.replacement.to_text())
            for one in found
        ]

    async def srv(self, name: str) -> list[Srv]:
        """The SRV records of that name; none when nobody can tell."""
        records = await self._ask(name, dns.rdatatype.SRV)
        found = [cast(dns.rdtypes.IN.SRV.SRV, record) for record in records]
        return [Srv(one.priority, one.weight, one.port, one.target.to_text(omit_final_dot=True)) for one in found]

    async def addresses(self, host: str, *, is_ipv6: bool) -> list[str]:
        """Its addresses of that family; none when it has none.

        Raises:
            UnresolvedHost: nobody could tell.
        """
        if not self._has_own:
            return await self._from_system(host, is_ipv6=is_ipv6)
        kind = dns.rdatatype.AAAA if is_ipv6 else dns.rdatatype.A
        try:
            records = await self._query(host, kind)
        except dns.exception.DNSException as error:
            raise UnresolvedHost(f"cannot resolve {host[:80]!r}: {_reason(error)}") from error
        return [record.to_text() for record in records][:MAX_ADDRESSES]

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> list[dns.rdata.Rdata]:
        """For records that a host may do without: no answer is as good as none."""
        try:
            return list(await self._query(name, kind))
        except dns.exception.DNSException:
            return []

    async def _query(self, name: str, kind: dns.rdatatype.RdataType) -> Sequence[dns.rdata.Rdata]:
        self._renew()
        if self._resolver is None:
            return []
        try:
            answer = await self._resolver.resolve(
                dns.name.from_text(name), kind, search=False, backend=self._backend, lifetime=self._timeout
            )
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [] if answer.rrset is None else list(answer.rrset)

    def _renew(self) -> None:
        """Look at the system's name servers again: they change with the network that a machine is in."""
        now = asyncio.get_running_loop().time()
        if self._has_own or now < self._renew_at:
            return
        self._renew_at = now + SYSTEM_INTERVAL
        cache = None if self._resolver is None else self._resolver.cache
        self._resolver = _resolver((), self._timeout)
        if self._resolver is not None and cache is not None:
            self._resolver.cache = cache

    async def _from_system(self, host: str, *, is_ipv6: bool) -> list[str]:
        loop = asyncio.get_running_loop()
        key = (host, is_ipv6)
        known = self._known.get(key)
        if known is not None and known[0] > loop.time():
            return known[1]
        family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
        try:
            found = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_DGRAM)
        except socket.gaierror as error:
            if error.errno not in (socket.EAI_NONAME, _NO_DATA, _NO_FAMILY):
                raise UnresolvedHost(f"cannot resolve {host[:80]!r}: {error.strerror or error}") from error
            found = []
        except (OSError, UnicodeError) as error:
            # UnicodeError: a label that is too long for the IDNA codec.
            raise UnresolvedHost(f"cannot resolve {host[:80]!r}: {error}") from error
        addresses = [str(address[0]) for *_, address in found][:MAX_ADDRESSES]
        if addresses:
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            self._known[key] = (loop.time() + HOSTS_TTL, addresses)
        return addresses


# Not in every libc, and then not among what Python names.
_NO_DATA: Final = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)
_NO_FAMILY: Final = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)


class _Cache(dns.resolver.LRUCache):
    """Believes nothing for longer than `LONGEST_TTL`."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        value.expiration = min(value.expiration, utc_now().timestamp() + LONGEST_TTL)
        super().put(key, value)


def _resolver(nameservers: Sequence[tuple[str, int]], timeout: float) -> dns.asyncresolver.Resolver | None:
    try:
        resolver = dns.asyncresolver.Resolver(configure=not nameservers)
    except (dns.resolver.NoResolverConfiguration, OSError):
        return None
    if nameservers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(address, port) for address, port in nameservers]
    # A server that is silent must leave time for the next one.
    resolver.timeout = timeout / 3
    resolver.cache = _Cache(MAX_CACHED)
    return resolver


def _text(value: bytes) -> str:
    return value.decode("ascii", "replace")


def _reason(error: dns.exception.DNSException) -> str:
    return "no answer" if isinstance(error, dns.exception.Timeout) else type(error).__name__
