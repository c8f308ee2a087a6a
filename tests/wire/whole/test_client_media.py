"""What codecs, digits and encryption of a connection do to its client's calls (rest-v2 A.2.1, H.1 B3)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.domain.ids import Sdp
from gateway.media.core.dtmf import EventReceiver, EventSender
from gateway.media.core.rtp import RtpPacket, timestamp_delta
from gateway.sip.call import Rejected
from tests.harness.gateway import Running, running
from tests.harness.log_lines import log_lines
from tests.wire.media import sound
from tests.wire.media.browser import EVENT_LINES, read
from tests.wire.sip.agents import Agent
from tests.wire.sip.agents import running as user_agent
from tests.wire.whole.carrier import Carrier, Line, carrier
from tests.wire.whole.phone import Phone, phone

ECHO = "+12025550100"
B3 = "Media Encryption Required B3"


@dataclass
class Town:
    """A gateway with a lab and a carrier."""

    gateway: Running
    agent: Agent
    carrier: Carrier

    async def called(self, one: Phone, user: str = "alice") -> tuple[str, Line]:
        """An answered call of the carrier to that user's phone."""
        line = await self.carrier.calls(user)
        call = await one.until_rung()
        await one.answer(call)
        await self.carrier.until_answered(line)
        return call, line

    async def codecs(self) -> tuple[str, str]:
        """Of both legs of the only call."""
        (live,) = (await self.gateway.get("/v2/gateway/calls?state=live"))["data"]
        return live["codec_a"], live["codec_b"]


@pytest_asyncio.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with user_agent() as agent, AsyncExitStack() as stack:
        trunk = {"name": "carrier", "uri": agent.uri().replace("bob@", ""), "accept_from": ["127.0.0.0/8"]}
        settings = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        gateway = await stack.enter_async_context(running(tmp_path, settings))
        yield Town(gateway, agent, await stack.enter_async_context(carrier(agent, gateway)))


async def offered(one: Phone) -> list[str]:
    """The formats that the gateway has offered to a phone, in their order."""
    invite = await one.verto.wait_for("telnyx_rtc.invite")
    description = read(Sdp(invite["params"]["sdp"]))
    names = dict(line.split(" ", 1) for line in description.all("rtpmap"))
    return [names[str(number)].partition("/")[0] for number in description.payload_types]


def events(line: Line, digits: str, *, duration: float, gap: float = 0.1) -> list[tuple[float, RtpPacket]]:
    """Digits of the carrier as telephone-events, and after how many seconds each packet is due."""
    packets: list[tuple[float, RtpPacket]] = []
    sender = EventSender(digits, duration=duration, gap=gap, clock_rate=8000, now=0.0)
    while (due := sender.next_deadline()) is not None:
        for event in sender.handle_timeout(due):
            number = len(packets)
            packet = RtpPacket(101, number, event.timestamp_offset, line.media.ssrc, event.marker, event.payload)
            packets.append((due, packet))
    return packets


async def press(line: Line, digits: str, *, duration: float) -> None:
    """Digits in time; returns when the last packet has left."""
    loop = asyncio.get_running_loop()
    began, done, stream = loop.time(), loop.create_future(), events(line, digits, duration=duration)
    for due, packet in stream:
        loop.call_at(began + due, line.media.send, packet)
    loop.call_at(began + stream[-1][0] + 0.02, done.set_result, None)
    await done


def press_at_once(line: Line, digits: str, *, duration: float) -> None:
    """The same as after a hiccup of the network: no machine is too busy for their lengths to be right."""
    for _, packet in events(line, digits, duration=duration):
        line.media.send(packet)


async def hears_digits(one: Phone, call: str, digits: str) -> list[RtpPacket]:
    """What comes until these digits have been heard as tones, one after the other, none equal to the one before.

    Where the machine stands still for longer than a digit may pause, it is heard twice.
    """
    heard: list[RtpPacket] = []
    found = ""
    async with asyncio.timeout(30):
        while found != digits:
            heard += await one.listen(call, codec="PCMU", frames=5)
            found = "".join(digit for digit, _ in groupby(sound.digits("PCMU", [packet.payload for packet in heard])))
    return heard


