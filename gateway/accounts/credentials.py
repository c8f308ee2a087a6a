"""Makes and changes telephony credentials, and mints their tokens (rest-v2 A.1)."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from gateway.accounts.connections import GENERATED, unsealed
from gateway.accounts.errors import TooManyOfTag, UnknownReference
from gateway.auth.errors import CredentialExpired, InvalidValue
from gateway.auth.jwt import Tokens
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.observability.clock import utc_now
from gateway.store.credentials import Credential, Credentials
from gateway.store.database import Database
from gateway.store.errors import NotFound
from gateway.store.paging import Page

MAX_OF_TAG: Final = 1000
"""Credentials that may share a tag (rest-v2 A.1.1)."""

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_GENERATED_LENGTH: Final = 22

_LIFETIME_YEARS: Final = 22
"""What the service gives a credential without an `expires_at` (rest-v2 A.1.2)."""


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential and its password."""

    credential: Credential
    sip_password: str = field(repr=False)


class TelephonyCredentials:
    """Every method is done when the store has it; all may raise `StoreError`."""

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords,
        tokens: Tokens,
        seal: Seal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.rows = Credentials(database)
        self._passwords, self._tokens, self._seal, self._clock = passwords, tokens, seal, clock

    async def create(
        self, connection_id: str, *, name: str | None = None, tag: str | None = None, expires_at: datetime | None = None
    ) -> NewCredential:
        """A new credential with a generated user name and password.

        Args:
            name: None takes the time, as the service does.
            expires_at: aware; None is 22 years from now.

        Raises:
            NotFound: no such connection.
            TooManyOfTag: the tag has `MAX_OF_TAG` credentials.
            Busy: too many passwords are being hashed.
        """
        at = self._clock()
        if tag is not None:
            await self._refuse_full_tag(tag, at)
        credential_id, sip_password = str(uuid.uuid4()), secrets.token_hex(16)
        credential = Credential(
            credential_id=credential_id,
            connection_id=connection_id,
            name=name or at.strftime("%Y-%m-%d %H:%M:%S.%fZ"),
            sip_username=GENERATED + "".join(secrets.choice(_ALPHABET) for _ in range(_GENERATED_LENGTH)),
            password_hash=await self._passwords.hash(sip_password),
            password_sealed=self._seal.seal(sip_password, owner=credential_id),
            tag=tag,
            expires_at=expires_at or _years_later(at, _LIFETIME_YEARS),
            created_at=at,
            updated_at=at,
        )
        await self.rows.add(credential)
        return NewCredential(credential, sip_password)

    async def change(
        self,
        credential_id: str,
        *,
        connection_id: str | None = None,
        name: str | None = None,
        tag: str | None = None,
        expires_at: datetime | None = None,
    ) -> Credential:
        """Change what is not None. A time in the past expires it at once.

        Raises:
            NotFound: there is none.
            CredentialExpired: an expired one can only be read or deleted (rest-v2 A.1.6).
            UnknownReference: no such connection.
            TooManyOfTag: the tag has `MAX_OF_TAG` credentials.
        """
        if tag is not None:
            await self._refuse_full_tag(tag, self._clock())

        def changed(credential: Credential) -> Credential:
            at = self._clock()
            if credential.is_expired(at):
                raise CredentialExpired(f"credential {credential_id} has expired")
            return replace(
                credential,
                connection_id=credential.connection_id if connection_id is None else connection_id,
                name=credential.name if name is None else name,
                tag=credential.tag if tag is None else tag,
                expires_at=credential.expires_at if expires_at is None else expires_at,
                updated_at=at,
            )

        try:
            return await self.rows.change(credential_id, changed)
        except NotFound as error:
            if error.kind == "connection":
                raise UnknownReference("connection_id", error.kind, error.key) from error
            raise

    async def remove(self, credential_id: str) -> Credential:
        """Delete it; returns what it was. Its registrations end, and its tokens log nobody in.

        Raises:
            NotFound: there is none.
        """
        return await self.rows.remove(credential_id, at=self._clock())

    async def create_token(self, credential_id: str, *, ttl: int) -> str:
        """An access token that lasts `ttl` seconds, or as long as its credential if that is shorter.

        Raises:
            NotFound: no such credential.
            CredentialExpired: the token would be dead on arrival.
        """
        if ttl < 1:
            raise InvalidValue("ttl", "1 second or more")
        credential = await self.rows.get(credential_id)
        at = self._clock()
        if credential.is_expired(at):
            raise CredentialExpired(f"credential {credential_id} has expired")
        now = int(at.timestamp())
        expires_at = min(now + ttl, int(credential.expires_at.timestamp()))
        return self._tokens.create(
            credential_id=credential_id, token_id=str(uuid.uuid4()), now=now, expires_at=expires_at
        )

    def password(self, credential: Credential) -> str:
        """Its password, masked if it cannot be read."""
        return unsealed(self._seal, credential.password_sealed, credential.credential_id)

    def is_expired(self, credential: Credential) -> bool:
        """Whether it may no longer be used."""
        return credential.is_expired(self._clock())

    def now(self) -> datetime:
        """The time by which expiry is judged."""
        return self._clock()

    async def _refuse_full_tag(self, tag: str, at: datetime) -> None:
        if (await self.rows.page(Page(size=1), at=at, tag=tag)).total >= MAX_OF_TAG:
            raise TooManyOfTag(tag, MAX_OF_TAG)


def _years_later(at: datetime, years: int) -> datetime:
    try:
        return at.replace(year=at.year + years)
    except ValueError:  # 29 February
        return at.replace(year=at.year + years, day=28)
