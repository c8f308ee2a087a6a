"""Which names our certificates carry, and which ones our authority may sign at all.

An authority that people install on their phones must not be good for their bank. So a new one is limited by name
constraints (RFC 5280 section 4.2.1.10) to names and addresses of private networks, to Telnyx' own names, which is what
a stand-in answers under, and to what the settings name when it is made.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from gateway.http.address import ListenAddress
from gateway.http.settings import HttpSettings

TELNYX: Final = "telnyx"
"""In `http.names`: all of `TELNYX_NAMES`."""

REGIONS: Final = ("eu", "us-central", "us-east", "us-west", "ca-central", "apac", "south-asia")
"""Of the JavaScript SDK (src/Region.ts, 2.27.10); the mobile ones have no others (verto-mobile 1.1)."""

TELNYX_NAMES: Final = (
    "rtc.telnyx.com",
    *(f"{region}.rtc.telnyx.com" for region in REGIONS),
    "rtcdev.telnyx.com",
    *(f"{region}.rtcdev.telnyx.com" for region in REGIONS),
    "sip.telnyx.com",
)
"""Where the SDKs connect to: production and development, each with its regions; and the domain of SIP addresses."""

_PRIVATE_DOMAINS: Final = (
    # RFC 6761, 6762, 8375, ICANN's `internal`, and what home routers and containers use
    *("localhost", "test", "example", "local", "home.arpa", "internal"),
    *("lan", "home", "intranet", "corp", "private", "localdomain"),
    "telnyx.com",
)
_PRIVATE_NETWORKS: Final = (
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"),
    *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *("::1/128", "fc00::/7", "fe80::/10", "2001:db8::/32"),
)


def certificate_names(settings: HttpSettings) -> list[str]:
    """What the `auto` certificate of these settings is for, beside loopback."""
    hosts = [ListenAddress.parse(url).host for url in settings.listen]
    public = urlsplit(settings.public_url).hostname or ""
    given = [name for one in settings.names for name in (TELNYX_NAMES if one == TELNYX else (one,))]
    return [*hosts, public, *given]


def constraints(names: Iterable[str]) -> x509.NameConstraints:
    """For a new authority that is to sign these names and addresses, in their canonical form."""
    permitted: dict[x509.GeneralName, None] = {x509.DNSName(domain): None for domain in _PRIVATE_DOMAINS}
    permitted |= {x509.IPAddress(ipaddress.ip_network(network)): None for network in _PRIVATE_NETWORKS}
    for name in sorted(names):
        if not _is_permitted(name, permitted):
            permitted[_subtree(name)] = None
    return x509.NameConstraints(permitted_subtrees=list(permitted), excluded_subtrees=None)


def refused_by(authority: x509.Certificate, names: Iterable[str]) -> list[str]:
    """Those of the names that the authority may not sign; none for one without constraints."""
    try:
        found = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    permitted = found.permitted_subtrees or []
    return [name for name in sorted(names) if not _is_permitted(name, permitted)]


def _is_permitted(name: str, permitted: Iterable[x509.GeneralName]) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        host = name.removeprefix("*.")
        return any(
            isinstance(one, x509.DNSName) and (host == one.value or host.endswith(f".{one.value}")) for one in permitted
        )
    networks = (one.value for one in permitted if isinstance(one, x509.IPAddress))
    return any(
        address in network for network in networks if isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network)
    )


def _subtree(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name.removeprefix("*."))
