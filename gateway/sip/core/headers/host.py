"""`host[:port]` as it stands in a URI and in a Via (RFC 3261 section 25.1, hostport)."""

import ipaddress
import re
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.remembered import remembered

# Wider than the RFC's hostname: names of containers and of Windows hosts carry `_` and end in a digit.
_HOSTNAME: Final = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.])?")
_LOOKS_LIKE_IPV4: Final = re.compile(r"[0-9.]+")
_PORT: Final = re.compile(r"[0-9]{1,5}")


@remembered
def parse_host_port(text: str) -> tuple[str, int | None]:
    """Split and check `host[:port]`; white space around the colon is allowed, as in a Via.

    Returns:
        The host, an IPv6 address without its brackets, and the port or None.
    Raises:
        SipParseError: no host, a broken address, a port outside 1-65535.
    """
    text = text.strip()
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise SipParseError(f"unclosed IPv6 address {text[:60]!r}")
        return check_ipv6(inner), _parse_port(rest)
    host, colon, port = text.partition(":")
    return check_host(host.rstrip()), _parse_port(colon + port)


@remembered
def check_host(host: str) -> str:
    """The host name or IPv4 address as given; raises SipParseError when it is neither."""
    if _LOOKS_LIKE_IPV4.fullmatch(host):
        try:
            ipaddress.IPv4Address(host)
        except ValueError as exc:
            raise SipParseError(f"not an IPv4 address: {host[:60]!r}") from exc
    elif not _HOSTNAME.fullmatch(host) or ".." in host:
        raise SipParseError(f"not a host name: {host[:60]!r}")
    return host


def check_ipv6(host: str) -> str:
    """The address as given, without brackets; raises SipParseError when it is no IPv6 address (no zone ids)."""
    try:
        if "%" in host:
            raise ValueError("zone id")
        ipaddress.IPv6Address(host)
    except ValueError as exc:
        raise SipParseError(f"not an IPv6 address: {host[:60]!r}") from exc
    return host


def format_host_port(host: str, port: int | None) -> str:
    """The inverse: brackets around an IPv6 address."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def _parse_port(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    digits = text[1:].strip()
    if text[0] != ":" or not _PORT.fullmatch(digits) or not 0 < int(digits) < 65536:
        raise SipParseError(f"not a port: {text[:20]!r}")
    return int(digits)
