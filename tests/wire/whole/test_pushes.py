"""Calls to users whose devices sleep: the push, the login that it brings, and the call that waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.verto_client import RequestFailed, VertoClient, connected
from tests.wire.whole.phone import Phone, phone

TOKENS = {"android": "fcm-token-0123456789", "ios": "apns-token-0123456789"}


def mobile_login(user: str, agent: str, *, provider: str = "android", **more: object) -> dict[str, Any]:
    """The login of a mobile SDK with a device."""
    variables = {"push_device_token": TOKENS[provider], "push_notification_provider": provider}
    login = {"login": user, "passwd": PASSWORD, "User-Agent": agent, "loginParams": {"attach_call": "true"}}
    return {**login, "userVariables": variables, **more}


@asynccontextmanager
async def site(
    folder: Path, *, push_wait: float = 30.0, reattach_window: float = 0.0
) -> AsyncIterator[tuple[Running, Phone]]:
    """A gateway, and alice, who calls robert."""
    settings = {
        "calls": {"stop_grace": 0.0, "push_wait": push_wait},
        "verto": {"reattach_window": reattach_window},
    }
    async with running(folder, settings) as gateway, phone(gateway, "alice", codecs=["PCMU"]) as alice:
        yield gateway, alice


async def register_device(gateway: Running, agent: str = "Android-3.7.0", *, provider: str = "android") -> None:
    """Robert logs in on a device once, and leaves."""
    async with connected(gateway.websocket) as device:
        await device.request("login", mobile_login("robert", agent, provider=provider))
    async with asyncio.timeout(30):
        while len((await gateway.get("/v2/gateway/sessions"))["data"]) > 1:
            pass


async def pushes(gateway: Running, count: int) -> list[dict[str, Any]]:
    """The lab's pushes, oldest first, once there are that many."""
    async with asyncio.timeout(30):
        while len(found := (await gateway.get("/_lab/pushes"))["data"]) < count:
            pass
    return list(reversed(found))


async def log_in(device: VertoClient, login: dict[str, Any]) -> None:
    """As a mobile SDK does: result, clientReady, gatewayState."""
    device.session_id = (await device.request("login", login))["sessid"]
    await device.wait_for("telnyx_rtc.clientReady")
    assert (await device.request("telnyx_rtc.gatewayState", {}))["params"]["state"] == "REGED"


async def test_m64_m65_m67_a_login_after_a_push_gets_the_call_and_has_it(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway, "ReactNative-1.1.0")
        call = await alice.call("robert")
        (push,) = await pushes(gateway, 1)
        await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)

        async with connected(gateway.websocket + f"/?voice_sdk_id={push['payload']['data']['voice_sdk_id']}") as device:
            robert = Phone(device, ["PCMU"])
            await log_in(device, mobile_login("robert", "ReactNative-1.1.0", from_push=True))
            ringing = await robert.until_rung()
            await robert.answer(ringing)
            await alice.until_answered(call)

            assert ringing == push["call_id"]
            assert push["kind"] == "call"
            methods = [message["method"] for message in device.messages]
            assert methods.index("telnyx_rtc.clientReady") < methods.index("telnyx_rtc.invite")
            await alice.hang_up(call)
            await robert.until_over(ringing)


async def test_m65_with_attach_calls_the_invite_comes_exactly_once(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway)
        call = await alice.call("robert")
        await pushes(gateway, 1)
        async with connected(gateway.websocket) as device:
            await log_in(device, mobile_login("robert", "Android-3.7.0"))
            attached = await device.request("telnyx_rtc.attachCalls", {"userVariables": {}})
            await device.request("telnyx_rtc.ping", {})

            assert attached == {"params": {"state": "ATTACHED"}, "sessid": device.session_id}
            assert sum(message["method"] == "telnyx_rtc.invite" for message in device.messages) == 1
            await alice.hang_up(call)