def assert_unbroken(packets: Sequence[RtpPacket]) -> None:
    """One stream of G.711 and nothing else."""
    assert {packet.payload_type for packet in packets} == {0}
    sound.assert_unbroken(packets)


def lengths(packets: Sequence[RtpPacket]) -> list[float]:
    """Seconds of each tone, by the timestamps of its frames: where the machine stood still, some are left out."""
    found: list[float] = []
    before: RtpPacket | None = None
    for packet in packets:
        if not sound.digits("PCMU", [packet.payload]):
            before = None
        elif before is None:
            found, before = [*found, sound.FRAME], packet
        else:
            step = timestamp_delta(packet.timestamp, before.timestamp) / sound.RATES["PCMU"]
            found, before = [*found[:-1], found[-1] + step], packet
    return found


@pytest.mark.parametrize(
    ("wished", "formats", "spoken"),
    [
        (["G711A", "G729", "OPUS"], ["PCMA", "opus"], ("PCMU", "PCMA")),
        (["H.264", "OPUS", "G711U"], ["opus", "PCMU"], ("PCMU", "opus")),
        (["G711U", "OPUS", "G711A"], ["PCMU", "opus", "PCMA"], ("PCMU", "PCMU")),
    ],
)
async def test_client_is_offered_the_codecs_of_its_connection_in_their_order(
    town: Town, wished: list[str], formats: list[str], spoken: tuple[str, str]
) -> None:
    await town.gateway.configure("alice", inbound={"codecs": wished})
    async with phone(town.gateway) as alice:
        call, line = await town.called(alice)

        assert [name for name in await offered(alice) if name != "telephone-event"] == formats
        assert await town.codecs() == spoken
        with line.speaking(700.0):
            assert await alice.hears(call, 700.0, codec=spoken[1])
        await alice.hang_up(call)


async def test_trunk_leg_follows_to_a_codec_that_it_has_offered_as_well(town: Town) -> None:
    await town.gateway.configure("alice", inbound={"codecs": ["G711A", "G711U"]})
    async with phone(town.gateway) as alice:
        await town.gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "tone"})
        call = await alice.until_rung()
        await alice.answer(call)

        assert await alice.hears(call, 1004.0, codec="PCMA")
        assert await town.codecs() == ("PCMA", "PCMA")
        await alice.hang_up(call)


async def test_call_to_a_client_that_may_use_nothing_that_is_spoken_here_is_refused(town: Town) -> None:
    await town.gateway.configure("alice", inbound={"codecs": ["G729", "H.264"]})
    async with phone(town.gateway) as alice, phone(town.gateway, "robert") as robert:
        line = await town.carrier.calls("alice")
        refused = await line.until(Rejected)
        assert isinstance(refused, Rejected)
        call = await robert.call("alice")

        assert (refused.status, refused.reason) == (488, "No Codec Of The Connection Is Spoken Here")
        assert await robert.until_over(call) == ("INCOMPATIBLE_DESTINATION", 488)
        assert not [one for one in alice.verto.messages if one["method"] == "telnyx_rtc.invite"]


async def test_outbound_call_goes_by_what_the_client_offers_whatever_its_connection_says(town: Town) -> None:
    await town.gateway.configure("alice", inbound={"codecs": ["OPUS"]})
    async with phone(town.gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)

        assert await town.codecs() == ("PCMU", "PCMU")
        await alice.hang_up(call)


async def test_inband_client_hears_the_digits_of_the_trunk_as_tones_in_an_unbroken_stream(town: Town) -> None:
    await town.gateway.configure("alice", dtmf_type="Inband")
    async with phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.called(alice)
        async with asyncio.TaskGroup() as group:
            group.create_task(press(line, "4#429", duration=0.16))
            heard = await hears_digits(alice, call, "4#429")
        heard += await alice.listen(call, codec="PCMU", frames=10)

        assert "telephone-event" not in await offered(alice)
        assert_unbroken(heard)
        await alice.hang_up(call)


