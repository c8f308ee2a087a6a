"""What a URI asks of the name service, and in which order its answers are tried (RFC 3263, RFC 2782). Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import UnsupportedUri
from gateway.sip.core.headers.uri import SipUri

MAX_RECORDS: Final = 16
"""NAPTR records of a domain, and SRV records of a service, that are looked at."""

_SERVICES: Final = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
_OF_NAPTR: Final = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}
_BY_PARAMETER: Final = {"udp": "udp", "tcp": "tcp", "tls": "tls"}


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403)."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782). A target of "" or "." says that there is no such service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a URI says about where a request goes.

    Attributes:
        host: name or address; an IPv6 address without brackets.
        domain: whom a certificate must name.
        transport: what it asks for, None when that is for the name service to say.
    """

    host: str
    port: int | None
    domain: str
    transport: str | None
    is_sips: bool

    @property
    def default_transport(self) -> str:
        """Where nothing else says which (RFC 3263 section 4.1)."""
        return self.transport or ("tls" if self.is_sips else "udp")


def wanted_of(uri: str) -> Wanted:
    """What a URI asks for.

    Raises:
        SipParseError: not a URI.
        UnsupportedUri: a scheme or a transport that we cannot send to, or sips with a transport that is not TLS.
    """
    parsed = SipUri.parse(uri)
    if parsed.scheme not in ("sip", "sips"):
        raise UnsupportedUri(f"cannot send to a {parsed.scheme} URI")
    is_sips = parsed.scheme == "sips"
    name = (parsed.param("transport") or "").lower()
    if is_sips and name not in ("", "tcp", "tls"):
        raise UnsupportedUri(f"a sips URI goes over TLS, never over {name[:20]!r}")
    if name and name not in _BY_PARAMETER:
        raise UnsupportedUri(f"transport {name[:20]!r} is not supported")
    return Wanted(
        host=(parsed.param("maddr") or parsed.host).strip("[]"),
        port=parsed.port,
        domain=parsed.host,
        transport="tls" if is_sips else _BY_PARAMETER.get(name),
        is_sips=is_sips,
    )


def service_name(transport: str, host: str) -> str:
    """The name of the SRV records of that host for a transport."""
    return f"{_SERVICES[transport]}.{host}"


def order_naptr(records: Iterable[Naptr], transports: Iterable[str]) -> list[tuple[str, str]]:
    """Transports that both sides have, with the name of their SRV records, the preferred one first.

    Args:
        transports: what may be used towards this URI.
    """
    usable = set(transports)
    found = [
        (record.order, record.preference, transport, record.replacement.rstrip("."))
        for record in list(records)[:MAX_RECORDS]
        if record.flags.lower() == "s"
        and (transport := _OF_NAPTR.get(record.service.lower())) in usable
        and transport is not None
        and record.replacement.rstrip(".")
    ]
    return [(transport, replacement) for _, _, transport, replacement in sorted(found)]


def order_srv(records: Sequence[Srv], random: Callable[[], float]) -> list[Srv]:
    """Records in the order in which they are tried: by priority, within one by chance that follows the weights.

    Args:
        random: from 0 up to but not including 1.
    """
    ordered: list[Srv] = []
    usable = [record for record in records[:MAX_RECORDS] if record.target.rstrip(".")]
    for priority in sorted({record.priority for record in usable}):
        # RFC 2782: those of weight 0 first, so that they are hardly ever taken before others.
        left = sorted((record for record in usable if record.priority == priority), key=lambda record: record.weight)
        while left:
            ordered.append(left.pop(_draw([record.weight for record in left], random)))
    return ordered


def _draw(weights: Sequence[int], random: Callable[[], float]) -> int:
    point, total = random() * sum(weights), 0
    for index, weight in enumerate(weights):
        total += weight
        if point < total:
            return index
    return 0  # all weights are 0
