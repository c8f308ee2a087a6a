"""The addresses of a trace as numbers, for formats that have no room for a missing one."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from gateway.domain.trace import TraceEntry, Way

Address = IPv4Address | IPv6Address
Endpoint = tuple[Address, int]


def parse_endpoint(text: str) -> Endpoint | None:
    """`192.0.2.1:5060` or `[2001:db8::1]:5060`; None for what is not that."""
    host, _, port = text.rpartition(":")
    try:
        return ip_address(host.removeprefix("[").removesuffix("]")), int(port) & 0xFFFF
    except ValueError:
        return None


def source_and_destination(entry: TraceEntry) -> tuple[Endpoint, Endpoint]:
    """Both ends, of one family; `0.0.0.0:0` or `[::]:0` where an end is not known or of the other family."""
    local, remote = parse_endpoint(entry.local), parse_endpoint(entry.remote)
    version = next((end[0].version for end in (remote, local) if end is not None), 4)
    nowhere: Endpoint = (IPv4Address(0), 0) if version == 4 else (IPv6Address(0), 0)
    ours, theirs = (nowhere if end is None or end[0].version != version else end for end in (local, remote))
    return (theirs, ours) if entry.way is Way.IN else (ours, theirs)
