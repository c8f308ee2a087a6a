"""Where a message goes to or came from, and the way it takes there."""

import ipaddress
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

from gateway.sip.core.headers.remembered import remembered

Transport = Literal["udp", "tcp", "tls"]

TRANSPORTS: Final[tuple[Transport, ...]] = get_args(Transport)


@dataclass(frozen=True, slots=True)
class Destination:
    """A transport address.

    Attributes:
        host: an IP address in text form, IPv6 without brackets.
        domain: over TLS, whom the certificate of the far end must name (RFC 5922 section 4): the host of the URI that
            this was found for. Empty over other transports, and for a connection that came to us.
        may_switch: whether a large request may go over TCP instead of UDP (RFC 3261 section 18.1.1), which it may not
            where somebody has asked for UDP.
    """

    transport: Transport
    host: str
    port: int
    domain: str = ""
    may_switch: bool = field(default=False, compare=False)

    @property
    def is_sendable(self) -> bool:
        """False for port 0, numbers that are no port and hosts that are no address: sendto would raise or block."""
        return 0 < self.port < 65536 and is_ip_address(self.host)

    @property
    def is_ipv6(self) -> bool:
        """Whether the address is an IPv6 one."""
        return ":" in self.host

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.is_ipv6 else self.host
        return f"{self.transport}:{host}:{self.port}"


class Flow(Protocol):
    """One way to one far end: a UDP socket together with a remote address, or a TCP or TLS connection."""

    @property
    def remote(self) -> Destination:
        """The far end's transport address."""

    @property
    def is_reliable(self) -> bool:
        """True when the transport repeats what is lost (RFC 3261 section 17)."""

    @property
    def is_open(self) -> bool:
        """False once nothing can be sent this way any more."""

    def send(self, data: bytes) -> bool:
        """Hand over one message. Never raises; False when it surely did not leave and never will this way."""

    def to_port(self, port: int) -> "Flow":
        """The way to another port of the same host; a connection leads to one port only and stays the same."""

    def close(self) -> None:
        """Close a connection once what was sent has left; no effect on a UDP socket, which others share."""


@remembered
def is_ip_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
