"""Who a SIP phone is: challenges, and looks at the answers (RFC 3261 section 22, RFC 7616)."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.auth.authenticator import BUSY, Refusal
from gateway.auth.digest_login import DigestOutcome, WrongDigest
from gateway.domain.identity import Identity
from gateway.sip.core import capabilities
from gateway.sip.core.digest_server import (
    DigestAnswer,
    NonceCounts,
    Nonces,
    NonceState,
    challenges,
    find_answer,
    is_same_target,
    read_answer,
)
from gateway.sip.core.headers.auth import AuthValue
from gateway.sip.core.message import Request
from gateway.sip.registrar_settings import RegistrarSettings
from gateway.sip.transport.flow import Destination

Login = Callable[[str, str, Callable[[str], bool]], Awaitable[DigestOutcome]]
"""`auth.digest_login.DigestLogins.login`: user name, address, and whether a password fits."""

OnOffence = Callable[[Destination, str], None]
"""Told where a wrong answer came from, and whether it was `unknown_user` or `wrong_digest`."""

BUSY_RETRY_AFTER: Final = "5"
"""Seconds."""

_KEY_OCTETS: Final = 32
_SALT_OCTETS: Final = 6


class PhoneGuard:
    """One per user agent. A request without a good answer to a challenge costs a hash, and nothing is kept of it."""

    def __init__(self, settings: RegistrarSettings, *, realm: str, login: Login, on_offence: OnOffence) -> None:
        self._algorithms, self._realm = settings.digest_algorithms, realm
        self._login, self._on_offence = login, on_offence
        self._nonces = Nonces(secrets.token_bytes(_KEY_OCTETS), lifetime=settings.nonce_lifetime)
        self._counts = NonceCounts()

    def has_answer(self, request: Request) -> bool:
        """Whether it says, rightly or not, who of our users it comes from."""
        return self._value(request) is not None

    def look(self, request: Request, source: Destination) -> DigestAnswer | capabilities.Refusal:
        """The answer to a challenge of ours, not checked yet; or the challenge that it needs."""
        value = self._value(request)
        answer = None if value is None else read_answer(value, offered=self._algorithms)
        if answer is None:
            return self._challenge(request, source)
        if not is_same_target(answer.uri, request.uri):
            return capabilities.Refusal(400, "Digest For Another URI")
        state = self._nonces.state(answer.nonce, self._now(), source.host)
        if state is not NonceState.FRESH or not self._counts.may_use(answer.nonce, answer.count):
            # Also for one that we do not know, maybe of before a restart: the phone need not ask for the password.
            return self._challenge(request, source, is_stale=True)
        return answer

    async def identify(self, request: Request, source: Destination) -> Identity | capabilities.Refusal:
        """The user that it comes from; or the refusal, which is the same for a wrong password and a wrong name.

        Whoever lets it in has it counted.
        """
        answer = self.look(request, source)
        if isinstance(answer, capabilities.Refusal):
            return answer
        outcome = await self._login(
            answer.user, source.host, lambda password: answer.is_right(password, request.method)
        )
        match outcome:
            case Identity():
                return outcome
            case WrongDigest(is_user_known):
                self._on_offence(source, "wrong_digest" if is_user_known else "unknown_user")
                return self._challenge(request, source)
            case Refusal():
                headers = (("Retry-After", BUSY_RETRY_AFTER),)
                busy = capabilities.Refusal(503, "Service Unavailable", headers)
                return busy if outcome is BUSY else capabilities.Refusal(403, "Forbidden")

    def count(self, request: Request, source: Destination) -> capabilities.Refusal | None:
        """An answer was right, and is good for nothing from now on; refused if it came twice meanwhile."""
        answer = self.look(request, source)
        if isinstance(answer, capabilities.Refusal):
            return answer
        self._counts.use(answer.nonce, answer.count)
        return None

    def _value(self, request: Request) -> AuthValue | None:
        headers = request.headers
        return find_answer(
            [*headers.get_all("Authorization"), *headers.get_all("Proxy-Authorization")], realm=self._realm
        )

    def _challenge(self, request: Request, source: Destination, *, is_stale: bool = False) -> capabilities.Refusal:
        is_registration = request.method == "REGISTER"
        field = "WWW-Authenticate" if is_registration else "Proxy-Authenticate"
        nonce = self._nonces.make(self._now(), source.host, secrets.token_bytes(_SALT_OCTETS))
        values = challenges(self._realm, nonce, algorithms=self._algorithms, is_stale=is_stale)
        return capabilities.Refusal(
            401 if is_registration else 407,
            "Unauthorized" if is_registration else "Proxy Authentication Required",
            tuple((field, value) for value in values),
        )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
