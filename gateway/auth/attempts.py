"""Who has been wrong too often to be let try another password right now: by user and address, by address, by user.

So a stranger who hammers a user name shuts himself out of it, and not the user: the limit of the name alone is far
higher, there only because an attacker may have many addresses, and like that of the address it does not count where
that user has logged in before. Tokens are not guessed, and cost next to nothing: they are always looked at.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.auth.core.throttle import MAX_ENTRIES, Throttle, network_of
from gateway.auth.settings import AuthSettings
from gateway.observability.logging import get_logger
from gateway.observability.metrics import SHUT_OUT

WINDOW: Final = 60.0
"""Seconds in which the failures are counted."""

_MAX_NAME: Final = 64
"""Characters of the longest user name that there can be."""

_log = get_logger()


class LoginAttempts:
    """One per process, each table bounded. A login that is right is never held against anybody."""

    def __init__(self, settings: AuthSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self._pairs = Throttle(settings.max_wrong_logins, WINDOW)
        self._addresses = Throttle(settings.max_wrong_logins_per_address, WINDOW)
        self._users = Throttle(settings.max_wrong_logins_per_user, WINDOW)
        self._at_home: OrderedDict[str, None] = OrderedDict()
        self._now = now

    def is_shut_out(self, username: str, peer: str) -> bool:
        """Whether a password of that user from that address is refused without a look at it."""
        now, network = self._now(), network_of(peer)
        name, pair = username[:_MAX_NAME], _pair(username, network)
        if self._pairs.wait(pair, now) > 0:
            return True
        if pair in self._at_home:
            return False
        return self._addresses.wait(network, now) > 0 or self._users.wait(name, now) > 0

    def right(self, username: str, peer: str) -> None:
        """That user's password came from that address."""
        pair = _pair(username, network_of(peer))
        self._pairs.forgive(pair)
        self._at_home[pair] = None
        self._at_home.move_to_end(pair)
        while len(self._at_home) > MAX_ENTRIES:
            self._at_home.popitem(last=False)

    def wrong(self, username: str, peer: str) -> None:
        """A wrong password came for that user, or (without one) a token that none of our keys has signed."""
        now, network = self._now(), network_of(peer)
        is_report = self._addresses.fail(network, now)
        if username:
            is_report |= self._pairs.fail(_pair(username, network), now)
            is_report |= self._users.fail(username[:_MAX_NAME], now)
        if is_report:
            SHUT_OUT.labels(kind="login").inc()
            _log.warning("address_shut_out", peer=peer, kind="login")


def _pair(username: str, network: str) -> str:
    return f"{network} {username[:_MAX_NAME]}"
