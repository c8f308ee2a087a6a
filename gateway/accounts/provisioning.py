"""Makes connections, credentials, numbers, tokens and keys: for the command line, the demo and the REST API."""

import asyncio
import re
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.auth.errors import CredentialExpired, InvalidValue
from gateway.auth.jwt import Tokens
from gateway.auth.keyfile import load_or_create
from gateway.auth.keys import SCOPES, hash_key, new_key
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.auth.settings import AuthSettings
from gateway.observability.clock import utc_now
from gateway.store.connections import Connection, Connections
from gateway.store.credentials import Credential, Credentials
from gateway.store.database import Database
from gateway.store.keys import ApiKey, ApiKeys
from gateway.store.numbers import Number, Numbers
from gateway.store.settings import StoreSettings

_GENERATED: Final = "gencred"
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_GENERATED_LENGTH: Final = 22

_LIFETIME_YEARS: Final = 22
"""What the service gives a credential without an `expires_at` (rest-v2 A.1.2)."""

_NAME: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_USER_NAME: Final = re.compile(r"(?=[A-Za-z0-9]{0,4}[A-Za-z])[A-Za-z0-9]{4,32}")
_PASSWORD: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,128}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential and its password, which nobody can look up later."""

    credential: Credential
    sip_password: str = field(repr=False)


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
        self.connections, self.credentials = Connections(database), Credentials(database)
        self.numbers, self.keys = Numbers(database), ApiKeys(database)
        self._passwords, self._tokens, self._seal, self._clock = passwords, tokens, seal, clock

    async def add_connection(self, *, name: str, user_name: str, password: str) -> Connection:
        """A new active connection (rules of rest-v2 A.2.1; a lab's password may be short).

        Raises:
            Duplicate: the user name is taken.
        """
        _match("name", name, _NAME, "1 to 255 printable characters")
        _match("user_name", user_name, _USER_NAME, "4 to 32 letters and digits, a letter among the first five")
        if user_name.startswith(_GENERATED):
            raise InvalidValue("user_name", f"no {_GENERATED} at the front: generated credentials are called so")
        _match("password", password, _PASSWORD, "1 to 128 printable characters")
        at, connection_id = self._clock(), _decimal_id()
        connection = Connection(
            connection_id=connection_id,
            name=name,
            user_name=user_name,
            password_hash=await self._passwords.hash(password),
            password_sealed=self._seal.seal(password, owner=connection_id),
            is_active=True,
            created_at=at,
            updated_at=at,
        )
        await self.connections.add(connection)
        return connection

    async def is_password(self, connection: Connection, password: str) -> bool:
        """Whether that is the connection's password."""
        return (await self._passwords.verify(password, connection.password_hash)).is_right

    async def set_password(self, connection_id: str, password: str) -> None:
        """A new password for a connection.

        Raises:
            NotFound: no such connection.
        """
        _match("password", password, _PASSWORD, "1 to 128 printable characters")
        password_hash = await self._passwords.hash(password)
        sealed = self._seal.seal(password, owner=connection_id)
        await self.connections.set_password(connection_id, password_hash, sealed, at=self._clock())

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
        at = self._clock()
        if name is not None:
            _match("name", name, _NAME, "1 to 255 printable characters")
        if expires_at is not None and expires_at <= at:
            raise InvalidValue("expires_at", "a time in the future")
        credential_id, sip_password = str(uuid.uuid4()), secrets.token_hex(16)
        credential = Credential(
            credential_id=credential_id,
            connection_id=connection_id,
            name=name or at.strftime("%Y-%m-%d %H:%M:%S.%fZ"),
            sip_username=_GENERATED + "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH)),
            password_hash=await self._passwords.hash(sip_password),
            password_sealed=self._seal.seal(sip_password, owner=credential_id),
            expires_at=expires_at or _years_later(at, _LIFETIME_YEARS),
            created_at=at,
            updated_at=at,
        )
        await self.credentials.add(credential)
        return NewCredential(credential, sip_password)

    async def add_number(self, phone_number: str, connection_id: str) -> Number:
        """Give a number to a connection.

        Raises:
            NotFound: no such connection. Duplicate: the number is given already.
        """
        _match("phone_number", phone_number, _E164, "+ and 7 to 15 digits (E.164), for example +12025550190")
        at = self._clock()
        number = Number(
            number_id=_decimal_id(),
            phone_number=phone_number,
            connection_id=connection_id,
            created_at=at,
            updated_at=at,
        )
        await self.numbers.add(number)
        return number

    async def create_token(self, credential_id: str, *, ttl: int) -> str:
        """An access token that lasts `ttl` seconds, or as long as its credential if that is shorter.

        Raises:
            NotFound: no such credential.
            CredentialExpired: the token would be dead on arrival.
        """
        credential = await self.credentials.get(credential_id)
        at = self._clock()
        if credential.is_expired(at):
            raise CredentialExpired(f"credential {credential_id} has expired")
        if ttl < 1:
            raise InvalidValue("ttl", "1 second or more")
        now = int(at.timestamp())
        expires_at = min(now + ttl, int(credential.expires_at.timestamp()))
        return self._tokens.create(
            credential_id=credential_id, token_id=str(uuid.uuid4()), now=now, expires_at=expires_at
        )

    async def create_key(self, scope: Iterable[str] = SCOPES) -> NewKey:
        """A new API key. Only its hash is kept."""
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
        )
        await self.keys.add(key)
        return NewKey(key, text)


@asynccontextmanager
async def opened(store: StoreSettings, auth: AuthSettings) -> AsyncIterator[Provisioning]:
    """Provisioning on a database of its own, for programs that do nothing else. A running gateway may share it.

    Raises:
        BadKeyFile, StoreUnavailable, WrongSchema: what is configured cannot be used.
    """
    key = await asyncio.to_thread(load_or_create, auth.jwt_secret_file)
    seal = Seal(await asyncio.to_thread(load_or_create, auth.seal_key_file, "auth.seal_key_file"))
    passwords = Passwords(auth)
    try:
        database = await Database.open(store)
        try:
            tokens = Tokens(key, clock_skew=auth.clock_skew)
            yield Provisioning(database, passwords=passwords, tokens=tokens, seal=seal)
        finally:
            await database.close()
    finally:
        passwords.close()


def _match(field_name: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidValue(field_name, expected)


def _decimal_id() -> str:
    """19 decimal digits that fit a signed 64-bit integer, as the service's ids (rest-v2 0.6)."""
    return str(10**18 + secrets.randbelow(2**63 - 10**18))


def _years_later(at: datetime, years: int) -> datetime:
    try:
        return at.replace(year=at.year + years)
    except ValueError:  # 29 February
        return at.replace(year=at.year + years, day=28)
