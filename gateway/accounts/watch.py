"""Has what is changed or expires in the store act on the clients that are logged in, within a second.

Whoever changed it, this process's API or a command line beside it: both write the change down (`store.changes`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway.auth.authenticator import login_mark
from gateway.auth.followed_keys import FollowedKeys
from gateway.auth.jwt import Tokens
from gateway.domain.registration import Ending
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.store.changes import Change, ChangeKind, Changes
from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.errors import NotFound, StoreError

INTERVAL: Final = 0.4
"""Seconds between two looks: with the look itself, a revocation acts within half a second."""

_FORGET_EVERY: Final = timedelta(hours=1)

_log = get_logger()


class Registrations(Protocol):
    """`vsp.endings.Endings`."""

    def end_registrations(self, which: Ending) -> int:
        """End those; returns how many there were."""

    def set_credential_expiry(self, credential_id: str, expires_at: float) -> None:
        """A credential expires at another time than before: `expires_at`, seconds since the epoch."""

    def end_expired(self) -> int:
        """End those whose credential has expired; returns how many there were."""


class EveryRegistration:
    """Clients and phones alike."""

    def __init__(self, kinds: Sequence[Registrations]) -> None:
        self._kinds = kinds

    def end_registrations(self, which: Ending) -> int:
        """See `Registrations`."""
        return sum(kind.end_registrations(which) for kind in self._kinds)

    def set_credential_expiry(self, credential_id: str, expires_at: float) -> None:
        """See `Registrations`."""
        for kind in self._kinds:
            kind.set_credential_expiry(credential_id, expires_at)

    def end_expired(self) -> int:
        """See `Registrations`."""
        return sum(kind.end_expired() for kind in self._kinds)


class AccountWatch:
    """One task, which looks at the changes, at the clock, and at the file of the token keys."""

    def __init__(
        self,
        database: Database,
        *,
        registrations: Registrations,
        on_key_revoked: Callable[[str], None],
        tokens: Tokens,
        keys: FollowedKeys,
        interval: float = INTERVAL,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Args:
            on_key_revoked: told the id of an API key that is good for nothing from now on.
        """
        self._changes = Changes(database)
        self._connections, self._credentials = Connections(database), Credentials(database)
        self._registrations, self._on_key_revoked = registrations, on_key_revoked
        self._tokens, self._keys = tokens, keys
        self._interval, self._clock = interval, clock
        self._key_marks = tokens.key_marks(clock().timestamp())
        self._undone: deque[Change] = deque()
        self._forget_at = clock() + _FORGET_EVERY
        self._is_failing = self._is_stopping = False
        self._poke = asyncio.Event()

    async def start(self) -> None:
        """Changes count from now on; call it before there are clients.

        Raises:
            StoreError: the database failed.
        """
        await self._changes.start()

    async def run(self) -> None:
        """Look until `stop`. A failing database delays what is to be done; it is done when it answers again."""
        while not self._is_stopping:
            self.look_at_clock()
            try:
                await self.look()
                self._is_failing = False
            except StoreError as error:
                if not self._is_failing:
                    _log.error("account_changes_not_read", error_code=error.code, detail=str(error))
                self._is_failing = True
            await self._pause()

    def look_soon(self) -> None:
        """Something may have changed: do not wait for the next look."""
        self._poke.set()

    def stop(self) -> None:
        """Let `run` end."""
        self._is_stopping = True
        self._poke.set()

    async def look(self) -> None:
        """Act on what has changed.

        Raises:
            StoreError: the database failed; nothing is lost by that.
        """
        self._undone.extend(await self._changes.fetch())
        while self._undone:
            await self._act(self._undone[0])
            self._undone.popleft()
        if self._clock() >= self._forget_at:
            self._forget_at = self._clock() + _FORGET_EVERY
            await self._changes.forget(self._clock())

    async def _act(self, change: Change) -> None:
        subject, ended = change.subject, 0
        match change.kind:
            case ChangeKind.CONNECTION_LOGIN:
                ended = self._registrations.end_registrations(await self._old_logins(subject))
            case ChangeKind.CONNECTION_OFF:
                ended = self._registrations.end_registrations(Ending(connection_id=subject))
            case ChangeKind.CREDENTIAL_OFF:
                ended = self._registrations.end_registrations(Ending(credential_id=subject))
            case ChangeKind.CREDENTIAL_EXPIRY:
                ended = await self._take_expiry(subject)
            case ChangeKind.KEY_REVOKED:
                self._on_key_revoked(subject)
        _note_ended(change.kind.value, ended)

    async def _old_logins(self, connection_id: str) -> Ending:
        """Who logged in with another user name or password than the connection has now."""
        try:
            connection = await self._connections.get(connection_id)
        except NotFound:
            return Ending(connection_id=connection_id)
        mark = login_mark(connection.user_name, connection.password_hash)
        return Ending(connection_id=connection_id, other_login_than=mark)

    async def _take_expiry(self, credential_id: str) -> int:
        try:
            credential = await self._credentials.get(credential_id)
        except NotFound:
            return self._registrations.end_registrations(Ending(credential_id=credential_id))
        self._registrations.set_credential_expiry(credential_id, credential.expires_at.timestamp())
        return self._registrations.end_expired()

    def look_at_clock(self) -> None:
        """What needs no database: expired credentials, the file of the token keys, keys whose overlap is over."""
        _note_ended("credential_expired", self._registrations.end_expired())
        self._keys.follow()
        marks = self._tokens.key_marks(self._clock().timestamp())
        if not self._key_marks <= marks:
            _note_ended("token_key_retired", self._registrations.end_registrations(Ending(other_key_than=marks)))
        self._key_marks = marks

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._poke.wait()
        except TimeoutError:
            return
        self._poke.clear()


def _note_ended(reason: str, count: int) -> None:
    if count:
        _log.info("registrations_ended", reason=reason, count=count)
