"""Settings of the guard at the SIP port: `[sip_security]` in the configuration file."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal

MOST_SCANNERS: Final = 100
"""Names in the list of scanners; each is looked for in each request of a stranger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSecuritySettings:
    """Who is heard at the SIP port. A stranger is whoever is in no trunk's `accept_from`. Times are seconds.

    An address is an IPv4 address, or the /64 of an IPv6 one. Offences are wrong digests, unknown users, messages of
    strangers that cannot be parsed, and messages of strangers beyond `stranger_rate`.

    Raises:
        ValueError: a value that cannot work; the message starts with the field's name and a colon.
    """

    strangers: Literal["refuse", "silence"] = "refuse"
    """What a stranger's INVITE gets: `refuse` answers 403, so that a trunk that is set up wrongly learns why; with
    `silence` nobody learns that there is a gateway. Other requests of strangers are never answered."""

    stranger_rate: float = 20.0
    """Messages a second of one stranger's address, and five times as many at once; what is beyond is dropped unread.
    0 sets no limit."""

    ban_after: int = 20
    """Offences after which an address is banned: whatever it sends is dropped unread, its connections are closed."""

    ban_window: float = 600.0
    """Seconds in which `ban_after` offences are forgotten, evenly: one every 30 seconds with both defaults."""

    ban_time: float = 3600.0
    """Seconds of a ban; 0 bans nobody."""

    scanners: tuple[str, ...] = (
        *("friendly-scanner", "friendly-request", "sipvicious", "sipcli", "sip-scan"),
        *("sundayddr", "pplsip", "iwar"),
    )
    """Parts of the User-Agent of a stranger's request that ban it at once, in any letter case."""

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that are never banned and never limited to `stranger_rate`: phones in offices, monitoring. Those in a
    trunk's `accept_from` and hosts that we call never are either."""

    def __post_init__(self) -> None:
        if self.ban_after < 1:
            raise ValueError("ban_after: must be at least 1")
        if self.ban_window <= 0:
            raise ValueError("ban_window: must be above 0")
        if self.ban_time < 0:
            raise ValueError("ban_time: must not be below 0")
        if self.stranger_rate < 0:
            raise ValueError("stranger_rate: must not be below 0")
        if len(self.scanners) > MOST_SCANNERS:
            raise ValueError(f"scanners: must be {MOST_SCANNERS} at most")
        for index, name in enumerate(self.scanners):
            if not name.strip():
                raise ValueError(f"scanners[{index}]: must not be empty, every User-Agent holds that")
