"""Which addresses are not listened to: a score for each that does wrong, and bans that expire. Pure.

An address is what one customer has: an IPv4 address, or the /64 of an IPv6 one.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from gateway.auth.core.throttle import network_of

MAX_OFFENDERS: Final = 10_000
"""Addresses with points; of more, the one that did wrong longest ago is forgotten."""

MAX_BANS: Final = 10_000
"""Addresses banned at once; of more, the ban that was pronounced first is lifted."""

MAX_CALLED: Final = 4096
"""Far ends of ours that are remembered as such; of more, the one that was called longest ago is forgotten."""


class Offence(Enum):
    """What an address can do wrong. Each counts one point, a scanner's name as many as a ban takes."""

    SCANNER = "scanner"
    """A User-Agent from the list of the settings."""
    WRONG_DIGEST = "wrong_digest"
    UNKNOWN_USER = "unknown_user"
    MALFORMED = "malformed"
    """A message that cannot be parsed, from a source that may not call us."""
    FLOOD = "flood"
    """A message beyond the rate that a source has that may not call us."""


@dataclass(frozen=True, slots=True)
class Ban:
    """An address that is not listened to. Times are seconds of the caller's clock.

    Attributes:
        network: an IPv4 address, or an IPv6 network with its length.
        offence: the last straw.
    """

    network: str
    offence: Offence
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class _Score:
    points: float
    at: float


class BanList:
    """Keeps count of offences and says who is banned. All tables are bounded; `now` never goes back.

    Whom we send requests to ourselves is never banned: else anybody who can forge a source address could have us stop
    listening to a carrier whose calls we only make.
    """

    def __init__(
        self, *, limit: int, window: float, duration: float, never: Iterable[IPv4Network | IPv6Network] = ()
    ) -> None:
        """
        Args:
            limit: points that ban.
            window: seconds in which that many points drain away again, evenly.
            duration: seconds of a ban; 0 bans nobody.
            never: networks that are never banned.
        """
        self._limit, self._drain, self._duration = limit, limit / window, duration
        self._never = tuple(never)
        self._scores: OrderedDict[str, _Score] = OrderedDict()
        self._bans: OrderedDict[str, Ban] = OrderedDict()
        self._called: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Bans that have not been seen to expire yet."""
        return len(self._bans)

    def offend(self, host: str, offence: Offence, now: float) -> Ban | None:
        """Count an offence of that IP address; the ban, if this one brings it."""
        self._expire(now)
        network = network_of(host)
        if not self._duration or network in self._bans or self.is_exempt(host):
            return None
        points = self._limit if offence is Offence.SCANNER else self._points(network, now) + 1
        if points <= self._limit - 1:  # what drained between the first and the last of a burst spares nobody
            self._scores[network] = _Score(points, now)
            self._scores.move_to_end(network)
            _bound(self._scores, MAX_OFFENDERS)
            return None
        self._scores.pop(network, None)
        ban = self._bans[network] = Ban(network, offence, now, now + self._duration)
        _bound(self._bans, MAX_BANS)
        return ban

    def is_banned(self, host: str, now: float) -> bool:
        """Whether that IP address is banned. Cheap: it is asked for each packet, before anything else is done."""
        if not self._bans:
            return False
        ban = self._bans.get(host if ":" not in host else network_of(host))
        return ban is not None and now < ban.until

    def is_exempt(self, host: str) -> bool:
        """Whether that IP address is never banned."""
        if network_of(host) in self._called:
            return True
        address = ip_address(host)
        return any(address in network for network in self._never)

    def spare(self, host: str) -> None:
        """We send a request to that IP address: never ban it, and listen to it if it is banned."""
        network = network_of(host)
        if network not in self._called:
            self._called[network] = None
            _bound(self._called, MAX_CALLED)
            self._scores.pop(network, None)
            self._bans.pop(network, None)
        else:
            self._called.move_to_end(network)

    def lift(self, host: str, now: float) -> bool:
        """Listen to that IP address, or to the network of it, again and forget its points; whether it was banned."""
        self._expire(now)
        network = network_of(host.partition("/")[0])
        self._scores.pop(network, None)
        return self._bans.pop(network, None) is not None

    def bans(self, now: float) -> tuple[Ban, ...]:
        """Who is banned, the newest ban first."""
        self._expire(now)
        return tuple(reversed(self._bans.values()))

    def _points(self, network: str, now: float) -> float:
        score = self._scores.get(network)
        return 0.0 if score is None else max(0.0, score.points - (now - score.at) * self._drain)

    def _expire(self, now: float) -> None:
        # All bans last equally long, so that they end in the order in which they were pronounced.
        while self._bans and now >= next(iter(self._bans.values())).until:
            self._bans.popitem(last=False)


def _bound(table: "OrderedDict[str, _Score] | OrderedDict[str, Ban] | OrderedDict[str, None]", limit: int) -> None:
    while len(table) > limit:
        table.popitem(last=False)
