"""Settings of the SIP side: `[sip]` in the configuration file."""

from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.host import parse_host_port
from gateway.sip.core.session_interval import MINIMUM
from gateway.sip.transport.flow import TRANSPORTS, Transport, is_ip_address

SMALLEST_MTU: Final = 576
"""Bytes; every network carries that much (RFC 1122 section 3.3.3)."""

SMALLEST_MESSAGE_LIMIT: Final = 4096
"""Bytes; below, ordinary INVITEs of browsers' size would not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSettings:
    """Sockets, timers and limits of our SIP user agent. Times are seconds.

    Raises:
        ValueError: a value that cannot work; the message starts with the field's name and a colon.
    """

    listen: tuple[tuple[Transport, str, int], ...] = (("udp", "127.0.0.1", 5060), ("tcp", "127.0.0.1", 5060))
    """Listeners: transport, address, port; 0 takes any free port. Loopback by default: nothing is open by accident."""

    advertise: str = ""
    """Address in our Via and Contact, for listeners of its family; empty: the one we are bound to, or the one the route
    to the peer starts from."""

    advertise_listeners: tuple[str, ...] = ()
    """The same for single listeners, in the order of `listen`: `ADDRESS`, `ADDRESS:PORT` where a NAT maps the port as
    well, or empty for `advertise`. Each of the family of its listener; those that are left out at the end are empty."""

    domain: str = "sip.telnyx.com"
    """`user@domain` from a client reaches a registered client; also the host of our From URIs."""

    t1: float = 0.5
    """Seconds, RFC 3261's T1: the round trip estimate. Timers B, F, H, J, L and M are 64 of it."""

    t2: float = 4.0
    """Seconds, RFC 3261's T2: the longest pause between two repeats of a request or final response."""

    t4: float = 5.0
    """Seconds, RFC 3261's T4: how long a message may stay in the network (timers I and K)."""

    max_message_bytes: int = 65_535
    """Largest message taken from a connection; a longer one closes it. A datagram is never longer anyway."""

    path_mtu: int = 1500
    """Bytes that the network carries in one packet. A request of ours that comes within 200 bytes of it goes over TCP
    (RFC 3261 section 18.1.1), unless the URI says `transport=udp`, and over UDP where there is no TCP."""

    max_connections: int = 256
    """TCP and TLS connections from far ends at once, a quarter of them for sources that may not call us; and the same
    number of connections that we opened ourselves."""

    max_transactions: int = 40_000
    """Server transactions at once; a call leaves two behind for 32 s. Requests beyond are dropped: the sender repeats
    them."""

    idle_timeout: float = 600.0
    """Seconds without a byte after which a connection is closed. Longer than the keep-alives of trunks."""

    message_timeout: float = 10.0
    """Seconds that a peer has to complete a message it has begun, and to send the first one after it connected."""

    keepalive_interval: float = 30.0
    """Seconds between two CRLF pings on a connection that we opened and that carries a call, or over which we are
    registered at a trunk (RFC 5626); 0: none."""

    keepalive_timeout: float = 10.0
    """Seconds after which such a connection counts as dead when nothing comes back, though the far end has answered
    pings before, or when the network does not take what we send. The next request opens a new one."""

    connect_timeout: float = 10.0
    """Seconds to open a TCP or TLS connection; the transaction's own timer may end the wait earlier."""

    resolve_timeout: float = 5.0
    """Seconds that the name service has to find the addresses of a URI."""

    nameservers: tuple[tuple[str, int], ...] = ()
    """Name servers, address and port; without any, the system's. These are asked for addresses, too, so that
    `/etc/hosts` counts no longer."""

    failover_after: float = 5.0
    """Seconds that an address may stay silent before the next one of the same trunk is tried, and after the last one
    the next trunk. What an address still answers is taken: a ringing phone is cancelled, an answer is the call, unless
    another trunk has it by then."""

    avoid_failed: float = 60.0
    """Seconds that an address which did not answer, or said 503 without Retry-After, is tried after all others."""

    session_expires: int = 1800
    """Seconds of the session timer (RFC 4028) that our calls ask for, at least 90; 0 asks for none. A call whose far
    end has gone silent ends by it. What a far end asks for is kept to in any case."""

    user_agent: str = "rtc-gateway"
    """User-Agent and Server header field."""

    def __post_init__(self) -> None:
        self._check_addresses()
        for name in ("t1", "t2", "t4", "idle_timeout", "message_timeout", "connect_timeout"):
            _check_least(name, getattr(self, name), above=0)
        for name in ("resolve_timeout", "failover_after", "avoid_failed", "keepalive_timeout"):
            _check_least(name, getattr(self, name), above=0)
        if self.keepalive_interval < 0:
            raise ValueError("keepalive_interval: must be 0 or above")
        _check_least("path_mtu", self.path_mtu, above=SMALLEST_MTU - 1)
        if self.t2 < self.t1:
            raise ValueError("t2: must not be below t1")
        _check_least("max_connections", self.max_connections, above=0)
        _check_least("max_transactions", self.max_transactions, above=0)
        _check_least("max_message_bytes", self.max_message_bytes, above=SMALLEST_MESSAGE_LIMIT - 1)
        if self.session_expires and self.session_expires < MINIMUM:
            raise ValueError(f"session_expires: must be 0 or at least {MINIMUM}")
        if not self.user_agent.isprintable():
            raise ValueError("user_agent: must not have control characters")

    def _check_addresses(self) -> None:
        for index, (transport, host, port) in enumerate(self.listen):
            if transport not in TRANSPORTS:
                raise ValueError(f"listen[{index}]: transport {transport!r} is not supported, expected udp, tcp or tls")
            if not is_ip_address(host) or not 0 <= port <= 65535:
                raise ValueError(f"listen[{index}]: expected an IP address and a port of 0 to 65535")
        if self.advertise and not is_ip_address(self.advertise):
            raise ValueError("advertise: expected an IP address, or nothing")
        if len(self.advertise_listeners) > len(self.listen):
            raise ValueError("advertise_listeners: more than there are listeners")
        for index, text in enumerate(self.advertise_listeners):
            host, _ = parse_advertised(text, f"advertise_listeners[{index}]")
            if host and (":" in host) != (":" in self.listen[index][1]):
                raise ValueError(f"advertise_listeners[{index}]: not of the family of its listener")

    def advertised(self, index: int) -> tuple[str, int | None]:
        """Address and port under which the listener with that index is reached; empty and None: as it is bound."""
        own = self.advertise_listeners[index] if index < len(self.advertise_listeners) else ""
        if own:
            return parse_advertised(own, "advertise_listeners")
        is_same_family = (":" in self.advertise) == (":" in self.listen[index][1])
        return (self.advertise if is_same_family else ""), None


def parse_advertised(text: str, field_name: str) -> tuple[str, int | None]:
    """`ADDRESS`, `ADDRESS:PORT` or nothing. Raises ValueError that begins with the field's name."""
    if not text or is_ip_address(text):
        return text, None
    try:
        host, port = parse_host_port(text)
    except SipParseError as error:
        raise ValueError(f"{field_name}: {error}") from error
    if not is_ip_address(host):
        raise ValueError(f"{field_name}: expected ADDRESS or ADDRESS:PORT")
    return host, port


def _check_least(name: str, value: float, *, above: float) -> None:
    if value <= above:
        raise ValueError(f"{name}: must be above {above}")
