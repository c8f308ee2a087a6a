"""M-59 to M-71: devices, and the calls that a push wakes them up for."""

import uuid

import pytest

from gateway.domain.push import Device
from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import Site
from tests.harness.gateway import PASSWORD
from tests.harness.mobile.dialect import Login
from tests.harness.mobile.sdk import ANDROID, IOS, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")


def new_token() -> str:
    """A device token that nobody else has."""
    return f"token-{uuid.uuid4().hex}"


async def devices(site: Site, user: str) -> tuple[Device, ...]:
    """What the gateway keeps of that user's devices, the one used last first."""
    return await site.gateway.gateway.devices.of_user(user)


@platforms("iafr")
@pytest.mark.parametrize("environment", ["debug", "production"])
async def test_m059_a_device_is_kept_with_provider_and_environment_and_without_one_it_is_production(
    site: Site, sdk: Sdk, environment: str
) -> None:
    token = new_token()
    async with site.client(sdk, push_token=token, environment=environment) as client:
        kept = await devices(site, client.username)

    expected = Device(
        username=client.username,
        provider="ios" if sdk is IOS else "android",
        token=token,
        environment="production" if sdk is ANDROID else environment,
        user_agent=sdk.dialect.agent(),
    )
    assert kept == (expected,)


@platforms("iafr")
async def test_m060_a_sixth_device_takes_the_place_of_the_one_used_longest_ago(site: Site, sdk: Sdk) -> None:
    user = await site.user()
    tokens = [new_token() for _ in range(6)]
    for token in [*tokens[:5], tokens[0], tokens[5]]:  # the first is used again before the sixth comes
        async with site.client(sdk, user, push_token=token):
            pass

    kept = [device.token for device in await devices(site, user)]
    assert kept == [tokens[5], tokens[0], tokens[4], tokens[3], tokens[2]]


@platforms("iafr")
@pytest.mark.parametrize("has_token", [False, True], ids=["user", "login_token"])
async def test_m061_each_platform_disables_its_device_by_user_or_by_token(
    site: Site, sdk: Sdk, has_token: bool
) -> None:
    user = await site.user()
    password = Login(username=user, password=PASSWORD, push_token=new_token())
    login = Login(token=await site.token(user), push_token=password.push_token) if has_token else password
    async with site.dialed(sdk) as client:
        await client.login(login)
        sessions = (await site.gateway.get("/v2/gateway/sessions"))["data"]
        name = next(one["username"] for one in sessions if one["connection_id"] == site.connections[user])
        assert len(await devices(site, name)) == 1
        await client.request("telnyx_rtc.disable_push_notification", sdk.dialect.disable_push_params(login))

        assert await devices(site, name) == ()


@platforms("i")
async def test_m062_the_answer_to_a_disable_has_the_method_and_the_word_success(site: Site, sdk: Sdk) -> None:
    login = Login(username=await site.user(), password=PASSWORD, push_token=new_token())
    async with site.dialed(sdk) as client:
        await client.login(login)
        method = "telnyx_rtc.disable_push_notification"
        answer = await client.ask(method, sdk.dialect.disable_push_params(login))

        assert answer["method"] == method
        assert "success" in answer["result"]["message"]
