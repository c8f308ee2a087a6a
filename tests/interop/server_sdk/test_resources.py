"""Checklist I of rest-v2, items 48 to 69: connections, profiles, numbers, push credentials. A test an item."""

import asyncio
from typing import Any

import pytest

from tests.harness.gateway import PASSWORD
from tests.harness.verto_client import connected
from tests.interop.server_sdk.conftest import Backend, code_of, everything, refused

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]


async def test_item_48_connection_has_its_record_type_and_a_decimal_id(backend: Backend) -> None:
    connection = await backend.connection("item48")

    assert connection.record_type == "credential_connection"
    assert connection.id.isdigit()


async def test_item_49_defaults_read_back(backend: Backend) -> None:
    made = await backend.connection("item49")

    connection = (await backend.sdk.credential_connections.retrieve(made.id)).data

    assert (connection.active, connection.anchorsite_override, connection.dtmf_type) == (True, "Latency", "RFC 2833")
    assert (connection.webhook_api_version, connection.outbound.call_parking_enabled) == ("1", False)
    assert len(connection.inbound.codecs) == 6


@pytest.mark.parametrize("user_name", ["abc", "with-hyphen"])
async def test_item_50_bad_user_name_is_refused(backend: Backend, user_name: str) -> None:
    status, _, body = await refused(
        backend.sdk.credential_connections.create(connection_name="item50", user_name=user_name, password="long enough")
    )

    assert (status, code_of(body)[1]) == (422, "/user_name")


async def test_item_51_short_password_is_refused(backend: Backend) -> None:
    status, _, body = await refused(
        backend.sdk.credential_connections.create(connection_name="item51", user_name="item51", password="seven77")
    )

    assert (status, code_of(body)[1]) == (422, "/password")


async def test_item_52_taken_user_name_is_refused(backend: Backend) -> None:
    await backend.connection("item52")

    status, _, body = await refused(
        backend.sdk.credential_connections.create(
            connection_name="item52 too", user_name="item52", password="long enough"
        )
    )

    assert (status, code_of(body)) == (422, ("10012", "/user_name"))


async def test_item_53_unknown_dtmf_type_is_no_value_of_the_set(backend: Backend) -> None:
    status, _, body = await refused(backend.connection("item53", dtmf_type="X"))

    assert (status, code_of(body)) == (422, ("10032", "/dtmf_type"))


async def test_item_54_patch_of_one_nested_key_leaves_the_others(backend: Backend) -> None:
    profile = (await backend.sdk.outbound_voice_profiles.create(name="item 54")).data
    connection = await backend.connection("item54", outbound={"outbound_voice_profile_id": profile.id})

    changed = (
        await backend.sdk.credential_connections.update(connection.id, outbound={"call_parking_enabled": True})
    ).data

    assert changed.outbound.call_parking_enabled is True
    assert changed.outbound.outbound_voice_profile_id == profile.id


async def test_item_55_timeout_of_31_seconds_is_out_of_range(backend: Backend) -> None:
    connection = await backend.connection("item55")

    status, _, body = await refused(backend.sdk.credential_connections.update(connection.id, webhook_timeout_secs=31))

    assert (status, code_of(body)) == (422, ("10033", "/webhook_timeout_secs"))


async def test_item_56_null_clears_the_failover_url(backend: Backend) -> None:
    connection = await backend.connection("item56", webhook_event_failover_url="https://example.com/hook")

    changed = (await backend.sdk.credential_connections.update(connection.id, webhook_event_failover_url=None)).data

    assert connection.webhook_event_failover_url == "https://example.com/hook"
    assert changed.webhook_event_failover_url is None


async def test_item_57_calling_preference_reads_back(backend: Backend) -> None:
    connection = await backend.connection("item57")
    await backend.sdk.credential_connections.update(connection.id, sip_uri_calling_preference="internal")

    found = (await backend.sdk.credential_connections.retrieve(connection.id)).data

    assert found.sip_uri_calling_preference == "internal"


async def test_item_58_name_is_found_in_whatever_case(backend: Backend) -> None:
    connection = await backend.connection("Item58Name")

    found = await everything(
        backend.sdk.credential_connections.list(filter={"connection_name": {"contains": "eM58nA"}})
    )

    assert [row.id for row in found] == [connection.id]


async def test_item_59_minus_reverses_the_order(backend: Backend) -> None:
    for name in ("item59b", "item59a", "item59c"):
        await backend.connection(name)
    wanted: Any = {"connection_name": {"contains": "item59"}}

    rising = await everything(backend.sdk.credential_connections.list(filter=wanted, sort="connection_name"))
    falling = await everything(backend.sdk.credential_connections.list(filter=wanted, sort="-connection_name"))

    assert [row.connection_name for row in rising] == ["item59a", "item59b", "item59c"]
    assert list(reversed(falling)) == rising


