"""From a URI to a transport address (RFC 3263).

Addresses and A or AAAA records. NAPTR and SRV, with failover between several targets, are not done: a trunk behind
SRV records must be named by a host that has an address. A sips URI goes over TLS or not at all.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from gateway.sip.core.errors import UnresolvedHost, UnsupportedUri
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.transport.flow import Destination, Transport, is_ip_address

DEFAULT_PORT: Final = 5060
"""RFC 3261 section 19.1.2, for UDP and TCP."""

TLS_PORT: Final = 5061
"""The same for TLS."""

_TRANSPORTS: Final[dict[str, Transport]] = {"": "udp", "udp": "udp", "tcp": "tcp", "tls": "tls"}


def default_port(transport: str) -> int:
    """The port of a URI or a Via without one."""
    return TLS_PORT if transport == "tls" else DEFAULT_PORT


async def locate(uri: str, *, families: Sequence[tuple[Transport, bool]], timeout: float) -> Destination:
    """The address that a request to that URI goes to.

    Args:
        families: transport and whether IPv6, of each listener: nothing else can be reached.
        timeout: seconds for the name service.
    Raises:
        SipParseError: not a URI.
        UnsupportedUri: tel, another scheme, or a transport without a listener.
        UnresolvedHost: no address of a family that we listen on, or no answer in time.
    """
    parsed = SipUri.parse(uri)
    transport = _transport_of(parsed)
    usable = [is_ipv6 for known, is_ipv6 in families if known == transport]
    if not usable:
        raise UnsupportedUri(f"no {transport} listener to reach {uri!r} from")
    host, port = parsed.param("maddr") or parsed.host, parsed.port or default_port(transport)
    host = host.strip("[]")
    addresses = [host] if is_ip_address(host) else await _addresses_of(host, timeout)
    for address in addresses:
        if (":" in address) in usable:
            return Destination(transport, address, port, parsed.host if transport == "tls" else "")
    raise UnresolvedHost(f"no address of {host!r} is of a family that we listen on")


def _transport_of(uri: SipUri) -> Transport:
    if uri.scheme not in ("sip", "sips"):
        raise UnsupportedUri(f"cannot send to a {uri.scheme} URI")
    name = (uri.param("transport") or "").lower()
    if uri.scheme == "sips":
        if name not in ("", "tcp", "tls"):
            raise UnsupportedUri(f"a sips URI goes over TLS, never over {name[:20]!r}")
        return "tls"
    if name not in _TRANSPORTS:
        raise UnsupportedUri(f"transport {name[:20]!r} is not supported")
    return _TRANSPORTS[name]


async def _addresses_of(host: str, timeout: float) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except TimeoutError as exc:
        raise UnresolvedHost(f"no answer about {host!r} within {timeout} s") from exc
    except (OSError, UnicodeError) as exc:
        # UnicodeError: a label that is too long for the IDNA codec.
        raise UnresolvedHost(f"cannot resolve {host!r}: {exc}") from exc
    return [str(address[0]) for *_, address in found]