async def test_m66_m68_a_call_that_has_gone_is_an_error_without_a_code_and_a_bye(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway, "iOS-mpn-4.1.2", provider="ios")
        call = await alice.call("robert")
        (push,) = await pushes(gateway, 1)
        await alice.hang_up(call)
        _, missed = await pushes(gateway, 2)

        async with connected(gateway.websocket) as device:
            await log_in(device, mobile_login("robert", "iOS-mpn-4.1.2", provider="ios", from_push=True))
            bye = await device.wait_for("telnyx_rtc.bye", call_id=push["call_id"])
            with pytest.raises(RequestFailed) as refused:
                await device.request("telnyx_rtc.attachCalls", {})

        assert (missed["kind"], missed["call_id"]) == ("missed_call", push["call_id"])
        assert missed["payload"]["aps"] == {"alert": "Missed call!"}
        assert bye["params"]["cause"] == "ORIGINATOR_CANCEL"
        assert (bye["params"]["causeCode"], bye["params"]["sipCode"]) == (487, 487)
        assert "code" not in refused.value.error


async def test_a_device_that_does_not_ask_for_missed_calls_hears_of_none(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway, "iOS-4.1.2", provider="ios")
        await alice.hang_up(await alice.call("robert"))

        assert [push["kind"] for push in (await gateway.get("/_lab/pushes"))["data"]] in ([], ["call"])


async def test_m69_a_decline_rejects_the_call_and_the_socket_hears_nothing_of_it(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway)
        call = await alice.call("robert")
        await pushes(gateway, 1)
        async with connected(gateway.websocket) as device:
            await log_in(device, mobile_login("robert", "Android-3.7.0", loginParams={"decline_push": "true"}))

            assert await alice.until_over(call) == ("CALL_REJECTED", 603)
            again = await alice.call("robert")
            await pushes(gateway, 3)  # the call, its missed-call push, the second call
            await device.request("telnyx_rtc.ping", {})
            assert [message["method"] for message in device.messages] == ["telnyx_rtc.clientReady"]
            await alice.hang_up(again)


async def test_nobody_in_time_ends_the_call_without_an_answer(tmp_path: Path) -> None:
    async with site(tmp_path, push_wait=0.3) as (gateway, alice):
        await register_device(gateway)

        assert await alice.until_over(await alice.call("robert")) == ("NO_ANSWER", 480)


async def test_a_user_without_devices_is_absent_at_once(tmp_path: Path) -> None:
    async with site(tmp_path) as (_, alice):
        assert await alice.until_over(await alice.call("robert@sip.telnyx.com")) == ("SUBSCRIBER_ABSENT", 480)


async def test_v54_a_connected_client_keeps_the_devices_asleep_unless_it_asks(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway)
        async with phone(gateway, "robert") as browser:
            call = await alice.call("robert")
            await browser.until_rung()
            await alice.hang_up(call)
            assert (await gateway.get("/_lab/pushes"))["data"] == []

            variables = {"push_when_active": True, "pn_late_fanout": True}
            await browser.verto.request("login", {"login": "robert", "passwd": PASSWORD, "userVariables": variables})
            call = await alice.call("robert")
            ringing = await browser.until_rung(2)
            (push,) = await pushes(gateway, 1)

            assert push["call_id"] == ringing
            await alice.hang_up(call)


@pytest.mark.parametrize("flag", [True, "true"])
async def test_v54_m70_m71_all_clients_that_ask_ring_and_the_first_to_answer_has_the_call(
    tmp_path: Path, flag: object
) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway, "iOS-4.1.2", provider="ios")
        variables = {"push_when_active": flag}
        async with phone(gateway, "robert") as one, phone(gateway, "robert") as two, phone(gateway, "robert") as quiet:
            for client in (one, two):
                login = {"login": "robert", "passwd": PASSWORD, "userVariables": variables}
                await client.verto.request("login", login)
            two.codecs = one.codecs = ["PCMU"]
            call = await alice.call("robert")
            first, second = await one.until_rung(), await two.until_rung()
            await two.answer(second)
            await alice.until_answered(call)

            bye = (await one.verto.wait_for("telnyx_rtc.bye", call_id=first))["params"]
            assert (bye["cause"], bye["causeCode"], bye["sipCode"]) == ("PICKED_OFF", 805, 487)
            assert [push["kind"] for push in await pushes(gateway, 2)] == ["call", "answered_elsewhere"]
            await quiet.verto.request("telnyx_rtc.ping", {})
            assert all(message["method"] != "telnyx_rtc.invite" for message in quiet.verto.messages)
            live = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
            assert len(live) == 1
            await alice.hang_up(call)
            await two.until_over(second)


