"""A login request becomes an Identity or a Refusal."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal

from gateway.auth.attempts import LoginAttempts
from gateway.auth.errors import Busy, ExpiredToken, InvalidToken
from gateway.auth.jwt import Token, Tokens
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

USERNAME: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")

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


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A login; `username` without its domain, what is absent is empty."""

    username: str
    password: str = field(repr=False)
    token: str = field(repr=False)
    peer: str


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
        attempts: LoginAttempts,
        follow_keys: Callable[[], bool] = lambda: False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Args:
            attempts: who has been wrong too often.
            follow_keys: looks whether there are other token keys than before; asked before a token is refused, since
                whoever has just rotated them comes with a new one.
        """
        self._connections, self._credentials, self._numbers = connections, credentials, numbers
        self._passwords, self._tokens, self._clock = passwords, tokens, clock
        self._attempts, self._follow_keys = attempts, follow_keys

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
        attempt = _Attempt((username or "").partition("@")[0], password or "", token or "", peer)
        is_shut_out = kind == "password" and self._attempts.is_shut_out(attempt.username, peer)
        try:
            outcome = await self._check(kind, attempt, is_shut_out=is_shut_out)
        except Busy:
            outcome = BUSY
        except StoreError as error:
            _log.error("login_not_checked", peer=peer, error_code=error.code, detail=str(error))
            LOGINS.labels(kind=kind, result=BUSY.code).inc()
            return BUSY
        if isinstance(outcome, Refusal):
            if outcome is not TOO_MANY_ATTEMPTS:  # that has been said, once
                _log.warning("login_refused", kind=kind, peer=peer, error_code=outcome.code)
            LOGINS.labels(kind=kind, result=outcome.code).inc()
        else:
            LOGINS.labels(kind=kind, result="ok").inc()
        return outcome

    async def _check(self, kind: str, attempt: _Attempt, *, is_shut_out: bool) -> Identity | Refusal:
        match kind:
            case "password":
                outcome = TOO_MANY_ATTEMPTS if is_shut_out else await self._by_password(attempt)
                rescued = await self._by_token(attempt) if attempt.token and isinstance(outcome, Refusal) else None
                return rescued if isinstance(rescued, Identity) else outcome
            case "token":
                return await self._by_token(attempt)
            case _:
                return BAD_CREDENTIALS

    async def _by_password(self, attempt: _Attempt) -> Identity | Refusal:
        connection = credential = None
        if USERNAME.fullmatch(attempt.username):
            connection = await self._connections.find_by_user_name(attempt.username)
            credential = await self._credentials.find_by_sip_username(attempt.username)
        owner = connection or credential
        verdict = await self._passwords.verify(attempt.password, None if owner is None else owner.password_hash)
        if owner is None or not verdict.is_right:
            self._attempts.wrong(attempt.username, attempt.peer)
            return BAD_CREDENTIALS
        self._attempts.right(attempt.username, attempt.peer)
        # Only who knows the password learns more than that it was wrong.
        if verdict.is_outdated:
            owner = replace(owner, password_hash=await self._rehash(owner, attempt.password))
        return await self.identify(owner)

    async def identify(self, owner: Connection | Credential) -> Identity | Refusal:
        """Who that is, whose password was right; or why it may not log in all the same.

        Raises:
            StoreError: the database failed.
        """
        if isinstance(owner, Credential):
            return await self._by_credential(owner, None)
        outcome = await self._identity(owner, owner.user_name)
        mark = login_mark(owner.user_name, owner.password_hash)
        return replace(outcome, login_mark=mark) if isinstance(outcome, Identity) else outcome

    async def _by_token(self, attempt: _Attempt) -> Identity | Refusal:
        try:
            token = self._verified(attempt.token)
            credential = await self._credentials.get(token.credential_id)
        except ExpiredToken:
            return TOKEN_EXPIRED
        except InvalidToken:
            self._attempts.wrong("", attempt.peer)
            return TOKEN_INVALID
        except NotFound:
            return TOKEN_INVALID
        return await self._by_credential(credential, token)

    def _verified(self, text: str) -> Token:
        now = self._clock().timestamp()
        try:
            return self._tokens.verify(text, now=now)
        except ExpiredToken:
            raise
        except InvalidToken:
            if not self._follow_keys():
                raise
        return self._tokens.verify(text, now=now)

    async def _by_credential(self, credential: Credential, token: Token | None) -> Identity | Refusal:
        if credential.is_expired(self._clock()):
            return CREDENTIAL_EXPIRED
        try:
            connection = await self._connections.get(credential.connection_id)
        except NotFound:
            return BAD_CREDENTIALS  # removed, with the credential, while the password was being checked
        outcome = await self._identity(connection, credential.sip_username)
        if isinstance(outcome, Refusal):
            return outcome
        return replace(
            outcome,
            credential_id=credential.credential_id,
            credential_expires_at=credential.expires_at.timestamp(),
            token_expires_at=None if token is None else float(token.expires_at),
            key_mark=None if token is None else token.key_mark,
        )

    async def _identity(self, connection: Connection, username: str) -> Identity | Refusal:
        if not connection.is_active:
            return CONNECTION_INACTIVE
        number = await self._numbers.first_of(connection.connection_id)
        return Identity(
            connection_id=connection.connection_id,
            credential_id=None,
            username=username,
            caller_number=None if number is None else number.phone_number,
        )

    async def _rehash(self, owner: Connection | Credential, password: str) -> str:
        """Bring the hash to today's costs, and return it. A login does not fail because that could not be written."""
        at = self._clock().astimezone(UTC)
        before = owner.password_hash
        try:
            password_hash = await self._passwords.hash(password)
            if isinstance(owner, Connection):
                await self._connections.rehash(owner.connection_id, password_hash, before=before, at=at)
            else:
                await self._credentials.rehash(owner.credential_id, password_hash, before=before, at=at)
        except (Busy, StoreError) as error:
            _log.warning("password_not_rehashed", error_code=error.code)
            return before
        return password_hash


def login_mark(user_name: str, password_hash: str) -> str:
    """See `Identity.login_mark`; says nothing about the password."""
    return hashlib.sha256(f"{user_name}\0{password_hash}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
