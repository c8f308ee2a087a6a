"""M-42, M-48, M-52 to M-55: what comes over the wire beside the words, with a browser's ICE, DTLS and RTP."""

import asyncio

import pytest

from gateway.domain.ids import Sdp
from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import EARLY_MEDIA, TONE, Media, Site
from tests.harness.mobile.client import MobileClient
from tests.harness.mobile.sdk import Sdk
from tests.wire.media.browser import read

pytestmark = pytest.mark.asyncio(loop_scope="module")

MILLIWATT = 1004.0
"""Hertz of the lab's tone."""

RTP_DEADLINE = 5.0
"""Seconds after which iOS gives up a call whose new path stays silent."""


@platforms("afr")
async def test_m042_the_transport_of_early_media_carries_the_answered_call(unhurried: Site, sdk: Sdk) -> None:
    async with unhurried.client(sdk) as client, Media() as media:
        call = await media.place(client, EARLY_MEDIA)
        early = await client.wait_for("telnyx_rtc.media", call)
        await media.browser.accept(Sdp(early["sdp"]))
        answer = await client.wait_for("telnyx_rtc.answer", call)
        await media.connected()

        assert "sdp" not in answer
        assert await media.hears_itself(700)
        await client.bye(call)


@platforms("iaf")
async def test_m048_an_ice_restart_is_answered_and_audio_flows_on_the_new_path(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client, Media() as media:
        call = await media.place(client, TONE)
        await media.until_answered(client, call)
        media.browser.connected.clear()
        before = read(Sdp(client.all_of("telnyx_rtc.answer", call)[0]["sdp"])).first("ice-ufrag")
        result = await client.modify(call, "updateMedia", await media.browser.offer(restart=True))
        assert (result["action"], result["callID"], result["holdState"]) == ("updateMedia", call, "active")
        assert read(Sdp(result["sdp"])).first("ice-ufrag") != before
        async with asyncio.timeout(RTP_DEADLINE):
            await media.browser.accept(Sdp(result["sdp"]))
            await media.browser.connected.wait()
            assert await media.hears(MILLIWATT)
        await client.bye(call)


@platforms("iafr")
async def test_m052_a_trickling_client_finds_all_candidates_in_the_answer_and_may_send_its_own(
    site: Site, sdk: Sdk
) -> None:
    async with site.client(sdk) as client, Media() as media:
        call = await media.place(client, TONE, is_trickle=True)
        for line in media.browser.candidate_lines():
            assert isinstance(await client.trickle(call, line), dict)
        assert isinstance(await client.trickle(call, None), dict)
        await media.until_answered(client, call)

        answer = read(Sdp(client.all_of("telnyx_rtc.answer", call)[0]["sdp"]))
        assert answer.all("candidate")
        assert await media.hears(MILLIWATT)
        await client.bye(call)


@platforms("iafr")
async def test_m053_candidates_of_the_server_come_in_the_description_and_in_no_message(site: Site, sdk: Sdk) -> None:
    """Messages would be looked at by the rules of the client; Android and Flutter cannot use most of them (3.6)."""
    async with site.client(sdk) as client:
        async with Media() as media:
            call = await media.place(client, TONE, is_trickle=True)
            await media.until_answered(client, call)
            await client.bye(call)
        inbound = await site.ring(client)
        invite = await client.wait_for("telnyx_rtc.invite", inbound)
        await client.bye(inbound, is_active=False)
        await client.barrier()

        assert client.all_of("telnyx_rtc.candidate") == []
        for sdp in (client.all_of("telnyx_rtc.answer", call)[0]["sdp"], invite["sdp"]):
            assert all(line.split()[1:3] == ["1", "udp"] for line in read(Sdp(sdp)).all("candidate"))
            assert read(Sdp(sdp)).all("candidate")


@platforms("iafr")
async def test_m054_checks_from_addresses_that_nobody_told_open_the_path(site: Site, sdk: Sdk) -> None:
    async with site.client(sdk) as client:
        async with Media() as media:
            call = await media.place(client, TONE, has_candidates=False)
            await media.until_answered(client, call)
            assert await media.hears(MILLIWATT)
            await client.bye(call)
        async with Media() as media:
            call = await _answers(site, client, media, has_candidates=False)
            assert await media.hears(MILLIWATT)
            await client.bye(call)


@platforms("a")
async def test_m055_an_answer_that_lists_codecs_beyond_the_chosen_one_gets_the_first_common(
    site: Site, sdk: Sdk
) -> None:
    """Android puts the offer's codecs back into its answer, in the offer's order (`SdpUtils`)."""
    async with site.client(sdk) as client, Media(codecs=("opus", "PCMU", "PCMA")) as media:
        call = await site.ring(client, "tone")
        offer = Sdp((await client.wait_for("telnyx_rtc.invite", call))["sdp"])
        answer = await media.browser.answer(offer)
        assert len(read(answer).payload_types) > 1
        await client.answer(call, answer)
        await media.connected()
        first = media.browser.codecs[0]
        media.codec = first

        assert await media.hears(MILLIWATT)
        await client.bye(call)


async def _answers(site: Site, client: MobileClient, media: Media, *, has_candidates: bool) -> str:
    """Take a call of the lab's tone; returns once it carries audio."""
    call = await site.ring(client, "tone")
    answer = await media.browser.answer(Sdp((await client.wait_for("telnyx_rtc.invite", call))["sdp"]))
    if not has_candidates:
        kept = [line for line in answer.split("\r\n") if not line.startswith("a=candidate")]
        answer = Sdp("\r\n".join(kept))
    await client.answer(call, answer)
    await media.connected()
    return call
