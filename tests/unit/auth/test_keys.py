"""API keys."""

import pytest

from gateway.auth.errors import InvalidValue, KeyRevoked
from gateway.auth.keys import KeyChecker
from tests.unit.auth.conftest import House


async def test_key_grants_its_scope_and_no_more(house: House) -> None:
    made = await house.provisioning.create_key(["read"])
    checker = KeyChecker(house.provisioning.keys)

    grant = await checker.check(made.text)

    assert grant is not None
    assert grant.scope == {"read"}
    assert grant.key_id == made.key.key_id


async def test_key_has_prefix_and_256_bits_and_only_its_hash_is_kept(house: House) -> None:
    made = await house.provisioning.create_key()
    kept = (await house.provisioning.keys.all())[0]

    assert made.text.startswith("KEY")
    assert len(made.text) >= 3 + 43
    assert made.text not in repr(made)
    assert made.text not in str(vars(kept) if hasattr(kept, "__dict__") else kept.key_hash)
    assert kept.last4 == made.text[-4:]


@pytest.mark.parametrize("key", ["", "KEY", "KEY\ud800", "KEY" + "x" * 300, "bearer", "KEY" + 43 * "A"])
async def test_unknown_key_grants_nothing(house: House, key: str) -> None:
    await house.provisioning.create_key()

    assert await KeyChecker(house.provisioning.keys).check(key) is None


async def test_revoked_key_is_told_so_and_stays_in_the_list(house: House) -> None:
    made = await house.provisioning.create_key(name="ci")

    await house.provisioning.revoke_key(made.key.key_id)

    with pytest.raises(KeyRevoked):
        await KeyChecker(house.provisioning.keys).check(made.text)
    assert [(key.name, key.revoked_at) for key in await house.provisioning.keys.all()] == [("ci", house.clock.now)]


@pytest.mark.parametrize("scope", [[], ["admin"], ["read", "everything"]])
async def test_unknown_scope_is_refused(house: House, scope: list[str]) -> None:
    with pytest.raises(InvalidValue, match="lab, read, write"):
        await house.provisioning.create_key(scope)
