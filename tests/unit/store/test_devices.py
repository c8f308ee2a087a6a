"""Devices for pushes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.identity import Identity
from gateway.domain.push import Device
from gateway.store.connections import Connections
from gateway.store.credentials import Credentials
from gateway.store.database import Database
from gateway.store.devices import MAX_DEVICES, Devices
from gateway.store.errors import MissingParent
from tests.unit.store.samples import NOON, connection, credential

OWNER = Identity(connection_id=connection().connection_id, credential_id=None, username="alice1")
PHONE = Device(username="alice1", provider="android", token="fcm-0", user_agent="Android-3.7.0")


@pytest.fixture
async def devices(database: Database) -> Devices:
    await Connections(database).add(connection())
    await Credentials(database).add(credential(connection_id=connection().connection_id))
    return Devices(database)


def phone(number: int, provider: str = "android") -> Device:
    return replace(PHONE, token=f"token-{number}", provider=provider)


async def test_m59_a_device_comes_back_as_it_was_kept(devices: Devices) -> None:
    await devices.keep(PHONE, OWNER, at=NOON)

    assert await devices.of_user("alice1") == (PHONE,)
    assert await devices.of_connection(connection().connection_id) == (PHONE,)
    assert await devices.of_user("bob") == ()


async def test_m60_the_sixth_device_over_both_providers_drops_the_one_used_longest_ago(devices: Devices) -> None:
    providers = ["ios", "android", "ios", "android", "ios", "android"]
    for number, provider in enumerate(providers):
        await devices.keep(phone(number, provider), OWNER, at=NOON + timedelta(seconds=number))

    kept = await devices.of_user("alice1")

    assert len(kept) == MAX_DEVICES
    assert [device.token for device in kept] == ["token-5", "token-4", "token-3", "token-2", "token-1"]


async def test_m60_a_device_that_logs_in_again_is_the_one_used_last_and_is_kept_once(devices: Devices) -> None:
    for number in range(MAX_DEVICES):
        await devices.keep(phone(number), OWNER, at=NOON + timedelta(seconds=number))

    await devices.keep(replace(phone(0), environment="debug"), OWNER, at=NOON + timedelta(seconds=10))
    await devices.keep(phone(9), OWNER, at=NOON + timedelta(seconds=11))

    kept = await devices.of_user("alice1")
    assert [device.token for device in kept] == ["token-9", "token-0", "token-4", "token-3", "token-2"]
    assert kept[1].environment == "debug"


async def test_m61_a_removed_device_is_gone_and_others_stay(devices: Devices) -> None:
    for number in range(2):
        await devices.keep(phone(number), OWNER, at=NOON)

    assert await devices.remove("alice1", "token-0")
    assert not await devices.remove("alice1", "token-0")
    assert not await devices.remove("bob", "token-1")

    assert [device.token for device in await devices.of_user("alice1")] == ["token-1"]


async def test_devices_go_with_their_credential_and_connection(database: Database, devices: Devices) -> None:
    generated = credential(connection_id=connection().connection_id)
    member = replace(OWNER, credential_id=generated.credential_id, username=generated.sip_username)
    await devices.keep(replace(PHONE, username=generated.sip_username), member, at=NOON)
    await devices.keep(PHONE, OWNER, at=NOON)
    assert await devices.of_connection(connection().connection_id) == (PHONE,)

    await Credentials(database).remove(generated.credential_id, at=NOON)
    assert await devices.of_user(generated.sip_username) == ()

    await Connections(database).remove(connection().connection_id, at=NOON)
    assert await devices.of_user("alice1") == ()


async def test_a_device_of_a_connection_that_is_gone_is_refused(devices: Devices) -> None:
    with pytest.raises(MissingParent):
        await devices.keep(PHONE, replace(OWNER, connection_id="42"), at=NOON)


def test_a_token_does_not_show_in_a_text() -> None:
    assert "fcm-0" not in repr(PHONE)
