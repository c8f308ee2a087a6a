"""SIP phones call, and are called, like clients of an SDK."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from gateway.domain.ids import Sdp
from gateway.media.core.sdp import Setup
from gateway.sip.call import Answered, Cancelled, Ended, Provisional, Rejected
from gateway.sip.tls_settings import SipTlsSettings
from gateway.sip.transport.flow import Destination, Transport
from gateway.sip.transport.tls_contexts import TlsContexts
from tests.harness.gateway import Running, running
from tests.harness.verto_client import connected
from tests.wire.media.secured_trunk import DtlsTrunk
from tests.wire.sip.agents import PATIENCE, Inbound, Outcome
from tests.wire.sip.certificates import TestAuthority
from tests.wire.whole.phone import Phone, phone
from tests.wire.whole.sip_phone import sip_phone

TONE = "+12025550101"
NUMBER = "+12025550190"
SETTINGS = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}, "registrar": {"enabled": True}}
USERS = ("alice", "robert", "carol")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, SETTINGS, users=USERS) as started:
        yield started


async def until_no_call_is_live(gateway: Running) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await gateway.get("/v2/gateway/calls?state=live"))["data"]:
            pass


def behind_nat(user: str, destination: Destination, *, is_sips: bool = False) -> str:
    """A Contact that leads nowhere."""
    return f"sip:{user}@192.0.2.77:9;transport={destination.transport}"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_browser_calls_a_phone_behind_a_nat_and_both_hear_each_other(
    gateway: Running, transport: Transport
) -> None:
    async with (
        sip_phone(gateway, transport=transport) as desk,
        phone(gateway, "robert", codecs=("PCMU",)) as robert,
    ):
        desk.agent.endpoint.contact_uri = behind_nat  # type: ignore[method-assign]
        await desk.register(f"<sip:alice@192.0.2.77:9;transport={transport}>")

        call_id = await robert.call("alice")
        line = await desk.answers()
        await robert.until_answered(call_id)

        with line.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        await robert.hang_up(call_id)
        await line.until(Ended)


async def test_a_phone_over_tls_is_called_over_its_own_connection_whoever_vouches_for_it(tmp_path: Path) -> None:
    nobodys = TestAuthority.made(tmp_path).signs("phone", addresses=["127.0.0.1"])
    settings = {**SETTINGS, "sip": {"listen": ["udp:127.0.0.1:0", "tls:127.0.0.1:0"]}}
    async with running(tmp_path / "gateway", settings) as gateway:
        authority = gateway.gateway.ready.certificate_authority
        assert authority is not None
        contexts = TlsContexts(SipTlsSettings(certificate=nobodys), authorities={"127.0.0.1": Path(authority)})
        async with (
            sip_phone(gateway, transport="tls", tls=lambda: contexts) as desk,
            phone(gateway, "robert", codecs=("PCMU",)) as robert,
        ):
            await desk.register()

            call_id = await robert.call("alice")
            line = await desk.answers()
            await robert.until_answered(call_id)

            [seen] = [one for one in (await gateway.get("/v2/gateway/sessions"))["data"] if one["username"] == "alice"]
            assert seen["transport"] == "TLS"
            with line.speaking(440):
                assert await robert.hears(call_id, 440, codec="PCMU")
            await robert.hang_up(call_id)
            await line.until(Ended)


async def test_a_phone_calls_a_browser_and_the_call_is_a_record_of_its_connection(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, phone(gateway, "robert", codecs=("PCMU",)) as robert:
        line = await desk.calls("robert")
        call_id = await robert.until_rung()
        await line.until(Provisional)
        await robert.answer(call_id)
        await desk.until_answered(line)

        with line.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        line.leg.call.hangup()
        await robert.until_over(call_id)
        await until_no_call_is_live(gateway)

        [record] = (await gateway.get("/v2/gateway/calls"))["data"]
        assert (record["direction"], record["caller"], record["callee"]) == ("internal", "alice", "robert")
        assert record["connection_id"] == gateway.connections["alice"]


async def test_a_phone_that_requires_reliable_ringing_gets_it(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, phone(gateway, "robert", codecs=("PCMU",)) as robert:
        line = await desk.calls("robert", reliability="required")
        call_id = await robert.until_rung()

        await line.until(Provisional)

        await robert.answer(call_id)
        await desk.until_answered(line)
        line.leg.call.hangup()
        await robert.until_over(call_id)


async def test_a_phone_calls_a_number_of_the_lab(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        line = await desk.calls(TONE)
        await desk.until_answered(line)

        assert await line.hears(1004)
        line.leg.call.hangup()


async def test_early_media_of_a_trunk_reaches_a_phone_and_is_the_answer_as_well(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        line = await desk.calls("+12025550106")
        early = await line.until(Provisional)
        while isinstance(early, Provisional) and early.sdp is None:
            early = await line.until(Provisional)
        await desk.until_answered(line)

        line.leg.call.hangup()
        await until_no_call_is_live(gateway)


async def test_a_call_that_goes_on_to_a_phone_has_one_hop_less(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, sip_phone(gateway, "robert") as other:
        await other.register()
        line = await desk.calls("robert")

        far = await other.answers()

        assert isinstance(far.leg, Inbound)
        assert far.leg.call.max_forwards == 69
        await desk.until_answered(line)
        line.leg.call.hangup()


async def test_a_phone_calls_a_phone_holds_and_resumes(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, sip_phone(gateway, "robert") as other:
        await other.register()
        line = await desk.calls("robert")
        far = await other.answers()
        await desk.until_answered(line)
        with line.speaking(440), far.speaking(700):
            assert await far.hears(440)
            assert await line.hears(700)

            results = [Outcome(), Outcome()]
            line.leg.call.reinvite(Sdp(line.media.describe().replace("a=sendrecv", "a=sendonly")), results[0])
            held = await results[0].get()
            line.leg.call.reinvite(line.media.describe(), results[1])
            resumed = await results[1].get()

            assert isinstance(held, Answered) and "a=recvonly" in (held.sdp or "")
            assert isinstance(resumed, Answered) and "a=sendrecv" in (resumed.sdp or "")
            assert await far.hears(440)
        far.leg.call.hangup()
        await line.until(Ended)


async def test_a_number_that_nobody_serves_is_refused_as_to_a_client(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        line = await desk.calls("nobody")

        rejected = await line.until(Rejected)

        assert isinstance(rejected, Rejected)
        assert rejected.status == 404


async def test_every_phone_of_a_user_rings_and_the_first_to_answer_has_the_call(gateway: Running) -> None:
    async with (
        sip_phone(gateway) as desk,
        sip_phone(gateway, transport="tcp") as kitchen,
        phone(gateway, "robert", codecs=("PCMU",)) as robert,
    ):
        await desk.register()
        await kitchen.register()

        call_id = await robert.call("alice")
        at_desk, in_kitchen = await desk.rings(), await kitchen.rings()
        await kitchen.picks_up(in_kitchen)
        await robert.until_answered(call_id)

        cancelled = await at_desk.until(Cancelled)
        assert isinstance(cancelled, Cancelled)
        assert cancelled.q850 == 26
        with in_kitchen.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        await robert.hang_up(call_id)
        await in_kitchen.until(Ended)


async def test_who_declines_on_one_phone_declines_for_all(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, sip_phone(gateway) as kitchen, phone(gateway, "robert") as robert:
        await desk.register()
        await kitchen.register()

        call_id = await robert.call("alice")
        at_desk, in_kitchen = await desk.rings(), await kitchen.rings()
        desk.declines(at_desk, 603, "Decline")

        await in_kitchen.until(Cancelled)
        assert await robert.until_over(call_id) == ("CALL_REJECTED", 603)


async def test_a_busy_phone_lets_the_others_ring_and_is_the_answer_when_nobody_else_answers(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, sip_phone(gateway) as kitchen, phone(gateway, "robert") as robert:
        await desk.register()
        await kitchen.register()

        call_id = await robert.call("alice")
        at_desk, in_kitchen = await desk.rings(), await kitchen.rings()
        desk.declines(at_desk, 486, "Busy Here")
        kitchen.declines(in_kitchen, 503, "Service Unavailable")

        assert await robert.until_over(call_id) == ("USER_BUSY", 486)


async def test_a_caller_who_gives_up_stops_every_phone_from_ringing(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, sip_phone(gateway) as kitchen, phone(gateway, "robert") as robert:
        await desk.register()
        await kitchen.register()

        call_id = await robert.call("alice")
        lines = [await desk.rings(), await kitchen.rings()]
        await robert.hang_up(call_id)

        for line in lines:
            await line.until(Cancelled)


async def test_whoever_registered_last_rings_phone_or_browser(gateway: Running) -> None:
    async with (
        sip_phone(gateway) as desk,
        phone(gateway, "robert", codecs=("PCMU",)) as robert,
        phone(gateway, codecs=("PCMU",)) as browser,
    ):
        await robert.call("alice")
        first = await browser.until_rung()

        await desk.register()
        await robert.call("alice")
        await desk.rings()
        await desk.register()  # a refresh: not newer than a browser that comes after it
        async with connected(gateway.websocket) as verto:
            await verto.login("alice", "correct horse")
            await robert.call("alice")
            third = await Phone(verto, ("PCMU",)).until_rung()

        assert first != third


async def test_a_number_of_a_connection_rings_its_phone(gateway: Running) -> None:
    await gateway.gateway.provisioning.add_number(NUMBER, gateway.connections["alice"])
    async with sip_phone(gateway) as desk, phone(gateway, "robert") as robert:
        await desk.register()

        await robert.call(NUMBER)

        await desk.rings()


async def test_a_phone_transfers_its_call_to_another_user(gateway: Running) -> None:
    async with (
        sip_phone(gateway) as desk,
        sip_phone(gateway, "carol") as carols,
        phone(gateway, "robert", codecs=("PCMU",)) as robert,
    ):
        await desk.register()
        await carols.register()
        call_id = await robert.call("alice")
        line = await desk.answers()
        await robert.until_answered(call_id)
        outcome: asyncio.Queue[int] = asyncio.Queue()

        line.leg.call.refer(f"sip:carol@{gateway.sip()}", lambda progress: outcome.put_nowait(progress.status))
        far = await carols.answers()

        with far.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        async with asyncio.timeout(PATIENCE):
            while await outcome.get() != 200:
                pass
        await robert.hang_up(call_id)
        await far.until(Ended)


async def test_a_phone_joins_its_two_calls_in_an_attended_transfer(gateway: Running) -> None:
    async with (
        sip_phone(gateway) as desk,
        sip_phone(gateway, "carol") as carols,
        phone(gateway, "robert", codecs=("PCMU",)) as robert,
    ):
        await carols.register()
        first = await desk.calls("robert")
        call_id = await robert.until_rung()
        await robert.answer(call_id)
        await desk.until_answered(first)
        second = await desk.calls("carol")
        far = await carols.answers()
        await desk.until_answered(second)

        first.leg.call.refer(f"sip:carol@{gateway.sip()}", lambda _progress: None, replaces=second.leg.call.dialog)

        with far.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        await robert.hang_up(call_id)
        await far.until(Ended)


async def test_a_user_has_at_most_so_many_calls_with_all_phones_together(tmp_path: Path) -> None:
    settings = {**SETTINGS, "calls": {"stop_grace": 0.0, "max_calls_per_session": 1}}
    async with running(tmp_path, settings) as gateway, sip_phone(gateway) as desk, sip_phone(gateway) as kitchen:
        line = await desk.calls(TONE)
        await desk.until_answered(line)

        rejected = await (await kitchen.calls(TONE)).until(Rejected)

        assert isinstance(rejected, Rejected)
        assert rejected.status == 503
        line.leg.call.hangup()


async def test_a_phone_of_a_connection_that_demands_encryption_calls_and_is_called_by_dtls(gateway: Running) -> None:
    """Over UDP there are no keys in SDP."""
    await gateway.configure("alice", encrypted_media="SRTP")
    async with sip_phone(gateway) as desk, phone(gateway, "robert", codecs=("PCMU",)) as robert:
        desk.make_trunk = partial(DtlsTrunk, codecs=("PCMU",))
        line = await desk.calls("robert")
        call_id = await robert.until_rung()
        await robert.answer(call_id)
        await desk.until_answered(line)
        with line.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        line.leg.call.hangup()
        await robert.until_over(call_id)

        await desk.register()
        desk.make_trunk = partial(DtlsTrunk, codecs=("PCMU",), setup=Setup.ACTIVE)
        call_id = await robert.call("alice")
        line = await desk.answers()
        await robert.until_answered(call_id)
        with line.speaking(440):
            assert await robert.hears(call_id, 440, codec="PCMU")
        await robert.hang_up(call_id)


async def test_a_phone_of_a_connection_that_demands_encryption_cannot_call_in_plain(gateway: Running) -> None:
    await gateway.configure("alice", encrypted_media="SRTP")
    async with sip_phone(gateway) as desk, phone(gateway, "robert"):
        for destination in ("robert", TONE):
            rejected = await (await desk.calls(destination)).until(Rejected)

            assert isinstance(rejected, Rejected)
            assert (rejected.status, rejected.reason) == (488, "Media Encryption Required B3")


async def test_a_phone_with_an_address_for_a_domain_calls_by_the_way_it_registered(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, phone(gateway, "robert") as robert:
        await desk.register()

        await desk.calls("robert", from_uri=f"sip:alice@{gateway.sip()}")

        await robert.until_rung()


async def test_a_call_of_the_lab_still_comes_in_beside_registered_phones(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        await desk.register()

        await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "echo"})

        await desk.answers()
