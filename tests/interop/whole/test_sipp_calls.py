"""SIPp plays the trunk that calls the gateway, over UDP and TCP; a client with media rings, answers and listens."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.harness.gateway import Running
from tests.interop.sipp_runner import SippProcess, Transport, loopback_address
from tests.interop.whole.site import (
    audio_in,
    calling_sipp,
    digits_in,
    gateway_with_trunk,
    heard_so_far,
    methods,
)
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES
from tests.wire.whole.phone import Phone, phone

pytestmark = pytest.mark.interop

DIRECT_NUMBER = "+12025550190"


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    value: Transport = request.param
    return value


@asynccontextmanager
async def site(
    folder: Path, host: str, *, accept_from: str | None = None, codecs: Sequence[str] = ("PCMU",)
) -> AsyncIterator[tuple[Running, Phone]]:
    """A gateway that takes calls from `accept_from` (from that host, if nothing is said), and Alice's phone."""
    async with (
        gateway_with_trunk(folder / "gateway", f"sip:{host}:5060", accept_from=[accept_from or host]) as gateway,
        phone(gateway, codecs=codecs) as alice,
    ):
        yield gateway, alice


@asynccontextmanager
async def ringing(
    scenario: str,
    transport: Transport,
    folder: Path,
    *,
    codecs: Sequence[str] = ("PCMU",),
    service: str = "alice",
    pause_ms: int = 500,
) -> AsyncIterator[tuple[Phone, str, SippProcess]]:
    """SIPp has called, Alice's phone rings."""
    host = loopback_address()
    async with site(folder, host, codecs=codecs) as (gateway, alice):
        await gateway.gateway.provisioning.add_number(DIRECT_NUMBER, gateway.connections["alice"])
        async with calling_sipp(
            gateway, scenario, folder / "sipp", host=host, transport=transport, service=service, pause_ms=pause_ms
        ) as process:
            yield alice, await alice.until_rung(), process


@pytest.mark.parametrize(("service", "codec"), [("alice", "PCMU"), (DIRECT_NUMBER, "opus")])
async def test_call_of_the_trunk_rings_the_client_who_answers_and_hears_its_tone(
    transport: Transport, service: str, codec: str, tmp_path: Path
) -> None:
    async with ringing("uac_inbound_basic", transport, tmp_path, codecs=[codec], service=service, pause_ms=3000) as (
        alice,
        call,
        process,
    ):
        invite = await alice.verto.wait_for("telnyx_rtc.invite")
        await alice.answer(call)

        assert await alice.hears(call, 1000.0, codec=codec)
        assert (await alice.until_over(call))[0] == "NORMAL_CLEARING"
        assert invite["params"]["caller_id_name"] == "Test Caller"
        assert invite["params"]["caller_id_number"] == "tester"
        await process.succeeds()


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_digits_in_the_rtp_of_the_trunk_reach_the_client_as_telephone_events(
    transport: Transport, codec: str, tmp_path: Path
) -> None:
    async with ringing("uac_inbound_pcmu_dtmf", transport, tmp_path, codecs=[codec], pause_ms=100) as (
        alice,
        call,
        process,
    ):
        await alice.answer(call)

        await alice.until_over(call)

        assert digits_in(heard_so_far(alice, call)) == "123#"
        await process.succeeds()


async def test_custom_headers_of_the_trunk_are_in_the_invite_of_the_client(
    transport: Transport, tmp_path: Path
) -> None:
    async with ringing("uac_x_headers", transport, tmp_path) as (alice, call, process):
        invite = await alice.verto.wait_for("telnyx_rtc.invite")
        await alice.pick_up(call)

        headers = [(one["name"], one["value"]) for one in invite["params"]["dialogParams"]["custom_headers"]]
        assert ("X-Tenant", "acme-7") in headers
        assert ("X-Note", "=?utf-8?Q?gr=C3=BC=C3=9Fe?=") in headers
        assert [value for name, value in headers if name == "X-Multi"] == ["one", "two"]
        assert [value for name, value in headers if name.lower() == "x-lower-case"] == ["yes"]
        assert all(name.lower().startswith("x-") for name, _ in headers), "headers of SIP itself do not cross"
        assert (await alice.until_over(call))[0] == "NORMAL_CLEARING"
        await process.succeeds()


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_client_hears_the_trunk_without_a_break_while_it_holds_resumes_and_changes_its_codec(
    transport: Transport, codec: str, tmp_path: Path
) -> None:
    async with ringing("uac_reinvite", transport, tmp_path, codecs=[codec], pause_ms=1500) as (alice, call, process):
        await alice.answer(call)

        assert (await alice.until_over(call))[0] == "NORMAL_CLEARING"

        await process.succeeds()
        heard = audio_in(heard_so_far(alice, call))
        assert {(packet.payload_type, packet.ssrc) for packet in heard} == {(CODEC_LINES[codec][0], heard[0].ssrc)}
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(heard)} == {1}
        assert len(heard) > 125, "2.5 s of the 3.5 s at the least"
        windows = [heard[at : at + 25] for at in range(0, len(heard), 25)]
        with_tone = [sound.is_tone(sound.heard(codec, part), 1000.0, rate=sound.RATES[codec]) for part in windows]
        assert with_tone.count(False) <= 2, with_tone


async def test_caller_that_gives_up_while_it_rings_tells_the_client_so(transport: Transport, tmp_path: Path) -> None:
    async with ringing("uac_cancel", transport, tmp_path, pause_ms=300) as (alice, call, process):
        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert bye["cause"] == "ORIGINATOR_CANCEL"
        await process.succeeds()


async def test_client_that_rejects_a_call_is_busy_for_the_trunk(transport: Transport, tmp_path: Path) -> None:
    async with ringing("uac_expect_486", transport, tmp_path) as (alice, call, process):
        await alice.verto.bye(call, cause="USER_BUSY", code=17)

        await process.succeeds()


async def test_stranger_gets_403_and_nobody_rings(transport: Transport, tmp_path: Path) -> None:
    host = loopback_address()
    async with (
        site(tmp_path, host, accept_from="192.0.2.1") as (gateway, alice),
        calling_sipp(gateway, "uac_expect_403", tmp_path / "sipp", host=host, transport=transport) as process,
    ):
        await process.succeeds()
        await alice.verto.request("telnyx_rtc.gatewayState", {})

        assert "invite" not in methods(alice)
        assert gateway.gateway.directory.live() == []
