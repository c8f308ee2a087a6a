"""Settings of the media engine."""

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.media.core.negotiate import Preference


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSettings:
    """`[media]`. Times are seconds.

    Raises:
        ValueError: a value that cannot work, named in the message.
    """

    address: str = "127.0.0.1"
    """IP address of our RTP sockets and host candidates; several, separated by commas, make several candidates.
    Plain RTP uses the first."""

    advertise: str = ""
    """Public address written instead of the first `address` when a NAT maps it 1:1; empty without one."""

    rtp_ports: str = "20000-29999"
    """First and last UDP port for media. A plain RTP leg takes two, a browser leg one for each address."""

    engine: Literal["native", "embedded", "aiortc"] = "native"
    """Which engine moves the packets: `native`, the compiled one (`embedded` is another name for it), or `aiortc`, the
    reference one in Python."""

    webrtc_port: int = 0
    """Engine `native`: the UDP port that all browsers share; 0 takes a free one of `rtp_ports`."""

    workers: int = 0
    """Engine `native`: threads that move packets; 0 is one for each processor."""

    tick: float = 0.001
    """Engine `native`: how long a busy thread may hold a packet so that several leave together; 0 turns this off."""

    realtime: bool = True
    """Engine `native`: threads that move packets go before every ordinary one of the machine while they leave it most
    of its time, so that calls which are set up do not delay those that talk. Needs CAP_SYS_NICE or a limit on real-time
    priorities (RLIMIT_RTPRIO) above zero; without, they ask the kernel for short turns."""

    opus_complexity: int = 0
    """Engine `native`: how hard its opus encoders work, 1 to 10; 0 goes along with the voice (3 for a narrow one, 6
    for a wide one) and the load (1 while a thread that moves packets has no time to spare)."""

    prefer: Literal["passthrough", "quality"] = "passthrough"
    """`passthrough` gives both legs the same codec whenever it can; `quality` keeps opus towards browsers."""

    ice_timeout: float = 15.0
    """How long checks may take to find a path, from the moment both descriptions are known. Candidates may trickle
    in, or none may come, all the while."""

    dtls_timeout: float = 15.0
    """How long the handshake may take on the found path."""

    consent_interval: float = 5.0
    """Mean time between two consent checks (RFC 7675 section 5.1 says 5 s)."""

    consent_timeout: float = 30.0
    """A browser that answered no consent check for so long is gone (RFC 7675 section 5.1 says 30 s)."""

    rtp_timeout: float = 60.0
    """A plain RTP leg that should send and did not for so long has failed; 0 turns this off. Comfort noise and
    telephone-events count; a held leg may be silent."""

    port_quarantine: float = 2.0
    """How long a port rests after a call, so that late packets of that call meet nobody."""

    def __post_init__(self) -> None:
        for address in self.addresses:
            if _parsed("address", address).is_unspecified and not self.advertise:
                raise ValueError("address: 0.0.0.0 cannot be told to anybody; name an address, or set advertise")
        if self.advertise:
            _parsed("advertise", self.advertise)
        if len(self.port_range) < 2:
            raise ValueError(f"rtp_ports: {self.rtp_ports!r} holds less than two ports")
        _check_word("engine", self.engine, ("native", "embedded", "aiortc"))
        _check_word("prefer", self.prefer, ("passthrough", "quality"))
        for name in ("ice_timeout", "dtls_timeout", "consent_interval", "consent_timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}: must be above zero")
        for name in ("rtp_timeout", "port_quarantine"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: must not be below zero")

        self._check_native()

    def _check_native(self) -> None:
        if self.webrtc_port and not 1024 <= self.webrtc_port <= 65535:
            raise ValueError(f"webrtc_port: {self.webrtc_port} is not within 1024-65535")
        if not 0 <= self.workers <= 64:
            raise ValueError(f"workers: {self.workers} is not within 0-64")
        if not 0 <= self.opus_complexity <= 10:
            raise ValueError(f"opus_complexity: {self.opus_complexity} is not within 0-10")
        if not 0 <= self.tick <= 0.020:
            raise ValueError(f"tick: {self.tick} is not within 0-0.020 s")

    @property
    def addresses(self) -> tuple[str, ...]:
        """The parts of `address`."""
        return tuple(part.strip() for part in self.address.split(","))

    @property
    def advertised(self) -> tuple[str, ...]:
        """What peers are told instead of `addresses`, one for each."""
        return (self.advertise or self.addresses[0], *self.addresses[1:])

    @property
    def port_range(self) -> range:
        """`rtp_ports` as a range."""
        first, dash, last = self.rtp_ports.partition("-")
        if not (dash and first.strip().isdecimal() and last.strip().isdecimal()):
            raise ValueError(f"rtp_ports: {self.rtp_ports!r} is not two port numbers with a dash between them")
        ports = range(int(first), int(last) + 1)
        if not ports or ports[0] < 1024 or ports[-1] > 65535:
            raise ValueError(f"rtp_ports: {self.rtp_ports!r} is not within 1024-65535")
        return ports

    @property
    def preference(self) -> "Preference":
        """`prefer` as the core knows it."""
        # Here, because all commands read settings, and few of them carry media.
        from gateway.media.core.negotiate import Preference

        return Preference(self.prefer)


def _parsed(name: str, text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError(f"{name}: {text!r} is not an IP address") from error


def _check_word(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
