"""Where a message goes to or came from, and the way it takes there."""

import ipaddress
from dataclasses import dataclass
from typing import Literal, Protocol

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Destination:
    """A transport address. `host` is an IP address in text form, IPv6 without brackets."""

    transport: Transport
    host: str
    port: int

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
    """One way to one far end: a UDP socket together with a remote address, or a TCP connection."""

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
        """Hand over one message. Never raises; False when it surely did not leave."""

    def to_port(self, port: int) -> "Flow":
        """The way to another port of the same host; a connection leads to one port only and stays the same."""

    def close(self) -> None:
        """Close a connection once what was sent has left; no effect on a UDP socket, which others share."""


def is_ip_address(text: str) -> bool:
    """Whether the text is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
