"""The name service: NAPTR, SRV, A and AAAA records (RFC 3263), of name servers or of the system."""

import asyncio
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gateway.sip.core.errors import UnresolvedHost
from gateway.sip.core.naming import Naptr, Srv

if TYPE_CHECKING:
    from gateway.sip.transport.name_servers import NameServers

MAX_KNOWN: Final = 1000
"""Hosts that the system's resolver was asked for; of more, all are forgotten."""

HOSTS_TTL: Final = 30.0
"""Seconds that an address from the system's own resolver is believed, which tells no time to live."""

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
        self._given, self._timeout = tuple(nameservers), timeout
        self._servers: NameServers | None = None
        self._known: dict[tuple[str, bool], tuple[float, list[str]]] = {}

    async def naptr(self, domain: str) -> list[Naptr]:
        """Its NAPTR records; none when nobody can tell."""
        return await (await self._name_servers()).naptr(domain)

    async def srv(self, name: str) -> list[Srv]:
        """The SRV records of that name; none when nobody can tell."""
        return await (await self._name_servers()).srv(name)

    async def addresses(self, host: str, *, is_ipv6: bool) -> list[str]:
        """Its addresses of that family; none when it has none.

        Raises:
            UnresolvedHost: nobody could tell.
        """
        if not self._given:
            return await self._from_system(host, is_ipv6=is_ipv6)
        found = await (await self._name_servers()).addresses(host, is_ipv6=is_ipv6)
        return found[:MAX_ADDRESSES]

    async def _name_servers(self) -> "NameServers":
        """Loaded with the first question, and beside the loop, which has calls to look after meanwhile."""
        if self._servers is None:
            kind = await asyncio.to_thread(_load)
            # Whoever asked at the same time was served first.
            self._servers = self._servers or kind(self._given, timeout=self._timeout)
        return self._servers

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
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = (loop.time() + HOSTS_TTL, addresses)
        return addresses


# Not in every libc, and then not among what Python names.
_NO_DATA: Final = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)
_NO_FAMILY: Final = getattr(socket, "EAI_ADDRFAMILY", socket.EAI_NONAME)


def _load() -> "type[NameServers]":
    from gateway.sip.transport.name_servers import NameServers

    return NameServers
