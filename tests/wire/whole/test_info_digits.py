"""Digits towards trunks and SIP phones: by INFO, as tones, or as telephone-events, as each of them takes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.media.core.dtmf import EventSender
from gateway.media.core.rtp import RtpPacket
from gateway.sip.call import InfoDtmf
from tests.harness.gateway import Running, running
from tests.harness.log_lines import log_lines
from tests.wire.media import sound
from tests.wire.media.trunk import Trunk
from tests.wire.sip.agents import PATIENCE, Inbound, Peer
from tests.wire.sip.agents import running as user_agent
from tests.wire.whole.carrier import Carrier, Line, carrier
from tests.wire.whole.phone import Phone, phone
from tests.wire.whole.sip_phone import sip_phone
from tests.wire.whole.test_traces import Written

NUMBER = "+4930123456"
SETTINGS = {"calls": {"stop_grace": 0.0}, "registrar": {"enabled": True}}


@asynccontextmanager
async def town(folder: Path, **trunk: object) -> AsyncIterator[tuple[Running, Carrier]]:
    """A gateway with that trunk."""
    async with user_agent() as agent, AsyncExitStack() as stack:
        whole = {"name": "carrier", "uri": agent.uri().replace("bob@", ""), "accept_from": ["127.0.0.0/8"], **trunk}
        gateway = await stack.enter_async_context(running(folder, {**SETTINGS, "trunks": [whole]}))
        yield gateway, await stack.enter_async_context(carrier(agent, gateway))


def without_events() -> Trunk:
    """The media of a far end that knows nothing of telephone-event."""
    return Trunk(codecs=("PCMU",), has_events=False)


def offered(line: Line) -> str:
    """What the gateway has offered."""
    assert isinstance(line.leg, Inbound) and line.leg.call.offer is not None
    return line.leg.call.offer


async def told(line: Line, count: int) -> list[InfoDtmf]:
    """The next digits that come by INFO."""
    found: list[InfoDtmf] = []
    while len(found) < count:
        event = await line.until(InfoDtmf)
        assert isinstance(event, InfoDtmf)
        found.append(event)
    return found


def press(one: Phone, call: str, digits: str, *, duration: float) -> None:
    """Digits of a browser as telephone-events, all packets at once: no machine is too busy for their lengths."""
    sender, number = EventSender(digits, duration=duration, gap=0.1, clock_rate=8000, now=0.0), 0
    while (due := sender.next_deadline()) is not None:
        for event in sender.handle_timeout(due):
            ssrc = one.media[call].ssrc
            one.media[call].send(RtpPacket(126, number, event.timestamp_offset, ssrc, event.marker, event.payload))
            number += 1


async def test_digits_of_a_client_reach_a_trunk_by_info_in_order_however_the_client_sends_them(tmp_path: Path) -> None:
    async with town(tmp_path, dtmf="info") as (gateway, far), phone(gateway, codecs=["PCMU"]) as alice:
        far.make_trunk = without_events
        call = await alice.call(NUMBER)
        line = await far.answers()
        await alice.until_answered(call)

        await alice.verto.dtmf(call, "42#0")
        by_signalling = await told(line, 4)
        press(alice, call, "719", duration=0.16)
        by_media = await told(line, 3)

        assert "telephone-event" not in offered(line)
        assert by_signalling == [InfoDtmf(digit, 0.1) for digit in "42#0"]
        assert [one.digit for one in by_media] == list("719")
        assert [one.duration for one in by_media] == pytest.approx([0.16] * 3, abs=0.002)
        await alice.hang_up(call)


async def test_digits_reach_a_trunk_that_has_called_by_info(tmp_path: Path) -> None:
    async with town(tmp_path, dtmf="info") as (gateway, far), phone(gateway, codecs=["PCMU"]) as alice:
        line = await far.calls("alice")
        call = await alice.until_rung()
        await alice.answer(call)
        await far.until_answered(line)

        await alice.verto.dtmf(call, "18*")

        assert [one.digit for one in await told(line, 3)] == list("18*")
        await alice.hang_up(call)


async def test_trunk_that_does_not_take_the_telephone_events_it_is_offered_gets_infos(tmp_path: Path) -> None:
    async with town(tmp_path) as (gateway, far), phone(gateway, codecs=["PCMU"]) as alice:
        far.make_trunk = without_events
        call = await alice.call(NUMBER)
        line = await far.answers()
        await alice.until_answered(call)

        await alice.verto.dtmf(call, "42#")
        press(alice, call, "7", duration=0.16)

        assert "telephone-event" in offered(line)
        assert sorted(one.digit for one in await told(line, 4)) == sorted("42#7")
        await alice.hang_up(call)


async def test_inband_trunk_hears_digits_as_tones(tmp_path: Path) -> None:
    async with town(tmp_path, dtmf="inband") as (gateway, far), phone(gateway, codecs=["PCMU"]) as alice:
        far.make_trunk = without_events
        call = await alice.call(NUMBER)
        line = await far.answers()
        await alice.until_answered(call)

        heard: list[RtpPacket] = []
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            speaking = group.create_task(alice.say(call, 700.0, codec="PCMU", frames=1500))
            await alice.verto.dtmf(call, "42#")
            while sound.digits("PCMU", [packet.payload for packet in heard]) != "42#":
                heard.append(await line.media.packet())
            speaking.cancel()

        assert {packet.payload_type for packet in heard} == {0}
        await alice.hang_up(call)


async def test_phone_whose_connection_says_so_gets_digits_by_info(tmp_path: Path) -> None:
    async with running(tmp_path, SETTINGS) as gateway:
        await gateway.configure("alice", dtmf_type="SIP INFO")
        async with sip_phone(gateway) as desk, phone(gateway, "robert", codecs=("PCMU",)) as robert:
            desk.make_trunk = without_events
            await desk.register()
            call = await robert.call("alice")
            line = await desk.answers()
            await robert.until_answered(call)

            await robert.verto.dtmf(call, "18*")
            signalled = await told(line, 3)
            press(robert, call, "5", duration=0.2)
            (pressed,) = await told(line, 1)

            assert "telephone-event" not in offered(line)
            assert [one.digit for one in signalled] == list("18*")
            assert pressed.digit == "5"
            assert pressed.duration == pytest.approx(0.2, abs=0.002)
            await robert.hang_up(call)


async def answered(peer: Peer, one: Phone) -> str:
    """A call of that client, answered by a bare socket that knows no telephone-event."""
    call = await one.call(NUMBER)
    invite = await peer.expects("INVITE")
    media = await without_events().open()
    try:
        peer.answers(invite, 200, sdp=media.describe())
        await peer.expects("ACK")
        await one.until_answered(call)
    finally:
        await media.close()
    return call


async def test_trunk_that_refuses_info_gets_no_more_of_those_digits_and_keeps_its_call(tmp_path: Path) -> None:
    async with Peer.listening() as peer:
        trunk = {"name": "carrier", "uri": f"sip:127.0.0.1:{peer.address[1]}", "dtmf": "info"}
        settings = {**SETTINGS, "trunks": [trunk]}
        async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
            written = Written(gateway)
            call = await answered(peer, alice)
            with log_lines() as log:
                await alice.verto.dtmf(call, "718*")
                first = await peer.expects("INFO")
                peer.answers(first, 415, more=(("Accept", "application/sdp"),))
                await alice.verto.dtmf(call, "9")
                second = await peer.expects("INFO")
                peer.answers(second, 200)
                await alice.hang_up(call)
                peer.answers(await peer.expects("BYE"), 200)
                await written.until_titled("200 OK (BYE)")

        assert first.body == b"Signal=7\r\nDuration=100\r\n"
        assert second.body == b"Signal=9\r\nDuration=100\r\n"
        (missed,) = [line for line in log.lines if "digits_not_sent" in line]
        assert '"count": 4' in missed and '"sip_status": 415' in missed
        assert not any("Signal=7" in line or "Signal=9" in line or "718*" in line for line in log.lines)
        traced = [entry.body for _, entry in written.entries if entry.title.startswith("INFO")]
        assert [body.endswith(b"\r\n\r\nSignal=x\r\nDuration=100\r\n") for body in traced] == [True, True]
