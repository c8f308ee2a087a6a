"""Logins of SIP phones, which prove a password without telling it (RFC 7616).

An argon2id hash is of no use for that: the password itself is unsealed. Whoever names a user that does not exist waits
as long and is told the same as for a wrong password.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.auth.attempts import LoginAttempts
from gateway.auth.authenticator import BAD_CREDENTIALS, BUSY, TOO_MANY_ATTEMPTS, USERNAME, Authenticator, Refusal
from gateway.auth.errors import Unsealable
from gateway.auth.sealing import Seal
from gateway.domain.identity import Identity
from gateway.observability.logging import get_logger
from gateway.observability.metrics import LOGINS
from gateway.store.connections import Connection, Connections
from gateway.store.credentials import Credential, Credentials
from gateway.store.errors import StoreError

_NOBODY: Final = "nobody"

_log = get_logger()


@dataclass(frozen=True, slots=True)
class WrongDigest:
    """The digest was not made with the password of that user, or there is no such user."""

    is_user_known: bool


DigestOutcome = Identity | Refusal | WrongDigest


class DigestLogins:
    """Checks digests against the store; one per process."""

    def __init__(
        self,
        *,
        connections: Connections,
        credentials: Credentials,
        authenticator: Authenticator,
        attempts: LoginAttempts,
        seal: Seal,
    ) -> None:
        """
        Args:
            attempts: who has been wrong too often; the same as of the other logins.
        """
        self._connections, self._credentials = connections, credentials
        self._authenticator, self._attempts, self._seal = authenticator, attempts, seal
        self._dummy = seal.seal(secrets.token_hex(16), owner=_NOBODY)

    async def login(self, username: str, peer: str, is_right: Callable[[str], bool]) -> DigestOutcome:
        """Who that is, or why not.

        Args:
            username: a connection's user name or a credential's, without a domain.
            peer: the address that it comes from, for throttles and the log.
            is_right: whether a password fits what came.
        """
        outcome: DigestOutcome
        if self._attempts.is_shut_out(username, peer):
            outcome = TOO_MANY_ATTEMPTS  # that has been said, once
        else:
            try:
                outcome = await self._check(username, peer, is_right)
            except StoreError as error:
                _log.error("login_not_checked", peer=peer, error_code=error.code, detail=str(error))
                outcome = BUSY
        result = _result(outcome)
        if not isinstance(outcome, Identity) and outcome not in (TOO_MANY_ATTEMPTS, BUSY):
            _log.warning("login_refused", kind="digest", peer=peer, error_code=result)
        LOGINS.labels(kind="digest", result=result).inc()
        return outcome

    async def _check(self, username: str, peer: str, is_right: Callable[[str], bool]) -> DigestOutcome:
        connection = credential = None
        if USERNAME.fullmatch(username):
            connection = await self._connections.find_by_user_name(username)
            credential = await self._credentials.find_by_sip_username(username)
        owner = connection or credential
        password = self._password(owner)
        if not is_right(password) or owner is None:
            self._attempts.wrong(username, peer)
            return WrongDigest(is_user_known=owner is not None)
        self._attempts.right(username, peer)
        return await self._authenticator.identify(owner)

    def _password(self, owner: Connection | Credential | None) -> str:
        """Its password; one that nobody knows where there is none, or none that could be read again."""
        name, sealed = _NOBODY, self._dummy
        if owner is not None:
            name = owner.connection_id if isinstance(owner, Connection) else owner.credential_id
            sealed = owner.password_sealed or ""
        try:
            return self._seal.open(sealed, owner=name)
        except Unsealable as error:
            _log.warning("password_not_readable", error_code=error.code, owner=name)
            return self._seal.open(self._dummy, owner=_NOBODY)


def _result(outcome: DigestOutcome) -> str:
    match outcome:
        case Identity():
            return "ok"
        case WrongDigest():
            return BAD_CREDENTIALS.code
        case Refusal(code=code):
            return code