@pytest.mark.parametrize(("digits", "duration"), [("7", 1.5), ("1123", 0.16)])
async def test_inband_client_hears_each_digit_for_as_long_as_it_was(town: Town, digits: str, duration: float) -> None:
    await town.gateway.configure("alice", dtmf_type="Inband")
    async with phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.called(alice)
        press_at_once(line, digits, duration=duration)

        heard: list[RtpPacket] = []
        async with asyncio.timeout(30):
            while len(lengths(heard)) < len(digits) or lengths(heard[-5:]):
                heard += await alice.listen(call, codec="PCMU", frames=5)

        assert_unbroken(heard)
        assert lengths(heard) == pytest.approx([duration] * len(digits), abs=0.041)
        await alice.hang_up(call)


async def test_inband_caller_hears_digits_that_the_other_client_sends_by_signalling(town: Town) -> None:
    await town.gateway.configure("alice", dtmf_type="Inband")
    async with phone(town.gateway, codecs=["PCMU"]) as alice, phone(town.gateway, "robert", codecs=["PCMU"]) as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)

        await robert.verto.dtmf(theirs, "18*")

        assert_unbroken(await hears_digits(alice, call, "18*"))
        answer = await alice.verto.wait_for("telnyx_rtc.answer", call_id=call)
        assert "telephone-event" not in answer["params"]["sdp"]
        assert "telephone-event" in (await robert.verto.wait_for("telnyx_rtc.invite"))["params"]["sdp"]
        await alice.hang_up(call)


async def test_sip_info_client_is_told_each_digit_with_its_length_and_hears_none(town: Town) -> None:
    await town.gateway.configure("alice", dtmf_type="SIP INFO")
    async with phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.called(alice)

        press_at_once(line, "4#42", duration=0.16)
        await alice.verto.wait_for("telnyx_rtc.info", count=4)
        heard = await alice.listen(call, codec="PCMU", frames=60)

        told = [one["params"] for one in alice.verto.messages if one["method"] == "telnyx_rtc.info"]
        assert [one["dtmf"] for one in told] == list("4#42")
        assert [one["duration"] for one in told] == pytest.approx([160] * 4, abs=1)
        assert {one["callID"] for one in told} == {call}
        assert "telephone-event" not in await offered(alice)
        assert sound.digits("PCMU", [packet.payload for packet in heard]) == ""
        await alice.hang_up(call)


async def test_sip_info_caller_is_told_the_digits_of_another_clients_signalling(town: Town) -> None:
    await town.gateway.configure("alice", dtmf_type="SIP INFO")
    async with phone(town.gateway, codecs=["PCMU"]) as alice, phone(town.gateway, "robert", codecs=["PCMU"]) as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)

        await robert.verto.dtmf(theirs, "18*")

        told = (await alice.verto.wait_for("telnyx_rtc.info"))["params"]
        assert (told["callID"], told["dtmf"]) == (call, "18*")
        assert "duration" not in told
        await alice.hang_up(call)


async def test_rfc_2833_client_gets_telephone_events_and_neither_tones_nor_infos(town: Town) -> None:
    async with phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.called(alice)
        await press(line, "4#42", duration=0.16)

        numbers, receiver, digits = [number for number, _ in EVENT_LINES], EventReceiver(8000), ""
        async with asyncio.timeout(30):
            while len(digits) < 4:
                packet = await alice.media[call].received.get()
                if packet.payload_type in numbers:
                    digits += "".join(one.digit for one in receiver.receive(packet, 0.0))

        assert digits == "4#42"
        assert "telephone-event" in await offered(alice)
        assert not [one for one in alice.verto.messages if one["method"] == "telnyx_rtc.info"]
        await alice.hang_up(call)