async def test_item_60_registration_is_told_while_a_client_is_logged_in(backend: Backend) -> None:
    connection_id = backend.gateway.connections["robert"]
    check = backend.sdk.credential_connections.actions.check_registration_status

    before = (await check(connection_id)).data
    async with connected(backend.gateway.websocket) as client:
        await client.login("robert", PASSWORD)
        during = (await check(connection_id)).data

    assert (before.status, during.status) == ("Not Registered", "Registered")
    assert (during.sip_username, during.ip_address) == ("robert", "127.0.0.1")
    assert isinstance(during.port, int)


async def test_item_61_connections_of_every_kind_have_the_new_one(backend: Backend) -> None:
    connection = await backend.connection("item61")

    rows = await everything(backend.sdk.connections.list())

    assert ("credential_connection", connection.id) in [(row.record_type, row.id) for row in rows]


async def test_item_62_deleted_connection_is_returned_and_then_gone(backend: Backend) -> None:
    connection = await backend.connection("item62")

    deleted = (await backend.sdk.credential_connections.delete(connection.id)).data

    assert deleted.id == connection.id
    assert (await refused(backend.sdk.credential_connections.retrieve(connection.id)))[0] == 404


async def test_item_63_profile_with_only_a_name_has_the_defaults(backend: Backend) -> None:
    profile = (await backend.sdk.outbound_voice_profiles.create(name="item 63")).data

    assert (profile.whitelisted_destinations, profile.enabled) == (["US", "CA"], True)


async def test_item_64_profile_name_of_two_characters_is_refused(backend: Backend) -> None:
    status, _, body = await refused(backend.sdk.outbound_voice_profiles.create(name="ab"))

    assert (status, code_of(body)[1]) == (422, "/name")


async def test_item_65_count_grows_with_a_connection(backend: Backend) -> None:
    profile = (await backend.sdk.outbound_voice_profiles.create(name="item 65")).data

    await backend.connection("item65", outbound={"outbound_voice_profile_id": profile.id})

    found = (await backend.sdk.outbound_voice_profiles.retrieve(profile.id)).data
    assert (profile.connections_count, found.connections_count) == (0, 1)


async def test_item_66_available_numbers_are_limited_and_counted(backend: Backend) -> None:
    found = await backend.sdk.available_phone_numbers.list(filter={"country_code": "US", "limit": 3})

    assert 0 < len(found.data) <= 3
    assert found.meta.total_results == len(found.data)
    assert all(row.phone_number.startswith("+1") for row in found.data)


async def test_item_67_order_is_pending_and_soon_a_success(backend: Backend) -> None:
    order = await ordered(backend, None)

    assert order.status == "pending"
    assert (await success(backend, order.id)).status == "success"


async def test_item_68_number_has_the_connection_of_its_order(backend: Backend) -> None:
    order = await ordered(backend, backend.connection_id)
    await success(backend, order.id)
    number = order.phone_numbers[0].phone_number

    found = await everything(backend.sdk.phone_numbers.list(filter={"phone_number": number}))

    assert [(row.phone_number, row.connection_id, row.status) for row in found] == [
        (number, backend.connection_id, "active")
    ]


async def test_item_69_push_credentials_of_both_kinds(backend: Backend) -> None:
    sdk = backend.sdk.mobile_push_credentials
    wanted = {
        "ios": {"type": "ios", "alias": "item-69-ios", "certificate": "cert", "private_key": "key"},
        "android": {"type": "android", "alias": "item-69-android", "project_account_json_file": {"a": {"b": 1}}},
    }

    made = {kind: (await sdk.create(create_mobile_push_credential_request=body)).data for kind, body in wanted.items()}
    duplicate = await refused(sdk.create(create_mobile_push_credential_request=wanted["ios"]))

    for kind, credential in made.items():
        assert (await sdk.retrieve(credential.id)).data == credential
        assert [row.id for row in await everything(sdk.list(filter={"type": kind}))] == [credential.id]
        assert (credential.record_type, credential.type) == ("push_credential", kind)
    assert made["android"].project_account_json_file == {"a": {"b": 1}}
    assert (duplicate[0], code_of(duplicate[2])) == (422, ("10015", "/alias"))
    assert await sdk.delete(made["ios"].id) is None
    assert (await refused(sdk.retrieve(made["ios"].id)))[0] == 404


async def ordered(backend: Backend, connection_id: str | None) -> Any:  # Any: the SDK's model
    offer = (await backend.sdk.available_phone_numbers.list(filter={"limit": 1})).data[0]
    wanted = {} if connection_id is None else {"connection_id": connection_id}
    order = await backend.sdk.number_orders.create(phone_numbers=[{"phone_number": offer.phone_number}], **wanted)
    return order.data


async def success(backend: Backend, order_id: str) -> Any:  # Any: the SDK's model
    """Poll as a backend does, for ten seconds."""
    async with asyncio.timeout(30):
        while (order := (await backend.sdk.number_orders.retrieve(order_id)).data).status == "pending":
            pass
    return order
