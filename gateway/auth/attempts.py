"""Who has been wrong too often to be let try again right now: by user and address, by address, by user.

Three tables, so that a stranger who hammers a user name shuts himself out of it, not the user at another address: the
limit of the user name alone is far higher, and only there because an attacker may have many addresses.
"""

import time
from collections.abc import Callable

from gateway.auth.core.throttle import Throttle, network_of
from gateway.auth.settings import AuthSettings
from gateway.observability.logging import get_logger
from gateway.observability.metrics import SHUT_OUT

WINDOW = 60.0
"""Seconds in which the failures are counted."""

_log = get_logger()


class LoginAttempts:
    """One per process, bounded by the tables' own bounds. A login that is right is never held against anybody."""

    def __init__(self, settings: AuthSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        self._pairs = Throttle(settings.max_wrong_logins, WINDOW)
        self._addresses = Throttle(settings.max_wrong_logins_per_address, WINDOW)
        self._users = Throttle(settings.max_wrong_logins_per_user, WINDOW)
        self._now = now

    def is_shut_out(self, username: str, peer: str) -> bool:
        """Whether a login of that user from that address is refused without a look at its password."""
        now, network = self._now(), network_of(peer)
        keys = ((self._pairs, _pair(username, network)), (self._addresses, network), (self._users, username[:64]))
        return any(table.wait(key, now) > 0 for table, key in keys if key)

    def note(self, username: str, peer: str, *, is_wrong: bool) -> None:
        """A login was checked. Only a wrong password or a token that is not ours counts."""
        now, network = self._now(), network_of(peer)
        if not is_wrong:
            self._pairs.forgive(_pair(username, network))
            return
        told = self._pairs.fail(_pair(username, network), now)
        told |= self._addresses.fail(network, now)
        if username:
            told |= self._users.fail(username[:64], now)
        if told:
            SHUT_OUT.labels(kind="login").inc()
            _log.warning("address_shut_out", peer=peer, kind="login")


def _pair(username: str, network: str) -> str:
    return f"{network} {username[:64]}"
