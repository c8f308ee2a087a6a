"""M-5 and M-49 to M-51: a client whose socket was lost gets its calls back."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.domain.ids import Sdp
from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import ANSWER, ECHO, OFFER, SETTINGS, TONE, Media, Site
from tests.harness.gateway import PASSWORD, merged, running
from tests.harness.mobile.client import MobileClient, dialed
from tests.harness.mobile.dialect import Login, Message
from tests.harness.mobile.sdk import Sdk
from tests.wire.media.browser import read

pytestmark = pytest.mark.asyncio(loop_scope="module")

MILLIWATT = 1004.0
"""Hertz of the lab's tone."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hurried(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A gateway that waits for the answer to an attach but for a moment."""
    hurry = {"verto": {"attach_timeout": 0.2}}
    async with running(tmp_path_factory.mktemp("hurried"), merged(SETTINGS, hurry), users=()) as gateway:
        yield Site(gateway)


async def lose(client: MobileClient) -> None:
    """The client's network fails; return when both sides know."""
    client.drop()
    await client.is_closed.wait()


def fingerprint_and_ufrag(message: Message) -> tuple[str, str]:
    """What tells one offer from another."""
    description = read(Sdp(message["sdp"]))
    return description.first("fingerprint"), description.first("ice-ufrag")


@platforms("iafr")
async def test_m005_a_reconnect_with_the_voice_sdk_id_reaches_the_calls_of_the_session(site: Site, sdk: Sdk) -> None:
    """Even when the session id is lost with the application: Flutter's is made up anew, React Native's never stored."""
    async with site.client(sdk) as client:
        call = await client.invite(ECHO, OFFER)
        await client.wait_for("telnyx_rtc.answer", call)
        await lose(client)
    async with dialed(
        sdk, f"{site.gateway.websocket}/?voice_sdk_id={client.rules.voice_sdk_id}", session_id=str(uuid.uuid4())
    ) as again:
        again.rules.calls = client.rules.calls
        await again.login(Login(username=client.username, password=PASSWORD))
        await again.wait_for("telnyx_rtc.attach", call)
        await again.bye(call)


@platforms("iafr")
async def test_m049_each_live_call_is_attached_once_under_its_own_id_with_a_fresh_offer(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        outbound = await client.invite(ECHO, OFFER)
        first = await client.wait_for("telnyx_rtc.answer", outbound)
        inbound = await site.ring(client)
        await client.answer(inbound, ANSWER)
        await lose(client)
    offers = {outbound: first, inbound: client.all_of("telnyx_rtc.invite", inbound)[0]}
    async with site.back(client) as again:
        for call in (outbound, inbound):
            attach = await again.wait_for("telnyx_rtc.attach", call)
            assert fingerprint_and_ufrag(attach)[1] != fingerprint_and_ufrag(offers[call])[1]
            assert read(Sdp(attach["sdp"])).all("candidate")
            assert isinstance(await again.attach(call, ANSWER), dict)
        await again.barrier()

        assert sorted(attach["callID"] for attach in again.all_of("telnyx_rtc.attach")) == sorted([outbound, inbound])
        for call in (outbound, inbound):
            await again.bye(call)


@platforms("f")
@pytest.mark.parametrize("says_attach", [False, True, None])
async def test_m050_the_clients_attach_renews_the_call_whatever_it_says_of_attach(
    site: Site, sdk: Sdk, says_attach: bool | None
) -> None:
    async with site.client(sdk) as client:
        async with Media() as media:
            call = await media.place(client, TONE)
            await media.until_answered(client, call)
        await lose(client)
    async with site.back(client) as again, Media() as media:
        attach = await again.wait_for("telnyx_rtc.attach", call)
        params = sdk.dialect.attach_params(again.session_id, call, await media.browser.answer(Sdp(attach["sdp"])))
        if says_attach is None:
            del params["dialogParams"]["attach"]
        else:
            params["dialogParams"]["attach"] = says_attach
        await again.request("telnyx_rtc.attach", params)
        await media.connected()

        assert await media.hears(MILLIWATT)
        await again.bye(call)


@platforms("a")
async def test_m051_a_call_whose_client_never_answers_the_attach_is_released(hurried: Site, sdk: Sdk) -> None:
    """Android says nothing about a call that it has forgotten."""
    async with hurried.client(sdk) as client:
        call = await client.invite(ECHO, OFFER)
        await client.wait_for("telnyx_rtc.answer", call)
        await lose(client)
    async with hurried.back(client) as again:
        await again.wait_for("telnyx_rtc.attach", call)
        await again.wait_for("telnyx_rtc.bye", call)
        async with asyncio.timeout(30):
            while (await hurried.gateway.get("/v2/gateway/calls?state=live"))["data"]:
                pass
