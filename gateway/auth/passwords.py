"""Password hashes: argon2id (RFC 9106), computed in two threads of their own, never on the loop's."""

import asyncio
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.auth.errors import Busy
from gateway.auth.recent import RecentPasswords
from gateway.auth.settings import AuthSettings

_WORKERS: Final = 2

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a password check.

    Attributes:
        is_right: whether the password belongs to the hash.
        is_outdated: the hash was made with other costs than ours; make a new one.
    """

    is_right: bool
    is_outdated: bool = False


class Passwords:
    """Hashes and checks passwords. One per process; `close` ends its threads."""

    def __init__(self, settings: AuthSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.password_time_cost,
            memory_cost=settings.password_memory_kib,
            parallelism=settings.password_parallelism,
        )
        self._threads = ThreadPoolExecutor(_WORKERS, thread_name_prefix="argon2")
        self._places = threading.BoundedSemaphore(settings.max_waiting_logins + _WORKERS)
        self._recent = RecentPasswords(settings.remember_logins)
        self._dummy: str | None = None
        self._dummy_lock = threading.Lock()

    async def hash(self, password: str) -> str:
        """An argon2id hash with a fresh salt.

        Raises:
            Busy: more are waiting than allowed; here and below.
        """
        return await self._run(self._hasher.hash, _octets(password))

    async def verify(self, password: str, password_hash: str | None) -> Verdict:
        """Check a password; None stands for a user that does not exist and takes as long as a wrong password."""
        octets, now = _octets(password), asyncio.get_running_loop().time()
        if password_hash is not None and self._recent.has(octets, password_hash, now):
            return Verdict(is_right=True)
        verdict = await self._run(self._verify, octets, password_hash)
        if password_hash is not None and verdict.is_right and not verdict.is_outdated:
            self._recent.add(octets, password_hash, now)
        return verdict

    def close(self) -> None:
        """Drop what waits and end the threads as soon as what they compute is done; idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: bytes, password_hash: str | None) -> Verdict:
        known = password_hash is not None
        if password_hash is None:
            password_hash = self._dummy_hash()
        try:
            self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return Verdict(is_right=False)
        return Verdict(is_right=known, is_outdated=known and self._hasher.check_needs_rehash(password_hash))

    def _dummy_hash(self) -> str:
        with self._dummy_lock:
            if self._dummy is None:
                self._dummy = self._hasher.hash(secrets.token_bytes(32))
            return self._dummy

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if not self._places.acquire(blocking=False):
            raise Busy("too many passwords are being checked")
        try:
            future: Future[_T] = self._threads.submit(work, *args, **kwargs)
        except RuntimeError as error:
            self._places.release()
            raise Busy("the gateway is stopping") from error
        # Not when the caller stops waiting: a cancelled login's thread still computes.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)


def _octets(password: str) -> bytes:
    """UTF-8; a JSON frame may carry lone surrogates, which no encoding takes by default."""
    return password.encode("utf-8", "surrogatepass")