async def test_m70_the_device_that_answered_is_not_told_that_somebody_did(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway, "iOS-4.1.2", provider="ios")
        await register_device(gateway, "Android-3.7.0")
        call = await alice.call("robert")
        await pushes(gateway, 2)
        async with connected(gateway.websocket) as device:
            robert = Phone(device, ["PCMU"])
            await log_in(device, mobile_login("robert", "Android-3.7.0"))
            ringing = await robert.until_rung()
            robert.answer_params = {"answered_device_token": TOKENS["android"]}
            await robert.answer(ringing)
            await alice.until_answered(call)

            told = [push for push in await pushes(gateway, 3) if push["kind"] == "answered_elsewhere"]
            assert [push["provider"] for push in told] == ["ios"]
            await alice.hang_up(call)
            await robert.until_over(ringing)


async def test_a_client_that_loses_its_socket_while_several_ring_rings_again_and_may_answer(tmp_path: Path) -> None:
    asks = {"login": "robert", "passwd": PASSWORD, "userVariables": {"push_when_active": True}}
    async with site(tmp_path, reattach_window=30.0) as (gateway, alice), phone(gateway, "robert") as other:
        await other.verto.request("login", asks)
        async with connected(gateway.websocket) as lost:
            await log_in(lost, asks)
            call = await alice.call("robert")
            first = await other.until_rung()
            await lost.wait_for("telnyx_rtc.invite")
        async with connected(gateway.websocket) as back:
            robert = Phone(back, ["PCMU"])
            await log_in(back, {**asks, "sessid": lost.session_id, "reconnection": True})
            ringing = await robert.until_rung()
            methods = [message["method"] for message in back.messages]
            assert methods == ["telnyx_rtc.bye", "telnyx_rtc.clientReady", "telnyx_rtc.invite"]
            assert ringing != first
            await robert.answer(ringing)
            await alice.until_answered(call)

            assert (await other.verto.wait_for("telnyx_rtc.bye", call_id=first))["params"]["causeCode"] == 805
            await alice.hang_up(call)
            await robert.until_over(ringing)


async def test_a_blind_transfer_rings_all_clients_that_ask(tmp_path: Path) -> None:
    asks = {"login": "robert", "passwd": PASSWORD, "userVariables": {"push_when_active": True}}
    async with site(tmp_path) as (gateway, alice), phone(gateway, "robert") as one, phone(gateway, "robert") as two:
        for client in (one, two):
            await client.verto.request("login", asks)
            client.codecs = ["PCMU"]
        call = await alice.call("+12025550101")
        await alice.until_answered(call)

        await alice.verto.modify(call, "transfer", destination="robert")
        first, second = await one.until_rung(), await two.until_rung()
        await one.answer(first)

        assert (await two.verto.wait_for("telnyx_rtc.bye", call_id=second))["params"]["causeCode"] == 805
        assert (await alice.until_over(call))[0] == "BLIND_TRANSFER"
        assert await one.hears(first, 1004.0, codec="PCMU")
        await one.hang_up(first)


async def test_a_number_wakes_the_devices_of_its_connection(tmp_path: Path) -> None:
    async with site(tmp_path) as (gateway, alice):
        await register_device(gateway)
        await gateway.gateway.provisioning.add_number("+12025550190", gateway.connections["robert"])

        call = await alice.call("+12025550190")

        (push,) = await pushes(gateway, 1)
        assert push["username"] == "robert"
        await alice.hang_up(call)


async def test_without_the_lab_nothing_delivers_a_push_and_no_call_waits(tmp_path: Path) -> None:
    settings = {"lab": {"enabled": False}, "verto": {"reattach_window": 0.0}}
    async with running(tmp_path, settings) as gateway, phone(gateway, "alice") as alice:
        await register_device(gateway)

        assert await alice.until_over(await alice.call("robert@sip.telnyx.com")) == ("SUBSCRIBER_ABSENT", 480)