@pytest.mark.parametrize("mode", ["RFC 2833", "Inband", "SIP INFO"])
async def test_digits_of_the_client_reach_the_trunk_whatever_it_takes_itself(town: Town, mode: str) -> None:
    await town.gateway.configure("alice", dtmf_type=mode)
    async with phone(town.gateway, codecs=["PCMU"]) as alice:
        _, line = await town.called(alice)
        call = await alice.until_rung()

        await alice.verto.dtmf(call, "42#")

        receiver, digits = EventReceiver(8000), ""
        async with asyncio.timeout(30):
            while len(digits) < 3:
                packet = await line.media.packet()
                if packet.payload_type == 101:
                    digits += "".join(one.digit for one in receiver.receive(packet, 0.0))
        assert digits == "42#"
        await alice.hang_up(call)


@pytest.mark.parametrize("mode", ["RFC 2833", "Inband", "SIP INFO"])
async def test_no_digit_reaches_the_log_even_at_debug_level(town: Town, mode: str) -> None:
    await town.gateway.configure("alice", dtmf_type=mode)
    async with phone(town.gateway, codecs=["PCMU"]) as alice, phone(town.gateway, "robert", codecs=["PCMU"]) as robert:
        with log_lines() as log:
            call = await alice.call("robert")
            theirs = await robert.until_rung()
            await robert.answer(theirs)
            await alice.until_answered(call)
            await robert.verto.dtmf(theirs, "#718*")
            await alice.verto.dtmf(call, "#718*")
            await alice.hang_up(call)

    assert any("telnyx_rtc.info" in line for line in log.lines)
    assert not any("#718" in line for line in log.lines if "telnyx_rtc.info" in line or "digit" in line)


async def test_trunk_that_calls_a_client_which_demands_encryption_is_refused(town: Town) -> None:
    await town.gateway.configure("alice", encrypted_media="SRTP")
    async with phone(town.gateway) as alice:
        refused = await (await town.carrier.calls("alice")).until(Rejected)

        assert isinstance(refused, Rejected)
        assert (refused.status, refused.reason, refused.q850) == (488, B3, 21)
        assert not [one for one in alice.verto.messages if one["method"] == "telnyx_rtc.invite"]


@pytest.mark.parametrize("destination", [ECHO, "+4930123456"])
async def test_client_that_demands_encryption_calls_no_trunk(town: Town, destination: str) -> None:
    await town.gateway.configure("alice", encrypted_media="SRTP")
    async with phone(town.gateway) as alice:
        call = await alice.call(destination)
        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert (bye["cause"], bye["causeCode"]) == ("CALL_REJECTED", 21)
        assert (bye["sipCode"], bye["sipReason"]) == (488, B3)
        assert town.agent.came.empty()


async def test_clients_that_demand_encryption_talk_to_each_other(town: Town) -> None:
    for user in ("alice", "robert"):
        await town.gateway.configure(user, encrypted_media="SRTP")
    async with phone(town.gateway) as alice, phone(town.gateway, "robert") as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)

        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(alice.say(call, 700.0, codec="opus", frames=300))
            assert await robert.hears(theirs, 700.0, codec="opus")
            speaking.cancel()
        await alice.hang_up(call)


@pytest.mark.parametrize("protocol", ["RTP/SAVP", "RTP/SAVPF"])
async def test_trunk_that_offers_srtp_is_told_so_and_nobody_rings(town: Town, protocol: str) -> None:
    async with phone(town.gateway) as alice:
        key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
        line = await town.carrier.calls("alice", offer=lambda sdp: Sdp(sdp.replace("RTP/AVP", protocol) + key + "\r\n"))
        refused = await line.until(Rejected)

        assert isinstance(refused, Rejected)
        assert (refused.status, refused.reason) == (488, B3)
        assert not [one for one in alice.verto.messages if one["method"] == "telnyx_rtc.invite"]
