"""Name servers, asked with dnspython: NAPTR, SRV, A and AAAA records, cached by their time to live (RFC 3263).

Loaded by `names` with the first question: dnspython is 60 modules, and many gateways never ask for a name.
"""

import asyncio
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

SYSTEM_INTERVAL: Final = 60.0
"""Seconds between two looks at `resolv.conf`."""


class NameServers:
    """Asks those that are given, or those in `resolv.conf`.

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
        kind = dns.rdatatype.AAAA if is_ipv6 else dns.rdatatype.A
        try:
            records = await self._query(host, kind)
        except dns.exception.DNSException as error:
            raise UnresolvedHost(f"cannot resolve {host[:80]!r}: {_reason(error)}") from error
        return [record.to_text() for record in records]

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
