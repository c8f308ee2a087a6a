"""Has what is changed or expires in the store act on the clients that are logged in, within a second.

Whoever changed it, this process's API or a command line beside it: both write the change down (`store.changes`).
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from gateway.auth.errors import BadKeyFile
from gateway.auth.jwt import Tokens
from gateway.auth.keyring import load_ring
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.store.changes import Change, ChangeKind, Changes
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.errors import NotFound, StoreError

INTERVAL: Final = 0.4
"""Seconds between two looks: with the look itself, a revocation acts within half a second."""

_FORGET_EVERY: Final = timedelta(hours=1)

_log = get_logger()


class Registrations(Protocol):
    """`vsp.server.VertoServer`."""

    def credentials_in_use(self) -> frozenset[str]:
        """Ids of the credentials with which clients are logged in."""

    def end_registrations(
        self, *, connection_id: str | None = None, credential_id: str | None = None, is_own_name_only: bool = False
    ) -> int:
        """End those of a connection or of a credential; returns how many there were.

        Args:
            is_own_name_only: not those of the connection's credentials.
        """


class AccountWatch:
    """One task, which looks at the changes, at the expiry of credentials in use, and at the file of the token keys."""

    def __init__(
        self,
        database: Database,
        *,
        registrations: Registrations,
        on_key_revoked: Callable[[str], None],
        tokens: Tokens,
        key_file: Path,
        interval: float = INTERVAL,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Args:
            on_key_revoked: told the id of an API key that is good for nothing from now on.
        """
        self._changes, self._credentials = Changes(database), Credentials(database)
        self._registrations, self._on_key_revoked = registrations, on_key_revoked
        self._tokens, self._key_file = tokens, key_file
        self._interval, self._clock = interval, clock
        self._expires: dict[str, datetime] = {}
        self._again: list[Change] = []
        self._file_seen = _mark(key_file)
        self._forget_at = clock() + _FORGET_EVERY
        self._is_failing = False
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Look until `stop`. A failing database delays what is to be done; it is done when it answers again."""
        await self._changes.start()
        while not await self._is_stopped():
            self._reload_keys()
            try:
                await self.look()
                self._is_failing = False
            except StoreError as error:
                if not self._is_failing:
                    _log.error("account_changes_not_read", error_code=error.code, detail=str(error))
                self._is_failing = True

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    async def look(self) -> None:
        """Act on what has changed and on what has expired.

        Raises:
            StoreError: the database failed; nothing is lost by that.
        """
        found = await self._changes.fetch()
        for change in (*self._again, *found):
            await self._act(change)
        # A login that was being checked meanwhile stands by now: what ends everybody is done once more.
        ends_all = (ChangeKind.CONNECTION_OFF, ChangeKind.CREDENTIAL_OFF)
        self._again = [change for change in found if change.kind in ends_all]
        await self._end_expired()
        if self._clock() >= self._forget_at:
            self._forget_at = self._clock() + _FORGET_EVERY
            await self._changes.forget(self._clock())

    async def _act(self, change: Change) -> None:
        ended, subject = 0, change.subject
        match change.kind:
            case ChangeKind.CONNECTION_LOGIN:
                ended = self._registrations.end_registrations(connection_id=subject, is_own_name_only=True)
            case ChangeKind.CONNECTION_OFF:
                ended = self._registrations.end_registrations(connection_id=subject)
            case ChangeKind.CREDENTIAL_OFF:
                ended = self._registrations.end_registrations(credential_id=subject)
            case ChangeKind.CREDENTIAL_EXPIRY:
                self._expires.pop(subject, None)
            case ChangeKind.KEY_REVOKED:
                self._on_key_revoked(subject)
        if ended:
            _log.info("registrations_ended", reason=change.kind.value, count=ended)

    async def _end_expired(self) -> None:
        in_use = self._registrations.credentials_in_use()
        self._expires = {key: at for key, at in self._expires.items() if key in in_use}
        for credential_id in in_use - self._expires.keys():
            try:
                self._expires[credential_id] = (await self._credentials.get(credential_id)).expires_at
            except NotFound:
                self._expires[credential_id] = self._clock()
        now = self._clock()
        for credential_id in [key for key, at in self._expires.items() if at <= now]:
            ended = self._registrations.end_registrations(credential_id=credential_id)
            if ended:
                _log.info("registrations_ended", reason="credential_expired", count=ended)

    def _reload_keys(self) -> None:
        mark = _mark(self._key_file)
        if mark is None or mark == self._file_seen:
            return
        self._file_seen = mark
        try:
            self._tokens.use(load_ring(self._key_file))
            _log.info("token_keys_reloaded")
        except BadKeyFile as error:
            _log.error("token_keys_not_reloaded", error_code=error.code, detail=str(error))

    async def _is_stopped(self) -> bool:
        try:
            async with asyncio.timeout(self._interval):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True


def _mark(path: Path) -> tuple[int, int, int] | None:
    """What changes with a file; None while there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
