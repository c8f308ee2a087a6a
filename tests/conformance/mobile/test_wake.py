"""M-63 to M-71: calls to users whose devices sleep. The lab keeps the pushes that nobody delivers."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import ANSWER, CALLER, SETTINGS, Site
from tests.harness.gateway import PASSWORD, merged, running
from tests.harness.mobile.client import DEADLINE, MobileClient, dialed
from tests.harness.mobile.dialect import Login, Message
from tests.harness.mobile.rules import is_uuid
from tests.harness.mobile.sdk import ANDROID, IOS, REACT_NATIVE, Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

INVITE_DEADLINE = 10.0
"""Seconds after which iOS and Flutter give up the pushed call."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def night(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A gateway that forgets a client with its socket, as sleeping phones make it."""
    settings = merged(SETTINGS, {"verto": {"reattach_window": 0.0}})
    async with running(tmp_path_factory.mktemp("night"), settings, users=()) as gateway:
        yield Site(gateway)


class Sleeper:
    """A user, their devices, and what is pushed to them."""

    def __init__(self, site: Site, user: str) -> None:
        self.site, self.user = site, user

    async def sleeps(self, sdk: Sdk, **login: Any) -> Login:  # Any: as `Login`
        """A device of that platform logs in once, and its socket is gone; returns its login after a push."""
        first = Login(username=self.user, password=PASSWORD, push_token=f"token-{uuid.uuid4().hex}", **login)
        async with self.site.dialed(sdk) as client:
            await client.login(first)
        async with asyncio.timeout(DEADLINE):
            while self.user in [one["username"] for one in await self.site.sessions()]:
                pass
        return Login(
            username=self.user, password=PASSWORD, push_token=first.push_token, is_from_push=True, **login
        )  # fmt: skip

    async def pushes(self, count: int) -> list[Message]:
        """The pushes of this user, oldest first, once there are that many."""
        async with asyncio.timeout(DEADLINE):
            while True:
                kept = (await self.site.gateway.get("/_lab/pushes"))["data"]
                found: list[Message] = [push for push in reversed(kept) if push["username"] == self.user]
                if len(found) >= count:
                    return found

    @asynccontextmanager
    async def wakes(self, sdk: Sdk, login: Login, push: Message) -> AsyncIterator[MobileClient]:
        """The device connects and logs in, as the push tells it, and asks for its call, as its SDK does."""
        url = f"{self.site.gateway.websocket}/?voice_sdk_id={push_data(push)['voice_sdk_id']}"
        async with dialed(sdk, url) as client:
            await client.login(login)
            yield client


def push_data(push: Message) -> Message:
    """`metadata` of a push, an object for APNs and a text for FCM."""
    payload = push["payload"]
    data: Message = payload["metadata"] if push["provider"] == "ios" else json.loads(payload["data"]["metadata"])
    return data


async def sleeper(site: Site) -> Sleeper:
    """A new user."""
    return Sleeper(site, await site.user())


async def attach_calls(client: MobileClient, login: Login) -> Message | None:
    """The client asks for its call, unless it is React Native, which merely waits."""
    params = client.dialect.attach_calls_params(login)
    return None if params is None else await client.request("telnyx_rtc.attachCalls", params)


@platforms("iafr")
async def test_m063_a_push_has_the_form_that_the_handlers_of_its_provider_read(night: Site, sdk: Sdk) -> None:
    """The bodies; delivery to APNs and FCM, and with it the topic, comes later."""
    user = await sleeper(night)
    await user.sleeps(sdk)
    lab_call = await night.call_user(user.user)
    push = (await user.pushes(1))[0]
    await night.hang_up(lab_call)

    names = {"call_id", "caller_name", "caller_number", "voice_sdk_id"}
    assert push["provider"] == ("ios" if sdk is IOS else "android")
    if sdk is IOS:
        assert set(push["payload"]["metadata"]) == names
        assert isinstance(push["payload"]["aps"], dict)
    else:
        data = push["payload"]["data"]
        assert all(isinstance(value, str) for value in data.values())
        assert data["message"]
        assert set(json.loads(data["metadata"])) == names
    assert push_data(push)["caller_number"] == CALLER


@platforms("iafr")
async def test_m064_the_pushed_call_id_is_that_of_the_invite_and_a_voice_sdk_id_is_there(night: Site, sdk: Sdk) -> None:
    user = await sleeper(night)
    login = await user.sleeps(sdk)
    lab_call = await night.call_user(user.user)
    push = (await user.pushes(1))[0]
    async with user.wakes(sdk, login, push) as client:
        invite = await client.wait_for("telnyx_rtc.invite")

    assert is_uuid(push_data(push)["call_id"])
    assert push_data(push)["call_id"] == push["call_id"] == invite["callID"]
    assert push_data(push)["voice_sdk_id"]
    await night.hang_up(lab_call)


@platforms("iafr")
async def test_m065_the_pending_invite_comes_once_with_attach_calls_or_without(night: Site, sdk: Sdk) -> None:
    user = await sleeper(night)
    login = await user.sleeps(sdk)
    await night.call_user(user.user)
    push = (await user.pushes(1))[0]
    async with user.wakes(sdk, login, push) as client:
        invite = await client.wait_for("telnyx_rtc.invite")
        attached = await attach_calls(client, login)
        await client.barrier()
        await client.answer(invite["callID"], ANSWER)
        await client.bye(invite["callID"])

        assert len(client.all_of("telnyx_rtc.invite")) == 1
        assert (attached is None) == (sdk is REACT_NATIVE)
        assert attached is None or (attached["params"], bool(attached["sessid"])) == ({"state": "ATTACHED"}, True)


