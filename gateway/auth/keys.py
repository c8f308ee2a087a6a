"""API keys: `KEY` and 256 random bits. Whoever holds one may do what its scope says."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from gateway.auth.errors import KeyRevoked
from gateway.store.keys import ApiKeys

PREFIX: Final = "KEY"
_MAX_LENGTH: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyGrant:
    """What a valid key allows."""

    key_id: str
    scope: frozenset[str]


def new_key() -> str:
    """A fresh key; letters, digits, `-` and `_` only, so that it fits into a URL's fragment."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What the store keeps of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class KeyChecker:
    """Checks the API keys of requests."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def check(self, key: str) -> KeyGrant | None:
        """What the key allows, None for an unknown one.

        The look-up is by hash: how long it takes says nothing about a key that an attacker does not have.

        Raises:
            KeyRevoked: it was good once.
            StoreUnavailable: the database failed.
        """
        if len(key) > _MAX_LENGTH or not key.startswith(PREFIX):
            return None
        key_hash = hash_key(key)
        found = await self._keys.find_by_hash(key_hash)
        if found is None or not hmac.compare_digest(found.key_hash, key_hash):
            return None
        if found.revoked_at is not None:
            raise KeyRevoked(f"key {found.key_id} was revoked")
        return KeyGrant(key_id=found.key_id, scope=found.scope)
