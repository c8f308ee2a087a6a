"""Who is heard at the SIP port: bans and rates of strangers, with their log lines and metrics."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_BANS, SIP_MESSAGES_REFUSED, SIP_OFFENCES
from gateway.sip.core.banning import Ban, BanList, Offence
from gateway.sip.core.message import Request
from gateway.sip.core.rate import AddressRates, TokenBucket
from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.transport.flow import Destination

BURST_SECONDS: Final = 5
"""What a stranger may send at once, counted in seconds of its rate."""

LINES_PER_SECOND: Final = 1.0
"""Log lines about bans; against an attacker with very many addresses."""

BURST_LINES: Final = 20

_log = get_logger()
_banned, _beyond_rate = SIP_MESSAGES_REFUSED.labels("banned"), SIP_MESSAGES_REFUSED.labels("rate")


class Doorkeeper:
    """Decides who is heard, before a message is parsed.

    Args:
        never_ban: networks of those that may call us.
    """

    def __init__(self, settings: SipSecuritySettings, never_ban: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._scanners = tuple(name.strip().lower() for name in settings.scanners)
        self._list = BanList(
            limit=settings.ban_after,
            window=settings.ban_window,
            duration=settings.ban_time,
            never=(*never_ban, *settings.allow),
        )
        rate = settings.stranger_rate
        self._rates = AddressRates(rate=rate, burst=max(1, int(rate * BURST_SECONDS)))
        self._lines = TokenBucket(rate=LINES_PER_SECOND, burst=BURST_LINES)

    def is_banned(self, host: str, now: float) -> bool:
        """Whether a message of that IP address is to be dropped unread; it is counted if so."""
        if not self._list.is_banned(host, now):
            return False
        _banned.inc()
        return True

    def is_beyond_rate(self, source: Destination, now: float) -> bool:
        """Whether a stranger has sent too much, so that this message is to be dropped unread; it is counted if so."""
        if self._rates.take(source.host, now) or self._list.is_exempt(source.host):
            return False
        _beyond_rate.inc()
        self.offend(source, Offence.FLOOD, now)
        return True

    def is_scanner(self, source: Destination, request: Request) -> bool:
        """Whether the request says itself that it comes from a scanner, and not from a network that is allowed to."""
        agent = (request.headers.get("User-Agent") or "").lower()
        return any(name in agent for name in self._scanners) and not self._list.is_exempt(source.host)

    def offend(self, source: Destination, offence: Offence, now: float) -> None:
        """Count an offence; log the ban, if this one brings it."""
        SIP_OFFENCES.labels(offence.value).inc()
        ban = self._list.offend(source.host, offence, now)
        if ban is None:
            return
        SIP_BANS.labels(offence.value).inc()
        if self._lines.take(now):
            _log.warning(
                "sip_address_banned",
                peer=ban.network,
                reason=offence.value,
                duration_s=round(ban.until - ban.since, 3),
                not_logged=self._lines.held_back(),
            )

    def spare(self, host: str) -> None:
        """We send a request there: its answers must be heard."""
        self._list.spare(host)

    def bans(self, now: float) -> tuple[Ban, ...]:
        """Who is banned, the newest ban first."""
        return self._list.bans(now)

    def lift(self, host: str, now: float) -> bool:
        """Listen to that address again; whether it was banned."""
        was_banned = self._list.lift(host, now)
        if was_banned:
            _log.info("sip_ban_lifted", peer=host)
        return was_banned
