"""What the demo makes, and finds again."""

import stat
from pathlib import Path

import pytest

from gateway.accounts.provisioning import opened
from gateway.auth.keys import KeyChecker
from gateway.config import DEMO, Config, load
from gateway.demo import KEY_FILE, NUMBER, PASSWORD_FILE, DemoFileUnusable, prepare


@pytest.fixture
def config(tmp_path: Path) -> Config:
    environ = {"RTC_GATEWAY__AUTH__PASSWORD_MEMORY_KIB": "8", "RTC_GATEWAY__AUTH__PASSWORD_TIME_COST": "1"}
    return load(environ=environ, preset={**DEMO, "data_dir": str(tmp_path / "var")})


async def test_demo_makes_a_user_a_number_a_credential_a_token_and_a_key(config: Config) -> None:
    access = await prepare(config)

    async with opened(config.store, config.auth) as store:
        connection = await store.connections.get(access.connection_id)
        assert (connection.name, connection.user_name) == ("demo", "demo")
        assert await store.is_password(connection, access.password)
        assert [row.phone_number for row in await store.numbers.all()] == [NUMBER]
        assert [row.sip_username for row in await store.credentials.all()] == [access.sip_username]
        grant = await KeyChecker(store.keys).check(access.api_key)
        assert grant is not None
        assert grant.scope == {"read", "write", "lab"}
    assert access.number == NUMBER


async def test_secrets_of_the_demo_are_for_the_owner_only_and_not_in_its_representation(config: Config) -> None:
    access = await prepare(config)

    for name in (PASSWORD_FILE, KEY_FILE):
        assert stat.S_IMODE((config.data_dir / name).stat().st_mode) == 0o600
    for secret in (access.password, access.api_key, access.token):
        assert secret not in repr(access)


async def test_second_start_finds_everything_and_makes_only_a_token(config: Config) -> None:
    first, second = await prepare(config), await prepare(config)

    assert first.token != second.token
    assert (first.connection_id, first.credential_id, first.password, first.api_key) == (
        second.connection_id,
        second.credential_id,
        second.password,
        second.api_key,
    )
    async with opened(config.store, config.auth) as store:
        assert len(await store.keys.all()) == len(await store.credentials.all()) == 1


async def test_what_somebody_took_away_is_made_again(config: Config) -> None:
    first = await prepare(config)
    async with opened(config.store, config.auth) as store:
        await store.remove_credential(first.credential_id)
        await store.numbers.remove(NUMBER)
        await store.revoke_key((await store.keys.all())[0].key_id)

    second = await prepare(config)

    assert second.credential_id != first.credential_id
    assert second.api_key != first.api_key
    assert second.number == NUMBER
    assert (await prepare(config)).api_key == second.api_key


async def test_number_that_another_connection_has_stays_there(config: Config) -> None:
    async with opened(config.store, config.auth) as store:
        other = await store.add_connection(name="x", user_name="alice", password="s3cret")
        await store.add_number(NUMBER, other.connection_id)

    assert (await prepare(config)).number is None


async def test_password_that_was_lost_or_changed_is_set_anew(config: Config) -> None:
    first = await prepare(config)
    (config.data_dir / PASSWORD_FILE).unlink()

    second = await prepare(config)

    assert second.password != first.password
    assert second.connection_id == first.connection_id
    async with opened(config.store, config.auth) as store:
        assert await store.is_password(await store.connections.get(second.connection_id), second.password)


async def test_secret_that_cannot_be_kept_is_a_clear_error(config: Config) -> None:
    await prepare(config)
    (config.data_dir / PASSWORD_FILE).unlink()
    (config.data_dir / PASSWORD_FILE).mkdir()

    with pytest.raises(DemoFileUnusable, match="demo-password"):
        await prepare(config)


async def test_folder_that_cannot_be_made_for_a_secret_is_a_clear_error(config: Config, tmp_path: Path) -> None:
    from gateway.demo import _write

    (tmp_path / "file").touch()

    with pytest.raises(DemoFileUnusable, match="cannot write"):
        _write(tmp_path / "file" / "secret", "x")
