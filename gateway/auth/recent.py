"""Passwords that were right a moment ago, so that a client which reconnects need not be hashed again.

Why: an SDK logs in with the same password after every loss of its socket. Some 30 ms of processor for each would let a
network that comes back hold up the logins of all of its clients.
"""

import hashlib
import secrets
from collections import OrderedDict
from typing import Final

MAX_REMEMBERED: Final = 10_000
"""Passwords remembered at once; the oldest goes first."""


class RecentPasswords:
    """Which password belongs to which hash. Neither is kept: only a digest of both, under a key of this process.

    A changed password has another hash, and so is not known here. A wrong one never is: it costs what it did before.
    """

    def __init__(self, lifetime: float) -> None:
        """
        Args:
            lifetime: seconds since the last real check; 0 remembers nothing.
        """
        self._lifetime = lifetime
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()

    def add(self, password: bytes, password_hash: str, now: float) -> None:
        """That password was found right just now (`now`: seconds of any steady clock)."""
        if self._lifetime <= 0:
            return
        digest = self._digest(password, password_hash)
        self._known.pop(digest, None)
        self._known[digest] = now + self._lifetime
        while len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)

    def has(self, password: bytes, password_hash: str, now: float) -> bool:
        """Whether it was right less than `lifetime` seconds ago."""
        digest = self._digest(password, password_hash)
        expires = self._known.get(digest)
        if expires is None:
            return False
        if now >= expires:
            del self._known[digest]
            return False
        return True

    def _digest(self, password: bytes, password_hash: str) -> bytes:
        text = password_hash.encode()
        return hashlib.blake2b(len(text).to_bytes(4) + text + password, key=self._key, digest_size=32).digest()
