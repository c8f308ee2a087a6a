"""API keys."""

from datetime import timedelta

import pytest

from gateway.store.database import Database
from gateway.store.errors import Duplicate, NotFound
from gateway.store.keys import ApiKey, ApiKeys
from tests.unit.store.samples import NOON


def _key(key_id: str = "k1", key_hash: str = "ab" * 32) -> ApiKey:
    return ApiKey(key_id=key_id, key_hash=key_hash, last4="wxyz", scope=frozenset({"read", "lab"}), created_at=NOON)


async def test_key_is_found_by_its_hash_with_its_scope(database: Database) -> None:
    await ApiKeys(database).add(_key())

    assert await ApiKeys(database).find_by_hash("ab" * 32) == _key()
    assert await ApiKeys(database).find_by_hash("cd" * 32) is None


async def test_revoked_key_says_since_when_and_revoking_it_again_changes_nothing(database: Database) -> None:
    keys = ApiKeys(database)
    await keys.add(_key())

    await keys.revoke("k1", at=NOON)
    await keys.revoke("k1", at=NOON + timedelta(hours=1))

    assert [row.revoked_at for row in await keys.all()] == [NOON]
    with pytest.raises(NotFound):
        await keys.revoke("k2", at=NOON)


async def test_same_hash_twice_is_refused(database: Database) -> None:
    await ApiKeys(database).add(_key())

    with pytest.raises(Duplicate) as refused:
        await ApiKeys(database).add(_key("k2"))

    assert refused.value.field == "key_hash"


async def test_hash_is_not_in_the_representation_of_a_key() -> None:
    assert "abab" not in repr(_key())
