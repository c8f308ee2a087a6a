"""A login request becomes an Identity or a Refusal."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from gateway.auth.attempts import LoginAttempts
from gateway.auth.errors import Busy, ExpiredToken, InvalidToken
from gateway.auth.jwt import Tokens
from gateway.auth.passwords import Passwords
from gateway.domain.identity import Identity
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.observability.metrics import LOGINS
from gateway.store.connections import Connection, Connections
from gateway.store.credentials import Credential, Credentials
from gateway.store.errors import NotFound, StoreError
from gateway.store.numbers import Numbers

RefusalCode = Literal[
    "bad_credentials",
    "token_expired",
    "token_invalid",
    "connection_inactive",
    "credential_expired",
    "busy",
    "anonymous_login_off",
    "unknown_target",
    "too_many_visitors",
    "too_many_sessions",
    "too_many_attempts",
]

_USERNAME: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")

_log = get_logger()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a login was refused.

    Attributes:
        code: stable slug. `busy` may be tried again later; also when the database does not answer.
        message: for the client; says nothing that helps to guess.
    """

    code: RefusalCode
    message: str


BAD_CREDENTIALS: Final = Refusal("bad_credentials", "wrong user name or password")
TOKEN_EXPIRED: Final = Refusal("token_expired", "the token has expired")
TOKEN_INVALID: Final = Refusal("token_invalid", "the token is not valid")
CONNECTION_INACTIVE: Final = Refusal("connection_inactive", "the connection is not active")
CREDENTIAL_EXPIRED: Final = Refusal("credential_expired", "the credential has expired")
TOO_MANY_ATTEMPTS: Final = Refusal("too_many_attempts", "too many wrong logins, try again later")
BUSY: Final = Refusal("busy", "too many logins at once, try again")


class Authenticator:
    """Checks logins against the store."""

    def __init__(
        self,
        *,
        connections: Connections,
        credentials: Credentials,
        numbers: Numbers,
        passwords: Passwords,
        tokens: Tokens,
        attempts: LoginAttempts | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Args:
            attempts: who has been wrong too often; without it nobody is.
        """
        self._connections, self._credentials, self._numbers = connections, credentials, numbers
        self._passwords, self._tokens, self._clock = passwords, tokens, clock
        self._attempts = attempts

    async def login(
        self, *, username: str | None, password: str | None, token: str | None, peer: str
    ) -> Identity | Refusal:
        """Check a login; a token counts where user name and password are absent or refused (verto-js V-33).

        Args:
            username: a connection's user name or a credential's; `@domain` behind it is left out.
            peer: the address of the client, for the log.
        """
        kind = "anonymous"
        if username and password:
            kind = "password"
        elif token:
            kind = "token"
        name = (username or "").partition("@")[0]
        if self._attempts is not None and self._attempts.is_shut_out(name, peer):
            LOGINS.labels(kind=kind, result=TOO_MANY_ATTEMPTS.code).inc()
            return TOO_MANY_ATTEMPTS
        try:
            outcome = await self._check(kind, username or "", password or "", token or "")
        except Busy:
            outcome = BUSY
        except StoreError as error:
            _log.error("login_not_checked", peer=peer, error_code=error.code, detail=str(error))
            outcome = BUSY
        if self._attempts is not None:
            self._attempts.note(name, peer, is_wrong=outcome in (BAD_CREDENTIALS, TOKEN_INVALID))
        if isinstance(outcome, Refusal):
            _log.warning("login_refused", kind=kind, peer=peer, error_code=outcome.code)
            LOGINS.labels(kind=kind, result=outcome.code).inc()
        else:
            LOGINS.labels(kind=kind, result="ok").inc()
        return outcome

    async def _check(self, kind: str, username: str, password: str, token: str) -> Identity | Refusal:
        match kind:
            case "password":
                outcome = await self._by_password(username.partition("@")[0], password)
                rescued = await self._by_token(token) if token and isinstance(outcome, Refusal) else None
                return rescued if isinstance(rescued, Identity) else outcome
            case "token":
                return await self._by_token(token)
            case _:
                return BAD_CREDENTIALS

    async def _by_password(self, username: str, password: str) -> Identity | Refusal:
        connection = credential = None
        if _USERNAME.fullmatch(username):
            connection = await self._connections.find_by_user_name(username)
            credential = await self._credentials.find_by_sip_username(username)
        owner = connection or credential
        verdict = await self._passwords.verify(password, None if owner is None else owner.password_hash)
        if owner is None or not verdict.is_right:
            return BAD_CREDENTIALS
        # Only who knows the password learns more than that it was wrong.
        if verdict.is_outdated:
            await self._rehash(owner, password)
        if connection is not None:
            return await self._identity(connection, None, None)
        assert credential is not None
        return await self._by_credential(credential, None)

    async def _by_token(self, text: str) -> Identity | Refusal:
        try:
            token = self._tokens.verify(text, now=self._clock().timestamp())
            credential = await self._credentials.get(token.credential_id)
        except ExpiredToken:
            return TOKEN_EXPIRED
        except (InvalidToken, NotFound):
            return TOKEN_INVALID
        return await self._by_credential(credential, float(token.expires_at))

    async def _by_credential(self, credential: Credential, token_expires_at: float | None) -> Identity | Refusal:
        if credential.is_expired(self._clock()):
            return CREDENTIAL_EXPIRED
        try:
            connection = await self._connections.get(credential.connection_id)
        except NotFound:
            return BAD_CREDENTIALS  # removed, with the credential, while the password was being checked
        return await self._identity(connection, credential, token_expires_at)

    async def _identity(
        self, connection: Connection, credential: Credential | None, token_expires_at: float | None
    ) -> Identity | Refusal:
        if not connection.is_active:
            return CONNECTION_INACTIVE
        number = await self._numbers.first_of(connection.connection_id)
        return Identity(
            connection_id=connection.connection_id,
            credential_id=None if credential is None else credential.credential_id,
            username=connection.user_name if credential is None else credential.sip_username,
            caller_number=None if number is None else number.phone_number,
            token_expires_at=token_expires_at,
        )

    async def _rehash(self, owner: Connection | Credential, password: str) -> None:
        """Bring the hash to today's costs. A login does not fail because that could not be written."""
        at = self._clock().astimezone(UTC)
        try:
            password_hash = await self._passwords.hash(password)
            if isinstance(owner, Connection):
                await self._connections.rehash(owner.connection_id, password_hash, at=at)
            else:
                await self._credentials.rehash(owner.credential_id, password_hash, at=at)
        except (Busy, StoreError) as error:
            _log.warning("password_not_rehashed", error_code=error.code)
