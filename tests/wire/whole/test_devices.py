"""Devices of mobile clients: kept at login, forgotten on request, and nobody else's."""

import pytest

from gateway.domain.push import Device
from tests.harness.gateway import PASSWORD, Running
from tests.harness.log_lines import log_lines
from tests.harness.verto_client import RequestFailed, connected

TOKEN = "fcm-token-0123456789"


def variables(token: str = TOKEN) -> dict[str, str]:
    return {"push_device_token": token, "push_notification_provider": "android"}


async def test_m59_a_login_with_a_device_keeps_it(gateway: Running) -> None:
    async with connected(gateway.websocket) as phone:
        login = {"login": "alice", "passwd": PASSWORD, "userVariables": variables(), "User-Agent": "Android-3.7.0"}
        await phone.request("login", login)

    expected = Device(username="alice", provider="android", token=TOKEN, user_agent="Android-3.7.0")
    assert await gateway.gateway.devices.of_user("alice") == (expected,)


@pytest.mark.parametrize("key", ["push_device_token", "push_notification_token"])
@pytest.mark.parametrize("who", [{"user": "alice"}, {}])
async def test_m61_m62_a_client_disables_its_device_and_a_later_login_enables_it(
    gateway: Running, key: str, who: dict[str, str]
) -> None:
    login = {"login": "alice", "passwd": PASSWORD, "userVariables": variables(), "User-Agent": "Flutter-4.4.0"}
    async with connected(gateway.websocket) as phone:
        await phone.request("login", login)

        body = {**who, "User-Agent": {key: TOKEN, "push_notification_provider": "android"}}
        result = await phone.request("telnyx_rtc.disable_push_notification", body)

        assert "success" in result["message"]
        assert await gateway.gateway.devices.of_user("alice") == ()
        await phone.request("login", login)
        assert len(await gateway.gateway.devices.of_user("alice")) == 1


async def test_m61_a_token_login_disables_by_its_token(gateway: Running) -> None:
    made = await gateway.gateway.provisioning.add_credential(gateway.connections["alice"], name="phone")
    jwt = await gateway.gateway.provisioning.create_token(made.credential.credential_id, ttl=600)
    async with connected(gateway.websocket) as phone:
        await phone.request("login", {"login_token": jwt, "userVariables": variables(), "User-Agent": "iOS-4.1.2"})
        assert len(await gateway.gateway.devices.of_user(made.credential.sip_username)) == 1

        body = {"login_token": jwt, "User-Agent": {"push_device_token": TOKEN}}
        assert "success" in (await phone.request("telnyx_rtc.disable_push_notification", body))["message"]

        assert await gateway.gateway.devices.of_user(made.credential.sip_username) == ()


async def test_nobody_disables_a_device_of_somebody_else(gateway: Running) -> None:
    async with connected(gateway.websocket) as alice, connected(gateway.websocket) as robert:
        login = {"passwd": PASSWORD, "User-Agent": "iOS-4.1.2"}
        await alice.request("login", {**login, "login": "alice", "userVariables": variables()})
        await robert.request("login", {**login, "login": "robert"})

        for who in ({"user": "alice"}, {"login_token": "not.a.token"}):
            with pytest.raises(RequestFailed, match="-32002"):
                body = {**who, "User-Agent": {"push_device_token": TOKEN}}
                await robert.request("telnyx_rtc.disable_push_notification", body)
        # Without a name it is robert's own device of that token, which he does not have.
        await robert.request("telnyx_rtc.disable_push_notification", {"User-Agent": {"push_device_token": TOKEN}})

        assert len(await gateway.gateway.devices.of_user("alice")) == 1


async def test_no_device_token_reaches_the_log_even_at_debug_level(gateway: Running) -> None:
    with log_lines() as log:
        async with connected(gateway.websocket) as phone:
            login = {"login": "alice", "passwd": PASSWORD, "userVariables": variables(), "User-Agent": "iOS-4.1.2"}
            await phone.request("login", login)
            for key in ("push_device_token", "push_notification_token"):
                await phone.request("telnyx_rtc.disable_push_notification", {"User-Agent": {key: TOKEN}})

    assert any("push_device_kept" in line for line in log.lines)
    assert not any(TOKEN in line for line in log.lines)