@platforms("ia")
async def test_m066_attach_calls_for_a_call_that_has_gone_is_an_error_without_a_code(night: Site, sdk: Sdk) -> None:
    user = await sleeper(night)
    login = await user.sleeps(sdk)
    lab_call = await night.call_user(user.user)
    await user.pushes(1)
    await night.hang_up(lab_call)
    async with night.dialed(sdk) as client:
        await client.login(login)
        params = sdk.dialect.attach_calls_params(login)
        answer = await client.ask("telnyx_rtc.attachCalls", params, request_id="gone")

        assert answer["id"] == "gone"
        assert list(answer["error"]) == ["message"]


@platforms("if")
async def test_m067_the_pending_invite_comes_within_ten_seconds_of_the_login(night: Site, sdk: Sdk) -> None:
    user = await sleeper(night)
    login = await user.sleeps(sdk)
    lab_call = await night.call_user(user.user)
    push = (await user.pushes(1))[0]
    async with user.wakes(sdk, login, push) as client, asyncio.timeout(INVITE_DEADLINE):
        await client.wait_for("telnyx_rtc.invite", push["call_id"])
    await night.hang_up(lab_call)


@platforms("iafr")
async def test_m068_a_caller_that_gives_up_leaves_a_bye_for_the_pushed_call_and_a_push_of_a_missed_call(
    night: Site, sdk: Sdk
) -> None:
    user = await sleeper(night)
    login = await user.sleeps(sdk, wants_missed_calls=True)
    lab_call = await night.call_user(user.user)
    await user.pushes(1)
    await night.hang_up(lab_call)
    pushed, missed = await user.pushes(2)
    async with user.wakes(sdk, login, pushed) as client:
        bye = await client.wait_for("telnyx_rtc.bye")

    assert bye["callID"] == pushed["call_id"] == push_data(missed)["call_id"]
    assert bye["cause"] == "ORIGINATOR_CANCEL"
    title = missed["payload"]["aps"]["alert"] if sdk is IOS else missed["payload"]["data"]["message"]
    assert title == "Missed call!"


@platforms("iaf")
@pytest.mark.parametrize("has_token", [False, True], ids=["password", "token"])
async def test_m069_a_decline_ends_the_pushed_call_though_its_socket_closes_and_hears_no_invite(
    night: Site, sdk: Sdk, has_token: bool
) -> None:
    user = await sleeper(night)
    if has_token:
        token, user.user = await night.token_and_name(user.user)
        login = Login(token=token, push_token="t" * 20, is_declining=True)
        async with night.dialed(sdk) as client:
            await client.login(Login(token=token, push_token="t" * 20))
    else:
        login = Login(username=user.user, password=PASSWORD, push_token="t" * 20, is_declining=True)
        await user.sleeps(sdk)
    lab_call = await night.call_user(user.user)
    await user.pushes(1)
    async with night.dialed(sdk) as client:
        await client.login(login)
        client.drop()
        await client.is_closed.wait()
    ended = await night.lab_end(lab_call)

    assert ended["sip_status"] in (486, 603)
    assert client.all_of("telnyx_rtc.invite") == []


@platforms("iafr")
async def test_m070_who_did_not_answer_gets_picked_off_and_who_sleeps_a_push_but_not_who_answered(
    night: Site, sdk: Sdk
) -> None:
    user = await sleeper(night)
    third = await user.sleeps(IOS)
    loser_login, winner_login = await user.sleeps(sdk), await user.sleeps(ANDROID)
    await night.call_user(user.user)
    push = (await user.pushes(3))[0]
    async with user.wakes(sdk, loser_login, push) as loser, user.wakes(ANDROID, winner_login, push) as winner:
        lost = (await loser.wait_for("telnyx_rtc.invite"))["callID"]
        won = (await winner.wait_for("telnyx_rtc.invite"))["callID"]
        await winner.answer(won, ANSWER, device_token=winner_login.push_token)
        bye = await loser.wait_for("telnyx_rtc.bye", lost)
        told = [one for one in await user.pushes(4) if one["kind"] == "answered_elsewhere"]
        await winner.bye(won)

    assert (bye["cause"], bye["causeCode"], bye["sipCode"]) == ("PICKED_OFF", 805, 487)
    ends = {one["device"][-6:] for one in told}
    assert str(third.push_token)[-6:] in ends
    assert str(winner_login.push_token)[-6:] not in ends
    assert all(
        (one["payload"]["aps"]["alert"] if one["provider"] == "ios" else one["payload"]["data"]["message"])
        == "Answered Elsewhere"
        for one in told
    )


@platforms("iar")
async def test_m071_push_when_active_as_each_platform_writes_it_pushes_beside_the_socket(night: Site, sdk: Sdk) -> None:
    user = await sleeper(night)
    await user.sleeps(sdk)
    wakeful = Login(username=user.user, password=PASSWORD, push_token="t" * 20, rings_when_active=True)
    variables = sdk.dialect.login_params(wakeful, None)["userVariables"]
    async with night.dialed(sdk) as client:
        await client.login(wakeful)
        await night.call_user(user.user)
        call = (await client.wait_for("telnyx_rtc.invite"))["callID"]
        pushes = await user.pushes(2)
        await client.bye(call, is_active=False)

    assert variables["push_when_active"] is True if sdk is ANDROID else variables["push_when_active"] == "true"
    assert {push["kind"] for push in pushes[:2]} == {"call"}
