"""Provisioning for the command line and the demo: the same services as the API's, with a lab's looser rules."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.accounts.accounts import Accounts
from gateway.accounts.connections import GENERATED, ConnectionChange
from gateway.accounts.credentials import NewCredential
from gateway.accounts.ids import decimal_id
from gateway.auth.errors import InvalidValue
from gateway.auth.jwt import Tokens
from gateway.auth.keyfile import load_or_create
from gateway.auth.keyring import load_ring
from gateway.auth.keys import hash_key, new_key
from gateway.auth.passwords import Passwords
from gateway.auth.scopes import SCOPES
from gateway.auth.sealing import Seal
from gateway.auth.settings import AuthSettings
from gateway.observability.clock import utc_now
from gateway.store.connections import Connection
from gateway.store.database import Database
from gateway.store.keys import ApiKey, ApiKeys
from gateway.store.numbers import Number, Numbers
from gateway.store.settings import StoreSettings

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_USER_NAME: Final = re.compile(r"(?=[A-Za-z0-9]{0,4}[A-Za-z])[A-Za-z0-9]{4,32}")
_PASSWORD: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,128}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and its text, which nobody can look up later."""

    key: ApiKey
    text: str = field(repr=False)


class Provisioning:
    """Checks values, draws ids and secrets, and keeps the result. Every method is done when the store has it.

    All methods may raise `StoreError`; those that take values raise `InvalidValue` for a bad one.
    """

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: Tokens,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.accounts = Accounts(database, passwords=passwords, tokens=tokens, seal=seal, clock=clock)
        self._connections, self._credentials = self.accounts.connections, self.accounts.credentials
        self.connections, self.credentials = self._connections.rows, self._credentials.rows
        self.numbers, self.keys = Numbers(database), ApiKeys(database)
        self._clock = clock

    async def add_connection(self, *, name: str, user_name: str, password: str) -> Connection:
        """A new active connection (rules of rest-v2 A.2.1; a lab's password may be short).

        Raises:
            Duplicate: the user name is taken.
        """
        _match("name", name, _NAME, "1 to 255 printable characters")
        _match("user_name", user_name, _USER_NAME, "4 to 32 letters and digits, a letter among the first five")
        if user_name.startswith(GENERATED):
            raise InvalidValue("user_name", f"no {GENERATED} at the front: generated credentials are called so")
        _match("password", password, _PASSWORD, "1 to 128 printable characters")
        return await self._connections.create(name=name, user_name=user_name, password=password, is_local=True)

    async def is_password(self, connection: Connection, password: str) -> bool:
        """Whether that is the connection's password."""
        return await self._connections.is_password(connection, password)

    async def set_password(self, connection_id: str, password: str) -> None:
        """A new password for a connection.

        Raises:
            NotFound: no such connection.
        """
        _match("password", password, _PASSWORD, "1 to 128 printable characters")
        await self._connections.change(connection_id, ConnectionChange(password=password))

    async def set_active(self, connection_id: str, is_active: bool) -> None:
        """Allow or refuse its logins and calls.

        Raises:
            NotFound: no such connection.
        """
        await self._connections.change(connection_id, ConnectionChange(is_active=is_active))

    async def remove_connection(self, connection_id: str) -> None:
        """Delete a connection with its credentials.

        Raises:
            NotFound: no such connection.
        """
        await self._connections.remove(connection_id)

    async def add_credential(
        self, connection_id: str, *, name: str | None = None, expires_at: datetime | None = None
    ) -> NewCredential:
        """A new credential with a generated user name and password.

        Args:
            name: None takes the time, as the service does.
            expires_at: aware; None is 22 years from now.

        Raises:
            NotFound: no such connection.
        """
        if name is not None:
            _match("name", name, _NAME, "1 to 255 printable characters")
        if expires_at is not None and expires_at <= self._clock():
            raise InvalidValue("expires_at", "a time in the future")
        return await self._credentials.create(connection_id, name=name, expires_at=expires_at)

    async def remove_credential(self, credential_id: str) -> None:
        """Delete a credential; its tokens no longer log in.

        Raises:
            NotFound: no such credential.
        """
        await self._credentials.remove(credential_id)

    async def add_number(self, phone_number: str, connection_id: str) -> Number:
        """Give a number to a connection; one that the account has already and no connection uses is given to it.

        Raises:
            NotFound: no such connection. Duplicate: another connection has the number.
        """
        _match("phone_number", phone_number, _E164, "+ and 7 to 15 digits (E.164), for example +12025550190")
        at = self._clock()
        number = Number(
            number_id=decimal_id(),
            phone_number=phone_number,
            connection_id=connection_id,
            created_at=at,
            updated_at=at,
        )
        return await self.numbers.add_or_assign(number)

    async def create_token(self, credential_id: str, *, ttl: int) -> str:
        """An access token that lasts `ttl` seconds, or as long as its credential if that is shorter.

        Raises:
            NotFound: no such credential.
            CredentialExpired: the token would be dead on arrival.
        """
        return await self._credentials.create_token(credential_id, ttl=ttl)

    async def create_key(self, scope: Iterable[str] = SCOPES, *, name: str | None = None) -> NewKey:
        """A new API key. Only its hash is kept."""
        if name is not None:
            _match("name", name, _NAME, "1 to 255 printable characters")
        wanted = frozenset(scope)
        if not wanted or not wanted <= SCOPES:
            raise InvalidValue("scope", f"one or more of {', '.join(sorted(SCOPES))}")
        text = new_key()
        key = ApiKey(
            key_id=str(uuid.uuid4()),
            key_hash=hash_key(text),
            last4=text[-4:],
            scope=wanted,
            created_at=self._clock(),
            name=name,
        )
        await self.keys.add(key)
        return NewKey(key, text)

    async def revoke_key(self, key_id: str) -> None:
        """An API key is good for nothing from now on.

        Raises:
            NotFound: no such key.
        """
        await self.keys.revoke(key_id, at=self._clock())


@asynccontextmanager
async def opened(store: StoreSettings, auth: AuthSettings) -> AsyncIterator[Provisioning]:
    """Provisioning on a database of its own, for programs that do nothing else. A running gateway may share it.

    Raises:
        BadKeyFile, StoreUnavailable, WrongSchema: what is configured cannot be used.
    """
    ring = await asyncio.to_thread(load_ring, auth.jwt_secret_file)
    seal = Seal(await asyncio.to_thread(load_or_create, auth.seal_key_file, "auth.seal_key_file"))
    passwords = Passwords(auth)
    try:
        database = await Database.open(store)
        try:
            tokens = Tokens(ring, clock_skew=auth.clock_skew)
            yield Provisioning(database, passwords=passwords, tokens=tokens, seal=seal)
        finally:
            await database.close()
    finally:
        passwords.close()


def _match(field_name: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidValue(field_name, expected)
