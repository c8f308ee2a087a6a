"""Settings of the trunk side: `[sip]` and `[[trunks]]` in the configuration file."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from gateway.sip.transport.flow import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSettings:
    """Sockets, timers and limits of our SIP user agent."""

    listen: tuple[tuple[Transport, str, int], ...] = (("udp", "127.0.0.1", 5060), ("tcp", "127.0.0.1", 5060))
    """Listeners: transport, address, port; 0 takes any free port. Loopback by default: nothing is open by accident."""

    advertise: str = ""
    """Address in our Via and Contact; empty: the one we are bound to, or the one the route to the peer starts from."""

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

    max_connections: int = 256
    """TCP connections from far ends at once, a quarter of them for sources that may not call us; and the same
    number of connections that we opened ourselves."""

    max_transactions: int = 10_000
    """Server transactions at once. Requests beyond are dropped: the sender repeats them."""

    idle_timeout: float = 600.0
    """Seconds without a byte after which a TCP connection is closed. Longer than the keep-alives of trunks."""

    message_timeout: float = 10.0
    """Seconds that a peer has to complete a message it has begun, and to send the first one after it connected."""

    connect_timeout: float = 10.0
    """Seconds to open a TCP connection; the transaction's own timer may end the wait earlier."""

    resolve_timeout: float = 5.0
    """Seconds that a DNS query may take."""

    user_agent: str = "rtc-gateway"
    """User-Agent and Server header field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkSettings:
    """One `[[trunks]]` entry."""

    name: str
    """Its name in logs and routes."""

    uri: str
    """Where its calls go, for example `sip:127.0.0.2:5060;transport=udp`."""

    username: str | None = None
    """User name for the digest; None: the trunk does not challenge."""

    password: str | None = field(default=None, repr=False)
    """Password for the digest, from `password_file` or the environment."""

    register: bool = False
    """Whether we keep a registration there."""

    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """Codecs offered to and accepted from this trunk, in order of preference."""

    accept_from: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks from which its calls may come; empty: none."""
